//! What a library was made for, as compilers call it.

use object::{Architecture, BinaryFormat, File, Object};
use std::path::Path;

/// The target triple of this program.
pub fn here() -> String {
    let system = match std::env::consts::OS {
        "linux" => "unknown-linux",
        "windows" => "pc-windows",
        "macos" => "apple-darwin",
        other => other,
    };
    format!("{}-{system}", std::env::consts::ARCH)
}

/// The target triple of a library, without its environment (gnu, musl, msvc), which its file does not tell; `None`: it is
/// none that is known.
pub(crate) fn of(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let file = File::parse(&*bytes).ok()?;
    let machine = match file.architecture() {
        Architecture::X86_64 => "x86_64",
        Architecture::I386 => "x86",
        Architecture::Aarch64 => "aarch64",
        Architecture::Arm => "arm",
        Architecture::Riscv64 => "riscv64",
        Architecture::Riscv32 => "riscv32",
        Architecture::PowerPc64 => "powerpc64",
        Architecture::S390x => "s390x",
        Architecture::LoongArch64 => "loongarch64",
        _ => return None,
    };
    let system = match file.format() {
        BinaryFormat::Elf => "unknown-linux",
        BinaryFormat::Pe | BinaryFormat::Coff => "pc-windows",
        BinaryFormat::MachO => "apple-darwin",
        _ => return None,
    };
    Some(format!("{machine}-{system}"))
}
