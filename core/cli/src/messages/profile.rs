//! Words about profiles that are made and checked.

use super::Said;

/// A plugin does not take what a profile says for it.
pub(crate) fn bad_config(plugin: &str, component: &str, place: &str, why: &str) -> Said {
    Said::new(
        1165,
        format!("{place}: component `{component}`: the plugin `{plugin}` does not take this `config`: {why}"),
        format!("`backout plugin schema {plugin}` shows what it may be"),
    )
}
