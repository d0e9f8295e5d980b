//! Usage and bugs.

use super::Said;

/// A verb or flag that is documented and not in this version.
pub(crate) fn not_in_this_version(what: &str) -> Said {
    Said::new(
        9002,
        format!("`{what}` is not in this version; nothing was done"),
        "`backout --help` shows what is",
    )
}

/// A command line that cannot be understood.
pub(crate) fn usage(why: &str) -> Said {
    Said::new(9001, format!("{why}; nothing was done"), "`backout --help` shows verbs and flags")
}

/// The process of a plugin that nobody tells what to do.
pub(crate) fn no_host(why: &str) -> Said {
    Said::new(
        9003,
        format!("nobody says which plugin is to run here: {why}; nothing was done"),
        "this verb is backout's own; `backout --help` shows those for people",
    )
}

/// A panic.
pub(crate) fn bug(why: &str) -> Said {
    Said::new(
        9070,
        format!("a bug in backout: {why}; the state of the machine is not known"),
        "run `backout status`, then `backout recover`; and tell the developers",
    )
}
