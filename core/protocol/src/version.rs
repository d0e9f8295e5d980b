//! File versions and machine types, as a PE file's version resource and header carry them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A four-part file version such as `5.80.0.1297`, ordered part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileVersion(pub [u16; 4]);

/// Text that is not four numbers of at most 65535 with dots between.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a file version (four numbers of 0 to 65535 with dots between)")]
pub struct BadVersion(pub String);

impl FileVersion {
    /// The last part: what product pages call the build.
    pub fn build(self) -> u16 {
        self.0[3]
    }

    /// The first three parts, which say whose numbering the build belongs to.
    pub fn line(self) -> [u16; 3] {
        [self.0[0], self.0[1], self.0[2]]
    }
}

impl FromStr for FileVersion {
    type Err = BadVersion;
    fn from_str(s: &str) -> Result<Self, BadVersion> {
        let mut parts = s.split('.').map(|p| {
            let digits = !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| p.parse::<u16>().ok()).flatten()
        });
        let mut next = || parts.next().flatten();
        match (next(), next(), next(), next(), parts.next()) {
            (Some(a), Some(b), Some(c), Some(d), None) => Ok(Self([a, b, c, d])),
            _ => Err(BadVersion(s.to_owned())),
        }
    }
}
impl TryFrom<String> for FileVersion {
    type Error = BadVersion;
    fn try_from(s: String) -> Result<Self, BadVersion> {
        s.parse()
    }
}
impl From<FileVersion> for String {
    fn from(v: FileVersion) -> String {
        v.to_string()
    }
}
impl fmt::Display for FileVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a}.{b}.{c}.{d}")
    }
}

/// The processor a PE file is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineType {
    /// 32-bit x86 (`IMAGE_FILE_MACHINE_I386`, 0x14c).
    X86,
    /// 64-bit x86 (`IMAGE_FILE_MACHINE_AMD64`, 0x8664).
    X64,
    /// Any other, by its number in the PE header.
    Other(u16),
}

impl fmt::Display for MachineType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineType::X86 => f.write_str("x86"),
            MachineType::X64 => f.write_str("x64"),
            MachineType::Other(n) => write!(f, "machine type {n:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_part_by_part_and_refuse_anything_else() {
        let v = |s: &str| s.parse::<FileVersion>();
        assert!(v("5.80.0.1179").unwrap() < v("5.80.0.1297").unwrap());
        assert!(v("5.80.0.1297").unwrap() < v("5.100.0.1").unwrap());
        for bad in ["", "5.80.0", "5.80.0.1.2", "5.80.0.x", "5.80.0.+1", "5.80.0.65536", "5..0.1", "-1.0.0.0"]
        {
            assert!(v(bad).is_err(), "{bad}");
        }
    }
}
