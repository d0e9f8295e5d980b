//! The C side of a plugin: one data symbol, one function, no panic ever crosses it.

use crate::{Component, answer, failure, logger};
use backout_protocol::{
    abi::{BROKEN, DONE, SinkFn},
    message::Answer,
};
use core::ffi::c_void;
use std::{any::Any, panic::catch_unwind};

/// Exports a type that implements [`Component`] as the plugin of this library.
///
/// Puts the manifest into the library's `.backout` section and defines the symbol `backout_plugin`.
#[macro_export]
macro_rules! export_component {
    ($component:ty) => {
        const _: () = {
            const LEN: usize = $crate::manifest::len::<$component>(env!("CARGO_PKG_VERSION"));
            #[used]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".backout"))]
            static MANIFEST: [u8; LEN] = $crate::manifest::json::<$component, LEN>(env!("CARGO_PKG_VERSION"));

            struct Exported;
            impl $crate::export::Version for Exported {
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            }

            #[allow(non_upper_case_globals, reason = "the ABI's own spelling")]
            #[unsafe(no_mangle)]
            pub static backout_plugin: $crate::protocol::abi::PluginEntry =
                $crate::protocol::abi::PluginEntry {
                    abi: $crate::protocol::abi::ABI,
                    size: ::core::mem::size_of::<$crate::protocol::abi::PluginEntry>() as u32,
                    manifest: MANIFEST.as_ptr(),
                    manifest_len: LEN,
                    call: $crate::export::call::<$component, Exported>,
                };
        };
    };
}

/// The version of the plugin's own package; the macro implements it.
pub trait Version {
    /// As in its `Cargo.toml`.
    const VERSION: &'static str;
}

/// Answers one request of the host through `sink`. A panic of the component becomes an answer too.
///
/// # Safety
/// `request` leads to `len` readable bytes (or `len` is 0), and `sink` may be called with `context`; both during this
/// call only.
#[expect(unsafe_code, reason = "the plugin's end of the C ABI")]
pub unsafe extern "C" fn call<C: Component, V: Version>(
    request: *const u8,
    len: usize,
    sink: SinkFn,
    context: *mut c_void,
) -> i32 {
    let answered = catch_unwind(|| {
        logger::start();
        // SAFETY: the host keeps the bytes alive and unchanged during the call; a null pointer is never read.
        let bytes = if len == 0 || request.is_null() {
            &[][..]
        } else {
            unsafe { std::slice::from_raw_parts(request, len) }
        };
        answer::answer::<C>(bytes, V::VERSION).ok()
    });
    let bytes = match answered {
        Ok(bytes) => bytes,
        Err(panic) => catch_unwind(std::panic::AssertUnwindSafe(|| panicked(panic.as_ref()))).ok().flatten(),
    };
    let Some(bytes) = bytes else { return BROKEN };
    // SAFETY: the host's promise about `sink` and `context`; the bytes live until it returns.
    match unsafe { sink(context, bytes.as_ptr(), bytes.len()) } {
        0 => DONE,
        _ => BROKEN,
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Option<Vec<u8>> {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the plugin panicked: {}", text.unwrap_or("no words"));
    serde_json::to_vec(&Answer::Failed(failure(message))).ok()
}
