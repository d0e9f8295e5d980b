//! Words about the recovery at boot.

use super::Said;
use backout_engine::boot::BootRecovery;

/// A call that only the service manager makes.
pub(crate) fn no_service(why: &str) -> Said {
    Said::new(
        1100,
        format!("the service of the recovery at boot cannot run: {why}; nothing was touched"),
        "let the service manager start it (`sc start backout-recovery`), or run `backout recover`",
    )
}

pub(crate) fn installed(changed: bool) -> String {
    let how = if changed { "is installed" } else { "was installed already" };
    format!("the recovery at boot {how}: an unfinished run is settled before its services start")
}

pub(crate) fn removed(changed: bool) -> String {
    if changed {
        "the recovery at boot is removed: after a power cut, services stay down until `backout recover` has run".into()
    } else {
        "the recovery at boot was not installed".into()
    }
}

pub(crate) fn would_install() -> String {
    "the recovery at boot would be installed: an unfinished run would be settled before its services start"
        .into()
}

pub(crate) fn would_remove() -> String {
    "the recovery at boot would be removed: after a power cut, services would stay down until `backout recover` has run"
        .into()
}

/// How it stands, in one word for programs.
pub(crate) fn word(found: &BootRecovery) -> &'static str {
    match found {
        BootRecovery::Installed => "installed",
        BootRecovery::Missing => "missing",
        BootRecovery::Broken { .. } => "broken",
        BootRecovery::Elsewhere { .. } => "elsewhere",
        BootRecovery::NoManager => "no-manager",
    }
}

/// How it stands.
pub(crate) fn status(found: &BootRecovery) -> String {
    let mend = "`backout boot install` mends that";
    match found {
        BootRecovery::Installed => installed(true),
        BootRecovery::Missing => format!("the recovery at boot is not installed; {mend}"),
        BootRecovery::Broken { why } => format!("the recovery at boot would not work: {why}; {mend}"),
        BootRecovery::Elsewhere { state } => {
            format!("the recovery at boot is installed for another state folder, `{state}`")
        }
        BootRecovery::NoManager => {
            "nothing that this version knows (systemd) boots this machine: after a power cut, run `backout recover`".into()
        }
    }
}
