//! What a profile says, and which texts may be set at all.

use backout_plugin::{
    Ask, failure,
    protocol::{message::Failure, path::encode},
};
use serde::{Deserialize, Serialize};

/// No text that is set is longer, in characters.
const LONGEST: usize = 4096;

/// What a profile says of a component's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Values of the registry.
    #[serde(default)]
    pub(crate) registry: Vec<RegistryValue>,
    /// Values of INI files.
    #[serde(default)]
    pub(crate) ini: Vec<IniValue>,
}

/// One value of the registry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistryValue {
    /// Its key, from `HKLM` or `HKEY_LOCAL_MACHINE` on.
    pub(crate) key: String,
    /// Its name; empty: the key's own value.
    pub(crate) value: String,
    /// What it becomes.
    pub(crate) data: Data,
    /// As which programs see it; left out: as those for which the key, or the key above it, is there.
    #[serde(default)]
    pub(crate) view: Option<View>,
}

/// A registry value's type and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// `REG_SZ`.
    Sz(String),
    /// `REG_EXPAND_SZ`.
    ExpandSz(String),
    /// `REG_DWORD`.
    Dword(u32),
}

/// Which programs see a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum View {
    /// Those of 64 bits.
    Bits64,
    /// Those of 32 bits.
    Bits32,
}

/// One value of an INI file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IniValue {
    /// The file: a variable, and plain names below it.
    pub(crate) file: String,
    /// The section, without its brackets.
    pub(crate) section: String,
    /// The key.
    pub(crate) key: String,
    /// What it becomes.
    pub(crate) value: String,
}

/// The text that `text` stands for: of a variable, if it is `$name`, else itself.
///
/// # Errors
/// The variable has no value, or the value is none that can be set.
pub(crate) fn text(ask: &Ask<Config>, text: &str) -> Result<String, Failure> {
    let value = match text.strip_prefix('$') {
        None => text.to_owned(),
        Some(name) => match ask.request.folders.get(name) {
            None => {
                let how = format!("give it with `--set {name}=VALUE` or in the site file");
                return Err(failure(format!("the variable `{name}` has no value; {how}")));
            }
            Some(value) => match value.0.to_str() {
                Some(value) => value.to_owned(),
                None => return Err(failure(format!("the variable `{name}` is no text"))),
            },
        },
    };
    settable(&value)?;
    Ok(value)
}

/// Refuses what would be more than a value: line breaks and other control characters (NUL is one), and what nobody means.
pub(crate) fn settable(value: &str) -> Result<(), Failure> {
    if let Some(control) = value.chars().find(|c| c.is_control()) {
        let value = encode(value.as_ref());
        return Err(failure(format!("the value `{value}` has the control character {control:?} in it")));
    }
    if value.chars().count() > LONGEST {
        return Err(failure(format!("a value is longer than {LONGEST} characters")));
    }
    Ok(())
}
