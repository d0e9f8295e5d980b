//! No registry.

use super::{Key, Raw, Registry};
use crate::config::View;
use backout_plugin::{failure, protocol::message::Failure};

/// What is not here.
#[derive(Debug)]
pub(super) struct Here;

fn none<T>() -> Result<T, Failure> {
    Err(failure("this system has no registry"))
}

impl Registry for Here {
    fn key(&self, _: View, _: &str) -> Result<Key, Failure> {
        none()
    }
    fn read(&self, _: View, _: &str, _: &str) -> Result<Option<Raw>, Failure> {
        none()
    }
    fn write(&self, _: View, _: &str, _: &str, _: &Raw) -> Result<(), Failure> {
        none()
    }
    fn remove(&self, _: View, _: &str, _: &str) -> Result<(), Failure> {
        none()
    }
    fn remove_key(&self, _: View, _: &str) -> Result<(), Failure> {
        none()
    }
}
