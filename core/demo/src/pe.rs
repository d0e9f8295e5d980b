//! Small PE files with a version resource.

mod resource;

use backout_protocol::{FileVersion, MachineType};

const FILE_ALIGNMENT: usize = 0x200;
const SECTION_ALIGNMENT: u32 = 0x1000;
/// Where the one section lies in memory: behind the headers' page.
const SECTION_RVA: u32 = SECTION_ALIGNMENT;
const PE_OFFSET: usize = 0x80;
/// Prints a sentence and ends, for whoever runs the file under DOS.
const DOS_STUB: &[u8] =
    b"\x0e\x1f\xba\x0e\x00\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21This program cannot be run in DOS mode.\r\r\n$";

/// The two shapes of the optional header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Pe32,
    Pe32Plus,
}

/// Makes a PE file for `machine` that holds nothing but its version resource. Without a version it holds nothing but
/// the salt. Files of another machine type, version or salt have other bytes; all of the same have the same.
pub fn pe(machine: MachineType, version: Option<FileVersion>, salt: &str) -> Vec<u8> {
    let (number, width) = match machine {
        MachineType::X86 => (0x14c, Width::Pe32),
        MachineType::X64 => (0x8664, Width::Pe32Plus),
        MachineType::Other(number) => (number, Width::Pe32Plus),
    };
    let (name, section) = match version {
        Some(version) => (*b".rsrc\0\0\0", resource::section(version, salt, SECTION_RVA)),
        // A section must not be empty.
        None => (*b".rdata\0\0", [salt.as_bytes(), b"\0"].concat()),
    };
    let raw_size = section.len().next_multiple_of(FILE_ALIGNMENT);
    let optional = optional_header(width, section.len() as u32, raw_size as u32, version.is_some());

    let mut file = Bytes(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0\x40\0\0\0".to_vec());
    file.pad_to(0x3c).u32(PE_OFFSET as u32).put(DOS_STUB).pad_to(PE_OFFSET);
    // COFF header: machine, one section, no time stamp, no symbols; executable, a library (so it needs no entry point).
    let kind = if width == Width::Pe32 { 0x2102 } else { 0x2022 };
    file.put(b"PE\0\0").u16(number).u16(1).u32(0).u32(0).u32(0).u16(optional.len() as u16).u16(kind);
    file.put(&optional);
    // Section header: sizes and places in memory and file, no relocations, initialised data, readable.
    file.put(&name)
        .u32(section.len() as u32)
        .u32(SECTION_RVA)
        .u32(raw_size as u32)
        .u32(FILE_ALIGNMENT as u32);
    file.u32(0).u32(0).u32(0).u32(0x4000_0040);
    file.pad_to(FILE_ALIGNMENT).put(&section).pad_to(FILE_ALIGNMENT + raw_size);
    file.0
}

fn optional_header(width: Width, size: u32, raw_size: u32, has_resources: bool) -> Vec<u8> {
    let mut header = Bytes(Vec::new());
    let wide = |header: &mut Bytes, value: u64| match width {
        Width::Pe32 => _ = header.u32(value as u32),
        Width::Pe32Plus => _ = header.put(&value.to_le_bytes()),
    };
    header.u16(if width == Width::Pe32 { 0x10b } else { 0x20b }).u16(14);
    // No code, initialised data only; no entry point; where code would start, and for 32 bits where data does.
    header.u32(0).u32(raw_size).u32(0).u32(0).u32(SECTION_RVA);
    if width == Width::Pe32 {
        header.u32(SECTION_RVA);
    }
    wide(&mut header, 0x1000_0000);
    header.u32(SECTION_ALIGNMENT).u32(FILE_ALIGNMENT as u32);
    // Made for system 5.1, image version 0.0, subsystem 5.1.
    header.u16(5).u16(1).u16(0).u16(0).u16(5).u16(1).u32(0);
    let image_size = SECTION_RVA + size.next_multiple_of(SECTION_ALIGNMENT);
    // No checksum; window subsystem; may be moved, no execution of data.
    header.u32(image_size).u32(FILE_ALIGNMENT as u32).u32(0).u16(2).u16(0x140);
    for stack_or_heap in [0x10_0000, 0x1000, 0x10_0000, 0x1000] {
        wide(&mut header, stack_or_heap);
    }
    header.u32(0).u32(16);
    for directory in 0..16 {
        let (rva, len) = if directory == 2 && has_resources { (SECTION_RVA, size) } else { (0, 0) };
        header.u32(rva).u32(len);
    }
    header.0
}

/// Little-endian bytes, put one behind the other.
struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    fn utf16z(&mut self, text: &str) -> &mut Self {
        for unit in text.encode_utf16().chain([0]) {
            self.u16(unit);
        }
        self
    }
    fn align(&mut self, to: usize) -> &mut Self {
        let len = self.0.len().next_multiple_of(to);
        self.pad_to(len)
    }
    fn pad_to(&mut self, len: usize) -> &mut Self {
        self.0.resize(len, 0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_in_same_out_and_anything_else_differs() {
        let version = |build| Some(FileVersion([5, 80, 0, build]));
        let a = pe(MachineType::X86, version(1297), "a");
        assert_eq!(a, pe(MachineType::X86, version(1297), "a"));
        let others = [
            pe(MachineType::X64, version(1297), "a"),
            pe(MachineType::X86, version(1179), "a"),
            pe(MachineType::X86, version(1297), "b"),
            pe(MachineType::X86, None, "a"),
            pe(MachineType::X86, None, "b"),
        ];
        for (n, other) in others.iter().enumerate() {
            assert_ne!(&a, other);
            assert!(!others[..n].contains(other));
        }
    }
}
