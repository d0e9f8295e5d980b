//! Words about a plugin that is checked.

use super::Said;
use backout_host::conformance::NotCheckable;

/// It cannot be checked; `None`: it is not to be trusted, which has words of its own.
pub(crate) fn not_checkable(why: &NotCheckable) -> Option<Said> {
    match why {
        NotCheckable::NoPlugin { .. } => Some(Said::new(
            1160,
            format!("{why}; none of its code ran"),
            "name the library that the build has made; `backout plugin new NAME` makes a plugin to begin with",
        )),
        NotCheckable::Foreign { .. } => Some(Said::new(
            1161,
            format!("{why}; none of its code ran"),
            "check it on a machine of that kind, or build it for this one",
        )),
        NotCheckable::Distrusted(_) => None,
    }
}

/// No process can be started for it.
pub(crate) fn no_process() -> Said {
    Said::new(
        1162,
        "this program has no name under which it could be started for the plugin; nothing was checked",
        "call backout by the path of its file",
    )
}

/// Some checks found something.
pub(crate) fn not_fit(id: &str, wrong: usize, of: usize) -> Said {
    Said::new(
        5004,
        format!("the plugin `{id}` is not as it should be: {wrong} of {of} checks found something"),
        "each has the command that carries it out again; `backout plugin check --list` says what each is about",
    )
}
