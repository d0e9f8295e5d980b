//! Test programs with their worlds in memory, and in a process namespace of their own: a kill loses nothing that only a disk
//! keeps, and what looks at every process there is has few to look at. Whatever they leave behind ends with them.

use crate::programs::{self, Program};
use std::{
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

/// As [`programs::plainly`], in memory; where that cannot be, on the disk.
pub(crate) fn plainly(program: &Program) -> Command {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can =
        || apart("true").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !*CAN.get_or_init(can) {
        return programs::plainly(program);
    }
    let mut command = apart(&program.path);
    command.arg("--nocapture");
    command
}

fn apart(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(["sh", "-c", SCRIPT]).arg(program).stdin(Stdio::null());
    command
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_memory_ends_as_it_ends_and_leaves_no_folder() {
        let said = |lines: &str| apart("sh").args(["-c", lines]).output().expect("unshare");
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
