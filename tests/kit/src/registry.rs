//! A registry in memory that does what the real one does, and what that does not do at will: it fails, or the program dies, at
//! any of its changes. That it does what the real one does is tested beside that one.

use backout_machine::registry::{Registry, RegistryError};
use backout_protocol::{
    KeyName,
    registry::{Edit, KeyTree, Value},
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What happens at a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The program dies before it.
    DiesBefore,
    /// The program dies behind it.
    DiesBehind,
    /// It fails.
    Fails,
}

/// Keys in memory.
#[derive(Debug, Default)]
pub struct FakeRegistry {
    keys: Mutex<BTreeMap<KeyName, KeyTree>>,
    mishap: Mutex<Option<(usize, Mishap)>>,
    is_hidden: Mutex<bool>,
}

/// Whoever died while it was locked left it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeRegistry {
    /// Makes a key what it is in `tree`.
    pub fn put(&self, key: &KeyName, tree: &KeyTree) {
        lock(&self.keys).insert(key.clone(), tree.clone());
    }

    /// Lets this happen at the change of this number, from 0, from now on; `None`: nothing any more.
    pub fn at(&self, mishap: Option<(usize, Mishap)>) {
        *lock(&self.mishap) = mishap;
    }

    /// Lets no key be read any more, or each again.
    pub fn hide(&self, hidden: bool) {
        *lock(&self.is_hidden) = hidden;
    }

    /// Whether nothing is to happen any more.
    pub fn is_calm(&self) -> bool {
        lock(&self.mishap).is_none()
    }

    /// # Panics
    /// Where the program dies now.
    fn change(
        &self,
        key: &KeyName,
        change: impl FnOnce(&mut KeyTree) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let now = {
            let mut mishap = lock(&self.mishap);
            match mishap.as_mut() {
                Some((0, _)) => mishap.take().map(|(_, what)| what),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            }
        };
        match now {
            Some(Mishap::DiesBefore) => panic!("dies before a change of the registry"),
            Some(Mishap::Fails) => return Err(failed(key, "the medium is gone")),
            Some(Mishap::DiesBehind) | None => {}
        }
        change(lock(&self.keys).entry(key.clone()).or_default())?;
        if now == Some(Mishap::DiesBehind) {
            panic!("dies behind a change of the registry");
        }
        Ok(())
    }
}

fn failed(key: &KeyName, why: &str) -> RegistryError {
    refused(key, "changed", why)
}

fn refused(key: &KeyName, verb: &'static str, why: &str) -> RegistryError {
    RegistryError::System { key: key.clone(), verb, source: io::Error::other(why.to_owned()) }
}

/// The keys above one, and it itself.
fn with_those_above(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.match_indices('\\').map(|(at, _)| &path[..at]);
    [""].into_iter().chain(inner).chain((!path.is_empty()).then_some(path))
}

impl Registry for FakeRegistry {
    fn is_here(&self) -> bool {
        true
    }

    fn tree(&self, key: &KeyName) -> Result<KeyTree, RegistryError> {
        match *lock(&self.is_hidden) {
            true => Err(refused(key, "read", "the hive is gone")),
            false => Ok(lock(&self.keys).get(key).cloned().unwrap_or_default()),
        }
    }

    fn make(&self, key: &KeyName, path: &str) -> Result<(), RegistryError> {
        self.change(key, |tree| {
            with_those_above(path).for_each(|path| tree.carry_out(&Edit::Make { path: path.to_owned() }));
            Ok(())
        })
    }

    fn remove(&self, key: &KeyName, path: &str) -> Result<(), RegistryError> {
        self.change(key, |tree| {
            if tree.holds_something(path) {
                return Err(failed(key, "it holds something that is not to go"));
            }
            tree.carry_out(&Edit::Remove { path: path.to_owned() });
            Ok(())
        })
    }

    fn set(&self, key: &KeyName, path: &str, name: &str, value: Option<&Value>) -> Result<(), RegistryError> {
        self.change(key, |tree| {
            if value.is_some() && !tree.has(path) {
                return Err(failed(key, "the key of the value is gone"));
            }
            let (path, name) = (path.to_owned(), name.to_owned());
            tree.carry_out(&Edit::Set { path, name, before: None, after: value.cloned() });
            Ok(())
        })
    }

    fn flush(&self, key: &KeyName) -> Result<(), RegistryError> {
        self.change(key, |_| Ok(()))
    }
}
