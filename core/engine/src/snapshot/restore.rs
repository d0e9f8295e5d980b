//! What it takes to make the machine again what a snapshot says: file steps, with everything as it was saved.
//!
//! The whole of it, where the snapshot is the only source that was named: then also what came since goes away. Or the
//! files of some components alone: those of their lists, and those that their plugins know of.

use super::{diff::differing, exclude::Exclude, inventory::Inventory, mounts, store, verify};
use crate::{
    faces::Cancel,
    load::Job,
    look,
    merge::{Merged, once},
    refusal::Refusal,
    setting::Settings,
    state::{State, plain},
};
use backout_disk::{
    ErrorKind, Folder, aside, fingerprint::of_link, folder::Kind, locate::locate, staging::HOLDS_LINKS,
};
use backout_protocol::{
    ComponentId, HostPath, Image, NameRule, Notice, Place, RelPath, Step,
    message::{LeftAlone, LeftReason, Proposed},
    plan::RestoreFrom,
    snapshot::{Entry, Facts, Root, Snapshot, What},
    step::Source,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// What a restore amounts to.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub files: Vec<Step>,
    pub left_alone: Vec<LeftAlone>,
    pub notices: Vec<Notice>,
    /// What is not in the snapshot and does not go; of a folder and what lies in it only the folder.
    pub stay: Vec<Place>,
    /// Folders that no staging folder may lie in: they may be gone in the next generation, and take it with them.
    pub keep_clear: Vec<Place>,
    /// The registry, and how services are configured.
    pub settings: Vec<Step>,
    /// Live and saved images of the files that lists name.
    pub seen: Vec<(ComponentId, Image, Image)>,
}

/// The snapshot that everything is to come from: it is the only source, and no component was named.
pub(crate) fn of_everything(job: &Job) -> Option<&backout_protocol::SnapshotId> {
    let alone =
        job.ask.components.is_empty() && job.ask.from.iter().all(|(component, _)| component.is_none());
    match job.ask.from.last() {
        Some((_, RestoreFrom::Snapshot(id))) if alone => Some(id),
        _ => None,
    }
}

/// Everything a restore needs to know beside the snapshot.
pub(crate) struct Ground<'a> {
    pub state: &'a State,
    pub cancel: &'a Cancel,
    pub names: NameRule,
    /// Whose each listed file is, by the key of its whole path.
    pub listed: &'a BTreeMap<String, Vec<ComponentId>>,
    /// Whose a file counts as that no list names.
    pub otherwise: &'a ComponentId,
    /// Where settings are read.
    pub settings: Settings<'a>,
    /// Whether there is no other way than back: what cannot be read of settings stays, and is named.
    pub insists: bool,
    /// Which of what is not in the snapshot goes; `None`: all of it.
    pub goes: Option<&'a dyn Fn(&Entry) -> bool>,
}

/// A snapshot, checked, whose folders the product's are.
///
/// # Errors
/// [`Refusal::SnapshotUnknown`], [`Refusal::SnapshotDamaged`], [`Refusal::SnapshotElsewhere`].
pub(crate) fn open(
    state: Option<&State>,
    id: &backout_protocol::SnapshotId,
    roots: &[HostPath],
) -> Result<Snapshot, Refusal> {
    let Some(state) = state else {
        return Err(Refusal::SnapshotUnknown { asked: id.to_string(), known: Vec::new() });
    };
    let snapshot = store::open(state, id)?;
    let within = |root: &Root| roots.iter().any(|own| look::below(&root.path.0, &own.0));
    match snapshot.roots.iter().find(|r| !within(r)) {
        Some(root) => Err(Refusal::SnapshotElsewhere { id: id.clone(), path: root.path.clone() }),
        None => Ok(snapshot),
    }
}

/// The steps that make everything below the snapshot's roots what it was.
///
/// # Errors
/// [`Refusal::SnapshotCannot`], [`Refusal::SnapshotDamaged`], [`Refusal::NamesFoldAlike`], whatever cannot be read.
pub(crate) fn everything(snapshot: &Snapshot, ground: &Ground<'_>) -> Result<Restored, Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let mut inventory = match ground.insists {
        true => Inventory::passing(&exclude, ground.cancel),
        false => Inventory::new(&exclude, ground.cancel),
    };
    let mut roots = Vec::new();
    for (number, root) in snapshot.roots.iter().enumerate() {
        roots.push(inventory.take(number, &root.path, None)?);
    }
    mounts::are_as_then(snapshot, &inventory.mounts)?;
    let saved = snapshot.entries.iter().collect();
    let reach = Reach::Everything { hidden: &inventory.hidden, odd: &inventory.odd };
    let mut restored = restore(snapshot, &saved, &inventory.entries, &roots, reach, ground)?;
    let (steps, notices) = super::settings::restore(snapshot, &ground.settings, ground.insists)?;
    restored.settings = steps;
    restored.notices.extend(notices);
    restored.keep_clear = keep_clear(&inventory).filter_map(|e| snapshot.place(e)).collect();
    restored.notices.extend(inventory.passed_over());
    Ok(restored)
}

/// The outermost folders that hold nothing of another file system: names are exchanged within one.
fn keep_clear<'a>(inventory: &'a Inventory<'_>) -> impl Iterator<Item = &'a Entry> {
    let mut clear: BTreeSet<(usize, &Path)> = BTreeSet::new();
    inventory.entries.iter().filter(move |e| {
        let path = e.path.as_path();
        let holds_another =
            |(root, elsewhere): &(usize, RelPath)| *root == e.root && elsewhere.as_path().starts_with(path);
        // A folder stands before what lies in it.
        e.what == What::Folder
            && !path.ancestors().any(|above| clear.contains(&(e.root, above)))
            && !inventory.elsewhere.iter().any(holds_another)
            && clear.insert((e.root, path))
    })
}

/// The steps that make these files what they were.
///
/// # Errors
/// As [`everything`]; [`Refusal::SnapshotElsewhere`] for one that the snapshot does not cover.
pub(crate) fn these(
    snapshot: &Snapshot,
    places: &BTreeSet<Place>,
    ground: &Ground<'_>,
) -> Result<Restored, Refusal> {
    let exclude = Exclude::new(&snapshot.exclude, snapshot.names)?;
    let (mut wanted, mut live) = (BTreeSet::new(), BTreeMap::new());
    for place in places {
        let path = place.path();
        let covering = snapshot.roots.iter().enumerate().filter(|(_, r)| look::below(&path, &r.path.0));
        let found = covering.max_by_key(|(_, r)| r.path.0.components().count()).and_then(|(number, root)| {
            let rel = RelPath::new(path.strip_prefix(&root.path.0).ok()?).ok()?;
            Some((number, rel))
        });
        let Some((number, rel)) = found else {
            return Err(Refusal::SnapshotElsewhere { id: snapshot.id.clone(), path: HostPath(path) });
        };
        if exclude.leaves_out(&rel) {
            continue;
        }
        let mut at = Some(rel);
        while let Some(rel) = at {
            at = rel.parent();
            if wanted.insert(key(ground.names, number, rel.as_path())) {
                let root = &snapshot.roots[number].path;
                if let Some(entry) = look_at(number, root, &rel, ground.names)? {
                    live.insert((number, entry.path.clone()), entry);
                }
            }
        }
    }
    let is_wanted = |e: &&Entry| wanted.contains(&key(ground.names, e.root, e.path.as_path()));
    let saved = snapshot.entries.iter().filter(is_wanted).collect();
    let live: Vec<Entry> = live.into_values().collect();
    let mut restored = restore(snapshot, &saved, &live, &[], Reach::Files, ground)?;
    let (settings, _) = super::settings::restore(snapshot, &ground.settings, ground.insists)?;
    if !settings.is_empty() {
        restored.notices.push(Notice::SettingsNotOfComponent { settings: settings.len() as u64 });
    }
    Ok(restored)
}

/// What a name below a root is now, in its live spelling.
fn look_at(number: usize, root: &HostPath, rel: &RelPath, names: NameRule) -> Result<Option<Entry>, Refusal> {
    let found = match locate(&root.0, rel, names) {
        Ok(found) => found,
        Err(e) if e.kind == ErrorKind::NotFound => return Err(Refusal::FolderMissing { path: root.clone() }),
        Err(e) => return Err(look::refusal(e)),
    };
    if !found.twins.is_empty() {
        return Err(Refusal::NamesFoldAlike { names: found.twins });
    }
    let mut facts = None;
    let what = match found.kind {
        None => return Ok(None),
        // With files alone folders stay as they are.
        Some(Kind::Folder) => What::Folder,
        Some(Kind::File) => {
            facts = Some(aside::file_facts(&found.place).map_err(look::refusal)?);
            What::File(look::image(&found.place).map_err(look::refusal)?)
        }
        Some(Kind::Symlink) => What::Link(look::link(&found.place).map_err(look::refusal)?),
        Some(Kind::Other) => What::Other,
    };
    Ok(Some(Entry { root: number, path: found.place.rel, what, facts }))
}

/// How far a restore reaches.
#[derive(Clone, Copy)]
enum Reach<'a> {
    /// Everything below the roots but these names, which are not looked at.
    Everything {
        hidden: &'a [(usize, RelPath)],
        /// Folders that hold another such name, which cannot be told.
        odd: &'a [(usize, RelPath)],
    },
    /// Some files.
    Files,
}

type ByName<'a> = BTreeMap<String, &'a Entry>;

fn key(names: NameRule, root: usize, path: &Path) -> String {
    format!("{root}/{}", names.path_key(path))
}

/// Each entry by the name that the product knows it by.
fn by_name<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    snapshot: &Snapshot,
    names: NameRule,
) -> Result<ByName<'a>, Refusal> {
    let mut found = ByName::new();
    for entry in entries {
        if let Some(twin) = found.insert(key(names, entry.root, entry.path.as_path()), entry) {
            let names = [twin, entry].into_iter().filter_map(|e| snapshot.place(e)).collect();
            return Err(Refusal::NamesFoldAlike { names });
        }
    }
    Ok(found)
}

fn restore(
    snapshot: &Snapshot,
    saved: &Vec<&Entry>,
    live: &[Entry],
    roots: &[Root],
    reach: Reach<'_>,
    ground: &Ground<'_>,
) -> Result<Restored, Refusal> {
    let live_names = by_name(live.iter(), snapshot, ground.names)?;
    let saved_names = by_name(saved.iter().copied(), snapshot, ground.names)?;
    let mut work = Work {
        snapshot,
        ground,
        out: Restored::default(),
        used: Vec::new(),
        cannot: Vec::new(),
        spelling: BTreeMap::new(),
        rights: None,
    };
    for (number, (then, now)) in snapshot.roots.iter().zip(roots).enumerate() {
        // The folder that holds everything else is nobody's.
        if then.path.0.parent().is_some() {
            work.dress(number, None, &then.facts, &now.facts);
        }
    }
    for entry in saved {
        work.bring_back(entry, live_names.get(&key(ground.names, entry.root, entry.path.as_path())).copied());
    }
    work.take_away(live, &saved_names, reach);
    if !work.cannot.is_empty() {
        return Err(Refusal::SnapshotCannot { id: snapshot.id.clone(), names: work.cannot });
    }
    verify::are_whole(ground.state, snapshot, work.used.iter().copied())?;
    let rights = work.rights.map(|(first, what, files)| Notice::RightsStay { first, what, files });
    work.out.notices.extend(rights);
    Ok(work.out)
}

struct Work<'a> {
    snapshot: &'a Snapshot,
    ground: &'a Ground<'a>,
    out: Restored,
    /// What is copied from the snapshot.
    used: Vec<&'a Entry>,
    cannot: Vec<(Place, Cannot)>,
    /// How folders are spelled on the machine, or will be.
    spelling: BTreeMap<String, RelPath>,
    /// What differs beside the bytes, and cannot be had from the copy either: the first, what differs, how many.
    rights: Option<(Place, String, u64)>,
}

/// Why a name cannot be made what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cannot {
    /// It was a link to this, and is not; no links are made here.
    Link(HostPath),
    /// It is a link, and was none; no links are moved here.
    IsLink,
    /// It was a file or a link and is a folder, or the other way round.
    OtherKind,
}

impl<'a> Work<'a> {
    fn bring_back(&mut self, saved: &'a Entry, live: Option<&Entry>) {
        let Some(target) = self.target(saved, live) else { return };
        match (&saved.what, live.map(|e| &e.what)) {
            // Nothing was kept of it, so nothing can be said of it.
            (What::Other, _) => {}
            (What::Folder, Some(What::Folder)) => {
                if let Some((then, now)) = saved.facts.as_ref().zip(live.and_then(|l| l.facts.as_ref())) {
                    self.dress(saved.root, Some((&saved.path, &target.rel)), then, now);
                }
            }
            (What::Folder, None) => {
                self.used.push(saved);
                let like = Some(self.source(saved));
                self.out.files.push(Step::CreateFolder { target, like });
            }
            (What::File(after), Some(What::File(now))) if now.fingerprint == after.fingerprint => {
                self.see(&target, *now, *now);
                if let Some(differs) = self.beside_the_bytes(saved, live, &target) {
                    self.put(saved, target, *now, *now, differs);
                } else if self.ground.listed.contains_key(&self.path_key(&target)) {
                    self.out.files.push(Step::Hold { target, image: *now });
                }
            }
            (What::File(after), Some(What::File(now))) => self.replace(saved, target, *now, *after),
            (What::File(after), None) => self.replace(saved, target, Image::ABSENT, *after),
            (What::Link(to), Some(What::Link(now))) if to == now => {}
            (What::Link(to), None | Some(What::Link(_) | What::File(_))) if !HOLDS_LINKS => {
                self.cannot.push((target, Cannot::Link(to.clone())));
            }
            (What::File(_), Some(What::Link(_))) if !HOLDS_LINKS => {
                self.cannot.push((target, Cannot::IsLink));
            }
            (What::Link(to), None) => {
                let differs = vec![link(to)];
                self.put(saved, target, Image::ABSENT, of(to), differs);
            }
            (What::Link(to), Some(What::Link(now))) => {
                let differs = vec![format!("{} -> `{to}`", link(now))];
                self.put(saved, target, of(now), of(to), differs);
            }
            (What::Link(to), Some(What::File(now))) => {
                let differs = vec![format!("file -> {}", link(to))];
                self.see(&target, *now, Image::ABSENT);
                self.put(saved, target, *now, of(to), differs);
            }
            (What::File(after), Some(What::Link(now))) => {
                let differs = vec![format!("{} -> file", link(now))];
                self.see(&target, Image::ABSENT, *after);
                self.put(saved, target, of(now), *after, differs);
            }
            (What::Folder | What::File(_) | What::Link(_), Some(_)) => {
                self.cannot.push((target, Cannot::OtherKind));
            }
        }
    }

    fn replace(&mut self, saved: &'a Entry, target: Place, before: Image, after: Image) {
        self.see(&target, before, after);
        self.put(saved, target, before, after, Vec::new());
    }

    fn put(&mut self, saved: &'a Entry, target: Place, before: Image, after: Image, differs: Vec<String>) {
        self.used.push(saved);
        let source = Source::Saved(self.source(saved));
        let owners = self.ground.listed.get(&self.path_key(&target));
        let component = owners.and_then(|o| o.first()).unwrap_or(self.ground.otherwise).clone();
        self.out.files.push(Step::ReplaceFile { target, source, before, after, component, differs });
    }

    /// Takes away what came since, the deepest first.
    fn take_away(&mut self, live: &[Entry], saved: &ByName<'_>, reach: Reach<'_>) {
        let names = self.ground.names;
        let mut stays: BTreeMap<String, Place> = BTreeMap::new();
        let mut stay = |root: usize, folder: Option<RelPath>, place: Place| {
            let mut at = folder;
            while let Some(above) = at {
                stays.entry(key(names, root, above.as_path())).or_insert_with(|| place.clone());
                at = above.parent();
            }
        };
        if let Reach::Everything { hidden, odd } = reach {
            let hidden = hidden.iter().map(|(root, path)| (root, path.parent(), path));
            for (root, folder, path) in
                hidden.chain(odd.iter().map(|(root, rel)| (root, Some(rel.clone()), rel)))
            {
                let place = self.snapshot.roots.get(*root).map(|r| r.path.clone());
                if let Some(root_path) = place {
                    stay(*root, folder, Place { root: root_path, rel: path.clone() });
                }
            }
        }
        for entry in live.iter().filter(|e| e.what == What::Other) {
            if let Some(place) = self.snapshot.place(entry) {
                stay(entry.root, entry.path.parent(), place);
            }
        }
        // A folder that is not the snapshot's stays with all that lies in it.
        let mut left: BTreeSet<(usize, &RelPath)> = BTreeSet::new();
        if let Some(goes) = self.ground.goes {
            for entry in live {
                let new = !saved.contains_key(&key(names, entry.root, entry.path.as_path()));
                let parent = entry.path.parent();
                let within = parent.as_ref().is_some_and(|parent| left.contains(&(entry.root, parent)));
                if !new || (!within && goes(entry)) {
                    continue;
                }
                left.insert((entry.root, &entry.path));
                if let Some(place) = self.snapshot.place(entry).filter(|_| !within) {
                    stay(entry.root, parent, place.clone());
                    self.out.stay.push(place);
                }
            }
        }
        for entry in live.iter().rev() {
            let key = key(names, entry.root, entry.path.as_path());
            let new = !saved.contains_key(&key) && !left.contains(&(entry.root, &entry.path));
            let Some(target) = self.snapshot.place(entry).filter(|_| new) else {
                continue;
            };
            match (&entry.what, reach) {
                (What::File(before), _) => {
                    self.see(&target, *before, Image::ABSENT);
                    self.out.files.push(Step::RemoveFile { target, before: *before });
                }
                (What::Folder, Reach::Everything { .. }) => match stays.get(&key) {
                    None => self.out.files.push(Step::RemoveFolder { target }),
                    Some(holds) => {
                        let holds = holds.clone();
                        self.out.notices.push(Notice::FolderStays { folder: target, holds });
                    }
                },
                (What::Folder, Reach::Files) => {}
                (What::Link(_), _) if !HOLDS_LINKS => self.cannot.push((target, Cannot::IsLink)),
                (What::Link(to), _) => self.out.files.push(Step::RemoveFile { target, before: of(to) }),
                (What::Other, _) => {
                    self.out.left_alone.push(LeftAlone { place: target, reason: LeftReason::NotAFile });
                }
            }
        }
    }

    /// Where an entry goes, in the spelling that is live.
    fn target(&mut self, saved: &Entry, live: Option<&Entry>) -> Option<Place> {
        let names = self.ground.names;
        let rel = match (live, saved.path.parent()) {
            (Some(live), _) => live.path.clone(),
            (None, None) => saved.path.clone(),
            (None, Some(parent)) => {
                let above = self.spelling.get(&key(names, saved.root, parent.as_path())).cloned();
                above.unwrap_or(parent).join(&plain(saved.path.name()))
            }
        };
        self.spelling.insert(key(names, saved.root, saved.path.as_path()), rel.clone());
        Some(Place { root: self.snapshot.roots.get(saved.root)?.path.clone(), rel })
    }

    /// Where the copy of an entry lies.
    fn source(&self, saved: &Entry) -> Place {
        self.copy(saved.root, Some(&saved.path))
    }

    fn copy(&self, root: usize, path: Option<&RelPath>) -> Place {
        store::copy_of(self.ground.state, &self.snapshot.id, root, path)
    }

    fn path_key(&self, target: &Place) -> String {
        self.ground.names.path_key(&target.path())
    }

    fn see(&mut self, target: &Place, now: Image, after: Image) {
        let owners = self.ground.listed.get(&self.path_key(target)).cloned().unwrap_or_default();
        self.out.seen.extend(owners.into_iter().map(|owner| (owner, now, after)));
    }

    /// What differs beside the bytes of a file and can be put back, in words.
    fn beside_the_bytes(
        &mut self,
        saved: &Entry,
        live: Option<&Entry>,
        target: &Place,
    ) -> Option<Vec<String>> {
        let (then, now) = saved.facts.as_ref().zip(live.and_then(|l| l.facts.as_ref()))?;
        let what = differing(now, then, false);
        if what.is_empty() {
            return None;
        }
        // One that had not all of it from the beginning, or has lost some, cannot give it back.
        let copy = aside::file_facts(&self.source(saved)).ok();
        if copy.is_some_and(|copy| differing(&copy, then, false).is_empty()) {
            return Some(what);
        }
        self.stays(target.clone(), &what);
        None
    }

    /// Gives a folder that was and is there what it had. `rel`: where it lies in the snapshot, and now.
    fn dress(&mut self, root: usize, rel: Option<(&RelPath, &RelPath)>, then: &Facts, now: &Facts) {
        let what = differing(now, then, true);
        let Some(path) = self.snapshot.roots.get(root).map(|r| r.path.clone()).filter(|_| !what.is_empty())
        else {
            return;
        };
        let like = self.copy(root, rel.map(|(saved, _)| saved));
        let copy = Folder::open_root(&like.root.0).and_then(|f| f.open_below(&like.rel));
        let copy = copy.and_then(|f| aside::facts(&f)).ok();
        let rel = rel.map(|(_, live)| live.clone());
        if copy.is_some_and(|copy| differing(&copy, then, true).is_empty()) {
            self.out.files.push(Step::DressFolder { root: path, rel, like, differs: what });
        } else if let Some(first) = rel.or_else(|| RelPath::new(path.0.file_name()?).ok()) {
            self.stays(Place { root: path, rel: first }, &what);
        }
    }

    fn stays(&mut self, target: Place, what: &[String]) {
        match &mut self.rights {
            Some((.., count)) => *count += 1,
            none => *none = Some((target, what.join(", "), 1)),
        }
    }
}

fn link(to: &HostPath) -> String {
    format!("symbolic link to `{to}`")
}

fn of(link: &HostPath) -> Image {
    Image::bare(of_link(link.0.as_os_str()))
}

/// The files that a plugin's proposal is about: its targets, and the backups that it names for them.
pub(crate) fn places(steps: &[Proposed]) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for step in steps {
        match step {
            Proposed::RestoreFile { target, candidates, .. } => {
                found.insert(target.clone());
                found.extend(candidates.iter().map(|c| c.place.clone()));
            }
            Proposed::WriteFile { target, .. } | Proposed::RemoveFile { target, .. } => {
                found.insert(target.clone());
            }
            Proposed::StopService { .. }
            | Proposed::WaitExit { .. }
            | Proposed::RemoveFolder { .. }
            | Proposed::StartService { .. }
            | Proposed::Custom { .. } => {}
        }
    }
    found
}

/// Puts what was restored behind the steps that are there already. Two that want the same of one name are one.
///
/// # Errors
/// [`Refusal::StepsContradict`].
pub(crate) fn join(merged: &mut Merged, restored: Restored) -> Result<(), Refusal> {
    let files = &mut merged.files;
    let known: BTreeMap<Place, _> =
        files.iter().filter_map(|step| Some((step.target()?.clone(), after(step)))).collect();
    for step in restored.files {
        let Some(target) = step.target() else {
            files.push(step);
            continue;
        };
        match known.get(target) {
            None => files.push(step),
            Some(wanted) if *wanted == after(&step) => {}
            Some(_) => return Err(Refusal::StepsContradict { target: target.clone() }),
        }
    }
    restored.settings.into_iter().for_each(|step| once(&mut merged.settings, step));
    restored.keep_clear.into_iter().for_each(|folder| once(&mut merged.keep_clear, folder));
    merged.seen.extend(restored.seen);
    merged.left_alone.extend(restored.left_alone);
    merged.notices.extend(restored.notices);
    Ok(())
}

/// What a name holds behind a step: a file, nothing, or a folder.
fn after(step: &Step) -> Option<backout_protocol::Fingerprint> {
    match step {
        Step::ReplaceFile { after, .. } => Some(after.fingerprint),
        Step::Hold { image, .. } => Some(image.fingerprint),
        Step::ConsumeBackup { .. } | Step::RemoveFile { .. } | Step::RemoveFolder { .. } => {
            Some(backout_protocol::Fingerprint::Absent)
        }
        Step::CreateFolder { .. }
        | Step::DressFolder { .. }
        | Step::StopService { .. }
        | Step::WaitExit { .. }
        | Step::StartService { .. }
        | Step::SetKey { .. }
        | Step::Configure { .. }
        | Step::Custom { .. } => None,
    }
}
