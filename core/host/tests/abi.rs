//! The header for plugins in C and C++, and what is read of a library of whatever system and machine without loading it.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

mod common;

use backout_host::{Hosting, Pinning, Plugins, target};
use backout_kit::bad::repository;
use backout_protocol::message::Proposal;
use common::request;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};
use tempfile::TempDir;

const MANIFEST: &str =
    r#"{\"id\":\"mine\",\"version\":\"1\",\"api\":[[1,0],[1,1]],\"about\":\"Does little.\"}"#;

/// The plugin that the header's own comment shows, and what a second reader of the header must not mind.
fn source() -> String {
    let header = fs::read_to_string(repository("plugins/sdk/include/backout_plugin.h")).unwrap();
    let shown = header.split_once("of this form:\n").unwrap().1.split_once("\n   Made by").unwrap().0;
    format!("{shown}\n#include \"backout_plugin.h\"\n")
}

#[track_caller]
fn runs(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn plugins(dir: &TempDir) -> Plugins {
    Plugins::new([dir.path().to_owned()], Pinning::WhereListed, Hosting::Here)
}

fn shield(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn the_plugin_that_the_header_shows_compiles_without_a_warning_and_plans() {
    for (compiler, standard, ending) in [("gcc", "-std=c11", "c"), ("g++", "-std=c++17", "cpp")] {
        let dir = TempDir::new().unwrap();
        let (code, library) = (dir.path().join(format!("mine.{ending}")), dir.path().join("mine.so"));
        fs::write(&code, source()).unwrap();
        let mut compile = Command::new(compiler);
        compile.args([
            standard,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-fvisibility=hidden",
            "-shared",
            "-fPIC",
        ]);
        runs(compile.arg("-I").arg(repository("plugins/sdk/include")).arg("-o").arg(&library).arg(&code));
        shield(&library);
        let plugins = plugins(&dir);
        let found = plugins.find("mine").unwrap();
        assert_eq!(plugins.plan(&found, &request("()")).unwrap(), Proposal::default(), "{compiler}");
    }
}

#[test]
fn manifests_of_windows_libraries_are_read_and_their_machines_named() {
    let dir = TempDir::new().unwrap();
    for (bits, object, emulation, entry, triple) in [
        ("-m64", "pe-x86-64", "i386pep", "f", "x86_64-pc-windows-gnu"),
        ("-m32", "pe-i386", "i386pe", "f", "i686-pc-windows-gnu"),
    ] {
        let at = |name: &str| dir.path().join(format!("{triple}.{name}"));
        let text = format!(
            "__attribute__((section(\".backout\"), used)) const char manifest[] = \"{MANIFEST}\";\nint f(void) {{ return 1; }}\n"
        );
        fs::write(at("c"), text).unwrap();
        let plain =
            ["-c", "-fno-pic", "-fno-ident", "-fno-asynchronous-unwind-tables", "-fcf-protection=none"];
        runs(Command::new("gcc").arg(bits).args(plain).arg("-o").arg(at("o")).arg(at("c")));
        runs(Command::new("objcopy").args(["-O", object]).arg(at("o")).arg(at("obj")));
        // Named as a library of this system, so that it is looked at.
        let library = at("so");
        runs(
            Command::new("ld")
                .args(["-m", emulation, "--dll", "-e", entry, "-o"])
                .arg(&library)
                .arg(at("obj")),
        );
        shield(&library);
        let bytes = fs::read(&library).unwrap();
        assert!(bytes.starts_with(b"MZ"));
        assert_eq!(target(&bytes).as_deref(), Some(triple));
    }
    let listed = plugins(&dir).list();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|l| l.manifest.about == "Does little." && l.problem.is_some()), "{listed:?}");
}

#[test]
fn a_library_of_another_machine_is_refused_by_its_name() {
    let dir = TempDir::new().unwrap();
    let (code, library) = (dir.path().join("mine.c"), dir.path().join("mine.so"));
    fs::write(&code, source()).unwrap();
    let mut compile = Command::new("gcc");
    compile.args(["-shared", "-fPIC", "-I"]).arg(repository("plugins/sdk/include"));
    runs(compile.arg("-o").arg(&library).arg(&code));
    let mut bytes = fs::read(&library).unwrap();
    assert_eq!(target(&bytes), Some(backout_host::native()));
    // An ELF header's machine: 183 is AArch64.
    bytes[18..20].copy_from_slice(&183u16.to_le_bytes());
    fs::write(&library, bytes).unwrap();
    shield(&library);
    let error = plugins(&dir).find("mine").unwrap_err().to_string();
    assert!(error.contains("is made for aarch64-unknown-linux-gnu"), "{error}");
}
