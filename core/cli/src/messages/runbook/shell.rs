//! How a step is typed, at a shell of Linux or at the prompt of Windows.

use std::{ffi::OsStr, path::Path};

/// Who reads the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// Any shell of Linux. Names that are no text take bash.
    Posix,
    /// `cmd.exe`, of any Windows.
    Cmd,
}

impl Shell {
    /// The one of this machine.
    pub(super) fn here() -> Self {
        if cfg!(windows) { Self::Cmd } else { Self::Posix }
    }

    /// A word that may hold anything.
    pub(super) fn quoted(self, word: &OsStr) -> String {
        match (self, word.to_str()) {
            (Self::Cmd, _) => format!("\"{}\"", word.to_string_lossy().trim_start_matches(r"\\?\")),
            (Self::Posix, Some(text)) if !text.chars().any(char::is_control) => {
                format!("'{}'", text.replace('\'', r"'\''"))
            }
            (Self::Posix, _) => {
                let bytes = word.as_encoded_bytes().iter().map(|b| match b {
                    b'\'' | b'\\' => format!("\\{}", char::from(*b)),
                    b' '..=b'~' => char::from(*b).to_string(),
                    b => format!("\\x{b:02x}"),
                });
                format!("$'{}'", bytes.collect::<String>())
            }
        }
    }

    pub(super) fn path(self, path: &Path) -> String {
        let quoted = self.quoted(path.as_os_str());
        match self {
            Self::Posix => quoted,
            // The commands of `cmd.exe` take a slash for the beginning of a switch.
            Self::Cmd => quoted.replace('/', r"\"),
        }
    }

    /// Program and arguments of a command that the site names.
    pub(super) fn argv(self, argv: &[String]) -> String {
        argv.iter().map(|word| self.quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
    }

    /// A line that says something and does nothing.
    pub(super) fn remark(self, text: &str) -> String {
        match self {
            Self::Posix => format!("# {text}"),
            Self::Cmd => format!("rem {text}"),
        }
    }

    /// Makes the folder that keeps what goes away, and gives it a name.
    pub(super) fn begin(self) -> Vec<String> {
        match self {
            Self::Posix => vec!["SAVED=/var/tmp/backout-by-hand".into(), "mkdir -m 700 \"$SAVED\"".into()],
            Self::Cmd => vec![r"set SAVED=C:\backout-by-hand".into(), "mkdir \"%SAVED%\"".into()],
        }
    }

    /// The name of the `n`th kept file.
    pub(super) fn saved(self, n: usize) -> String {
        match self {
            Self::Posix => format!("\"$SAVED/{n}\""),
            Self::Cmd => format!("\"%SAVED%\\{n}\""),
        }
    }

    /// Both are quoted already. The rights of a file that is there stay.
    pub(super) fn copy(self, from: &str, to: &str) -> String {
        match self {
            Self::Posix => format!("cp -- {from} {to}"),
            Self::Cmd => format!("copy /y {from} {to}"),
        }
    }

    /// With everything that belongs to it.
    pub(super) fn keep(self, from: &str, to: &str) -> String {
        match self {
            Self::Posix => format!("cp -a -- {from} {to}"),
            Self::Cmd => self.copy(from, to),
        }
    }

    pub(super) fn take_away(self, from: &str, to: &str) -> String {
        match self {
            Self::Posix => format!("mv -- {from} {to}"),
            Self::Cmd => format!("move /y {from} {to}"),
        }
    }

    pub(super) fn remove(self, file: &str) -> String {
        match self {
            Self::Posix => format!("rm -- {file}"),
            Self::Cmd => format!("del {file}"),
        }
    }

    pub(super) fn make_folder(self, folder: &str) -> String {
        format!("mkdir {folder}")
    }

    pub(super) fn remove_folder(self, folder: &str) -> String {
        format!("rmdir {folder}")
    }

    /// Shows the digest of a file.
    pub(super) fn digest(self, file: &str) -> String {
        match self {
            Self::Posix => format!("sha256sum -- {file}"),
            Self::Cmd => format!("certutil -hashfile {file} SHA256"),
        }
    }

    /// Shows which processes of this name run.
    pub(super) fn processes(self, image: &str) -> String {
        match self {
            Self::Posix => format!("pgrep -a -x {}", self.quoted(image.as_ref())),
            Self::Cmd => format!("tasklist /fi \"imagename eq {image}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shell;
    use std::ffi::OsStr;

    #[test]
    fn a_word_is_typed_so_that_the_shell_takes_it_for_one() {
        assert_eq!(Shell::Posix.quoted(OsStr::new("/a b/it's")), r"'/a b/it'\''s'");
        assert_eq!(Shell::Posix.quoted(OsStr::new("a\nb'")), r"$'a\x0ab\''");
        assert_eq!(Shell::Cmd.quoted(OsStr::new(r"\\?\C:\a b")), r#""C:\a b""#);
        assert_eq!(Shell::Cmd.path(std::path::Path::new(r"C:\a/b c")), r#""C:\a\b c""#);
        assert_eq!(Shell::Cmd.argv(&["C:\\c.exe".into(), "stop".into()]), r#""C:\c.exe" "stop""#);
    }
}
