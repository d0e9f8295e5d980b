//! Test programs with their worlds in memory, and in a process namespace of their own: a kill loses nothing that only a disk
//! keeps, and what looks at every process there is has few to look at. Whatever they leave behind ends with them.

use crate::programs::{self, Program};
use std::{
    ffi::OsStr,
    process::{Command, Stdio},
    sync::OnceLock,
};

const UNSHARE: [&str; 6] = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
/// The shell stays, as process 1: it sees to it that nothing that ends stays behind as a zombie.
const SCRIPT: &str = r#"
at=$(mktemp -d -t backout-memory-XXXXXX) || exit
trap 'umount -l "$at"; rmdir "$at"' EXIT
mount -t tmpfs tmpfs "$at" || exit
export TMPDIR="$at"
"$0" "$@"
"#;
/// The same without a world in memory. Something follows the call, or the shell would become what it calls.
const STAYS: &str = r#""$0" "$@"; exit"#;

/// As [`programs::plainly`], in memory; where that cannot be, on the disk.
pub(crate) fn plainly(program: &Program) -> Command {
    if !can() {
        return programs::plainly(program);
    }
    let mut command = apart(SCRIPT, &program.path);
    command.arg("--nocapture");
    command
}

/// The same command on the disk, with an end to whatever it leaves behind; where that cannot be, as it is.
pub(crate) fn reaped(plain: &Command) -> Command {
    let mut command = match can() {
        true => apart(STAYS, plain.get_program()),
        false => Command::new(plain.get_program()),
    };
    command.args(plain.get_args()).stdin(Stdio::null());
    command
}

fn can() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let mut tried = apart(SCRIPT, "true");
        tried.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    })
}

fn apart(script: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(["sh", "-c", script]).arg(program).stdin(Stdio::null());
    command
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_memory_ends_as_it_ends_and_leaves_no_folder() {
        let said = |lines: &str| apart(SCRIPT, "sh").args(["-c", lines]).output().expect("unshare");
        if !said("exit 0").status.success() {
            return;
        }
        assert_eq!(said("exit 7").status.code(), Some(7));
        let folder = said(r#"stat -f -c %T "$TMPDIR" && echo x >"$TMPDIR/x" && echo "$TMPDIR""#);
        let text = String::from_utf8_lossy(&folder.stdout).into_owned();
        let (kind, at) = text.trim().split_once('\n').expect("two lines");
        assert_eq!(kind, "tmpfs");
        assert!(!std::path::Path::new(at).exists(), "{at}");
    }
}
