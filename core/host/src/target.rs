//! For which machine a library is made, read from its first bytes. Nothing of it is run.

use object::{Architecture, Endianness, FileKind, Object, SubArchitecture};

/// The target triple that a library is made for, as far as its headers tell: an ELF file does not say which C library it
/// needs nor a PE file which compiler made it, so the usual one is named. `None`: it is no library, or of no machine that
/// has a name.
pub fn target(bytes: &[u8]) -> Option<String> {
    let system = match FileKind::parse(bytes) {
        Ok(FileKind::Elf32 | FileKind::Elf64) => "unknown-linux-gnu",
        Ok(FileKind::Pe32 | FileKind::Pe64) => "pc-windows-gnu",
        _ => return apple(bytes),
    };
    let file = object::File::parse(bytes).ok()?;
    let big = file.endianness() == Endianness::Big;
    let arch = match (file.architecture(), file.sub_architecture(), big) {
        (Architecture::X86_64, ..) => "x86_64",
        (Architecture::X86_64_X32, ..) => return Some("x86_64-unknown-linux-gnux32".to_owned()),
        (Architecture::I386, ..) => "i686",
        (Architecture::Aarch64, Some(SubArchitecture::Arm64EC), _) => "arm64ec",
        (Architecture::Aarch64, _, false) => "aarch64",
        (Architecture::Aarch64, _, true) => "aarch64_be",
        (Architecture::Arm, _, false) if system == "pc-windows-gnu" => "thumbv7a",
        (Architecture::Arm, ..) => {
            return Some(format!("{}-unknown-linux-gnueabihf", if big { "armeb" } else { "armv7" }));
        }
        (Architecture::Riscv32, ..) => "riscv32gc",
        (Architecture::Riscv64, ..) => "riscv64gc",
        (Architecture::PowerPc, ..) => "powerpc",
        (Architecture::PowerPc64, _, false) => "powerpc64le",
        (Architecture::PowerPc64, _, true) => "powerpc64",
        (Architecture::S390x, ..) => "s390x",
        (Architecture::LoongArch64, ..) => "loongarch64",
        (Architecture::Mips64, _, false) => return Some("mips64el-unknown-linux-gnuabi64".to_owned()),
        (Architecture::Mips64, _, true) => return Some("mips64-unknown-linux-gnuabi64".to_owned()),
        (Architecture::Mips, _, false) => "mipsel",
        (Architecture::Mips, _, true) => "mips",
        (Architecture::Sparc64, ..) => "sparc64",
        _ => return None,
    };
    Some(format!("{arch}-{system}"))
}

/// What this program can load, in the same words.
pub fn native() -> String {
    let arch = match std::env::consts::ARCH {
        "x86" => "i686",
        "riscv64" => "riscv64gc",
        other => other,
    };
    let system = if cfg!(windows) { "pc-windows-gnu" } else { "unknown-linux-gnu" };
    format!("{arch}-{system}")
}

/// Its libraries are read by nobody here; but whoever made one is told.
fn apple(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let arch = match (word(0)?, word(4)?) {
        (0xfeed_facf, 0x0100_0007) => "x86_64",
        (0xfeed_facf, 0x0100_000c) => "aarch64",
        _ => return None,
    };
    Some(format!("{arch}-apple-darwin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of an ELF file without anything in it.
    fn elf(class: u8, order: u8, machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; if class == 2 { 64 } else { 52 }];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1]);
        let two = |n: u16| if order == 2 { n.to_be_bytes() } else { n.to_le_bytes() };
        bytes[16..18].copy_from_slice(&two(3));
        bytes[18..20].copy_from_slice(&two(machine));
        bytes
    }

    #[test]
    fn a_machine_is_named_by_its_triple_whatever_its_byte_order() {
        for (class, order, machine, triple) in [
            (2, 1, 62, "x86_64-unknown-linux-gnu"),
            (1, 1, 3, "i686-unknown-linux-gnu"),
            (2, 1, 183, "aarch64-unknown-linux-gnu"),
            (1, 1, 40, "armv7-unknown-linux-gnueabihf"),
            (2, 1, 243, "riscv64gc-unknown-linux-gnu"),
            (2, 2, 22, "s390x-unknown-linux-gnu"),
            (2, 2, 21, "powerpc64-unknown-linux-gnu"),
            (2, 1, 21, "powerpc64le-unknown-linux-gnu"),
            (1, 2, 8, "mips-unknown-linux-gnu"),
        ] {
            assert_eq!(target(&elf(class, order, machine)).as_deref(), Some(triple));
        }
        assert_eq!(target(&[0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1]).as_deref(), Some("aarch64-apple-darwin"));
        for nothing in [&b""[..], b"MZ", b"\x7fELF", b"text", &elf(2, 1, 62)[..40], &elf(2, 1, 9999)] {
            assert_eq!(target(nothing), None);
        }
    }

    #[test]
    fn this_program_is_of_the_machine_it_says() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(target(&own), Some(native()));
    }
}
