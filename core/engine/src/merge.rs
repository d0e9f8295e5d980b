//! Merge: the proposals of all components become one list of steps. Each service is stopped and started once, each
//! name is changed by one step, and two backups that claim one file are judged together.

use crate::{
    action::MOST,
    claims::{self, Claims, names},
    drift::Known,
    look,
    refusal::{Claim, Refusal, Wanting},
    safe,
};
use backout_disk::{
    ErrorKind, Folder,
    fingerprint::digest_bytes,
    locate::{Located, locate},
};
use backout_protocol::{
    ComponentId, FileVersion, Fingerprint, HostPath, Image, MachineType, NameRule, Notice, Place, RelPath,
    ServiceName, Step,
    message::{Expect, LeftAlone, LeftReason, Need, Proposal, Proposed},
    notice::Stays,
    plan::Ask,
    step::{Source, Way},
};
use std::collections::{BTreeMap, BTreeSet};

/// No action's name is longer, in bytes.
const ACTION_NAME: usize = 100;
/// No action's arguments are.
const ARGS: usize = 64 * 1024;

/// What a component's plugin proposed.
#[derive(Debug, Clone)]
pub(crate) struct Proposer {
    pub component: ComponentId,
    pub plugin: String,
    /// Services it may stop and start.
    pub services: Vec<ServiceName>,
    pub proposal: Proposal,
}

/// What the merge needs to know beside the proposals.
pub(crate) struct Ground<'a> {
    pub names: NameRule,
    /// Folders below which files may be changed.
    pub roots: Vec<HostPath>,
    /// Folders below which backups may lie, beside the roots.
    pub sources: Vec<HostPath>,
    pub ask: &'a Ask,
    /// The machine type that a component's list says a file, by the key of its name, is for.
    pub machines: &'a BTreeMap<(ComponentId, String), MachineType>,
    /// Whether a live file is exactly what an earlier rollback of ours put there.
    pub restored: &'a dyn Fn(&Place, &Image) -> bool,
    /// What is known of files before and after the patch.
    pub known: &'a Known<'a>,
}

/// The steps, and what was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub stops: Vec<ServiceName>,
    pub starts: Vec<ServiceName>,
    pub waits: Vec<Step>,
    pub files: Vec<Step>,
    /// The registry, and how services are configured.
    pub settings: Vec<Step>,
    /// Actions of plugins, in the order of the components.
    pub customs: Vec<Step>,
    /// Whose each name is that is wanted to change.
    pub owners: Vec<(Place, ComponentId)>,
    /// Live images of every claimed target, by component, for the builds.
    pub seen: Vec<(ComponentId, Image, Image)>,
    /// Folders that no staging folder may lie in.
    pub keep_clear: Vec<Place>,
    pub left_alone: Vec<LeftAlone>,
    pub notices: Vec<Notice>,
    pub wanting: Vec<Wanting>,
    /// Files newer than the patch, each with the patched version.
    pub newer: Vec<(Place, FileVersion, FileVersion)>,
    /// Files that somebody edited since the patch.
    pub drifted: Vec<Place>,
    /// Files with several good backups that differ.
    pub differing: Vec<(Place, Vec<Claim>)>,
}

/// Everything that is wanted of one name.
#[derive(Debug)]
struct Wish {
    target: Place,
    missing_from: Option<RelPath>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Restore(Vec<Claims>),
    Write(ComponentId, Vec<u8>),
    Remove(ComponentId, Expect),
    RemoveFolder,
}

/// Merges the proposals, in the order of their components.
///
/// # Errors
/// Every [`Refusal`] about targets and backups. Targets that want a backup are returned, not refused, so that the
/// caller can look for one elsewhere.
pub(crate) fn merge(proposers: &[Proposer], ground: &Ground<'_>) -> Result<Merged, Refusal> {
    let mut merged = Merged::default();
    let wishes = gather(proposers, ground, &mut merged)?;
    prefer_is_used(ground, &wishes)?;
    safe::paths_are_used(ground, wishes.iter().map(|w| &w.target))?;
    merged.owners = wishes.iter().flat_map(owners).collect();
    let mut made = BTreeSet::new();
    for wish in wishes {
        if safe::kept(ground, &wish.target) {
            merged.notices.push(Notice::LeftOut { target: wish.target, why: Stays::KeptLocal });
            continue;
        }
        let live = match &wish.kind {
            Kind::RemoveFolder => Image::ABSENT,
            kind => match look::image(&wish.target) {
                Ok(live) => live,
                // An unlisted backup is never a reason to refuse.
                Err(_) if is_unlisted(kind) => {
                    let place = wish.target.clone();
                    once(&mut merged.left_alone, LeftAlone { place, reason: LeftReason::NotAFile });
                    continue;
                }
                Err(e) => return Err(look::refusal(e)),
            },
        };
        let before = merged.files.len();
        match &wish.kind {
            Kind::Restore(claims) => claims::settle(&wish.target, claims, &live, ground, &mut merged)?,
            Kind::Write(component, bytes) => write(&wish, component, bytes, &live, &mut merged),
            Kind::Remove(component, expect) => remove(&wish, component, *expect, &live, &mut merged),
            Kind::RemoveFolder => {
                if wish.missing_from.is_none() {
                    merged.files.push(Step::RemoveFolder { target: wish.target.clone() });
                }
            }
        }
        if merged.files.len() > before {
            let folders = new_folders(&wish, &merged.files[before..], &mut made);
            merged.files.splice(before..before, folders);
        }
    }
    only_empty_folders(&mut merged, ground.names)?;
    if merged.customs.len() > MOST {
        return Err(Refusal::TooManyActions { wanted: merged.customs.len(), most: MOST });
    }
    safe::judge(&mut merged, ground.ask.only_safe)?;
    Ok(merged)
}

/// A folder goes only if nothing stays in it: else it would be what nobody proposed that goes with it.
fn only_empty_folders(merged: &mut Merged, names: NameRule) -> Result<(), Refusal> {
    let key = |place: &Place| names.path_key(&place.path());
    let mut gone = BTreeSet::new();
    let mut stay = Vec::new();
    for step in &merged.files {
        match step {
            Step::RemoveFile { target, .. } | Step::ConsumeBackup { backup: target, .. } => {
                gone.insert(key(target));
            }
            Step::RemoveFolder { target } => {
                let folder = match Folder::open_parent_of(target) {
                    Ok(parent) => parent.open_below(&crate::state::plain(target.rel.name())),
                    Err(e) => Err(e),
                };
                let held = folder.and_then(|f| f.entries()).map_err(look::refusal)?;
                let within = |name| target.rel.join(&crate::state::plain(name));
                let mut held =
                    held.into_iter().map(|e| Place { root: target.root.clone(), rel: within(e.name) });
                if held.all(|entry| gone.contains(&key(&entry))) {
                    gone.insert(key(target));
                } else {
                    stay.push(target.clone());
                }
            }
            _ => {}
        }
    }
    merged.files.retain(|s| !matches!(s, Step::RemoveFolder { target } if stay.contains(target)));
    let left = stay.into_iter().map(|place| LeftAlone { place, reason: LeftReason::NotExpected });
    left.for_each(|one| once(&mut merged.left_alone, one));
    Ok(())
}

fn owners(wish: &Wish) -> Vec<(Place, ComponentId)> {
    let of = |component: &ComponentId| (wish.target.clone(), component.clone());
    match &wish.kind {
        Kind::Restore(claims) => claims.iter().map(|c| of(&c.component)).collect(),
        Kind::Write(component, _) | Kind::Remove(component, _) => vec![of(component)],
        Kind::RemoveFolder => Vec::new(),
    }
}

fn is_unlisted(kind: &Kind) -> bool {
    matches!(kind, Kind::Restore(claims) if claims.iter().all(|c| c.need == Need::Unlisted))
}

/// Sorts the proposals by what they are about: services, processes, names.
fn gather(proposers: &[Proposer], ground: &Ground<'_>, merged: &mut Merged) -> Result<Vec<Wish>, Refusal> {
    let mut wishes: Vec<Wish> = Vec::new();
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    let (mut looked_in, mut fresh) = (BTreeSet::new(), BTreeMap::new());
    for proposer in proposers {
        for step in &proposer.proposal.steps {
            let (target, kind) = match step {
                Proposed::StopService { service } => {
                    once(&mut merged.stops, own(proposer, service)?);
                    continue;
                }
                Proposed::StartService { service } => {
                    once(&mut merged.starts, own(proposer, service)?);
                    continue;
                }
                Proposed::WaitExit { images, under } => {
                    once(&mut merged.waits, Step::WaitExit { images: images.clone(), under: under.clone() });
                    continue;
                }
                Proposed::Custom { action, args } => {
                    merged.customs.push(custom(proposer, action, args)?);
                    continue;
                }
                Proposed::RestoreFile { target, need, candidates } => {
                    for candidate in candidates {
                        within(proposer, &candidate.place, ground.roots.iter().chain(&ground.sources))?;
                        one_folder(&candidate.place, ground.names, &mut looked_in)?;
                    }
                    let component = proposer.component.clone();
                    (
                        target,
                        Kind::Restore(vec![Claims {
                            component,
                            need: *need,
                            candidates: candidates.clone(),
                        }]),
                    )
                }
                Proposed::WriteFile { target, bytes } => {
                    (target, Kind::Write(proposer.component.clone(), bytes.clone()))
                }
                Proposed::RemoveFile { target, expect } => {
                    (target, Kind::Remove(proposer.component.clone(), *expect))
                }
                Proposed::RemoveFolder { target } => (target, Kind::RemoveFolder),
            };
            within(proposer, target, ground.roots.iter())?;
            let mut found = match locate(&target.root.0, &target.rel, ground.names) {
                Ok(found) => found,
                Err(e) if e.kind == ErrorKind::NotFound => {
                    return Err(Refusal::FolderMissing { path: target.root.clone() });
                }
                Err(e) => return Err(look::refusal(e)),
            };
            if !found.twins.is_empty() {
                return Err(Refusal::NamesFoldAlike { names: found.twins });
            }
            one_spelling(&mut found, ground.names, &mut fresh);
            let key = ground.names.path_key(&found.place.path());
            match index.get(&key) {
                None => {
                    index.insert(key, wishes.len());
                    wishes.push(Wish { target: found.place, missing_from: found.missing_from, kind });
                }
                Some(at) => join(&mut wishes[*at], kind)?,
            }
        }
        for folder in &proposer.proposal.keep_clear {
            within(proposer, folder, ground.roots.iter())?;
            // Names are exchanged within one mount; a mount of its own keeps its staging folder.
            if !is_mount(folder) {
                once(&mut merged.keep_clear, folder.clone());
            }
        }
        merged.left_alone.extend(proposer.proposal.left_alone.iter().cloned());
    }
    Ok(wishes)
}

/// An action of the proposer's plugin. What it means only the plugin knows; that its words can be shown and kept is looked
/// at here.
fn custom(proposer: &Proposer, action: &str, args: &str) -> Result<Step, Refusal> {
    let bad = |why: String| Err(Refusal::BadProposal { plugin: proposer.plugin.clone(), why });
    if action.is_empty() || action.len() > ACTION_NAME || action.chars().any(char::is_control) {
        return bad("it names an action that nobody could read".to_owned());
    }
    if args.len() > ARGS {
        return bad(format!("the arguments of its action `{action}` are longer than {ARGS} bytes"));
    }
    Ok(Step::Custom {
        component: proposer.component.clone(),
        plugin: proposer.plugin.clone(),
        action: action.to_owned(),
        args: args.to_owned(),
        way: Way::Forth,
    })
}

/// A backup's folder must have a name of its own: which of two that the product takes for the same holds its backups
/// nobody can say.
fn one_folder(backup: &Place, names: NameRule, looked_in: &mut BTreeSet<Place>) -> Result<(), Refusal> {
    let folder = backup.rel.parent().map(|rel| Place { root: backup.root.clone(), rel });
    let Some(folder) = folder.filter(|f| looked_in.insert(f.clone())) else { return Ok(()) };
    match locate(&folder.root.0, &folder.rel, names) {
        Ok(found) if !found.twins.is_empty() => Err(Refusal::NamesFoldAlike { names: found.twins }),
        // Whatever else is wrong there, the look at the backup itself says.
        _ => Ok(()),
    }
}

fn is_mount(folder: &Place) -> bool {
    let stat = Folder::open_parent_of(folder).and_then(|parent| parent.stat(folder.rel.name()));
    !matches!(stat, Ok(Some(stat)) if !stat.mount_root)
}

pub(crate) fn once<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn own(proposer: &Proposer, service: &ServiceName) -> Result<ServiceName, Refusal> {
    if proposer.services.contains(service) {
        return Ok(service.clone());
    }
    let why = format!("it wants the service `{service}`, which its component does not have");
    Err(Refusal::BadProposal { plugin: proposer.plugin.clone(), why })
}

fn within<'a>(
    proposer: &Proposer,
    place: &Place,
    mut roots: impl Iterator<Item = &'a HostPath>,
) -> Result<(), Refusal> {
    if roots.any(|r| *r == place.root) {
        return Ok(());
    }
    let why = format!("`{place}` lies in none of the product's folders");
    Err(Refusal::BadProposal { plugin: proposer.plugin.clone(), why })
}

/// Two wishes for one name: backups are judged together, equal wishes are one, others contradict.
fn join(wish: &mut Wish, kind: Kind) -> Result<(), Refusal> {
    match (&mut wish.kind, kind) {
        (Kind::Restore(claims), Kind::Restore(more)) => {
            for claim in more {
                match claims.iter_mut().find(|c| c.component == claim.component) {
                    // A component may speak of a file twice: once for its row, once for a backup found elsewhere.
                    Some(known) => {
                        if known.need == Need::Unlisted {
                            known.need = claim.need;
                        }
                        claim.candidates.into_iter().for_each(|c| once(&mut known.candidates, c));
                    }
                    None => claims.push(claim),
                }
            }
            Ok(())
        }
        (Kind::Write(_, a), Kind::Write(_, b)) if *a == b => Ok(()),
        (Kind::Remove(_, a), Kind::Remove(_, b)) if *a == b => Ok(()),
        (Kind::RemoveFolder, Kind::RemoveFolder) => Ok(()),
        _ => Err(Refusal::StepsContradict { target: wish.target.clone() }),
    }
}

/// A preference for a file or component that nothing is in question for is a mistake worth hearing of.
fn prefer_is_used(ground: &Ground<'_>, wishes: &[Wish]) -> Result<(), Refusal> {
    for (target, component) in &ground.ask.prefer {
        let used = wishes.iter().any(|w| match &w.kind {
            Kind::Restore(claims) => {
                names(ground.names, target, &w.target)
                    && claims.iter().any(|c| c.component == *component && !c.candidates.is_empty())
            }
            _ => false,
        });
        if !used {
            return Err(Refusal::PreferUnused { target: target.clone(), component: component.clone() });
        }
    }
    Ok(())
}

fn write(wish: &Wish, component: &ComponentId, bytes: &[u8], live: &Image, merged: &mut Merged) {
    let fingerprint = Fingerprint::File { len: bytes.len() as u64, sha256: digest_bytes(bytes) };
    let target = wish.target.clone();
    if live.fingerprint == fingerprint {
        merged.files.push(Step::Hold { target, image: *live });
        return;
    }
    let after = Image { fingerprint, version: None, machine: None };
    let source = Source::Inline(bytes.to_vec());
    merged.files.push(Step::ReplaceFile {
        target,
        source,
        before: *live,
        after,
        component: component.clone(),
        differs: Vec::new(),
    });
}

fn remove(wish: &Wish, component: &ComponentId, expect: Expect, live: &Image, merged: &mut Merged) {
    if live.fingerprint.is_absent() {
        return;
    }
    let expected = match expect {
        Expect::Anything => true,
        Expect::Version(version) => live.version == Some(version),
        Expect::Exactly(fingerprint) => live.fingerprint == fingerprint,
    };
    let target = wish.target.clone();
    if expected {
        merged.files.push(Step::RemoveFile { target, before: *live });
        merged.seen.push((component.clone(), *live, Image::ABSENT));
    } else {
        merged.left_alone.push(LeftAlone { place: target, reason: LeftReason::NotExpected });
    }
}

/// Gives a name in folders that are not there yet the place that those were named with first: by another case, or from another
/// root, it is the same folder once it is made.
fn one_spelling(found: &mut Located, names: NameRule, fresh: &mut BTreeMap<String, Place>) {
    let Some(first) = found.missing_from.clone() else { return };
    let depth = |rel: &RelPath| rel.as_path().components().count();
    let missing = |place: &Place, first: &RelPath| {
        let above = std::iter::successors(place.rel.parent(), RelPath::parent);
        let there = depth(first);
        let folders = above.take_while(|rel| depth(rel) >= there);
        folders.map(|rel| Place { root: place.root.clone(), rel }).collect::<Vec<_>>()
    };
    let key = |folder: &Place| names.path_key(&folder.path());
    // The innermost first: what is known of it holds for all above it.
    let folders = missing(&found.place, &first);
    let known = folders.iter().find_map(|folder| Some((folder, fresh.get(&key(folder))?.clone())));
    if let Some((folder, known)) = known
        && let Ok(below) = found.place.rel.as_path().strip_prefix(folder.rel.as_path())
        && let Ok(below) = RelPath::new(below)
    {
        let up = depth(&folder.rel) - depth(&first);
        let first = std::iter::successors(Some(known.rel.clone()), RelPath::parent).nth(up);
        found.missing_from = first.or(Some(known.rel.clone()));
        found.place = Place { rel: known.rel.join(&below), root: known.root };
    }
    let first = found.missing_from.clone().unwrap_or(first);
    for folder in missing(&found.place, &first) {
        fresh.entry(key(&folder)).or_insert(folder);
    }
}

/// Steps for the folders that a new file needs and that no step before made.
fn new_folders(wish: &Wish, steps: &[Step], made: &mut BTreeSet<Place>) -> Vec<Step> {
    let (Some(first), Some(Step::ReplaceFile { .. })) = (&wish.missing_from, steps.first()) else {
        return Vec::new();
    };
    let mut folders = Vec::new();
    let mut at = wish.target.rel.parent();
    while let Some(rel) = at {
        if rel.as_path().components().count() < first.as_path().components().count() {
            break;
        }
        at = rel.parent();
        folders.push(Place { root: wish.target.root.clone(), rel });
    }
    folders.reverse();
    let fresh = folders.into_iter().filter(|f| made.insert(f.clone()));
    fresh.map(|target| Step::CreateFolder { target, like: None }).collect()
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "a test makes a folder")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_something_is_mounted_on_is_told_from_one_of_its_parents_volume() {
        let place =
            |root: &str, rel: &str| Place { root: HostPath(root.into()), rel: RelPath::new(rel).unwrap() };
        assert!(is_mount(&place("/", "proc")));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let real = dir.path().canonicalize().unwrap();
        assert!(!is_mount(&place(real.to_str().unwrap(), "sub")));
        assert!(is_mount(&place("/proc", "none")), "what cannot be looked at is not staged above");
    }
}
