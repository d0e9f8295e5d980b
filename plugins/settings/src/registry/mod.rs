//! Values of the registry, as actions: each remembers what was there.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "elsewhere.rs")]
mod os;

use crate::config::{self, Config, Data, View};
use backout_plugin::{
    Action, Ask, action, failure,
    protocol::message::{ActionRequest, ActionState, Failure, Prepared, Proposed},
};
use serde::{Deserialize, Serialize};

/// The action's name.
pub const ACTION: &str = "registry";
/// What keys begin with: the one hive that a machine's settings lie in.
const HIVES: [&str; 2] = [r"HKLM\", r"HKEY_LOCAL_MACHINE\"];
/// Windows' own limits, in characters.
const KEY_NAME: usize = 255;
const VALUE_NAME: usize = 16_383;

/// A value as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// The number of its type.
    pub kind: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is found of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It is not there.
    Absent,
    /// It holds neither a value nor a key.
    Empty,
    /// It holds something.
    Filled,
}

/// The keys and values below `HKEY_LOCAL_MACHINE`.
pub trait Registry {
    /// What a key is.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn key(&self, view: View, key: &str) -> Result<Key, Failure>;

    /// A value; `None`: it, or its key, is not there.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, view: View, key: &str, value: &str) -> Result<Option<Raw>, Failure>;

    /// Makes the value so, with the keys above it, and returns when it is on the medium.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&self, view: View, key: &str, value: &str, raw: &Raw) -> Result<(), Failure>;

    /// Takes the value away and returns when that is on the medium. What is not there is gone.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&self, view: View, key: &str, value: &str) -> Result<(), Failure>;

    /// Takes a key away that holds nothing any more. One that holds something, or is not there, stays as it is.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove_key(&self, view: View, key: &str) -> Result<(), Failure>;
}

/// The registry of this machine.
pub fn here() -> impl Registry {
    os::Here
}

/// What an action is told: which value becomes what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    view: View,
    /// Below `HKEY_LOCAL_MACHINE`.
    key: String,
    value: String,
    data: Data,
}

/// What was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memo {
    /// The value; `None`: there was none.
    value: Option<Raw>,
    /// Keys that were not there, the outermost first.
    missing: Vec<String>,
}

/// A step for each value that is not as it is to be.
pub(crate) fn steps(ask: &Ask<Config>, registry: &impl Registry) -> Result<Vec<Proposed>, Failure> {
    let mut seen: Vec<(View, String, String)> = Vec::new();
    let mut steps = Vec::new();
    for wanted in &ask.config.registry {
        let key = below_the_hive(&wanted.key)?;
        name(&wanted.value, VALUE_NAME)?;
        let data = match &wanted.data {
            Data::Sz(text) => Data::Sz(config::text(ask, text)?),
            Data::ExpandSz(text) => Data::ExpandSz(config::text(ask, text)?),
            Data::Dword(number) => Data::Dword(*number),
        };
        let view = match wanted.view {
            Some(view) => view,
            None => whose(registry, &key)?,
        };
        let args = Args { view, key, value: wanted.value.clone(), data };
        let same = (view, args.key.to_lowercase(), args.value.to_lowercase());
        if seen.contains(&same) {
            return Err(failure(format!(r"`{}\{}` is set twice", args.key, args.value)));
        }
        seen.push(same);
        if registry.read(view, &args.key, &args.value)?.as_ref() != Some(&raw(&args.data)) {
            let args = action::remember(&args, false)?.memo;
            steps.push(Proposed::Custom { action: ACTION.to_owned(), args });
        }
    }
    Ok(steps)
}

/// The key without its hive, if that is the machine's, and its names can be keys.
fn below_the_hive(key: &str) -> Result<String, Failure> {
    let hive = HIVES.iter().find(|hive| key.get(..hive.len()).is_some_and(|k| k.eq_ignore_ascii_case(hive)));
    let Some(hive) = hive else {
        return Err(failure(format!(r"the key `{key}` does not begin with `HKLM\`")));
    };
    let below = &key[hive.len()..];
    for part in below.split('\\') {
        if part.is_empty() {
            return Err(failure(format!("the key `{key}` has an empty name in it")));
        }
        name(part, KEY_NAME)?;
    }
    Ok(below.to_owned())
}

fn name(name: &str, most: usize) -> Result<(), Failure> {
    config::settable(name)?;
    if name.chars().count() > most {
        return Err(failure(format!("a name in the registry is longer than {most} characters")));
    }
    Ok(())
}

/// The programs for which the key, or the key above it, is there: those of 64 bits first.
fn whose(registry: &impl Registry, key: &str) -> Result<View, Failure> {
    let above = key.rsplit_once('\\').map_or(key, |(above, _)| above);
    for place in [key, above] {
        for view in [View::Bits64, View::Bits32] {
            if registry.key(view, place)? != Key::Absent {
                return Ok(view);
            }
        }
    }
    Err(failure(format!(r"neither `HKLM\{key}` nor the key above it is there: the product is not installed")))
}

/// The value's type and bytes as Windows keeps them.
fn raw(data: &Data) -> Raw {
    let text = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    match data {
        Data::Sz(value) => Raw { kind: 1, bytes: text(value) },
        Data::ExpandSz(value) => Raw { kind: 2, bytes: text(value) },
        Data::Dword(value) => Raw { kind: 4, bytes: value.to_le_bytes().to_vec() },
    }
}

/// Gives one value of the registry another content.
#[derive(Debug)]
pub struct SetValue<R>(pub R);

impl<R: Registry> SetValue<R> {
    fn missing(&self, args: &Args) -> Result<Vec<String>, Failure> {
        let ends = args.key.match_indices('\\').map(|(at, _)| at).chain([args.key.len()]);
        let mut missing = Vec::new();
        for key in ends.map(|end| &args.key[..end]) {
            if !missing.is_empty() || self.0.key(args.view, key)? == Key::Absent {
                missing.push(key.to_owned());
            }
        }
        Ok(missing)
    }
}

impl<R: Registry> Action for SetValue<R> {
    fn prepare(&self, about: &ActionRequest) -> Result<Prepared, Failure> {
        let args: Args = action::args(about)?;
        let value = self.0.read(args.view, &args.key, &args.value)?;
        let already = value.as_ref() == Some(&raw(&args.data));
        action::remember(&Memo { value, missing: self.missing(&args)? }, already)
    }

    fn apply(&self, about: &ActionRequest) -> Result<(), Failure> {
        let args: Args = action::args(about)?;
        self.0.write(args.view, &args.key, &args.value, &raw(&args.data))
    }

    fn undo(&self, about: &ActionRequest) -> Result<(), Failure> {
        let (args, memo): (Args, Memo) = (action::args(about)?, action::memo(about)?);
        match &memo.value {
            Some(before) => self.0.write(args.view, &args.key, &args.value, before),
            None => {
                self.0.remove(args.view, &args.key, &args.value)?;
                memo.missing.iter().rev().try_for_each(|key| self.0.remove_key(args.view, key))
            }
        }
    }

    fn state(&self, about: &ActionRequest) -> Result<ActionState, Failure> {
        let (args, memo): (Args, Memo) = (action::args(about)?, action::memo(about)?);
        let now = self.0.read(args.view, &args.key, &args.value)?;
        if now.as_ref() == Some(&raw(&args.data)) {
            return Ok(ActionState::After);
        }
        if now != memo.value {
            return Ok(ActionState::Between);
        }
        // A key that was made for it and has nothing in it is half of it. One that somebody else has filled meanwhile is
        // not ours any more.
        for key in &memo.missing {
            if self.0.key(args.view, key)? == Key::Empty {
                return Ok(ActionState::Between);
            }
        }
        Ok(ActionState::Before)
    }
}

#[cfg(test)]
mod tests;
