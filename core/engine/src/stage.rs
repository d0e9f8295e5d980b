//! Stage: every new file is prepared beside its target while the services still run.
//!
//! Each target folder gets `.backout-<id>/` with the file `id`, the new files under their slots, and an empty
//! placeholder for every name that will go away, so that the window never has to grow a folder. Then one sync per
//! file system, the folders, and `staged.ron`. If we die anywhere in here no product file has changed; recovery
//! removes the staging folders, which `plan.ron` alone names.

use crate::{
    faces::Faces,
    refusal::Refusal,
    transaction::{Content, Dressing, Host, Swap, Transaction, dressings, hosts, swaps},
};
use backout_disk::{
    Error, Folder,
    fingerprint::fingerprint_in,
    staging::{Dress, Kind, Staging},
};
use backout_protocol::{
    Digest, Event, Fingerprint, Notice, Place, RelPath, plan::PlanKind, report::Phase, step::Source,
    text::to_ron,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A file system that copies a file up into its own layer before the file's first change, a rename too.
const LAYERED: &str = "overlay";

/// The staging folders of a run, held open.
pub(crate) type Stagings = BTreeMap<Host, Staging>;

/// Stages everything. On an error some of it may be there; the caller takes it away.
pub(crate) fn stage(
    tx: &mut Transaction,
    state: &Path,
    faces: &Faces<'_>,
    notices: &mut Vec<Notice>,
) -> Result<(Stagings, Digest), Refusal> {
    faces.observer.event(&Event::Phase { phase: Phase::Stage });
    let fail = Refusal::StageFailed;
    let marker = to_ron(&tx.marker(state)).map_err(|e| Refusal::JournalFailed { why: e.to_string() })?;
    let (mut stagings, mut layered) = (Stagings::new(), BTreeSet::new());
    let mut folders = Vec::new();
    for host in tx.hosts() {
        let folder = host.open().map_err(fail)?;
        let system = folder.file_system().map_err(fail)?;
        if system.kind == LAYERED {
            layered.insert(host.clone());
        }
        let staging = Staging::create(&folder, &tx.run, marker.as_bytes()).map_err(fail)?;
        folders.push((folder, system.dev));
        stagings.insert(host, staging);
    }
    let todo = swaps(&tx.plan);
    let total = todo.len() as u64;
    let mut staged = Vec::with_capacity(todo.len());
    let saved = matches!(tx.plan.kind, PlanKind::Undo { .. });
    for (swap, content) in todo {
        if let Some(why) = faces.cancel.requested() {
            return Err(Refusal::Cancelled(why));
        }
        let Some(staging) = stagings.get(&swap.host()) else { continue };
        let (swap, notes) = fill(staging, swap, &content, saved)?;
        if layered.contains(&swap.host()) && !swap.before.is_absent() {
            let folder = Folder::open_parent_of(&swap.target).map_err(fail)?;
            folder.bring_up(swap.target.rel.name()).map_err(fail)?;
        }
        notices.extend(
            notes.into_iter().map(|what| Notice::MetadataDiffers { target: swap.target.clone(), what }),
        );
        faces.observer.event(&Event::Staged {
            done: staged.len() as u64 + 1,
            total,
            target: swap.target.to_string(),
        });
        staged.push(swap);
    }
    let mut dressed = Vec::new();
    for (dressing, like) in dressings(&tx.plan) {
        let Some(staging) = stagings.get(&dressing.host()) else { continue };
        match keep_rights(staging, &dressing, &like).map_err(fail)? {
            None => dressed.push(dressing),
            // What cannot be kept could not be put back either: the folder stays as it is, and is counted by nobody.
            Some(what) => notices.push(Notice::NotDressed { folder: dressing.place(), what }),
        }
    }
    // `staged.ron` will not name them. If we die before their going is synced, `plan.ron` does.
    let used = hosts(&staged, &dressed);
    for (host, (folder, _)) in tx.hosts().iter().zip(&folders).filter(|(host, _)| !used.contains(*host)) {
        if let Some(staging) = stagings.remove(host) {
            staging.remove_but_drift(folder).map_err(fail)?;
        }
    }
    sync(&stagings, &folders).map_err(fail)?;
    tx.swaps = staged;
    tx.dressings = dressed;
    let digest = tx.write_staged().map_err(fail)?;
    Ok((stagings, digest))
}

/// Keeps what a folder has and what it is to have; what of that could not be had is returned in words.
fn keep_rights(staging: &Staging, dressing: &Dressing, like: &Place) -> Result<Option<String>, Error> {
    let notes = staging.stage_rights(&dressing.slot, &dressing.open()?, &open_folder(like)?)?;
    Ok((!notes.is_empty()).then(|| notes.join(", ")))
}

/// One sync per file system, by its device number, makes all bytes durable; then the names: inner folders first, then the target folders.
fn sync(stagings: &Stagings, folders: &[(Folder, u64)]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for (folder, dev) in folders {
        if seen.insert(dev) {
            folder.sync_file_system()?;
        }
    }
    stagings.values().try_for_each(Staging::sync)?;
    // Called here, so that this sync has a place of its own in the code.
    folders.iter().try_for_each(|(folder, _)| folder.sync())
}

/// Fills one slot and checks that it now holds what the plan says.
fn fill(
    staging: &Staging,
    mut swap: Swap,
    content: &Content,
    saved: bool,
) -> Result<(Swap, Vec<String>), Refusal> {
    let fail = Refusal::StageFailed;
    let dress = match (saved, swap.before.is_absent()) {
        (true, _) => Dress::AsSaved,
        (false, false) => Dress::Live(&swap.target),
        (false, true) => Dress::Source,
    };
    let notes = match content {
        Content::EmptyFile => {
            staging.placeholder(&swap.slot, Kind::File).map(|()| Vec::new()).map_err(fail)?
        }
        Content::EmptyFolder => {
            staging.placeholder(&swap.slot, Kind::Folder).map(|()| Vec::new()).map_err(fail)?
        }
        Content::File(source) => {
            let staged = put(staging, &swap.slot, source, &swap.after, dress).map_err(fail)?;
            if staged.fingerprint != swap.after {
                return Err(changed(source, &swap.target));
            }
            staged.notes
        }
        Content::Tree { folders, files, like } => {
            let notes = grow(staging, &swap, folders, files, like.as_ref(), saved)?;
            swap.after = fingerprint_in(staging.folder(), swap.slot.name()).map_err(fail)?;
            notes
        }
    };
    Ok((swap, notes))
}

/// Stages a whole new folder.
fn grow(
    staging: &Staging,
    swap: &Swap,
    folders: &[(RelPath, Option<Place>)],
    files: &[(RelPath, Source, Fingerprint)],
    like: Option<&Place>,
    saved: bool,
) -> Result<Vec<String>, Refusal> {
    let fail = Refusal::StageFailed;
    let make = |slot: &RelPath, like: Option<&Place>| {
        let model = like.map(open_folder).transpose()?;
        staging.stage_folder(slot, model.as_ref())
    };
    make(&swap.slot, like).map_err(fail)?;
    for (rel, like) in folders {
        make(&swap.slot.join(rel), like.as_ref()).map_err(fail)?;
    }
    let mut notes = Vec::new();
    for (rel, source, after) in files {
        let dress = if saved { Dress::AsSaved } else { Dress::Source };
        let staged = put(staging, &swap.slot.join(rel), source, after, dress).map_err(fail)?;
        if staged.fingerprint != *after {
            return Err(changed(source, &swap.target));
        }
        notes.extend(staged.notes);
    }
    Ok(notes)
}

fn put(
    staging: &Staging,
    slot: &RelPath,
    source: &Source,
    after: &Fingerprint,
    dress: Dress<'_>,
) -> Result<backout_disk::staging::Staged, Error> {
    match source {
        Source::File(place) | Source::Saved(place) if after.is_link() => staging.stage_link(slot, place),
        Source::File(place) => staging.stage_copy(slot, place, dress),
        Source::Saved(place) => staging.stage_copy(slot, place, Dress::AsSaved),
        Source::Inline(bytes) => staging.stage_bytes(slot, bytes, dress),
    }
}

fn open_folder(place: &Place) -> Result<Folder, Error> {
    Folder::open_root(&place.root.0)?.open_below(&place.rel)
}

fn changed(source: &Source, target: &Place) -> Refusal {
    let source = match source {
        Source::File(place) | Source::Saved(place) => place.clone(),
        Source::Inline(_) => target.clone(),
    };
    Refusal::SourceChanged { source }
}
