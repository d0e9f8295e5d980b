//! Words about guards.

pub(crate) mod learn;

use super::{Said, failure, names, refusal, text};
use backout_engine::{Refusal, Stuck, refusal::Unwatchable, snapshot};
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
        Refusal::NoHolder { why } => Said::new(
            5102,
            format!("the process that holds the installer's processes together cannot be started: {why}"),
            "`installer.log` in the run's folder may say more; mend that, then run it again",
        ),
        Refusal::NotWatchable { path, why } => Said::new(
            5143,
            format!("`{path}` cannot be watched: {}", unwatchable(*why)),
            "name the folders of the product with `--watch`, and leave what is not its own out with `--exclude GLOB`",
        ),
        Refusal::WatchedServiceUnknown { service } => Said::new(
            5144,
            format!("there is no service `{service}` here"),
            "name services as their manager does, as `systemctl list-units` or `sc query` shows them, or map the name in the site file; without `--service` none is watched",
        ),
        other => Said::new(5103, format!("refused: {other:?}"), "tell the developers"),
    }
}

fn unwatchable(why: Unwatchable) -> &'static str {
    match why {
        Unwatchable::NoFolder => "it is no folder",
        Unwatchable::Everything => "it is everything there is",
        Unwatchable::System => "the whole system lives by it, and what others change in it would go back too",
        Unwatchable::Kernel => "what lies in it is made up by the kernel",
        Unwatchable::OurOwn => "it lies in the state folder",
        Unwatchable::Link => {
            "it is a symbolic link, and where that leads would not go back; name the folder that the link lies in, or the one it leads to"
        }
    }
}

/// Warnings that are about guards without a profile: number and words.
pub(crate) fn watched(notice: &Notice) -> (u16, String) {
    let lines = |places: &[HostPath]| places.iter().map(|p| format!("\n  `{p}`")).collect::<String>();
    match notice {
        Notice::OlderStays { places } => (
            5196,
            format!(
                "these were there before the installer ran, elsewhere or where the snapshot does not look, and are in no copy; \
                 they stay under the names that they have now:{}",
                lines(places)
            ),
        ),
        Notice::CameSince { places } => (
            5140,
            format!(
                "these are new and not, or no more, what the installer left when it ended; they stay:{}",
                lines(places)
            ),
        ),
        Notice::CameUnknown { places, why } => (
            5141,
            format!(
                "what came while the installer ran is not on record ({why}), so nothing that is new is removed; these stay:{}",
                lines(places)
            ),
        ),
        Notice::CameNotWritten { why } => (
            5142,
            format!(
                "what came while the installer ran could not be written down ({why}): `backout undo` will leave everything that is new"
            ),
        ),
        Notice::WatchedWide { folder } => (
            5145,
            format!(
                "`{folder}` is wide: everything in it goes back, also what others change there while the installer runs; name the product's own folder if there is one"
            ),
        ),
        Notice::Parted { first, files } => (
            5147,
            format!(
                "{files} files had further names (hard links) and have only their own now, the first `{first}`; \
                 names outside of the folders that went back still hold what the installer wrote"
            ),
        ),
        Notice::Unlocked { first, names } => (
            5148,
            format!(
                "{names} names were immutable or append-only and had to change, the first `{first}`; they are so no more (`chattr`)"
            ),
        ),
        Notice::AboveMade { first, folders } => (
            5149,
            format!(
                "{folders} folders that hold what went back were gone, the outermost `{first}`; they are made anew with the mode 0755, as what they had is not known"
            ),
        ),
        Notice::NotLookedAt { places } => (
            5150,
            format!(
                "these are new and stay, with all that lies in them, as they are nested too deep or nothing here can name them; look at \
                 them and remove them by hand:{}",
                lines(places)
            ),
        ),
        other => (5146, format!("{other:?}")),
    }
}

/// Refusals of a machine that is not fit for the patch.
pub(crate) fn unfit(refusal: &Refusal) -> Said {
    match refusal {
        Refusal::NotFit { found } => {
            let each: String = found
                .iter()
                .map(|told| {
                    let seen = told.seen.as_ref().map(|seen| format!("\n    {seen}")).unwrap_or_default();
                    // Of what cannot be seen its words say what has to be so, of what is seen what may not be so.
                    let confirm = match (&told.seen, told.can_be_confirmed) {
                        (_, false) => String::new(),
                        (None, true) => format!("\n    if that is so: `--confirm {}`", told.id),
                        (Some(_), true) => {
                            format!("\n    if that is not so: `--confirm {}`", told.id)
                        }
                    };
                    format!("\n  {}: {}{seen}{confirm}", told.id, text(&told.text))
                })
                .collect();
            let mut remedies: Vec<String> = found.iter().map(|told| text(&told.remedy)).collect();
            remedies.dedup();
            Said::new(
                5191,
                format!("this machine is not fit for the patch:{each}"),
                format!("{}; then run it again", remedies.join("; ")),
            )
        }
        Refusal::ConfirmsNothing { asked, known } => Said::new(
            5192,
            format!("the profile asks for no confirmation `{asked}`"),
            if known.is_empty() {
                "it asks for none: leave `--confirm` out".to_owned()
            } else {
                format!("it asks for {}", names(known))
            },
        ),
        other => Said::new(5193, format!("refused: {other:?}"), "tell the developers"),
    }
}

/// A way back that cannot be gone.
pub(crate) fn stuck(why: &Stuck, again: &str) -> Said {
    let (code, snapshot, left, inner) = match why {
        Stuck::WayBack { snapshot, left, why } => (5110, snapshot, left, refusal::said(why)),
        Stuck::WayBackFailed { snapshot, left, why } => (5111, snapshot, left, failure::put_back(why)),
        other => return Said::new(5112, format!("{other:?}"), again),
    };
    // Links, kinds and rights may be back, and what the installer had started is ended.
    let what = inner.message.strip_suffix("; nothing was touched").unwrap_or(&inner.message);
    let files = match left.partly {
        false => "its files are as the installer left them",
        true => {
            "some of its new files are removed already, as the disk was full, the others are as the installer left them, \
             services are left stopped"
        }
    };
    let down = match left.down.as_slice() {
        [] => String::new(),
        down => format!(", and these services do not come up again: {}", names(down)),
    };
    Said::new(
        code,
        format!(
            "the installer's work is not taken back to the snapshot {snapshot}: {what}; {files}, what it had started is ended{down}"
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
    let mut lines = vec![
        format!("Installer {}", argv.join(" ")),
        format!("Snapshot {}", guard.snapshot),
        format!("On failure: {:?}", guard.on_failure).to_lowercase(),
    ];
    if guard.profile.is_none() {
        lines.extend(guard.roots.iter().map(|root| format!("Folder {root}")));
    }
    lines
}

/// What a guard covers, before anything is begun.
pub(crate) fn covers(wish: &snapshot::Wish, argv: &[HostPath]) -> String {
    let argv: Vec<String> = argv.iter().map(|word| encode(word.0.as_os_str())).collect();
    let of = wish.profile.as_deref().unwrap_or("without a profile");
    let mut lines = vec![format!("Guard {of}: {}", argv.join(" ")), "Covered:".to_owned()];
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
    lines.extend(
        wish.registry.iter().map(|saved| format!("  the key {}", encode(saved.key.to_string().as_ref()))),
    );
    lines.push("Not covered:".to_owned());
    lines.extend(wish.exclude.iter().map(|glob| format!("  below these folders: {}", encode(glob.as_ref()))));
    lines.extend(not_covered(wish).iter().map(|what| format!("  {what}")));
    lines.join("\n")
}

/// What a guard with this snapshot behind it does not take back.
pub(crate) fn not_covered(wish: &snapshot::Wish) -> Vec<&'static str> {
    let mut all = NOT_COVERED.to_vec();
    if wish.profile.is_none() {
        all.extend(NOT_COVERED_WATCHED);
        if wish.services.is_empty() {
            all.push(NO_SERVICE);
        }
    }
    all
}

/// What no guard takes back.
const NOT_COVERED: [&str; 3] = [
    "files in other folders, users, keys of the registry that are not named, databases of other programs",
    "how services are configured, but for whether they are enabled and what lies in these folders",
    "sockets, pipes and devices",
];

/// What none without a profile does.
const NOT_COVERED_WATCHED: [&str; 2] = [
    "what comes into these folders once the installer has ended, or is changed of what it brought: it stays, and is named",
    "whether the files are those that the installer was to bring: its exit code and the services alone tell that it did well",
];
const NO_SERVICE: &str =
    "services: none is named, so none is looked at, and none is stopped while files go back";

/// How a guard ended well.
pub(crate) fn kept(plan: &Plan) -> String {
    let snapshot = plan.guards().map(|guard| guard.snapshot.to_string()).unwrap_or_default();
    format!("kept: the installer's work is whole; `backout undo` takes it back to the snapshot {snapshot}")
}
