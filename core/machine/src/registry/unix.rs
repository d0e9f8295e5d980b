//! No registry.

use super::{Registry, RegistryError, RegistryText};
use backout_protocol::{
    KeyName,
    registry::{KeyTree, Value},
};

pub(super) fn texts(_key: &str, _value: &str) -> Vec<RegistryText> {
    Vec::new()
}

/// There is none.
#[derive(Debug)]
pub(super) struct Here;

impl Registry for Here {
    fn is_here(&self) -> bool {
        false
    }
    fn tree(&self, _: &KeyName) -> Result<KeyTree, RegistryError> {
        Err(RegistryError::None)
    }
    fn make(&self, _: &KeyName, _: &str) -> Result<(), RegistryError> {
        Err(RegistryError::None)
    }
    fn remove(&self, _: &KeyName, _: &str) -> Result<(), RegistryError> {
        Err(RegistryError::None)
    }
    fn set(&self, _: &KeyName, _: &str, _: &str, _: Option<&Value>) -> Result<(), RegistryError> {
        Err(RegistryError::None)
    }
    fn flush(&self, _: &KeyName) -> Result<(), RegistryError> {
        Err(RegistryError::None)
    }
}
