//! Values of the command line that hold paths, taken as they are: only in files does `%XX` stand for a byte.

use crate::session::{Stop, component_id, stop, wrong};
use backout_engine::{Refusal, load};
use backout_machine::group;
use backout_protocol::{ComponentId, HostPath, SnapshotId, path::encode, plan::RestoreFrom};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

/// `--set NAME=VALUE`. A value may hold `=`; a name may not.
pub(crate) fn variable(text: &OsStr) -> Result<(String, HostPath), Stop> {
    match split(text, b'=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), HostPath(value.into())))
        }
        _ => Err(wrong(format!("`{}` is not of the form --set NAME=VALUE", encode(text)))),
    }
}

/// A time: `90`, `90s`, `5m`, `1h`, `7d`. `flag`: whose it is.
pub(crate) fn time(flag: &str, text: &str) -> Result<Duration, Stop> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f));
    let seconds = seconds.map(Duration::from_secs);
    seconds.ok_or_else(|| wrong(format!("`{flag} {text}` is not a time such as 90s or 5m")))
}

/// An installer's exit code: as people write it down, `3010`, `-1` or `0x80070642`, which is the same number as Windows' own
/// of 32 bits without a sign.
///
/// # Errors
/// Why it is none.
pub(crate) fn code(text: &str) -> Result<i32, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = hex.map_or_else(|| text.parse::<i64>(), |digits| i64::from_str_radix(digits, 16));
    let number = number.map_err(|_| "an exit code is a number such as 2 or 0x80070642".to_owned())?;
    let whole = i32::try_from(number).ok().or_else(|| Some(u32::try_from(number).ok()?.cast_signed()));
    whole.ok_or_else(|| "an exit code has no more than 32 bits".to_owned())
}

/// An installer and its arguments: the program by its absolute path, as it is found from here or on the search path.
pub(crate) fn program(words: &[OsString]) -> Result<Vec<HostPath>, Stop> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| wrong("no installer is named".to_owned()))?;
    let none = |why: &str| stop(Refusal::NoInstaller { program: encode(program), why: why.to_owned() });
    let path = Path::new(program);
    let by_path = path.components().count() > 1 || path.is_absolute();
    let folders = if by_path { vec![PathBuf::new()] } else { search_path() };
    let files = || {
        let meant = folders.iter().flat_map(|folder| group::meant(&folder.join(path)));
        meant.map(|file| load::absolute(&file)).filter(|file| file.0.is_file())
    };
    let found = files().find(|file| group::can_run(&file.0)).or_else(|| files().next());
    let found = match found {
        Some(found) => found,
        None if by_path => load::absolute(path),
        None => return Err(none("it is not on the search path")),
    };
    match std::fs::metadata(&found.0) {
        Ok(meta) if meta.is_file() && group::can_run(&found.0) => {}
        Ok(_) => return Err(none(&no_program(&found.0))),
        Err(e) => return Err(none(&e.to_string())),
    }
    Ok(std::iter::once(found).chain(arguments.iter().map(|word| HostPath(word.into()))).collect())
}

fn no_program(file: &Path) -> String {
    let by = group::run_by(file);
    by.map_or_else(|| "it is no program".to_owned(), |by| format!("it is no program; one is `{by}`"))
}

#[expect(clippy::disallowed_methods, reason = "the binary is the one that reads the environment")]
fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// `--from [COMPONENT=]vendor|dir:PATH|snapshot:ID`. `find`: the snapshot whose id begins so.
pub(crate) fn source(
    text: &OsStr,
    find: impl Fn(&str) -> Result<SnapshotId, Stop>,
) -> Result<(Option<ComponentId>, RestoreFrom), Stop> {
    let (component, source) = match split(text, b'=') {
        Some((component, source)) if !component.contains(':') => (Some(component_id(component)?), source),
        _ => (None, text.to_owned()),
    };
    let source = match split(&source, b':') {
        None if source == "vendor" => RestoreFrom::Vendor,
        Some(("dir", path)) if !path.is_empty() => RestoreFrom::Dir(load::absolute(Path::new(&path))),
        Some(("snapshot", id)) if !id.is_empty() => RestoreFrom::Snapshot(find(&encode(&id))?),
        _ => {
            let form = "--from [COMPONENT=]vendor|dir:PATH|snapshot:ID";
            return Err(wrong(format!("`{}` is not of the form {form}", encode(text))));
        }
    };
    Ok((component, source))
}

/// The text before the first `at`, and what is behind it as it is.
fn split(text: &OsStr, at: u8) -> Option<(&str, OsString)> {
    let bytes = text.as_encoded_bytes();
    let cut = bytes.iter().position(|b| *b == at)?;
    Some((std::str::from_utf8(&bytes[..cut]).ok()?, tail(&bytes[cut + 1..])?))
}

#[cfg(unix)]
fn tail(bytes: &[u8]) -> Option<OsString> {
    Some(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).to_owned())
}
#[cfg(not(unix))]
fn tail(bytes: &[u8]) -> Option<OsString> {
    std::str::from_utf8(bytes).ok().map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are() {
        let set = |text: &str| variable(text.as_ref()).map(|(name, value)| (name, value.0)).ok();
        assert_eq!(set("home=/a%41=b"), Some(("home".to_owned(), "/a%41=b".into())));
        for wrong in ["home", "home=", "=x", ""] {
            assert_eq!(set(wrong), None, "{wrong:?}");
        }
        let known: SnapshotId = "01jd0000000000000000000000".parse().unwrap();
        let find = |text: &str| match known.as_str().starts_with(text) {
            true => Ok(known.clone()),
            false => Err(wrong(text.to_owned())),
        };
        let from = |text: &str| source(text.as_ref(), find).ok();
        let dir = |path: &str| RestoreFrom::Dir(HostPath(path.into()));
        let component = || Some("a".parse().unwrap());
        assert_eq!(from("vendor"), Some((None, RestoreFrom::Vendor)));
        assert_eq!(from("a=vendor"), Some((component(), RestoreFrom::Vendor)));
        assert_eq!(from("dir:/x%41=y:z"), Some((None, dir("/x%41=y:z"))));
        assert_eq!(from("a=dir:/x%25"), Some((component(), dir("/x%25"))));
        let snapshot = || RestoreFrom::Snapshot(known.clone());
        assert_eq!(from("snapshot:01jd"), Some((None, snapshot())));
        assert_eq!(from("a=snapshot:01jd"), Some((component(), snapshot())));
        for wrong in
            ["", "dir", "dir:", "a=", "a=dir:", "snapshot:", "snapshot:1", "a=snapshot:1", "elsewhere"]
        {
            assert_eq!(from(wrong), None, "{wrong:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_survive() {
        use std::os::unix::ffi::OsStrExt;
        let odd = OsStr::from_bytes(b"dir:/x\xff=y");
        let path = HostPath(OsStr::from_bytes(b"/x\xff=y").into());
        let none = |_: &str| unreachable!("no snapshot is meant");
        assert_eq!(source(odd, none).ok(), Some((None, RestoreFrom::Dir(path))));
    }
}
