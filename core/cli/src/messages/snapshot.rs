//! Words about snapshots.

use super::{Said, bytes, code, names};
use crate::logging::when;
use backout_engine::{
    Refusal,
    snapshot::{Cannot, Counted, InUse, Stored, Wish, diff, retention::Pruned, settings::Difference, verify},
};
use backout_machine::registry::RegistryError;
use backout_protocol::{
    HostPath, SnapshotId,
    path::encode,
    report::Warning,
    snapshot::{Snapshot, What},
};

/// What is asked before one goes.
pub(crate) const QUESTION: &str = "Remove this snapshot? What it holds is nowhere else. [yes/no]";

/// Refusals that are about snapshots.
pub(crate) fn refused(refusal: &Refusal) -> Said {
    use Refusal as R;
    match refusal {
        R::SnapshotUnknown { asked, known } if known.is_empty() => Said::new(
            1120,
            format!("there is no snapshot `{asked}`: none was taken yet"),
            "`backout snapshot create PROFILE` takes one",
        ),
        R::SnapshotUnknown { asked, known } => {
            let one = known.iter().filter(|id| id.as_str().starts_with(&asked.to_ascii_lowercase()));
            let many = !asked.is_empty() && one.count() > 1;
            let why = if many { "more than one snapshot is" } else { "no snapshot is" };
            Said::new(
                1121,
                format!("{why} called `{asked}`; there are {}", names(known)),
                "`backout snapshot list` says what each is",
            )
        }
        R::SnapshotDamaged { id, what } => Said::new(
            1122,
            format!("the snapshot {id} is damaged: {}", what.join(", ")),
            format!("take another one; `backout snapshot verify {id}` reads all of it"),
        ),
        R::SnapshotTooNew { id, found } => Said::new(
            1123,
            format!(
                "the snapshot {id} has the format {}.{}, which is newer than this backout",
                found.0, found.1
            ),
            "use the backout that took it, or a newer one",
        ),
        R::SnapshotKept { id, why } => Said::new(
            1124,
            format!("the snapshot {id} stays: {}", kept(why)),
            match why {
                InUse::Last => "take a newer one first".to_owned(),
                InUse::Pinned => format!("`backout snapshot unpin {id}` lets it go"),
                InUse::Run(run) => {
                    format!("`backout show {run}` says what it did; `backout history prune` lets old runs go")
                }
                InUse::UnreadableRun(run) => format!("`backout show {run}` says what is wrong with it"),
            },
        ),
        R::SnapshotElsewhere { id, path } => Said::new(
            1130,
            format!("`{path}` is not in both the snapshot {id} and the product"),
            "`backout snapshot show ID` says what it covers, `backout doctor PROFILE` where the product is",
        ),
        R::SnapshotCannot { id, names } => {
            let each: String =
                names.iter().map(|(place, why)| format!("\n  `{place}`: {}", cannot(why))).collect();
            Said::new(
                1131,
                format!("these names cannot be made what they are in the snapshot {id}:{each}"),
                "put them right by hand, then run it again",
            )
        }
        R::SnapshotFailed(e) if e.kind == backout_disk::ErrorKind::NoSpace => Said::new(
            1125,
            format!("no space is left for the snapshot: {e}; what was copied is removed"),
            "free some space, or leave something out with `--exclude GLOB`",
        ),
        R::SnapshotFailed(e) => Said::new(
            1126,
            format!("the snapshot cannot be taken: {e}; what was copied is removed"),
            "look at that file, and run it again",
        ),
        R::Changing { path } => Said::new(
            1127,
            format!("`{path}` changes while it is read, however often; what was copied is removed"),
            "stop what writes to it, or leave it out with `--exclude GLOB`",
        ),
        R::BadGlob { glob, why } => Said::new(
            1128,
            format!("`{glob}` is not a glob: {why}"),
            "`*` stands for any part of a name, `**` for any names, `?` for one character, `[ab]` for one of these",
        ),
        R::Registry(RegistryError::None) => Said::new(
            1170,
            "there is no registry on this system",
            "leave `--registry` out; on Windows it names keys",
        ),
        R::Registry(e @ RegistryError::TooMuch { .. }) => Said::new(
            1171,
            format!("{e}: that is no product's own key"),
            "name the product's own key below it",
        ),
        R::Registry(e) => {
            Said::new(1172, super::whole(e), "look at that key and its rights, as the administrator")
        }
        R::SettingUnread { setting, why } => {
            Said::new(1173, format!("`{setting}` cannot be read: {why}"), "mend that, then run it again")
        }
        other => Said::new(1129, format!("refused: {other:?}"), "tell the developers"),
    }
}

fn cannot(why: &Cannot) -> String {
    match why {
        Cannot::Link(to) => format!("it was a symbolic link to `{to}` and is none; make that link"),
        Cannot::IsLink => "it is a symbolic link and was none; remove the link".to_owned(),
        Cannot::OtherKind => {
            "a folder is where a file or link was, or the other way round; move it away".to_owned()
        }
    }
}

fn kept(why: &InUse) -> String {
    match why {
        InUse::Last => "it is the last one of its folders".to_owned(),
        InUse::Pinned => "it is pinned".to_owned(),
        InUse::Run(run) => {
            format!("the run {run} restored it or goes back to it, and is kept, or is not over")
        }
        InUse::UnreadableRun(run) => format!("the run {run} is not over, and what it needs cannot be read"),
    }
}

/// One in one line.
pub(crate) fn line(stored: &Stored) -> String {
    let pinned = if stored.pinned { "  pinned" } else { "" };
    match &stored.snapshot {
        Ok(snapshot) => {
            let label = snapshot.label.as_ref().map_or_else(String::new, |l| format!("  {}", clean(l)));
            let (files, size) = (snapshot.files(), bytes(snapshot.bytes()));
            format!(
                "{}  {}  {}: {files} files, {size}{pinned}{label}",
                stored.id,
                when(snapshot.taken),
                of(snapshot)
            )
        }
        Err(why) => format!("{}  cannot be used: {}{pinned}", stored.id, refused(why).message),
    }
}

/// What it is of.
pub(crate) fn of(snapshot: &Snapshot) -> String {
    let folders = || names(snapshot.roots.iter().map(|r| &r.path));
    snapshot.profile.as_deref().map_or_else(folders, clean)
}

/// What would be set aside.
pub(crate) fn would_take(wish: &Wish, counted: &Counted) -> String {
    let of = wish.profile.as_deref().map_or_else(|| names(&wish.roots), clean);
    format!("a snapshot of {of} would hold {} files, {}", counted.files, bytes(counted.bytes))
}

/// What pinning, or the contrary, would do; `would`: anything at all.
pub(crate) fn would_pin(id: &SnapshotId, keep: bool, would: bool) -> String {
    match (keep, would) {
        (true, true) => format!("{id} would stay until it is unpinned"),
        (true, false) => format!("{id} is pinned already"),
        (false, true) => format!("{id} would not be pinned any more"),
        (false, false) => format!("{id} is not pinned"),
    }
}

/// Text from a file, without what a terminal would take for an order.
fn clean(text: &str) -> String {
    encode(text.as_ref())
}

/// One, with every name in it.
pub(crate) fn whole(stored: &Stored, snapshot: &Snapshot) -> String {
    let mut text = format!("{}\nfolder {}\n", line(stored), stored.folder);
    for (number, root) in snapshot.roots.iter().enumerate() {
        text.push_str(&format!("root {number}: {}\n", root.path));
    }
    if !snapshot.exclude.is_empty() {
        text.push_str(&format!("left out: {}\n", names(snapshot.exclude.iter().map(|g| clean(g)))));
    }
    for service in &snapshot.services {
        let unit = service.unit.as_ref().map_or_else(String::new, |u| format!(" ({})", clean(u)));
        let start = service.start.as_ref().map_or_else(String::new, |s| format!(", started: {}", clean(s)));
        text.push_str(&format!(
            "service {}{unit}: {}{start}\n",
            service.name,
            clean(&format!("{:?}", service.state))
        ));
        let parts = service.configuration.iter().flat_map(|c| c.parts()).filter(|(_, is)| !is.is_empty());
        parts.for_each(|(part, is)| text.push_str(&format!("  {part}: {}\n", clean(&is))));
    }
    for saved in &snapshot.registry {
        match saved.tree.is_there() {
            true => {
                let (keys, values) = (saved.tree.0.len(), saved.tree.values());
                text.push_str(&format!("key {}: {keys} keys, {values} values\n", saved.key));
            }
            false => text.push_str(&format!("key {}: not there\n", saved.key)),
        }
        for (path, values) in &saved.tree.0 {
            for (name, value) in values {
                let whole = if path.is_empty() { name.clone() } else { format!(r"{path}\{name}") };
                text.push_str(&format!("  {}: {}\n", clean(&whole), clean(&value.to_string())));
            }
        }
    }
    for entry in &snapshot.entries {
        let Some(place) = snapshot.place(entry) else { continue };
        text.push_str(&format!("  {:<40} {place}\n", what(&entry.what)));
    }
    text
}

/// What a name is, in a few words.
pub(crate) fn what(what: &What) -> String {
    match what {
        What::Folder => "folder".to_owned(),
        What::File(image) => {
            let version = image.version.map_or_else(String::new, |v| format!(", {v}"));
            format!("{}{version}", image.fingerprint)
        }
        What::Link(target) => format!("link to {target}"),
        What::Other => "socket, pipe or device".to_owned(),
    }
}

/// What differs, one name a line.
pub(crate) fn changes(changes: &[diff::Change], settings: &[Difference]) -> String {
    if changes.is_empty() && settings.is_empty() {
        return "nothing differs".to_owned();
    }
    let line = |change: &diff::Change| match &change.how {
        diff::How::Added(new) => format!("+ {}: {}", change.path, what(new)),
        diff::How::Removed(old) => format!("- {}: {}", change.path, what(old)),
        diff::How::Changed { from, to } => format!("~ {}: {} -> {}", change.path, what(from), what(to)),
        diff::How::Facts(how) => format!("  {}: {}", change.path, clean(&how.join(", "))),
    };
    let set = settings.iter().map(|d| format!("~ {}: {}", clean(&d.about), clean(&d.how)));
    changes.iter().map(line).chain(set).collect::<Vec<_>>().join("\n")
}

/// What is wrong with a copy.
pub(crate) fn damage(how: &verify::How) -> String {
    match how {
        verify::How::Bytes => "its bytes are not those that were set aside".to_owned(),
        verify::How::Missing => "it is missing".to_owned(),
        verify::How::Kind => "it is something else than what was set aside".to_owned(),
        verify::How::Added => "it was not set aside".to_owned(),
        verify::How::Unreadable(why) => format!("it cannot be read: {why}"),
    }
}

/// Not everything is as it was set aside.
pub(crate) fn damaged(files: &[(HostPath, String)]) -> Said {
    let each: String = files.iter().map(|(path, why)| format!("\n  `{path}`: {why}")).collect();
    Said::new(
        5010,
        format!("not everything is as it was set aside:{each}"),
        "a rollback refuses what is damaged; take another snapshot, and look at the medium",
    )
}

/// Which snapshots go, or went.
pub(crate) fn pruned(pruned: &[Pruned], dry_run: bool) -> String {
    let verb = if dry_run { "would be removed" } else { "removed" };
    let gone: Vec<&Pruned> = pruned.iter().filter(|p| p.left.is_none()).collect();
    let freed: u64 = gone.iter().map(|p| p.bytes).sum();
    let mut text = format!("{} snapshots {verb}, {}", gone.len(), bytes(freed));
    for one in gone {
        text.push_str(&format!("\n  {}  {}", one.id, bytes(one.bytes)));
    }
    text
}

/// A snapshot whose time is over and that cannot go.
pub(crate) fn stays(id: &SnapshotId, why: &str) -> Warning {
    Warning {
        code: code(4042),
        message: format!("the time of the snapshot {id} is over, but it stays: {why}"),
    }
}
