//! Writing paths into systemd's unit files so that they are read back as they are.
//!
//! Three readers, three ways: a path that stands alone on its line is taken as it is; one in a list is a word that
//! may be quoted, where a backslash is what the version takes it for; a command line has C escapes and variables besides. All three
//! expand `%`.

use std::path::{Path, PathBuf};

/// A path that cannot be written into a unit file: it is not absolute, not UTF-8, or holds control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} cannot be named in a unit file of systemd: it must be absolute, UTF-8 and without control characters, and a \
     program's also without quotes and backslashes", .0.display()
)]
pub(crate) struct Unwritable(
    /// The path.
    pub(crate) PathBuf,
);

/// The path as text, if a unit file can hold it.
fn fit(path: &Path) -> Result<&str, Unwritable> {
    let plain = |s: &&str| path.is_absolute() && !s.chars().any(char::is_control);
    path.to_str().filter(plain).ok_or_else(|| Unwritable(path.to_owned()))
}

/// For a setting whose whole value is one path, as `ConditionPathExists=`. A blank at its end would be cut off.
pub(crate) fn line(path: &Path) -> Result<String, Unwritable> {
    let text = fit(path)?;
    if text.ends_with([' ', '\\']) { Err(Unwritable(path.to_owned())) } else { Ok(text.replace('%', "%%")) }
}

/// For a setting that takes a list of paths, as `RequiresMountsFor=`. What lies below a folder with a backslash in its
/// name is named by the folder above: versions differ in what they take a backslash for.
pub(crate) fn listed(path: &Path) -> Result<String, Unwritable> {
    fit(path)?;
    let plain = path.ancestors().filter_map(Path::to_str).find(|text| !text.contains('\\')).unwrap_or("/");
    // No character can be escaped here, but a word may be made of pieces, each in the quotes it does not hold.
    Ok(format!("\"{}\"", plain.replace('%', "%%").replace('"', "\"'\"'\"")))
}

/// For the program of a command line, where variables are not expanded. systemd runs none with a quote or a backslash
/// in its path, however it is written.
pub(crate) fn program(path: &Path) -> Result<String, Unwritable> {
    let text = fit(path)?;
    if text.contains(['"', '\'', '\\']) { Err(Unwritable(path.to_owned())) } else { Ok(escaped(text)) }
}

/// For an argument of a command line.
pub(crate) fn argument(path: &Path) -> Result<String, Unwritable> {
    Ok(word(fit(path)?))
}

/// For an argument of a command line that is no path. Control characters are the caller's to keep out.
pub(crate) fn word(text: &str) -> String {
    escaped(text).replace('$', "$$")
}

fn escaped(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_gets_its_own_quoting() {
        let odd = Path::new(r#"/srv/50% a"b'c\d $HOME/データ"#);
        assert_eq!(line(odd).unwrap(), r#"/srv/50%% a"b'c\d $HOME/データ"#);
        assert_eq!(listed(odd).unwrap(), r#""/srv""#);
        let plain = Path::new(r#"/srv/50% a"b'c $HOME/データ"#);
        assert_eq!(listed(plain).unwrap(), r#""/srv/50%% a"'"'"b'c $HOME/データ""#);
        assert_eq!(program(Path::new("/srv/50% $HOME/データ")).unwrap(), r#""/srv/50%% $HOME/データ""#);
        assert_eq!(argument(odd).unwrap(), r#""/srv/50%% a\"b'c\\d $$HOME/データ""#);
    }

    #[test]
    fn what_no_unit_file_can_hold_is_refused() {
        for bad in ["relative", "", "/a\nb", "/a\u{7f}"] {
            assert!(line(Path::new(bad)).is_err() && listed(Path::new(bad)).is_err(), "{bad:?}");
        }
        for bad in ["/a\"b", "/a'b", r"/a\b"] {
            assert!(program(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(line(Path::new("/blank ")).is_err() && listed(Path::new("/blank ")).is_ok());
        use std::os::unix::ffi::OsStrExt;
        assert!(program(Path::new(std::ffi::OsStr::from_bytes(b"/\xff"))).is_err());
    }
}
