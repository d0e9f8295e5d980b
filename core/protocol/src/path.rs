//! Paths as they cross files and messages, and names as a product compares them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Component, Path, PathBuf},
};

/// A path on this machine. In RON and JSON a byte that is no UTF-8, a control character and `%` itself are written
/// `%XX`, so every name survives: any bytes on Linux, on Windows also half a surrogate pair, as the three bytes UTF-8
/// would have for it. When read, a `%` that two hex digits do not follow stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(pub PathBuf);

/// A path below some root: one or more plain names, never absolute, never `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(PathBuf);

/// A name below a root folder that the profile or the site gave. Nothing outside the root is ever touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The root folder, absolute.
    pub root: HostPath,
    /// Where below the root.
    pub rel: RelPath,
}

/// A relative path that is empty, absolute or climbs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a plain relative path (no root, no `.`, no `..`, no empty name)")]
pub struct BadRelPath(pub String);

/// How a product compares names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NameRule {
    /// Byte for byte.
    #[default]
    Exact,
    /// Without regard to case, by simple upper-casing of each character, as NTFS does.
    Folded,
}

impl NameRule {
    /// The key under which two names are the same name.
    pub fn key(self, name: &OsStr) -> String {
        let text = encode(name);
        match self {
            NameRule::Exact => text,
            NameRule::Folded => text.chars().map(upper).collect(),
        }
    }

    /// Whether two names are the same name.
    pub fn same(self, a: &OsStr, b: &OsStr) -> bool {
        self.key(a) == self.key(b)
    }

    /// The key of a whole path, name by name, with `/` between.
    pub fn path_key(self, path: &Path) -> String {
        path.components().map(|c| self.key(c.as_os_str())).collect::<Vec<_>>().join("/")
    }
}

/// Simple upper-casing: a character whose upper case is more than one character stays as it is.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

impl RelPath {
    /// Checks `path` and takes it. Both `/` and, on Windows, `\` separate names.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, BadRelPath> {
        let path = path.as_ref();
        let bad = || BadRelPath(encode(path.as_os_str()));
        let mut clean = PathBuf::new();
        for part in path.components() {
            match part {
                Component::Normal(name) if !name.as_encoded_bytes().contains(&0) => clean.push(name),
                _ => return Err(bad()),
            }
        }
        // `components` forgives `a//b`, `a/./b` and `a/`; a written path that needs forgiving is a mistake or a trick.
        let plain = clean.components().count() > 0
            && clean.as_os_str().len() == path.as_os_str().len()
            && !has_windows_trick(&clean);
        if plain { Ok(Self(clean)) } else { Err(bad()) }
    }

    /// As a path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The last name.
    pub fn name(&self) -> &OsStr {
        self.0.file_name().unwrap_or_else(|| self.0.as_os_str())
    }

    /// All names but the last; `None` directly below the root.
    pub fn parent(&self) -> Option<RelPath> {
        self.0.parent().filter(|p| !p.as_os_str().is_empty()).map(|p| RelPath(p.to_owned()))
    }

    /// This path with one more part below it.
    pub fn join(&self, below: &RelPath) -> RelPath {
        RelPath(self.0.join(&below.0))
    }

    /// The same folder, another last name. `name` must be one plain name.
    pub fn with_name(&self, name: &OsStr) -> Result<RelPath, BadRelPath> {
        let one = RelPath::new(Path::new(name))?;
        if one.0.components().count() != 1 {
            return Err(BadRelPath(encode(name)));
        }
        Ok(RelPath(self.0.with_file_name(name)))
    }
}

/// Whether Windows takes a name of it for something else than the file that was checked.
fn has_windows_trick(path: &Path) -> bool {
    cfg!(windows) && path.components().any(|c| is_windows_trick(&c.as_os_str().to_string_lossy()))
}

/// On Windows `:` opens a stream, a trailing dot or blank is dropped, `*` and its kin are patterns, and the name of a
/// device is that device in every folder, whatever its extension.
fn is_windows_trick(name: &str) -> bool {
    let special = |c: char| c < ' ' || "<>:\"/\\|?*".contains(c);
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    let numbered = |device: &str| {
        let number = stem.strip_prefix(device).map(|n| n.chars().collect::<Vec<_>>());
        matches!(number.as_deref(), Some(['0'..='9' | '¹' | '²' | '³']))
    };
    let device = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str());
    name.contains(special) || name.ends_with(['.', ' ']) || device || numbered("COM") || numbered("LPT")
}

impl Place {
    /// The place as one path. For people and for messages; files are opened beneath the root, name by name.
    pub fn path(&self) -> PathBuf {
        self.root.0.join(&self.rel.0)
    }

    /// The folder that holds it.
    pub fn folder(&self) -> PathBuf {
        match self.rel.parent() {
            Some(parent) => self.root.0.join(parent.0),
            None => self.root.0.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.path().as_os_str()))
    }
}
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0.as_os_str()))
    }
}
impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0.as_os_str()))
    }
}
impl From<PathBuf> for HostPath {
    fn from(p: PathBuf) -> Self {
        Self(p)
    }
}
impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for HostPath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&encode(self.0.as_os_str()))
    }
}
impl<'de> Deserialize<'de> for HostPath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(PathBuf::from(decode(&String::deserialize(d)?))))
    }
}
impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&encode(self.0.as_os_str()))
    }
}
impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        RelPath::new(PathBuf::from(decode(&String::deserialize(d)?))).map_err(D::Error::custom)
    }
}

/// Writes a name or path as text without loss; see [`HostPath`].
pub fn encode(name: &OsStr) -> String {
    let mut out = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '%' || c.is_control() {
                let mut buf = [0; 4];
                c.encode_utf8(&mut buf).bytes().for_each(|b| out.push_str(&format!("%{b:02X}")));
            } else {
                out.push(c);
            }
        }
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("%{b:02X}")));
    }
    out
}

/// Reads what [`encode`] wrote.
pub fn decode(text: &str) -> OsString {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| (*b as char).to_digit(16));
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (b, _, _) => {
                out.push(b);
                i += 1;
            }
        }
    }
    from_bytes(out)
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}
#[cfg(windows)]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::windows::ffi::OsStringExt::from_wide(&wide(&bytes))
}

/// UTF-8 that may hold halves of surrogate pairs, as UTF-16. What is neither is a replacement character: no name on
/// Windows can hold it.
#[cfg(any(windows, test))]
fn wide(mut bytes: &[u8]) -> Vec<u16> {
    let mut out = Vec::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let whole = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default(),
        };
        out.extend(whole.encode_utf16());
        bytes = &bytes[whole.len()..];
        bytes = match bytes {
            [] => bytes,
            [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, rest @ ..] => {
                out.push(0xd000 | u16::from(b & 0x3f) << 6 | u16::from(c & 0x3f));
                rest
            }
            [_, rest @ ..] => {
                out.push(0xfffd);
                rest
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_that_climbs_or_forgives_is_refused() {
        for bad in ["", "/a", "..", "a/..", "a/../b", "./a", "a/./b", "a//b", "a/", ".", "a\0b"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "..a", "a b/ü", ".hidden"] {
            assert!(RelPath::new(good).is_ok(), "{good:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn every_linux_name_survives_text() {
        use std::os::unix::ffi::OsStringExt;
        let all: Vec<u8> = (1..=255).collect();
        let name = OsString::from_vec(all);
        assert_eq!(decode(&encode(&name)), name);
        assert_eq!(decode("100% done"), OsString::from("100% done"));
        assert_eq!(decode("%41"), OsString::from("A"));
    }

    #[cfg(windows)]
    #[test]
    fn every_windows_name_survives_text() {
        use std::os::windows::ffi::OsStringExt;
        let all: Vec<u16> = (1..=0xffff).collect();
        let name = OsString::from_wide(&all);
        assert_eq!(decode(&encode(&name)), name);
        for path in [r"C:\100%\ä", r"\\?\C:\very\long", r"\\server\share\f", r"D:"] {
            assert_eq!(decode(&encode(OsStr::new(path))), OsString::from(path));
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_come_out_of_their_bytes() {
        assert_eq!(wide(b"a\xed\xa0\x80b"), [0x61, 0xd800, 0x62]);
        assert_eq!(wide(b"\xed\xbf\xbf"), [0xdfff]);
        assert_eq!(wide("ü😀".as_bytes()), [0xfc, 0xd83d, 0xde00]);
        assert_eq!(wide(b"\xff\xed\xa0"), [0xfffd, 0xfffd, 0xfffd]);
    }

    #[test]
    fn a_name_that_windows_takes_for_something_else_is_a_trick() {
        for bad in [
            "a.", "a ", "a:b", "a::$DATA", "nul", "NUL.txt", "Con .log", "com1", "LPT9.x", "com¹", "CONOUT$",
            "a*", "a?", "a\tb", "a\"", "a|b", "<", ">",
        ] {
            assert!(is_windows_trick(bad), "{bad:?}");
        }
        for good in ["a.b", "null", "com", "com10", "aux-files", ".nul", "console", "a b", "日本", "lpt"] {
            assert!(!is_windows_trick(good), "{good:?}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn a_relative_path_has_no_drive_no_server_and_no_trick_in_it() {
        for bad in [
            "C:",
            "C:a",
            r"C:\a",
            r"\a",
            r"\\server\share",
            r"\\?\C:\a",
            r"a\..\b",
            r"a\\b",
            r"a\",
            r"x\nul\y",
            r"a:s\b",
            r"a.\b",
        ] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RelPath::new("a/b").unwrap(), RelPath::new(r"a\b").unwrap());
    }

    #[test]
    fn folding_is_one_character_for_one() {
        let same = |a: &str, b: &str| NameRule::Folded.same(a.as_ref(), b.as_ref());
        assert!(same("Earthagent.exe", "EarthAgent.exe"));
        assert!(same("ä", "Ä"));
        assert!(!same("ß", "ss"));
        assert!(!NameRule::Exact.same("a".as_ref(), "A".as_ref()));
    }
}
