//! A plugin for the host's tests: its configuration says how it misbehaves.

use backout_plugin::{
    Ask, Component, Machine, failure,
    protocol::{
        abi,
        message::{Failure, Proposal},
    },
    schemars,
};
use core::ffi::c_void;
use serde::Deserialize;

/// Misbehaves.
#[derive(Debug, Default)]
pub struct Rude;

/// How.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Config {
    /// By panicking.
    Panic,
    /// By saying that it cannot.
    Fail,
    /// Not at all.
    Behave,
}

impl Component for Rude {
    const ID: &'static str = "rude";
    const ABOUT: &'static str = "Misbehaves as it is told to.";
    type Config = Config;

    fn plan(&self, ask: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> {
        match ask.config {
            Config::Panic => panic!("as I was told"),
            Config::Fail => Err(failure("I cannot")),
            Config::Behave => Ok(Proposal::default()),
        }
    }
}

struct Own;
impl backout_plugin::export::Version for Own {
    const VERSION: &'static str = "0.0.1";
}

const LEN: usize = backout_plugin::manifest::len::<Rude>("0.0.1");
#[used]
#[expect(unsafe_code, reason = "a section of the library")]
#[unsafe(link_section = ".backout")]
static MANIFEST: [u8; LEN] = backout_plugin::manifest::json::<Rude, LEN>("0.0.1");

/// The entry, written by hand, as an author without the macro might.
#[allow(non_upper_case_globals, reason = "the ABI's own spelling")]
#[expect(unsafe_code, reason = "an exported symbol")]
#[unsafe(no_mangle)]
pub static backout_plugin: abi::PluginEntry = abi::PluginEntry {
    abi: abi::ABI,
    size: size_of::<abi::PluginEntry>() as u32,
    manifest: MANIFEST.as_ptr(),
    manifest_len: LEN,
    call,
};

#[expect(unsafe_code, reason = "the plugin's end of the C ABI")]
unsafe extern "C" fn call(request: *const u8, len: usize, sink: abi::SinkFn, context: *mut c_void) -> i32 {
    // SAFETY: the host's promise.
    let text = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(request, len) });
    let push = |bytes: &[u8]| unsafe { sink(context, bytes.as_ptr(), bytes.len()) };
    if text.contains("unknown-field") {
        push(br#"{"proposal":{"steps":[],"extra":true}}"#);
        abi::DONE
    } else if text.contains("unknown-step") {
        push(br#"{"proposal":{"steps":[{"format-disk":{}}]}}"#);
        abi::DONE
    } else if text.contains("silence") {
        abi::DONE
    } else if text.contains("give-up") {
        abi::BROKEN
    } else if text.contains("flood") {
        let piece = vec![b' '; 1 << 20];
        while push(&piece) == 0 {}
        abi::DONE
    } else {
        // SAFETY: handed on as it came.
        unsafe { backout_plugin::export::call::<Rude, Own>(request, len, sink, context) }
    }
}
