//! A transaction on disk, and the swaps a plan amounts to.
//!
//! `transactions/<id>/` holds `plan.ron`, `journal` (and its spare) and `staged.ron`, and, where plugins act,
//! `actions.ron` and copies of their libraries in `plugins/`; each target folder holds
//! `.backout-<id>/` with `id` and one slot per swap. Before the swap a slot holds the new file (or an empty
//! placeholder where a name goes away), after it the before-image.

use backout_disk::{
    Error, Folder, durable, fingerprint, staging::Staging, swap::Pair, swap::Turn, swap::old_name,
};
use backout_protocol::{
    Digest, Fingerprint, HostPath, Place, Plan, RelPath, RunId, Step,
    path::encode,
    step::Source,
    text::{from_ron, to_ron},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use crate::{
    action::{ACTIONS, Action, Actions},
    state::plain,
};

/// The plan's name in the transaction's folder.
pub(crate) const PLAN: &str = "plan.ron";
/// The list of swaps, once everything is staged.
pub(crate) const STAGED: &str = "staged.ron";
/// What was worth a line. Nothing reads it but people.
pub(crate) const LOG: &str = "log";
/// Neither file is longer.
const CAP: u64 = 256 * 1024 * 1024;

/// One name that changes, as recovery sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// The name.
    pub target: Place,
    /// The folder below the target's root that holds the staging folder; `None`: the root itself.
    pub host: Option<RelPath>,
    /// The name in the staging folder.
    pub slot: RelPath,
    /// What the name holds before.
    pub before: Fingerprint,
    /// What it holds after.
    pub after: Fingerprint,
}

/// A folder that stays and is given other rights, as recovery sees it. What it is to have, and what it had, is kept in its
/// slot and under the slot's second name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dressing {
    /// The root, which holds the staging folder.
    pub root: HostPath,
    /// The folder below it; `None`: the root itself.
    pub rel: Option<RelPath>,
    /// The name in the staging folder.
    pub slot: RelPath,
}

/// What is prepared in a swap's slot.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes, or this link.
    File(Source),
    /// A new folder with these files and folders in it; paths below the folder.
    Tree {
        /// Folders below it, parents first, each with the saved folder it takes after.
        folders: Vec<(RelPath, Option<Place>)>,
        /// Files, their bytes and what they must come to.
        files: Vec<(RelPath, Source, Fingerprint)>,
        /// The saved folder that the new folder itself takes after.
        like: Option<Place>,
    },
    /// An empty file, to be replaced by the file that goes away.
    EmptyFile,
    /// An empty folder, to be replaced by the folder that goes away.
    EmptyFolder,
}

/// `staged.ron`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// The swaps, in the order they are done.
    pub swaps: Vec<Swap>,
    /// The folders that are dressed behind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dressings: Vec<Dressing>,
    /// Digest of `actions.ron`; `None`: the run has no actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Digest>,
}

/// The file `id` in a staging folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The transaction.
    pub run: RunId,
    /// The state folder that knows it.
    pub state: HostPath,
    /// Digest of its plan.
    pub plan: Digest,
}

/// A folder that holds a staging folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    /// The root.
    pub root: HostPath,
    /// Where below it.
    pub rel: Option<RelPath>,
}

impl Host {
    /// Opens it, beneath its root and through no symbolic link.
    ///
    /// # Errors
    /// As [`Folder::open_root`].
    pub fn open(&self) -> Result<Folder, Error> {
        let root = Folder::open_root(&self.root.0)?;
        match &self.rel {
            Some(rel) => root.open_below(rel),
            None => Ok(root),
        }
    }

    /// As one path.
    pub fn path(&self) -> HostPath {
        HostPath(self.rel.as_ref().map_or_else(|| self.root.0.clone(), |rel| self.root.0.join(rel.as_path())))
    }
}

impl Swap {
    /// Which way its name turns.
    pub fn turn(&self) -> Turn {
        match (self.before.is_absent(), self.after.is_absent()) {
            (true, _) => Turn::Appear,
            (false, true) => Turn::Vanish,
            (false, false) if self.before == self.after => Turn::Alike,
            (false, false) => Turn::Exchange,
        }
    }

    /// The folder that holds its staging folder.
    pub fn host(&self) -> Host {
        Host { root: self.target.root.clone(), rel: self.host.clone() }
    }

    /// Its slot as one path, for people.
    pub fn slot_path(&self, run: &RunId) -> PathBuf {
        self.host().path().0.join(backout_disk::staging::name_of(run)).join(self.slot.as_path())
    }

    /// Where its before-image may lie, for people: in its slot, or under the slot's second name where the file system has
    /// no exchange.
    pub(crate) fn slot_paths(&self, run: &RunId) -> [PathBuf; 2] {
        let slot = self.slot_path(run);
        let second = slot.with_file_name(old_name(self.slot.name()));
        [slot, second]
    }

    /// Its two names, held open.
    ///
    /// # Errors
    /// As [`Folder::open_root`].
    pub(crate) fn pair(&self, staging: &Staging) -> Result<Pair, Error> {
        Ok(Pair {
            folder: Folder::open_parent_of(&self.target)?,
            name: self.target.rel.name().to_owned(),
            staging: staging.folder().try_clone()?,
            slot: self.slot.name().to_owned(),
        })
    }
}

impl Dressing {
    /// The folder that holds its staging folder.
    pub fn host(&self) -> Host {
        Host { root: self.root.clone(), rel: None }
    }

    /// The folder, held open.
    ///
    /// # Errors
    /// As [`Folder::open_root`].
    pub(crate) fn open(&self) -> Result<Folder, Error> {
        Host { root: self.root.clone(), rel: self.rel.clone() }.open()
    }

    /// The folder as a place, for people; of a root, below the folder that holds it.
    pub fn place(&self) -> Place {
        let whole = &self.root.0;
        let named = || RelPath::new(whole.file_name().unwrap_or(whole.as_os_str())).ok();
        match &self.rel {
            Some(rel) => Place { root: self.root.clone(), rel: rel.clone() },
            None => Place {
                root: HostPath(whole.parent().unwrap_or(whole).to_owned()),
                rel: named().unwrap_or_else(|| plain("root")),
            },
        }
    }
}

/// Every folder that holds a staging folder for these.
pub(crate) fn hosts(swaps: &[Swap], dressings: &[Dressing]) -> BTreeSet<Host> {
    swaps.iter().map(Swap::host).chain(dressings.iter().map(Dressing::host)).collect()
}

/// The folders that `plan` dresses. Looks at no file, as [`swaps`].
pub fn dressings(plan: &Plan) -> Vec<(Dressing, Place)> {
    let dressed = plan.steps.iter().filter_map(|step| match step {
        Step::DressFolder { root, rel, like, .. } => Some((root, rel, like)),
        _ => None,
    });
    let named = dressed.enumerate().map(|(n, (root, rel, like))| {
        let slot = plain(format!("rights-{n:04}"));
        (Dressing { root: root.clone(), rel: rel.clone(), slot }, like.clone())
    });
    named.collect()
}

/// The same without what they take after.
pub(crate) fn dressed(plan: &Plan) -> Vec<Dressing> {
    dressings(plan).into_iter().map(|(dressing, _)| dressing).collect()
}

/// The swaps that `plan` amounts to and what each slot is filled with. Looks at no file: a recovery gets the same
/// answer from `plan.ron` alone. The after-state of a new folder is known once it is staged.
pub fn swaps(plan: &Plan) -> Vec<(Swap, Content)> {
    let folders = |pick: fn(&Step) -> Option<&Place>| plan.steps.iter().filter_map(pick).cloned().collect();
    let made: BTreeSet<Place> = folders(|s| match s {
        Step::CreateFolder { target, .. } => Some(target),
        _ => None,
    });
    let gone: BTreeSet<Place> = folders(|s| match s {
        Step::RemoveFolder { target } => Some(target),
        _ => None,
    });
    let up = |place: &Place| place.rel.parent().map(|rel| Place { root: place.root.clone(), rel });
    let inside_new = |place: &Place| up(place).is_some_and(|p| made.contains(&p));
    let clear = |place: &Place| {
        let holds = |c: &Place| c.root == place.root && place.rel.as_path().starts_with(c.rel.as_path());
        plan.keep_clear.iter().any(holds)
    };
    let host = |place: &Place| {
        let mut at = up(place);
        while let Some(p) = at.as_ref().filter(|p| made.contains(p) || gone.contains(p) || clear(p)) {
            at = up(p);
        }
        at.map(|p| p.rel)
    };
    let mut all = Vec::new();
    for step in plan.file_steps() {
        let Some(target) = step.target().filter(|t| !inside_new(t)) else { continue };
        let (before, after, content) = match step {
            Step::ReplaceFile { source, before, after, .. } => {
                (before.fingerprint, after.fingerprint, Content::File(source.clone()))
            }
            Step::ConsumeBackup { before, .. } | Step::RemoveFile { before, .. } => {
                (before.fingerprint, Fingerprint::Absent, Content::EmptyFile)
            }
            Step::RemoveFolder { .. } => {
                (fingerprint::empty_folder(), Fingerprint::Absent, Content::EmptyFolder)
            }
            Step::CreateFolder { like, .. } => {
                (Fingerprint::Absent, fingerprint::empty_folder(), tree(plan, target, like.clone()))
            }
            Step::DressFolder { .. }
            | Step::StopService { .. }
            | Step::WaitExit { .. }
            | Step::Hold { .. }
            | Step::StartService { .. }
            | Step::SetKey { .. }
            | Step::Configure { .. }
            | Step::Custom { .. } => continue,
        };
        let slot = slot_name(all.len(), target.rel.name());
        all.push((Swap { target: target.clone(), host: host(target), slot, before, after }, content));
    }
    all
}

/// Everything that comes with the new folder `top` in one move.
fn tree(plan: &Plan, top: &Place, like: Option<Place>) -> Content {
    let below = |place: &Place| {
        let inner = place.rel.as_path().strip_prefix(top.rel.as_path()).ok()?;
        (place.root == top.root).then(|| RelPath::new(inner).ok()).flatten()
    };
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for step in &plan.steps {
        match step {
            Step::CreateFolder { target, like } => {
                folders.extend(below(target).map(|rel| (rel, like.clone())))
            }
            Step::ReplaceFile { target, source, after, .. } => {
                files.extend(below(target).map(|rel| (rel, source.clone(), after.fingerprint)));
            }
            _ => {}
        }
    }
    folders.sort_by_key(|(rel, _)| rel.as_path().components().count());
    Content::Tree { folders, files, like }
}

/// `0007-Name.ext`: unique by its number, recognisable by its name, short enough for every file system.
fn slot_name(number: usize, name: &OsStr) -> RelPath {
    let mut slot = OsString::from(format!("{number:04}-"));
    if name.len() <= 200 {
        slot.push(name);
    } else {
        slot.push(encode(name).chars().take(60).collect::<String>());
    }
    plain(slot)
}

/// A transaction's folder and what is in it.
#[derive(Debug)]
pub struct Transaction {
    /// Its id.
    pub run: RunId,
    /// Its folder in the state folder.
    pub folder: Folder,
    /// Its plan.
    pub plan: Plan,
    /// Digest of `plan.ron`.
    pub plan_digest: Digest,
    /// Its swaps.
    pub swaps: Vec<Swap>,
    /// The folders that it dresses.
    pub dressings: Vec<Dressing>,
    /// The actions of plugins, once they are prepared.
    pub actions: Vec<Action>,
    /// Digest of `actions.ron`, where there is one.
    pub actions_digest: Option<Digest>,
}

/// A file of a transaction that cannot be used.
#[derive(Debug)]
pub struct Spoilt {
    /// Which.
    pub path: HostPath,
    /// Why.
    pub why: String,
}

impl Transaction {
    /// The staging folders' marker.
    pub fn marker(&self, state: &std::path::Path) -> Marker {
        Marker { run: self.run.clone(), state: HostPath(state.to_owned()), plan: self.plan_digest }
    }

    /// Whether it changes nothing: no name is swapped, no folder dressed, nothing set, and no plugin has anything to do.
    pub(crate) fn is_empty(&self) -> bool {
        let files = self.swaps.is_empty() && self.dressings.is_empty();
        files && self.plan.settings().next().is_none() && self.actions.iter().all(|action| action.already)
    }

    /// Every folder that holds, or would hold, a staging folder.
    pub fn hosts(&self) -> Vec<Host> {
        hosts(&self.swaps, &self.dressings).into_iter().collect()
    }

    /// Reads the transaction in `folder`. `digests`: what the journal says of `plan.ron` and, once staged, `staged.ron`.
    ///
    /// # Errors
    /// [`Spoilt`]: a file is missing, or not the one the journal speaks of.
    pub fn open(run: &RunId, folder: Folder, plan: Digest, staged: Option<Digest>) -> Result<Self, Spoilt> {
        let text = checked(&folder, PLAN, plan)?;
        let spoilt = |name: &str, why: String| Spoilt { path: HostPath(folder.path().join(name)), why };
        let plan_value: Plan = from_ron(PLAN, &text).map_err(|e| spoilt(PLAN, e.to_string()))?;
        let Staged { swaps, dressings, actions: actions_digest } = match staged {
            Some(digest) => {
                let text = checked(&folder, STAGED, digest)?;
                from_ron(STAGED, &text).map_err(|e| spoilt(STAGED, e.to_string()))?
            }
            None => {
                let swaps = swaps(&plan_value).into_iter().map(|(swap, _)| swap).collect();
                Staged { swaps, dressings: dressed(&plan_value), actions: None }
            }
        };
        let actions = match actions_digest {
            Some(digest) => {
                let text = checked(&folder, ACTIONS, digest)?;
                from_ron::<Actions>(ACTIONS, &text).map_err(|e| spoilt(ACTIONS, e.to_string()))?.actions
            }
            None => Vec::new(),
        };
        let (run, plan_digest) = (run.clone(), plan);
        Ok(Self { run, folder, plan: plan_value, plan_digest, swaps, dressings, actions, actions_digest })
    }

    /// Its log, to be written behind what is there. A run does without if it must.
    pub(crate) fn log(&self) -> Option<std::fs::File> {
        let log = durable::open_log(&self.folder, OsStr::new(LOG));
        log.inspect_err(|e| log::warn!("run {}: {e}", self.run)).ok()
    }

    /// Writes `staged.ron` durably and returns its digest.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn write_staged(&self) -> Result<Digest, Error> {
        let (swaps, dressings) = (self.swaps.clone(), self.dressings.clone());
        let staged = Staged { swaps, dressings, actions: self.actions_digest };
        write(&self.folder, STAGED, &staged)
    }
}

/// Writes a value as RON, durably; returns the digest of its bytes.
pub(crate) fn write<T: Serialize>(folder: &Folder, name: &str, value: &T) -> Result<Digest, Error> {
    let fail = |why: &str| Error::unsupported("write", &folder.path().join(name), why);
    let text = to_ron(value).map_err(|e| fail(&e.to_string()))?;
    // No recovery would read it.
    if text.len() as u64 > CAP {
        return Err(fail("it would be longer than a recovery reads"));
    }
    durable::write(folder, OsStr::new(name), text.as_bytes(), 0o600)?;
    Ok(fingerprint::digest_bytes(text.as_bytes()))
}

fn checked(folder: &Folder, name: &str, digest: Digest) -> Result<String, Spoilt> {
    let spoilt = |why: String| Spoilt { path: HostPath(folder.path().join(name)), why };
    let bytes = durable::read(folder, OsStr::new(name), CAP).map_err(|e| spoilt(e.to_string()))?;
    let bytes = bytes.ok_or_else(|| spoilt("it is missing".to_owned()))?;
    if fingerprint::digest_bytes(&bytes) != digest {
        return Err(spoilt("it is not the file that the journal speaks of".to_owned()));
    }
    String::from_utf8(bytes).map_err(|e| spoilt(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blank;
    use backout_protocol::Image;

    #[test]
    fn a_slot_is_named_after_its_file_as_long_as_every_file_system_can_hold_that() {
        let named =
            |len: usize| slot_name(7, OsStr::new(&"n".repeat(len))).name().to_str().unwrap().to_owned();
        assert_eq!(slot_name(7, OsStr::new("Name.ext")).name(), "0007-Name.ext");
        assert_eq!(named(200), format!("0007-{}", "n".repeat(200)));
        assert_eq!(named(201), format!("0007-{}", "n".repeat(60)));
    }

    #[test]
    fn what_is_swapped_in_a_folder_that_must_stay_clear_is_staged_above_it_and_only_there() {
        let mut plan = blank::plan();
        let place =
            |root: &str, rel: &str| Place { root: HostPath(root.into()), rel: RelPath::new(rel).unwrap() };
        let places = [("/a", "clear/deep/x"), ("/a", "other/x"), ("/b", "clear/x"), ("/a", "clearer/x")];
        for (root, rel) in places {
            plan.steps.push(Step::RemoveFile { target: place(root, rel), before: Image::ABSENT });
        }
        plan.keep_clear.push(place("/a", "clear"));
        let hosts = swaps(&plan).into_iter().map(|(swap, _)| swap.host.map(|rel| rel.to_string()));
        let hosts: Vec<Option<String>> = hosts.collect();
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(hosts, [None, named("other"), named("clear"), named("clearer")]);
    }
}
