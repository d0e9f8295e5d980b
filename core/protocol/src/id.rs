//! Names of runs, components and services, checked while they are read.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A name that does not have the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {wanted}")]
pub struct BadId {
    /// What was given.
    pub given: String,
    /// What the form is, as a noun with its article.
    pub wanted: &'static str,
}

macro_rules! checked_id {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                let check: fn(&str) -> bool = $check;
                if check(s) { Ok(Self(s.to_owned())) } else { Err(BadId { given: s.to_owned(), wanted: $wanted }) }
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(s: String) -> Result<Self, BadId> {
                s.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_id!(
    /// One run of a changing verb: 26 characters `[0-9a-z]`, sortable by the time the run began.
    RunId,
    "a run id (26 characters 0-9 a-z)",
    |s| s.len() == 26 && s.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
);
checked_id!(
    /// A component of a product, as its profile names it: `[a-z0-9]` and inner `-`, at most 64 characters.
    ComponentId,
    "a component id (a-z, 0-9 and inner -)",
    |s| {
        !s.is_empty()
            && s.len() <= 64
            && s.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-')
            && !s.starts_with('-')
            && !s.ends_with('-')
    }
);
checked_id!(
    /// A service by its display name, as the product's own manual calls it. No control characters, 1 to 256 bytes.
    ServiceName,
    "a service name (1 to 256 bytes, no control characters)",
    |s| !s.trim().is_empty() && s.len() <= 256 && !s.chars().any(char::is_control)
);
checked_id!(
    /// Files set aside on purpose: 26 characters `[0-9a-z]`, sortable by the time they were taken.
    SnapshotId,
    "a snapshot's id (26 characters 0-9 a-z)",
    |s| s.len() == 26 && s.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
);
