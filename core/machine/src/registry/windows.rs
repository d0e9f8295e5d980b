//! Windows: both views, as a 32-bit product on a 64-bit system writes to the one that 64-bit programs do not see.

use super::{Meter, Registry, RegistryError, RegistryText, key::Key};
use backout_protocol::{
    KeyName,
    registry::{KeyTree, Value, Values},
};
use std::{ffi::OsString, io};
use winreg::{
    RegKey,
    enums::{HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_32KEY, KEY_WOW64_64KEY, REG_LINK},
};

/// The registry of this machine.
#[derive(Debug)]
pub(super) struct Here;

/// A failure while a tree is read: the system's, or that there is too much of it.
enum Unread {
    Io(io::Error),
    Too(RegistryError),
}
impl From<io::Error> for Unread {
    fn from(e: io::Error) -> Self {
        Unread::Io(e)
    }
}

fn failed<'a>(key: &'a KeyName, verb: &'static str) -> impl Fn(io::Error) -> RegistryError + 'a {
    move |source| match source.kind() {
        io::ErrorKind::InvalidData if verb == "read" => RegistryError::OddName { key: key.clone() },
        _ => RegistryError::System { key: key.clone(), verb, source },
    }
}

/// The path below the hive.
fn at(key: &KeyName, path: &str) -> String {
    if path.is_empty() { key.path.as_str().to_owned() } else { format!(r"{}\{path}", key.path.as_str()) }
}

fn take(
    key: &KeyName,
    path: String,
    depth: usize,
    meter: &mut Meter,
    tree: &mut KeyTree,
) -> Result<(), Unread> {
    // One that went meanwhile is not there.
    let Some(open) = Key::open(key.view, &at(key, &path))? else { return Ok(()) };
    meter.count(key, depth, path.len()).map_err(Unread::Too)?;
    let mut values = Values::new();
    open.values(|name, value| {
        meter.count(key, depth, name.len() + value.bytes.len()).map_err(Unread::Too)?;
        // What it leads to is not read, and so never changed: whoever changes anything has read the key before.
        if value.kind == REG_LINK as u32 {
            return Err(Unread::Too(RegistryError::Link { key: key.clone() }));
        }
        values.insert(name, value);
        Ok::<(), Unread>(())
    })?;
    let inner = open.keys()?;
    drop(open);
    tree.0.insert(path.clone(), values);
    for name in inner {
        let below = if path.is_empty() { name } else { format!(r"{path}\{name}") };
        take(key, below, depth + 1, meter, tree)?;
    }
    Ok(())
}

impl Registry for Here {
    fn is_here(&self) -> bool {
        true
    }

    fn tree(&self, key: &KeyName) -> Result<KeyTree, RegistryError> {
        let mut tree = KeyTree::default();
        match take(key, String::new(), 0, &mut Meter::default(), &mut tree) {
            Ok(()) => Ok(tree),
            Err(Unread::Io(e)) => Err(failed(key, "read")(e)),
            Err(Unread::Too(e)) => Err(e),
        }
    }

    fn make(&self, key: &KeyName, path: &str) -> Result<(), RegistryError> {
        Key::make(key.view, &at(key, path)).map(drop).map_err(failed(key, "changed"))
    }

    /// The system's call takes the values along, so they are looked for first.
    fn remove(&self, key: &KeyName, path: &str) -> Result<(), RegistryError> {
        let fail = failed(key, "changed");
        let Some(open) = Key::open(key.view, &at(key, path)).map_err(&fail)? else { return Ok(()) };
        let holds = || io::Error::other("it holds something that is not to go");
        let empty = open.values(|_, _| Err(holds())).and_then(|()| open.keys());
        if !empty.map_err(&fail)?.is_empty() {
            return Err(fail(holds()));
        }
        drop(open);
        Key::remove(key.view, &at(key, path)).map_err(fail)
    }

    fn set(&self, key: &KeyName, path: &str, name: &str, value: Option<&Value>) -> Result<(), RegistryError> {
        let fail = failed(key, "changed");
        let open = Key::open_to_change(key.view, &at(key, path)).map_err(&fail)?;
        match (open, value) {
            (Some(open), Some(value)) => open.set(name, value).map_err(fail),
            (Some(open), None) => open.unset(name).map_err(fail),
            (None, None) => Ok(()),
            (None, Some(_)) => Err(fail(io::Error::other("the key of the value is gone"))),
        }
    }

    /// Where the key is gone, the nearest one above it that is there.
    fn flush(&self, key: &KeyName) -> Result<(), RegistryError> {
        let fail = failed(key, "brought onto the medium");
        let mut path = key.path.as_str();
        loop {
            if let Some(open) = Key::open(key.view, path).map_err(&fail)? {
                return open.flush().map_err(fail);
            }
            match path.rsplit_once('\\') {
                Some((above, _)) => path = above,
                None => return Ok(()),
            }
        }
    }
}

pub(super) fn texts(key: &str, value: &str) -> Vec<RegistryText> {
    let machine = RegKey::predef(HKEY_LOCAL_MACHINE);
    let views = [(KEY_WOW64_64KEY, "64-bit view"), (KEY_WOW64_32KEY, "32-bit view")];
    let read = |(view, words): (u32, &str)| {
        let text = machine
            .open_subkey_with_flags(key, KEY_READ | view)
            .ok()?
            .get_value::<OsString, _>(value)
            .ok()?;
        Some(RegistryText { name: format!(r"HKLM\{key}\{value} ({words})"), text })
    };
    let mut found: Vec<RegistryText> = views.into_iter().filter_map(read).collect();
    // Where both views are the same key, or hold the same, it is said once.
    found.dedup_by(|a, b| a.text == b.text);
    found
}
