//! The text of an INI file, in whichever encoding: everything that an INI file means stands in ASCII, so only the width of
//! a character must be known.
//!
//! Without a mark each byte is a unit. That fits ASCII, UTF-8 and Shift-JIS alike: no second byte of a Shift-JIS character
//! is a line end, a blank or `=`.

const UTF8: &[u8] = &[0xef, 0xbb, 0xbf];
const LITTLE: &[u8] = &[0xff, 0xfe];
const BIG: &[u8] = &[0xfe, 0xff];

/// How units stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A byte each; which encoding nobody says.
    Bytes,
    /// A byte each, behind the mark of UTF-8.
    Utf8,
    /// Two bytes each, the low one first, behind its mark.
    Little,
    /// Two bytes each, the high one first, behind its mark.
    Big,
}

/// A file's units and how they stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    form: Form,
    pub(super) units: Vec<u16>,
}

impl Text {
    /// Of these bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let (form, rest) = match bytes {
            _ if bytes.starts_with(UTF8) => (Form::Utf8, &bytes[UTF8.len()..]),
            _ if bytes.starts_with(LITTLE) => (Form::Little, &bytes[LITTLE.len()..]),
            _ if bytes.starts_with(BIG) => (Form::Big, &bytes[BIG.len()..]),
            _ => (Form::Bytes, bytes),
        };
        let pairs = || -> Result<_, String> {
            if rest.len() % 2 == 1 {
                return Err("it says that it is UTF-16, and half a character stands at its end".to_owned());
            }
            Ok(rest.chunks_exact(2).map(|pair| [pair[0], pair[1]]))
        };
        let units: Vec<u16> = match form {
            Form::Bytes | Form::Utf8 => rest.iter().map(|byte| u16::from(*byte)).collect(),
            Form::Little => pairs()?.map(u16::from_le_bytes).collect(),
            Form::Big => pairs()?.map(u16::from_be_bytes).collect(),
        };
        if units.contains(&0) {
            return Err("it is no text".to_owned());
        }
        Ok(Self { form, units })
    }

    /// The units of a text to put in. Where the file does not say its encoding only ASCII means the same in all.
    pub(super) fn units_of(&self, text: &str) -> Result<Vec<u16>, String> {
        match self.form {
            Form::Bytes if !text.is_ascii() => {
                Err(format!("`{text}` is not plain ASCII, and the file does not say its encoding"))
            }
            Form::Bytes | Form::Utf8 => Ok(text.bytes().map(u16::from).collect()),
            Form::Little | Form::Big => Ok(text.encode_utf16().collect()),
        }
    }

    /// As bytes again.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let units = self.units.iter();
        // Units of one byte never got any larger.
        let narrow = |unit: &u16| unit.to_le_bytes()[0];
        match self.form {
            Form::Bytes => units.map(narrow).collect(),
            Form::Utf8 => UTF8.iter().copied().chain(units.map(narrow)).collect(),
            Form::Little => LITTLE.iter().copied().chain(units.flat_map(|u| u.to_le_bytes())).collect(),
            Form::Big => BIG.iter().copied().chain(units.flat_map(|u| u.to_be_bytes())).collect(),
        }
    }
}
