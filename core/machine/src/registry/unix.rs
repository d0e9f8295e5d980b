//! No registry.

use super::RegistryText;

pub(super) fn texts(_key: &str, _value: &str) -> Vec<RegistryText> {
    Vec::new()
}
