//! Versions are read from real PE files and from anything else that somebody puts in their place.
#![cfg_attr(unix, expect(clippy::disallowed_methods, reason = "makes the files that are read"))]

use backout_pe::{PeInfo, read};
use backout_protocol::{FileVersion, MachineType};
use std::{
    fs::File,
    io::{Seek, Write},
};

const VERSION: FileVersion = FileVersion([5, 80, 0, 1297]);

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    file
}

fn info(bytes: &[u8]) -> Option<PeInfo> {
    read(&mut file(bytes)).expect("a file that can be read")
}

#[test]
fn machine_type_and_version_come_out_as_they_were_put_in() {
    for machine in [MachineType::X86, MachineType::X64, MachineType::Other(0xaa64)] {
        for version in [None, Some(VERSION), Some(FileVersion([65535, 0, 1, 65535]))] {
            // The fixtures are Japanese.
            let language = version.map(|_| 0x411);
            let wanted = PeInfo { machine, version, language, whole: true };
            assert_eq!(info(&backout_demo::pe(machine, version, "some salt")), Some(wanted));
        }
    }
}

#[test]
fn the_language_is_that_of_the_version_resource_and_a_neutral_one_is_none() {
    let japanese = backout_demo::pe(MachineType::X86, Some(VERSION), "some salt");
    let table = japanese.windows(4).position(|four| four == 0x411u32.to_le_bytes()).unwrap();
    for (id, wanted) in [(0x409u32, Some(0x409)), (0x11, Some(0x11)), (0, None), (0x400, None), (0x7f, None)]
    {
        let mut other = japanese.clone();
        other[table..table + 4].copy_from_slice(&id.to_le_bytes());
        let info = info(&other).unwrap();
        assert_eq!((info.version, info.language), (Some(VERSION), wanted), "{id:x}");
    }
}

#[test]
fn what_is_no_pe_file_is_none() {
    for bytes in [
        &b""[..],
        b"MZ",
        b"[hotfix]\r\n",
        b"\x7fELF\x02\x01\x01 and so on for a while",
        &[b'M', b'Z'].repeat(99),
    ] {
        assert_eq!(info(bytes), None, "{bytes:?}");
    }
}

#[test]
fn a_file_cut_anywhere_has_its_version_or_none_and_is_not_whole() {
    for machine in [MachineType::X86, MachineType::X64] {
        let bytes = backout_demo::pe(machine, Some(VERSION), "cut");
        let file = file(&bytes);
        for len in (0..bytes.len()).rev() {
            file.set_len(len as u64).unwrap();
            let mut handle = file.try_clone().unwrap();
            handle.rewind().unwrap();
            if let Some(info) = read(&mut handle).unwrap() {
                assert_eq!((info.machine, info.whole), (machine, false), "cut at {len}");
                assert!(info.version.is_none_or(|v| v == VERSION), "cut at {len}: {info:?}");
            }
        }
    }
}

#[test]
fn no_single_wrong_byte_does_harm() {
    for machine in [MachineType::X86, MachineType::X64] {
        let bytes = backout_demo::pe(machine, Some(VERSION), "flipped");
        for at in 0..bytes.len() {
            for wrong in [0x00, 0xff, bytes[at] ^ 0x80, bytes[at] ^ 0x01] {
                let mut bytes = bytes.clone();
                bytes[at] = wrong;
                info(&bytes);
            }
        }
    }
}

#[test]
fn a_section_that_claims_gigabytes_costs_nothing() {
    let mut bytes = backout_demo::pe(MachineType::X86, Some(VERSION), "huge");
    // The section's sizes in memory and in the file stand 8 and 16 bytes behind its name.
    let header = bytes.windows(8).position(|w| w == b".rsrc\0\0\0").unwrap();
    for field in [8, 16] {
        bytes[header + field..header + field + 4].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    }
    let file = file(&bytes);
    file.set_len(8 << 30).unwrap();
    let mut handle = file.try_clone().unwrap();
    assert_eq!(read(&mut handle).unwrap().and_then(|i| i.version), Some(VERSION));
}

#[cfg(unix)]
#[test]
fn a_read_that_fails_is_an_error_and_not_a_file_without_a_version() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&mut File::open(folder.path()).unwrap()).is_err());
    let path = folder.path().join("write-only");
    std::fs::write(&path, backout_demo::pe(MachineType::X86, Some(VERSION), "")).unwrap();
    assert!(read(&mut File::options().write(true).open(path).unwrap()).is_err());
}
