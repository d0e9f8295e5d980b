//! A plugin for the host's tests: of an ABI that is yet to come.

/// As [`backout_protocol::abi::PluginEntry`] may begin some day.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    abi: u32,
    size: u32,
    manifest: &'static [u8; 71],
}

#[used]
#[expect(unsafe_code, reason = "a section of the library")]
#[unsafe(link_section = ".backout")]
static MANIFEST: [u8; 71] = *br#"{"id":"alien","version":"9","api":[[1,0],[9,0]],"about":"From beyond."}"#;

/// The entry.
#[allow(non_upper_case_globals, reason = "the ABI's own spelling")]
#[expect(unsafe_code, reason = "an exported symbol")]
#[unsafe(no_mangle)]
pub static backout_plugin: Entry = Entry { abi: 999, size: 16, manifest: &MANIFEST };
