//! Failures inside the window: everything was put back.

use super::{Said, lines, refusal::cancelled, text, whole};
use backout_engine::{Failure, failure::Holders};
use backout_machine::ServiceError;

/// What is said of a failure.
pub(crate) fn said(failure: &Failure) -> Said {
    match failure {
        Failure::Service(e) => {
            let help = match e {
                ServiceError::Lingers { .. } => {
                    "end that process yourself, or run it again with `--end-lingering`"
                }
                _ => "look at the service and its own log, then run it again",
            };
            Said::new(2001, whole(e), help).at("service")
        }
        Failure::Died { service } => Said::new(
            2002,
            format!("the service `{service}` stopped by itself right after its start"),
            "look at its own log, then run it again",
        )
        .at("health"),
        Failure::WrongImage { service, image } => Said::new(
            2035,
            format!(
                "the service `{service}` is called running, but no process of `{image}` runs from the product's folders"
            ),
            "look at what the service starts, or mend its `image` in profile or site; then run it again",
        )
        .at("health"),
        Failure::Lingering { processes: all } => Said::new(
            2003,
            format!("still running although their service has stopped: {}", processes(all)),
            "end them yourself, or run it again with `--end-lingering`",
        )
        .at("quiesce"),
        Failure::MustBeClosed { processes: all, help } => {
            Said::new(2020, format!("opened while the run went on: {}", processes(all)), text(help)).at("arm")
        }
        Failure::Process { why } => {
            Said::new(2004, why.clone(), "find out what holds them, then run it again").at("quiesce")
        }
        Failure::Drift { targets } => Said::new(
            2005,
            format!("these files changed while the run went on:{}", lines(targets)),
            "find out who changes them, then run it again",
        )
        .at("arm"),
        Failure::Swap { target, error, holders } => Said::new(
            2006,
            format!("`{target}` could not be swapped: {error}{}", held(holders)),
            match holders.0.is_empty() {
                true => "look at that file, then run it again",
                false => "close what holds the file, then run it again",
            },
        )
        .at("swap"),
        Failure::InDoubt { target } => Said::new(
            2007,
            format!("`{target}` is neither what it was nor what it was to become"),
            "find out who changed it, then run it again",
        )
        .at("swap"),
        Failure::Probe { name, why } => Said::new(
            2008,
            format!("the health probe `{name}` is not content: {why}"),
            "look into it, then run it again",
        )
        .at("health"),
        Failure::Cancelled(why) => Said::new(2009, cancelled(*why), "run it again"),
        Failure::Journal { why } => Said::new(
            2010,
            format!("the journal cannot be written: {why}"),
            "look at the file system of the state folder",
        )
        .at("journal"),
        Failure::NotMounted { folder } => Said::new(
            2011,
            format!("what the run left in `{folder}` is not there; its volume is probably not mounted"),
            "mount it, then run `backout recover`",
        )
        .at("recover"),
        Failure::OutOfReach { error } => Said::new(
            2052,
            format!("{error}; the run works in that folder, and what it keeps there is not lost; nothing was changed"),
            super::stuck::way_to(error).unwrap_or_else(|| "mend that, then run `backout recover`".to_owned()),
        )
        .at("recover"),
        Failure::Hold { why } => Said::new(
            2021,
            format!("the services cannot be held back while files are swapped: {why}"),
            "look at that file, then run it again",
        )
        .at("arm"),
        Failure::Joined { service } => Said::new(
            2024,
            format!("the service `{service}` has come up since the plan was made, and goes down with one of the run"),
            "run it again: the new plan will stop it and start it too",
        )
        .at("quiesce"),
        Failure::Queue { why } => Said::new(
            2023,
            why.clone(),
            "look at `PendingFileRenameOperations` of the session manager's key in the registry",
        )
        .at("reboot"),
        Failure::StopGoesOn => Said::new(
            2022,
            "a command that the run told to stop a service, or a plugin's action, still goes on; it may stop the service \
             or change something at any moment",
            "let it end, or end it yourself; then run `backout recover`",
        )
        .at("recover"),
        Failure::Action { component, action, why } => Said::new(
            2031,
            format!("the action `{action}` of `{component}` failed: {why}"),
            "mend that, then run it again",
        )
        .at("action"),
        Failure::Setting { setting, why } => Said::new(
            2050,
            format!("`{setting}` could not be read or made what it is to be: {why}"),
            "mend that, then run it again",
        )
        .at("setting"),
        Failure::SettingDrift { names: drifted } => Said::new(
            2051,
            format!("the registry, or how a service is configured, was changed while the run went on: {}", drifted.join(", ")),
            "stop what changes it, the product's own services too, then run it again",
        )
        .at("arm"),
        Failure::ActionDrift { component, action } => Said::new(
            2032,
            format!("what the action `{action}` of `{component}` is to change was changed while the run went on"),
            "find out who changes it, then run it again",
        )
        .at("arm"),
        Failure::ActionInDoubt { component, action } => Said::new(
            2033,
            format!(
                "what the action `{action}` of `{component}` changes is neither what it was nor what it was to become"
            ),
            "find out who changed it, then run it again",
        )
        .at("action"),
        Failure::Installer(exit) => Said::new(
            2040,
            exit.to_string(),
            "what it printed is in `installer.log` in the run's folder (`backout show RUN` names it); mend that, then run it again",
        )
        .at("install"),
        Failure::NotWhole { files, why } => {
            let what = if files.is_empty() {
                format!("whether the installer's work is whole cannot be seen: {why}")
            } else {
                let all: String = files.iter().map(|f| format!("\n  `{f}`")).collect();
                format!("the installer ended well, and these files are not as the patch leaves them:{all}\n")
            };
            Said::new(
                2041,
                what.trim_end(),
                "look at the installer's own log; where it only takes longer, run it again with `--settle SECONDS`",
            )
            .at("judge")
        }
        Failure::NotJudged => Said::new(
            2042,
            "how the installer ended is not on record, and no profile has versions to tell whether its work is whole",
            "run it again",
        )
        .at("judge"),
        Failure::InstallerRuns { processes: all } => Said::new(
            2043,
            format!("the installer goes on: {}", processes(all)),
            "let it end, or end it yourself; then run `backout recover`",
        )
        .at("install"),
        Failure::MsiRuns => Said::new(
            2045,
            "Windows Installer still installs or removes something, and that may be the installer's",
            "let it end; then run `backout recover`",
        )
        .at("install"),
        Failure::NeverLetGo => Said::new(
            2044,
            "the installer was never let go: nothing of it ran",
            "run it again; `installer.log` in the run's folder may say more",
        )
        .at("install"),
        Failure::NotConfirmed { .. } | Failure::AwaitsConfirm { .. } => super::confirm::failed(failure),
        Failure::Recorded { why } => {
            Said::new(2012, format!("the run was given up: {why}"), "mend that, then run it again")
        }
        _ => Said::new(2099, failure.to_string(), "tell the developers"),
    }
}

/// Image and number of each process.
pub(crate) fn processes(all: &[(String, u32)]) -> String {
    all.iter().map(|(image, pid)| format!("`{image}` (process {pid})")).collect::<Vec<_>>().join(", ")
}

/// Who holds a file, to be put behind a sentence; nothing if nobody is known to.
pub(crate) fn held(holders: &Holders) -> String {
    if holders.0.is_empty() { String::new() } else { format!("; it is held by {}", processes(&holders.0)) }
}

/// The failure, with everything put back.
pub(crate) fn put_back(failure: &Failure) -> Said {
    let inner = said(failure);
    let message = format!("{}; everything was put back: files and services are as they were", inner.message);
    Said { message, ..inner }
}

/// The failure, with the run open or its end not confirmed.
pub(crate) fn unfinished(failure: &Failure) -> Said {
    let inner = said(failure);
    if matches!(failure, Failure::AwaitsConfirm { .. }) {
        return inner;
    }
    let message = format!("{}; the run is not confirmed to be over", inner.message);
    let help = match failure {
        // Recovering alone would end here again.
        Failure::NotMounted { .. }
        | Failure::OutOfReach { .. }
        | Failure::StopGoesOn
        | Failure::InstallerRuns { .. }
        | Failure::MsiRuns => inner.help,
        Failure::Setting { .. } => "mend that, then run `backout recover`; it settles the run".to_owned(),
        _ => "run `backout recover`; it settles the run".to_owned(),
    };
    Said { code: 3002, message, help, ..inner }
}
