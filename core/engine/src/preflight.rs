//! Preflight: read-only checks that can refuse. Whatever is found wrong here costs nothing.

use crate::{
    apart,
    faces::Faces,
    failure::Failure,
    hold, look, quiesce,
    refusal::{Refusal, Trusted},
    transaction::{Content, Host, Marker, dressed, swaps},
};
use backout_disk::{
    ErrorKind, Folder,
    folder::{Kind, Stat},
    staging::Staging,
};
use backout_machine::{delayed, process};
use backout_protocol::{
    Event, HostPath, Notice, Place, Plan, Step, plan::Closed, report::Phase, text::from_ron,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::Path,
};

/// What a small file or folder takes on a file system, rounded up.
const BLOCK: u64 = 4096;
/// What a transaction takes in the state folder beside its plan.
const TRANSACTION: u64 = 512 * 1024;

/// Checks that `plan` can be carried out with the state folder at `state`, which need not exist yet.
///
/// # Errors
/// Every [`Refusal`] about targets, folders, file systems, space, rights and leftovers.
pub fn check(plan: &Plan, state: &Path, faces: &Faces<'_>) -> Result<Vec<Notice>, Refusal> {
    let (notices, space) = findings(plan, state, faces)?;
    space.check()?;
    Ok(notices)
}

/// The same of a plan that is staged already: the space it takes is taken.
///
/// # Errors
/// As [`check`], but for space.
pub fn check_staged(plan: &Plan, state: &Path, faces: &Faces<'_>) -> Result<Vec<Notice>, Refusal> {
    findings(plan, state, faces).map(|(notices, _)| notices)
}

/// What is found, and the space that staging takes.
fn findings(plan: &Plan, state: &Path, faces: &Faces<'_>) -> Result<(Vec<Notice>, Space), Refusal> {
    faces.observer.event(&Event::Phase { phase: Phase::Preflight });
    apart::plan(plan, state)?;
    let todo = swaps(plan);
    let mut notices = Vec::new();
    let mut folders: BTreeSet<Host> = BTreeSet::new();
    for (swap, _) in &todo {
        target(&swap.target, if swap.before.is_link() { Links::Known } else { Links::Refused })?;
        folders.insert(swap.host());
        let within = Host { root: swap.target.root.clone(), rel: swap.target.rel.parent() };
        if swap.host.as_ref() != within.rel.as_ref() && (!swap.before.is_absent() || within.path().0.is_dir())
        {
            folders.insert(within);
        }
        // A name is exchanged with its slot, so nothing on the way to the staging folder may be a mount of its own.
        let mut at = swap.target.rel.parent();
        while let Some(rel) = at.filter(|rel| Some(rel) != swap.host.as_ref()) {
            at = rel.parent();
            way(&Place { root: swap.target.root.clone(), rel })?;
        }
    }
    let dressed = dressed(plan);
    for dressing in &dressed {
        let opened = dressing.open().map_err(look::refusal)?;
        let own = opened.stat_self().map_err(look::refusal)?;
        if own.is_locked() {
            return Err(Refusal::Immutable { path: HostPath(opened.path().to_owned()) });
        }
        folders.insert(dressing.host());
    }
    let mut space = Space::default();
    let mut weak = BTreeSet::new();
    for host in &folders {
        let opened = open(host)?;
        let system = folder(&opened)?;
        leftovers(&opened, state, &mut notices)?;
        if !system.atomic_rename && weak.insert(system.dev) {
            notices.push(Notice::WeakFileSystem { folder: host.path(), kind: system.kind.clone() });
        }
        space.add(&system, host.path(), 2 * BLOCK);
    }
    for (swap, content) in &todo {
        let opened = open(&swap.host())?;
        space.add(
            &opened.file_system().map_err(Refusal::Look)?,
            swap.host().path(),
            size(plan, &swap.target, content),
        );
    }
    for dressing in &dressed {
        let host = dressing.host();
        let system = open(&host)?.file_system().map_err(Refusal::Look)?;
        space.add(&system, host.path(), 2 * BLOCK);
    }
    held_elsewhere(plan, state)?;
    moved_at_boot(plan)?;
    state_folder(state, plan, &mut space)?;
    Ok((notices, space))
}

/// What the next boot moves in place of a target, or away, is not known to anybody who looks at it now.
fn moved_at_boot(plan: &Plan) -> Result<(), Refusal> {
    if !delayed::is_there() {
        return Ok(());
    }
    let targets = plan.file_steps().filter_map(Step::target);
    let paths: Vec<String> = targets.filter_map(|t| t.path().to_str().map(str::to_owned)).collect();
    match delayed::moves_any(&paths) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => Err(Refusal::MovedAtBoot { path: HostPath(path.into()) }),
        Err(e) => {
            log::warn!("whether the next boot moves files of the plan is not known: {e}");
            Ok(())
        }
    }
}

/// What would hold the services back must not be there already with another meaning: by an unfinished run of another
/// state folder, or by somebody else.
fn held_elsewhere(plan: &Plan, state: &Path) -> Result<(), Refusal> {
    let services = quiesce::open(plan).map_err(Refusal::Service)?;
    let state = std::fs::canonicalize(state).unwrap_or_else(|_| crate::load::absolute(state).0);
    let holds = hold::holds(plan, services.as_ref(), &state).map_err(Refusal::Service)?;
    match hold::in_the_way(&holds).map_err(Refusal::Look)? {
        Some(path) => Err(Refusal::HeldElsewhere { path }),
        None => Ok(()),
    }
}

fn open(host: &Host) -> Result<Folder, Refusal> {
    host.open().map_err(|e| match e.kind {
        ErrorKind::NotFound => Refusal::FolderMissing { path: host.path() },
        _ => look::refusal(e),
    })
}

/// Looks for programs that must be closed; once while planning, and once more before the names are swapped.
///
/// # Errors
/// [`Failure::MustBeClosed`], [`Failure::Process`].
pub(crate) fn must_be_closed(closed: &[Closed]) -> Result<(), Failure> {
    for Closed { images, under, help } in closed {
        let under: Vec<_> = under.iter().map(|u| u.0.clone()).collect();
        let open = process::running(images, &under).map_err(|e| Failure::Process { why: e.to_string() })?;
        if !open.is_empty() {
            return Err(Failure::MustBeClosed { processes: quiesce::named(&open), help: help.clone() });
        }
    }
    Ok(())
}

/// The same before anything is begun.
pub(crate) fn closed_now(closed: &[Closed]) -> Result<(), Refusal> {
    must_be_closed(closed).map_err(|failure| match failure {
        Failure::MustBeClosed { processes, help } => Refusal::MustBeClosed { processes, help },
        other => Refusal::BeforeStop(other),
    })
}

/// What becomes of a target that is a symbolic link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    /// The plan knows it for one; it is moved like a file and never followed.
    Known,
    Refused,
}

/// A target is one plain file with one name, or nothing; a link only where the plan knows it for one.
fn target(place: &Place, links: Links) -> Result<(), Refusal> {
    let Some(stat) = found(place, links)? else { return Ok(()) };
    let path = HostPath(place.path());
    locked_down(&stat, path.clone())?;
    if stat.kind == Kind::File && stat.nlink > 1 {
        return Err(Refusal::HardLinked { path, links: stat.nlink });
    }
    Ok(())
}

/// A folder on the way to a target, in which no name changes.
fn way(place: &Place) -> Result<(), Refusal> {
    match found(place, Links::Refused)? {
        Some(stat) if stat.mount_root => Err(Refusal::MountPoint { path: HostPath(place.path()) }),
        _ => Ok(()),
    }
}

/// What a name is, if it is something that a run has to do with.
fn found(place: &Place, links: Links) -> Result<Option<Stat>, Refusal> {
    let path = || HostPath(place.path());
    let parent = match Folder::open_parent_of(place) {
        Ok(parent) => parent,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(look::refusal(e)),
    };
    let stat = parent.stat(place.rel.name()).map_err(look::refusal)?;
    match stat.map(|stat| stat.kind) {
        Some(Kind::Symlink) if links == Links::Refused => Err(Refusal::Symlink { path: path() }),
        Some(Kind::Other) => Err(Refusal::NotAFile { path: path() }),
        _ => Ok(stat),
    }
}

fn locked_down(stat: &Stat, path: HostPath) -> Result<(), Refusal> {
    if stat.is_locked() {
        return Err(Refusal::Immutable { path });
    }
    if stat.mount_root {
        return Err(Refusal::MountPoint { path });
    }
    Ok(())
}

/// A folder whose names change: on a writable file system, not immutable, and ours to write.
fn folder(folder: &Folder) -> Result<backout_disk::folder::FileSystem, Refusal> {
    let path = || HostPath(folder.path().to_owned());
    let system = folder.file_system().map_err(Refusal::Look)?;
    if system.read_only {
        return Err(Refusal::ReadOnly { path: path() });
    }
    let own = folder.stat_self().map_err(Refusal::Look)?;
    if own.is_locked() {
        return Err(Refusal::Immutable { path: path() });
    }
    match folder.writable() {
        Ok(true) => Ok(system),
        Ok(false) => Err(Refusal::NoRights { path: path() }),
        Err(e) => Err(look::refusal(e)),
    }
}

/// Staging folders of other runs. One that another state folder has not finished would be broken by us.
fn leftovers(folder: &Folder, state: &Path, notices: &mut Vec<Notice>) -> Result<(), Refusal> {
    let ours = std::fs::canonicalize(state).ok();
    for backout_disk::staging::Found { run, marker } in Staging::list(folder).map_err(Refusal::Look)? {
        let at = HostPath(folder.path().join(backout_disk::staging::name_of(&run)));
        let text = marker.and_then(|m| String::from_utf8(m).ok());
        let marker: Option<Marker> = text.and_then(|t| from_ron("id", &t).ok());
        let foreign = |state| Refusal::ForeignRun { folder: at.clone(), run: run.to_string(), state };
        let Some(marker) = marker else {
            // Died before its marker was written: nothing was swapped, but whose it is nobody can say.
            notices.push(Notice::UnknownLeftover { folder: at, run });
            continue;
        };
        let has = |part: &str| marker.state.0.join(part).join(run.as_str()).is_dir();
        let known_state = marker.state.0.is_dir();
        match (has("transactions"), has("history"), known_state) {
            // Ours: an unfinished run was refused before; one that is over only waits to be tidied up.
            (true, ..) if ours.as_deref() == Some(&marker.state.0) => {}
            (true, ..) => return Err(foreign(Some(marker.state))),
            (false, true, _) => {}
            (false, false, true) => notices.push(Notice::UnknownLeftover { folder: at, run }),
            (false, false, false) => return Err(foreign(Some(marker.state))),
        }
    }
    Ok(())
}

/// What a swap's slot takes.
fn size(plan: &Plan, target: &Place, content: &Content) -> u64 {
    let round = |bytes: u64| bytes.div_ceil(BLOCK) * BLOCK;
    match content {
        Content::EmptyFile => 0,
        Content::EmptyFolder => BLOCK,
        Content::File(_) => {
            plan.steps.iter().filter(|s| s.target() == Some(target)).map(|s| round(s.new_bytes())).sum()
        }
        Content::Tree { folders, .. } => {
            let below =
                |p: &Place| p.root == target.root && p.rel.as_path().starts_with(target.rel.as_path());
            let files = plan.steps.iter().filter(|s| s.target().is_some_and(below));
            files.map(|s| round(s.new_bytes())).sum::<u64>() + (folders.len() as u64 + 1) * BLOCK
        }
    }
}

/// The state folder, or the nearest folder above it that exists, must take the transaction.
fn state_folder(state: &Path, plan: &Plan, space: &mut Space) -> Result<(), Refusal> {
    let mut there = crate::load::absolute(state).0;
    while !there.exists() {
        match there.parent() {
            Some(parent) => there = parent.to_owned(),
            None => break,
        }
    }
    let fail = |why: String| Refusal::State { path: HostPath(state.to_owned()), why };
    let real = std::fs::canonicalize(&there).map_err(|e| fail(e.to_string()))?;
    crate::load::check_trust(&real, Trusted::State)?;
    let folder = Folder::open_root(&real).map_err(|e| fail(e.to_string()))?;
    let system = folder.file_system().map_err(|e| fail(e.to_string()))?;
    if system.read_only {
        return Err(Refusal::ReadOnly { path: HostPath(real) });
    }
    if !folder.writable().map_err(|e| fail(e.to_string()))? {
        return Err(Refusal::NoRights { path: HostPath(real) });
    }
    let text = backout_protocol::text::to_ron(plan).map_or(0, |t| t.len() as u64);
    space.add(&system, HostPath(real), 2 * text + TRANSACTION);
    Ok(())
}

/// Bytes needed on each file system.
#[derive(Debug, Default)]
struct Space {
    systems: BTreeMap<u64, (HostPath, u64, u64)>,
}

impl Space {
    fn add(&mut self, system: &backout_disk::folder::FileSystem, folder: HostPath, bytes: u64) {
        let entry = self.systems.entry(system.dev).or_insert((folder, 0, system.available));
        entry.1 = entry.1.saturating_add(bytes);
    }

    fn check(self) -> Result<(), Refusal> {
        match self.systems.into_values().find(|(_, needed, available)| needed > available) {
            Some((folder, needed, available)) => Err(Refusal::NoSpace { folder, needed, available }),
            None => Ok(()),
        }
    }
}

/// Whether `name` is one of ours, which no scan and no comparison looks at.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(backout_disk::staging::PREFIX)
}
