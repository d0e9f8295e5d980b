//! The resource section: three levels of tables and one version resource.

use super::Bytes;
use backout_protocol::FileVersion;

const RT_VERSION: u32 = 16;
/// Japanese, and UTF-16 as the code page of its texts.
const LANGUAGE: u16 = 0x411;
const CODE_PAGE: u16 = 1200;
const SUBTABLE: u32 = 0x8000_0000;
/// A table with one entry: header and entry.
const TABLE: u32 = 16 + 8;

/// The bytes of the section when it lies at `rva` in memory.
pub(super) fn section(version: FileVersion, salt: &str, rva: u32) -> Vec<u8> {
    let info = version_info(version, salt);
    let mut section = Bytes(Vec::new());
    let (data_entry, data) = (3 * TABLE, 3 * TABLE + 16);
    for (id, to) in
        [(RT_VERSION, SUBTABLE | TABLE), (1, SUBTABLE | (2 * TABLE)), (LANGUAGE.into(), data_entry)]
    {
        // Table: flags, time stamp, version, no named entry, one entry by number.
        section.u32(0).u32(0).u16(0).u16(0).u16(0).u16(1).u32(id).u32(to);
    }
    section.u32(rva + data).u32(info.len() as u32).u32(0).u32(0).put(&info);
    section.0
}

fn version_info(version: FileVersion, salt: &str) -> Vec<u8> {
    let [a, b, c, d] = version.0;
    let mut fixed = Bytes(Vec::new());
    // Signature, structure version 1.0, file version, product version (high word first).
    fixed.u32(0xfeef_04bd).u32(0x1_0000).u16(b).u16(a).u16(d).u16(c).u16(b).u16(a).u16(d).u16(c);
    // Flags that count, flags, Windows, a library, no subtype, no date.
    fixed.u32(0x3f).u32(0).u32(0x4_0004).u32(2).u32(0).u32(0).u32(0);

    let text = |key: &str, value: &str| {
        let mut utf16 = Bytes(Vec::new());
        utf16.utf16z(value);
        block(key, Value::Text(&utf16.0), &[])
    };
    let texts = [text("FileDescription", salt), text("FileVersion", &version.to_string())];
    let table = block(&format!("{LANGUAGE:04x}{CODE_PAGE:04x}"), Value::None, &texts);
    let mut translation = Bytes(Vec::new());
    translation.u16(LANGUAGE).u16(CODE_PAGE);
    let translation = block("Translation", Value::Binary(&translation.0), &[]);
    let parts =
        [block("StringFileInfo", Value::None, &[table]), block("VarFileInfo", Value::None, &[translation])];
    block("VS_VERSION_INFO", Value::Binary(&fixed.0), &parts)
}

enum Value<'a> {
    None,
    Binary(&'a [u8]),
    /// UTF-16 with its NUL; its length counts units, not bytes.
    Text(&'a [u8]),
}

/// One block: length, value length, type, key, value, inner blocks; each part begins at a multiple of four, which the
/// length of a block does not include at its own end.
fn block(key: &str, value: Value<'_>, inner: &[Vec<u8>]) -> Vec<u8> {
    let (bytes, len, kind) = match value {
        Value::None => (&[][..], 0, 1),
        Value::Binary(bytes) => (bytes, bytes.len(), 0),
        Value::Text(bytes) => (bytes, bytes.len() / 2, 1),
    };
    let mut block = Bytes(Vec::new());
    block.u16(0).u16(len as u16).u16(kind).utf16z(key).align(4).put(bytes);
    for part in inner {
        block.align(4).put(part);
    }
    let len = block.0.len() as u16;
    block.0[..2].copy_from_slice(&len.to_le_bytes());
    block.0
}
