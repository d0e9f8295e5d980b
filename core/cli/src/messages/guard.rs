//! Words about guards.

pub(crate) mod learn;

use super::{Said, failure, names, refusal};
use backout_engine::{Refusal, Stuck, snapshot};
use backout_protocol::{Guard, HostPath, Notice, Plan, path::encode, snapshot::ServiceWas};

/// What is asked before an installer is let go.
pub(crate) const QUESTION: &str = "Run the installer with this snapshot behind it? [yes/no]";

/// What is asked where an installer's work is not good.
pub(crate) const GO_BACK: &str = "Take everything back to the snapshot? Else it stays as it is. [yes/no]";

/// Refusals that are about guards.
pub(crate) fn refused(refusal: &Refusal) -> Said {
    match refusal {
        Refusal::NoInstaller { program, why } => Said::new(
            5100,
            format!("the installer `{program}` cannot be run: {why}"),
            "name a program that is there, as `backout guard PROFILE -- /path/to/installer ARGS`",
        ),
        Refusal::NoGuardHere => Said::new(
            5101,
            "installers cannot be guarded on this system yet",
            "`backout snapshot create PROFILE` before the installer, and `backout rollback PROFILE --from snapshot:ID` behind it",
        ),
        Refusal::NoHolder { why } => Said::new(
            5102,
            format!("the process that holds the installer's processes together cannot be started: {why}"),
            "`installer.log` in the run's folder may say more; mend that, then run it again",
        ),
        other => Said::new(5103, format!("refused: {other:?}"), "tell the developers"),
    }
}

/// A way back that cannot be gone.
pub(crate) fn stuck(why: &Stuck, again: &str) -> Said {
    let (code, snapshot, inner) = match why {
        Stuck::WayBack { snapshot, why } => (5110, snapshot, refusal::said(why)),
        Stuck::WayBackFailed { snapshot, why } => (5111, snapshot, failure::put_back(why)),
        other => return Said::new(5112, format!("{other:?}"), again),
    };
    // Links, kinds and rights may be back, and what the installer had started is ended.
    let what = inner.message.strip_suffix("; nothing was touched").unwrap_or(&inner.message);
    Said::new(
        code,
        format!(
            "the installer's work is not taken back to the snapshot {snapshot}: {what}; its files are as the installer left them, and what it had started is ended"
        ),
        format!("{}; {again}", mend(why).unwrap_or(inner.help)),
    )
    .at("back")
}

/// What helps on a way back and nowhere else.
fn mend(why: &Stuck) -> Option<String> {
    let Stuck::WayBack { why, .. } = why else { return None };
    match why.as_ref() {
        Refusal::FolderMissing { path } => Some(format!("make `{path}` again, empty")),
        Refusal::SnapshotUnknown { .. } => Some(
            "bring the snapshot back to the state folder, or give the guard up with `backout recover --abandon`"
                .to_owned(),
        ),
        _ => None,
    }
}

/// That an installer's work stays although it is not good, as the error of a call that was to see to it.
pub(crate) fn in_spite(notice: &Notice) -> Option<Said> {
    let Notice::KeptInSpite { why } = notice else { return None };
    Some(
        Said::new(
            5130,
            format!("the installer's work is not good and stays, as you said: {why}"),
            "`backout undo` takes it back to the snapshot",
        )
        .at("judge"),
    )
}

/// The installer in one line.
pub(crate) fn installer(guard: &Guard) -> String {
    names(guard.argv.iter().take(1)) + if guard.argv.len() > 1 { " …" } else { "" }
}

/// The installer's own name.
pub(crate) fn installer_name(argv: &[HostPath]) -> String {
    argv.first().and_then(|program| program.0.file_name()).map(encode).unwrap_or_default()
}

/// What a guard was asked for.
pub(crate) fn shown(guard: &Guard) -> Vec<String> {
    let argv: Vec<String> = guard.argv.iter().map(|word| encode(word.0.as_os_str())).collect();
    vec![
        format!("Installer {}", argv.join(" ")),
        format!("Snapshot {}", guard.snapshot),
        format!("On failure: {:?}", guard.on_failure).to_lowercase(),
    ]
}

/// What a guard covers, before anything is begun.
pub(crate) fn covers(profile: &str, wish: &snapshot::Wish, argv: &[HostPath]) -> String {
    let argv: Vec<String> = argv.iter().map(|word| encode(word.0.as_os_str())).collect();
    let mut lines = vec![format!("Guard {profile}: {}", argv.join(" ")), "Covered:".to_owned()];
    lines.extend(wish.roots.iter().map(|root| format!("  the folder {root}")));
    for service in &wish.services {
        let is = match &service.state {
            ServiceWas::NotInstalled => continue,
            ServiceWas::Running => "runs, and is to run",
            ServiceWas::Restarting => "is started again and again",
            ServiceWas::Stopped => "does not run, and is not to",
            ServiceWas::Unknown(why) => why,
        };
        lines.push(format!("  the service {}: {is}", service.name));
    }
    lines.push("Not covered:".to_owned());
    lines.extend(wish.exclude.iter().map(|glob| format!("  below these folders: {}", encode(glob.as_ref()))));
    lines.extend(NOT_COVERED.iter().map(|what| format!("  {what}")));
    lines.join("\n")
}

/// What no guard takes back.
pub(crate) const NOT_COVERED: [&str; 3] = [
    "files in other folders, users, the registry, databases of other programs",
    "how services are configured, where that does not lie in these folders",
    "sockets, pipes and devices",
];

/// How a guard ended well.
pub(crate) fn kept(plan: &Plan) -> String {
    let snapshot = plan.guards().map(|guard| guard.snapshot.to_string()).unwrap_or_default();
    format!("kept: the installer's work is whole; `backout undo` takes it back to the snapshot {snapshot}")
}
