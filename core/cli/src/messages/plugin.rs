//! Words about plugins' files and their pins.

use super::Said;
use backout_host::{HostError, Pin, Shown};

/// One plugin, as its file shows it.
pub(crate) fn shown(shown: &Shown) -> String {
    let ((low, minor), (high, highest)) = shown.manifest.api;
    let spoken = match shown.spoken {
        Some((major, minor)) => format!("; {major}.{minor} are spoken with it"),
        None => "; none of them is spoken here".to_owned(),
    };
    let pin = match shown.pinned {
        Some(pinned) if pinned == shown.sha256 => "yes, to this digest".to_owned(),
        Some(pinned) => format!("to another digest: {pinned}"),
        None => "no; `backout plugin trust FILE` pins it".to_owned(),
    };
    let used = match &shown.problem {
        Some(problem) => format!("may not be used: {problem}"),
        None => "may be used".to_owned(),
    };
    format!(
        "{} {}\n    {}\n    file: {}\n    SHA-256: {}\n    made for: {}\n    messages: {low}.{minor} to {high}.{highest}{spoken}\n    \
         pinned: {pin}\n    {used}\n",
        shown.manifest.id,
        shown.manifest.version,
        shown.manifest.about,
        shown.file,
        shown.sha256,
        shown.target.as_deref().unwrap_or("a machine that has no name here"),
    )
}

/// What became of a pin.
pub(crate) fn pinned(pin: &Pin) -> String {
    let Pin { id, lock, before, now } = pin;
    match (before, now) {
        (before, Some(now)) if before == &Some(*now) => {
            format!("`{id}` is pinned to {now} already, in `{lock}`")
        }
        (Some(before), Some(now)) => {
            format!("`{id}` was pinned to {before} and is now pinned to {now}, in `{lock}`")
        }
        (None, Some(now)) => {
            format!("`{id}` is pinned to {now}, in `{lock}`: with other bytes it is not loaded")
        }
        (Some(before), None) => format!("`{id}` is no longer pinned to {before}, in `{lock}`"),
        (None, None) => not_pinned(id),
    }
}

/// What would become of a pin.
pub(crate) fn would_pin(pin: &Pin) -> String {
    let Pin { id, lock, before, now } = pin;
    match (before, now) {
        (before, now) if before == now => pinned(pin),
        (Some(before), Some(now)) => {
            format!("`{id}` is pinned to {before} and would be pinned to {now}, in `{lock}`")
        }
        (None, Some(now)) => format!("`{id}` would be pinned to {now}, in `{lock}`"),
        (Some(before), None) => format!("`{id}` would no longer be pinned to {before}, in `{lock}`"),
        (None, None) => not_pinned(id),
    }
}

/// There is no pin to take.
pub(crate) fn not_pinned(id: &str) -> String {
    format!("`{id}` is not pinned; nothing was changed")
}

/// What is said of a plugin's file alone; the rest is what a run says too.
pub(crate) fn refused(error: &HostError) -> Option<Said> {
    let said = |code, help: &str| Some(Said::new(code, format!("{error}; nothing was changed"), help));
    match error {
        HostError::NoPlugin { .. } => {
            said(1150, "name the library of a plugin; `backout plugin list` shows those that can be seen")
        }
        HostError::OtherDigest { .. } => {
            said(1151, "get the file again from whoever gave you that digest, and do not use this one")
        }
        HostError::Lock { .. } | HostError::LockDenied { .. } => {
            said(1152, "mend what it names, as root or as whoever the folder belongs to, and call this again")
        }
        _ => None,
    }
}
