//! Keys of the Windows registry as data: what a snapshot keeps of one, and what makes one into another.

use crate::NameRule;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The hive that a machine's settings lie in, as people write it.
const HIVES: [&str; 2] = ["HKLM", "HKEY_LOCAL_MACHINE"];
/// Windows' own limit of a key's name, in characters.
const LONGEST: usize = 255;
/// Keys that many products, or the system, live by: what others change in them would go back too.
const SHARED: [&str; 6] = [
    r"SOFTWARE\CLASSES",
    r"SOFTWARE\MICROSOFT",
    r"SOFTWARE\MICROSOFT\WINDOWS",
    r"SOFTWARE\MICROSOFT\WINDOWS\CURRENTVERSION",
    r"SOFTWARE\MICROSOFT\WINDOWS NT",
    r"SOFTWARE\POLICIES",
];
/// Where services and the system's own settings lie; how services are configured is kept with the services.
const SYSTEMS: [&str; 3] = [r"SYSTEM\CURRENTCONTROLSET", r"SYSTEM\CONTROLSET", r"SYSTEM\SELECT"];
const SERVICES: &str = r"SYSTEM\CURRENTCONTROLSET\SERVICES\";
/// What programs of 32 bits see in the place of `SOFTWARE`.
const REDIRECTED: &str = "WOW6432NODE";

/// A key below `HKEY_LOCAL_MACHINE`, as somebody names it: `HKLM\SOFTWARE\Vendor\Product`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPath(String);

/// Text that names no key that could be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no key of a product: {why}")]
pub struct BadKey {
    /// The text.
    pub text: String,
    /// Why.
    pub why: &'static str,
}

impl KeyPath {
    /// The path below the hive.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keys that it stands for: below `SOFTWARE` the one that programs of 64 bits see and the one of 32 bits.
    pub fn views(&self) -> Vec<KeyName> {
        let (first, _) = self.0.split_once('\\').unwrap_or((&self.0, ""));
        let views: &[View] = match NameRule::Folded.same(first.as_ref(), "software".as_ref()) {
            true => &[View::Bits64, View::Bits32],
            false => &[View::Bits64],
        };
        views.iter().map(|view| KeyName { view: *view, path: self.clone() }).collect()
    }

    /// Whether it is `other`, or lies in it.
    pub fn is_within(&self, other: &Self) -> bool {
        let (own, other) = (fold(&self.0), fold(&other.0));
        own.strip_prefix(&other).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
    }
}

impl FromStr for KeyPath {
    type Err = BadKey;
    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = |why| BadKey { text: text.to_owned(), why };
        let (hive, below) = text.split_once('\\').ok_or_else(|| bad("it does not begin with `HKLM\\`"))?;
        if !HIVES.iter().any(|known| known.eq_ignore_ascii_case(hive)) {
            return Err(bad("it does not begin with `HKLM\\`"));
        }
        let names: Vec<&str> = below.split('\\').collect();
        if names.iter().any(|name| !is_name(name)) {
            return Err(bad("a name in it is empty, too long, or holds a control character"));
        }
        let folded = fold(below);
        if names.get(1).is_some_and(|name| fold(name) == REDIRECTED) {
            return Err(bad("leave `WOW6432Node` out: what programs of 32 bits see is taken along"));
        }
        if names.len() < 2 || SHARED.contains(&folded.as_str()) {
            return Err(bad("more than one product lives by it; name the product's own key"));
        }
        // What a product keeps of its own below its service is a product's.
        let below_a_service = folded.starts_with(SERVICES) && names.len() > 4;
        if !below_a_service && SYSTEMS.iter().any(|own| folded.starts_with(own)) {
            return Err(bad(
                "the system and its services live by it; services are kept with their configuration",
            ));
        }
        Ok(Self(below.to_owned()))
    }
}
impl TryFrom<String> for KeyPath {
    type Error = BadKey;
    fn try_from(text: String) -> Result<Self, BadKey> {
        text.parse()
    }
}
impl From<KeyPath> for String {
    fn from(key: KeyPath) -> String {
        key.to_string()
    }
}
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r"HKLM\{}", self.0)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST && !name.chars().any(char::is_control)
}

/// As the registry compares names.
fn fold(name: &str) -> String {
    NameRule::Folded.key(name.as_ref())
}

/// Which programs see a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Those of 64 bits.
    Bits64,
    /// Those of 32 bits.
    Bits32,
}

/// One key as some programs see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyName {
    /// Which programs.
    pub view: View,
    /// Where.
    pub path: KeyPath,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view {
            View::Bits64 => write!(f, "{}", self.path),
            View::Bits32 => write!(f, "{} (32-bit view)", self.path),
        }
    }
}

/// A value's type and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The number of its type.
    pub kind: u32,
    /// Its bytes.
    #[serde(with = "hex")]
    pub bytes: Vec<u8>,
}

/// The values of one key, by name; the key's own value has none.
pub type Values = BTreeMap<String, Value>;

/// A key with all that lies in it: the values of each key, by its path below this one, which itself has none. Empty: the
/// key is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyTree(pub BTreeMap<String, Values>);

/// A key that a snapshot keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedKey {
    /// Which.
    pub key: KeyName,
    /// What was in it.
    pub tree: KeyTree,
}

impl KeyTree {
    /// Whether the key is there.
    pub fn is_there(&self) -> bool {
        !self.0.is_empty()
    }

    /// How many values it holds.
    pub fn values(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// What cannot be meant, if anything: every key lies in one that is there.
    pub fn contradiction(&self) -> Option<String> {
        let orphan = |path: &&String| {
            let above = path.rsplit_once('\\').map_or("", |(above, _)| above);
            !path.is_empty() && (!self.0.contains_key(above) || !path.split('\\').all(is_part))
        };
        let found = self.0.keys().find(orphan)?;
        Some(format!("the key `{found}` lies in no key"))
    }
}

/// What a key's name may be below a key that is kept: hostile ones may hold anything but what parts names.
fn is_part(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}

impl fmt::Display for Value {
    /// As people read it; bytes that are no text in hex digits, and not more of them than anybody looks at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 24;
        let units = || -> Vec<u16> {
            self.bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
        };
        match (self.kind, <[u8; 4]>::try_from(self.bytes.as_slice())) {
            (1 | 2 | 7, _) => {
                let text = String::from_utf16_lossy(&units());
                let all: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
                write!(f, "\"{}\"", all.join("\", \""))
            }
            (4, Ok(bytes)) => write!(f, "{}", u32::from_le_bytes(bytes)),
            (kind, _) => {
                let shown = &self.bytes[..self.bytes.len().min(MOST)];
                let more = if self.bytes.len() > MOST { "…" } else { "" };
                write!(f, "type {kind}, {} bytes {}{more}", self.bytes.len(), hex::text(shown))
            }
        }
    }
}

/// One difference between two states of a key: what is to become of one key or one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Edit {
    /// A key comes.
    Make {
        /// Its path below the key that is kept.
        path: String,
    },
    /// A key that holds nothing more by then goes.
    Remove {
        /// Its path.
        path: String,
    },
    /// A value changes, comes or goes.
    Set {
        /// The path of its key.
        path: String,
        /// Its name.
        name: String,
        /// What it is.
        before: Option<Value>,
        /// What it will be.
        after: Option<Value>,
    },
}

impl Edit {
    /// The same, backwards.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Edit::Make { path } => Edit::Remove { path },
            Edit::Remove { path } => Edit::Make { path },
            Edit::Set { path, name, before, after } => Edit::Set { path, name, before: after, after: before },
        }
    }

    /// What it is about, below `key`, for people.
    pub fn about(&self, key: &KeyName) -> String {
        let (path, name) = match self {
            Edit::Make { path } | Edit::Remove { path } => (path, None),
            Edit::Set { path, name, .. } => (path, Some(name)),
        };
        let mut text = key.path.to_string();
        let view = if key.view == View::Bits32 { " (32-bit view)" } else { "" };
        if !path.is_empty() {
            text = format!(r"{text}\{path}");
        }
        match name {
            Some(name) => format!(r"{text}\{name}{view}"),
            None => format!("{text}{view}"),
        }
    }
}

impl fmt::Display for Edit {
    /// What becomes of it, in a few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Make { .. } => f.write_str("key comes"),
            Edit::Remove { .. } => f.write_str("key goes"),
            Edit::Set { before, after, .. } => {
                let words = |v: &Option<Value>| v.as_ref().map_or("nothing".to_owned(), Value::to_string);
                write!(f, "{} -> {}", words(before), words(after))
            }
        }
    }
}

/// What makes `from` into `to`, in an order in which it can be done: keys before what comes in them, and values before the keys
/// that go with them.
pub fn edits(from: &KeyTree, to: &KeyTree) -> Vec<Edit> {
    let keyed = |tree: &KeyTree| -> BTreeMap<String, (String, Values)> {
        tree.0.iter().map(|(path, values)| (fold(path), (path.clone(), values.clone()))).collect()
    };
    let (old, new) = (keyed(from), keyed(to));
    let none = Values::new();
    let mut all = Vec::new();
    for (key, (path, values)) in &new {
        let before = match old.get(key) {
            Some((_, before)) => before,
            None => {
                all.push(Edit::Make { path: path.clone() });
                &none
            }
        };
        set(path, before, values, &mut all);
    }
    for (path, values) in old.iter().rev().filter(|(key, _)| !new.contains_key(*key)).map(|(_, it)| it) {
        set(path, values, &none, &mut all);
        all.push(Edit::Remove { path: path.clone() });
    }
    all
}

fn set(path: &str, from: &Values, to: &Values, all: &mut Vec<Edit>) {
    let keyed = |values: &Values| -> BTreeMap<String, (String, Value)> {
        values.iter().map(|(name, value)| (fold(name), (name.clone(), value.clone()))).collect()
    };
    let (old, new) = (keyed(from), keyed(to));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        if before.map(|(_, v)| v) != after.map(|(_, v)| v) {
            let name = after.or(before).map(|(name, _)| name.clone()).unwrap_or_default();
            let (before, after) = (before.map(|(_, v)| v.clone()), after.map(|(_, v)| v.clone()));
            all.push(Edit::Set { path: path.to_owned(), name, before, after });
        }
    }
}

/// What of some edits is left to do, and what cannot be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due<'e> {
    /// As before, in the order of the edits. Those that are in neither list are done already.
    pub due: Vec<&'e Edit>,
    /// Neither as before nor as it is to be, or a key that holds what no edit speaks of.
    pub drifted: Vec<&'e Edit>,
}

/// What is left to do of `edits` in the key as it is `now`.
pub fn due<'e>(edits: &'e [Edit], now: &KeyTree) -> Due<'e> {
    let mut is = now.clone();
    let mut found = Due::default();
    for edit in edits {
        match is.stands(edit) {
            Stands::After => {}
            Stands::Before => {
                found.due.push(edit);
                is.carry_out(edit);
            }
            Stands::Drifted => found.drifted.push(edit),
        }
    }
    found
}

enum Stands {
    Before,
    After,
    Drifted,
}

impl KeyTree {
    /// A key in its own spelling.
    fn spelled(&self, path: &str) -> Option<String> {
        self.0.keys().find(|known| fold(known) == fold(path)).cloned()
    }

    fn value(&self, path: &str, name: &str) -> Option<&Value> {
        let values = self.0.get(&self.spelled(path)?)?;
        values.iter().find(|(known, _)| fold(known) == fold(name)).map(|(_, value)| value)
    }

    /// Whether this key is there.
    pub fn has(&self, path: &str) -> bool {
        self.spelled(path).is_some()
    }

    /// Whether a key holds values or keys.
    pub fn holds_something(&self, path: &str) -> bool {
        let below = if path.is_empty() { String::new() } else { format!(r"{}\", fold(path)) };
        let inside = |known: &String| fold(known) != fold(path) && fold(known).starts_with(&below);
        let values = self.spelled(path).and_then(|own| self.0.get(&own)).is_some_and(|v| !v.is_empty());
        values || self.0.keys().any(inside)
    }

    fn stands(&self, edit: &Edit) -> Stands {
        match edit {
            Edit::Make { path } if self.spelled(path).is_some() => Stands::After,
            Edit::Make { .. } => Stands::Before,
            Edit::Remove { path } if self.spelled(path).is_none() => Stands::After,
            Edit::Remove { path } if self.holds_something(path) => Stands::Drifted,
            Edit::Remove { .. } => Stands::Before,
            Edit::Set { path, name, before, after } => match self.value(path, name) {
                is if is == after.as_ref() => Stands::After,
                is if is == before.as_ref() && (self.spelled(path).is_some() || after.is_none()) => {
                    Stands::Before
                }
                _ => Stands::Drifted,
            },
        }
    }

    /// Does to this tree what `edit` does to the registry.
    pub fn carry_out(&mut self, edit: &Edit) {
        match edit {
            Edit::Make { path } => {
                self.0.entry(self.spelled(path).unwrap_or_else(|| path.clone())).or_default();
            }
            Edit::Remove { path } => {
                if let Some(own) = self.spelled(path) {
                    self.0.remove(&own);
                }
            }
            Edit::Set { path, name, after, .. } => {
                let Some(values) = self.spelled(path).and_then(|own| self.0.get_mut(&own)) else { return };
                let own = values.keys().find(|known| fold(known) == fold(name)).cloned();
                match after {
                    Some(after) => {
                        values.insert(own.unwrap_or_else(|| name.clone()), after.clone());
                    }
                    None => {
                        own.and_then(|own| values.remove(&own));
                    }
                }
            }
        }
    }
}

/// Bytes as hex digits, which RON and JSON can both hold.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn text(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&text(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?));
        match bytes.collect::<Option<Vec<u8>>>() {
            Some(bytes) if rest.is_empty() => Ok(bytes),
            _ => Err(D::Error::custom("no bytes in hex digits")),
        }
    }
}

#[cfg(test)]
mod tests;
