//! Sentences that data files bring along, in the languages they know.

use serde::{Deserialize, Serialize};

/// One sentence in English and, where somebody wrote it, in Japanese.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// Japanese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ja: Option<String>,
}

impl Text {
    /// An English sentence.
    pub fn en(text: impl Into<String>) -> Self {
        Self { en: text.into(), ja: None }
    }
}

/// The one way every RON file of backout is read: `Some(x)` may be written `x`.
pub fn ron_options() -> ron::Options {
    ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
}

/// RON that could not be read, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {why}")]
pub struct RonError {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong there.
    pub why: String,
}

/// Reads one RON document; `file` is only named in the error.
pub fn from_ron<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, RonError> {
    ron_options().from_str(text).map_err(|e| RonError {
        file: file.to_owned(),
        line: e.span.start.line,
        column: e.span.start.col,
        why: e.code.to_string(),
    })
}

/// Writes one RON document for people to read.
pub fn to_ron<T: Serialize>(value: &T) -> Result<String, ron::Error> {
    let pretty = ron::ser::PrettyConfig::new().depth_limit(8).struct_names(false);
    ron_options().to_string_pretty(value, pretty).map(|text| text + "\n")
}
