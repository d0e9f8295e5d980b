//! Generations: which snapshots hold files of a product as they were before its patch, and with which of them all of it
//! can go back. Reads inventories, and of the copies those that are in question. Changes nothing.

use crate::{
    decide::judge,
    drift::Known,
    faces::Faces,
    load::Job,
    look, planner,
    snapshot::{
        restore,
        store::{self, SNAPSHOTS},
    },
    state::State,
};
use backout_disk::fingerprint::fingerprint;
use backout_protocol::{
    ComponentId, HostPath, Image, MachineType, NameRule, Place, Profile, SnapshotId,
    message::Need,
    plan::RestoreFrom,
    snapshot::{Entry, Snapshot, What},
};
use std::collections::BTreeMap;

/// A file whose earlier state is sought.
pub(crate) struct Sought<'a> {
    pub component: &'a ComponentId,
    pub path: &'a HostPath,
    /// By what a list says it is judged.
    pub need: Need,
}

/// The snapshots of a product.
pub(crate) struct Generations<'a> {
    /// Newest first.
    all: Vec<Generation>,
    state: Option<&'a State>,
    names: NameRule,
    machines: &'a BTreeMap<(ComponentId, String), MachineType>,
    known: &'a Known<'a>,
}

struct Generation {
    snapshot: Snapshot,
    /// The number of each file's entry, by the key of its whole path.
    files: BTreeMap<String, usize>,
}

impl<'a> Generations<'a> {
    /// Those that can be read and lie in these folders. `machines`: what each listed file is for, where a list says so.
    pub(crate) fn of(
        state: Option<&'a State>,
        profile: &Profile,
        roots: &[HostPath],
        machines: &'a BTreeMap<(ComponentId, String), MachineType>,
        known: &'a Known<'a>,
    ) -> Self {
        let names = profile.names;
        let ids = state.and_then(|s| store::ids(s).ok()).unwrap_or_default();
        let opened = ids.iter().rev().filter_map(|id| restore::open(state, id, roots).ok());
        let indexed = opened.map(|snapshot| {
            let key = |e: &Entry| snapshot.place(e).map(|place| names.path_key(&place.path()));
            let files = snapshot.entries.iter().enumerate();
            let files = files.filter(|(_, e)| e.what.image().is_some());
            let files = files.filter_map(|(n, e)| Some((key(e)?, n))).collect();
            Generation { files, snapshot }
        });
        Self { all: indexed.collect(), state, names, machines, known }
    }

    /// The newest that holds the file as it was before the patch.
    pub(crate) fn newest(&self, file: &Sought<'_>) -> Option<&SnapshotId> {
        self.all.iter().find(|one| self.holds(one, file)).map(|one| &one.snapshot.id)
    }

    /// For each of these components the newest snapshot that takes all of its files back, if a rollback with them can be
    /// planned. `wanted`: its files that are to go back, or are back and must not go forward again.
    pub(crate) fn way(
        &self,
        job: &Job,
        faces: &Faces<'_>,
        wanted: &BTreeMap<&ComponentId, Vec<Sought<'_>>>,
    ) -> Vec<(ComponentId, SnapshotId)> {
        let chosen = wanted.iter().map(|(component, files)| {
            let takes_back = |one: &&Generation| files.iter().all(|file| self.holds(one, file));
            let found = self.all.iter().find(takes_back)?;
            Some(((*component).clone(), found.snapshot.id.clone()))
        });
        let Some(chosen) = chosen.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty()) else {
            return Vec::new();
        };
        let mut trial = job.clone();
        let sources = chosen.iter().cloned().map(|(c, id)| (Some(c), RestoreFrom::Snapshot(id)));
        trial.ask.from.extend(sources);
        match planner::plan(&trial, self.state, faces) {
            Ok(plan) if !plan.is_empty() => chosen,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    fn holds(&self, one: &Generation, file: &Sought<'_>) -> bool {
        let Generation { snapshot, files } = one;
        let key = self.names.path_key(&file.path.0);
        let Some(entry) = files.get(&key).and_then(|n| snapshot.entries.get(*n)) else { return false };
        let (What::File(saved), Some(place)) = (&entry.what, snapshot.place(entry)) else { return false };
        let Ok(live) = look::image(&place) else { return false };
        let name = (file.component.clone(), self.names.key(place.rel.name()));
        let expected = self.machines.get(&name).copied();
        let earlier = saved.fingerprint == live.fingerprint && is_earlier(file.need, saved)
            || judge(file.need, &live, expected, &Ok(*saved)).is_ok();
        earlier
            && !self.known.is_patched(file.component, &place, saved)
            && self.state.is_some_and(|state| {
                // A copy that has rotted is no good one; the inventory alone does not tell.
                let copy = store::copy_of(state, &snapshot.id, entry.root, Some(&entry.path));
                fingerprint(&copy).is_ok_and(|f| f == saved.fingerprint)
            })
    }
}

/// Whether a file that is back already would stay so.
fn is_earlier(need: Need, saved: &Image) -> bool {
    match (need, saved.version) {
        (Need::Patched(patched), Some(version)) => version < patched,
        (Need::Patched(_) | Need::Listed | Need::Unlisted, _) => false,
    }
}

/// The snapshot that a saved copy lies in.
pub(crate) fn of_copy(copy: &Place) -> Option<SnapshotId> {
    let path = copy.path();
    let mut names = path.iter().skip_while(|name| *name != SNAPSHOTS).skip(1);
    names.find_map(|name| name.to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_protocol::{HostPath, RelPath};

    #[test]
    fn a_file_that_is_back_stays_so_with_what_is_older_than_its_patch_alone() {
        let saved =
            |version: Option<&str>| Image { version: version.map(|v| v.parse().unwrap()), ..Image::ABSENT };
        let patched = Need::Patched("5.8.0.1500".parse().unwrap());
        for (version, earlier) in [("5.8.0.1499", true), ("5.8.0.1500", false), ("5.8.0.1501", false)] {
            assert_eq!(is_earlier(patched, &saved(Some(version))), earlier, "{version}");
        }
        assert!(!is_earlier(patched, &saved(None)) && !is_earlier(Need::Listed, &saved(Some("1.0.0.0"))));
    }

    #[test]
    fn a_saved_copy_tells_its_snapshot_by_where_it_lies() {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_lowercase();
        let copy = |root: &str| Place { root: HostPath(root.into()), rel: RelPath::new("live/a").unwrap() };
        let of = |root: &str| of_copy(&copy(root)).map(|id| id.to_string());
        assert_eq!(of(&format!("/var/lib/backout/{SNAPSHOTS}/{id}/files/0")), Some(id.clone()));
        assert_eq!(of(&format!("/var/lib/{id}/other/files/0")), None);
        assert_eq!(of(&format!("/var/lib/{id}/{SNAPSHOTS}/files/0")), None);
    }
}
