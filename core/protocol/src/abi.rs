//! The C ABI between host and plugin: one exported data symbol, JSON bytes pushed through a sink.
//!
//! Memory never changes owner: each side reads the other's bytes during the call only.

use core::ffi::c_void;

/// The name of the symbol every plugin exports.
pub const SYMBOL: &[u8] = b"backout_plugin\0";
/// The section of the library file that holds the manifest, readable without loading.
pub const SECTION: &str = ".backout";
/// Version of the C structs below. Another number: not loaded.
pub const ABI: u32 = 1;
/// Version of the messages this tool speaks: (major, minor).
pub const API: (u16, u16) = (1, 1);
/// The lowest version of the messages that this tool still speaks.
pub const OLDEST_API: (u16, u16) = (1, 0);

/// What a plugin exports under [`SYMBOL`].
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PluginEntry {
    /// [`ABI`] of the plugin.
    pub abi: u32,
    /// Size of this struct as the plugin knows it.
    pub size: u32,
    /// The manifest's JSON bytes; the same as in [`SECTION`].
    pub manifest: *const u8,
    /// Their number.
    pub manifest_len: usize,
    /// Answers one request. Never unwinds.
    pub call: CallFn,
}

// The entry is constant data: the pointers lead to statics of the library, which is never unloaded.
#[expect(unsafe_code, reason = "raw pointers to the library's own constant data")]
unsafe impl Sync for PluginEntry {}

/// Takes the request's JSON bytes, pushes the answer's JSON bytes through `sink`, returns [`DONE`] or [`BROKEN`].
pub type CallFn =
    unsafe extern "C" fn(request: *const u8, request_len: usize, sink: SinkFn, context: *mut c_void) -> i32;

/// Receives bytes of an answer; may be called more than once. Returns 0 to go on, else the plugin must stop.
pub type SinkFn = unsafe extern "C" fn(context: *mut c_void, bytes: *const u8, len: usize) -> i32;

/// The answer was pushed.
pub const DONE: i32 = 0;
/// The plugin failed in a way it cannot put into an answer (a panic, say).
pub const BROKEN: i32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{align_of, offset_of, size_of};

    /// Plugins are built once and loaded by every later backout: these numbers never change under one [`ABI`].
    #[test]
    fn the_structs_and_numbers_are_frozen() {
        let word = size_of::<usize>();
        assert_eq!((ABI, DONE, BROKEN, SYMBOL, SECTION), (1, 0, 1, &b"backout_plugin\0"[..], ".backout"));
        assert_eq!(offset_of!(PluginEntry, abi), 0);
        assert_eq!(offset_of!(PluginEntry, size), 4);
        assert_eq!(offset_of!(PluginEntry, manifest), 8);
        assert_eq!(offset_of!(PluginEntry, manifest_len), 8 + word);
        assert_eq!(offset_of!(PluginEntry, call), 8 + 2 * word);
        assert_eq!((size_of::<PluginEntry>(), align_of::<PluginEntry>()), (8 + 3 * word, word));
        assert_eq!((size_of::<CallFn>(), size_of::<SinkFn>()), (word, word));
    }
}
