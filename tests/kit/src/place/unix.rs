use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where worlds are made.
pub(crate) fn worlds() -> PathBuf {
    std::env::temp_dir()
}

/// Takes what others may do to a file away.
pub(crate) fn shield(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
}

/// Copies a program to where it is run from.
///
/// By another process: what we ourselves have open for writing, a child that another test forks at that moment has too,
/// and until that child has become a program of its own the kernel runs no such file (`ETXTBSY`).
#[track_caller]
pub fn program(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status();
    assert!(status.unwrap().success(), "no copy of {} as {}", from.display(), to.display());
}

/// Writes a script that can be run at once, as [`program`] does.
#[track_caller]
pub fn script(text: &str, to: &Path) {
    let mut install = Command::new("install");
    let mut install =
        install.args(["-m", "755", "/dev/stdin"]).arg(to).stdin(Stdio::piped()).spawn().unwrap();
    install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(install.wait().unwrap().success(), "no script {}", to.display());
}

/// Whether that can be made immutable, and be let go again. A test that is nothing without it says so.
#[expect(clippy::print_stderr, reason = "a test that was skipped should say so")]
pub fn can_be_immutable(path: &Path) -> bool {
    let can = chattr("+i", path) && chattr("-i", path);
    if !can {
        eprintln!("skipped: nothing can be made immutable here");
    }
    can
}

/// Sets or takes away an attribute of the file system, such as `+i`. `false`: it is not for us here.
pub fn chattr(flag: &str, path: &Path) -> bool {
    Command::new("chattr").arg(flag).arg(path).output().is_ok_and(|done| done.status.success())
}
