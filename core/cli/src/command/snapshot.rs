//! `backout snapshot`: takes, lists, shows, compares and checks snapshots, and lets them go.

use crate::{
    answer::Answer,
    args::{SnapshotVerb, Wish},
    exit_code,
    logging::when,
    messages::{bytes, snapshot as words},
    session::{Session, Stop, stop, wrong},
};
use backout_engine::{
    Job, Refusal, State, apart, load,
    snapshot::{
        self, Snapshot, Stored, diff, retention,
        settings::{self, Settings},
        verify,
    },
};
use backout_machine::registry;
use backout_protocol::{
    HostPath, KeyPath, NameRule, Outcome, SnapshotId,
    path::encode,
    registry::{BadKey, SavedKey},
    snapshot::What,
};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(crate) fn run(session: &Session, verb: SnapshotVerb) -> Result<Answer, Stop> {
    match verb {
        SnapshotVerb::Create { profile, watch, label, exclude, registry, dry_run } => {
            let wish = match profile {
                Some(profile) => of_profile(session, &profile, label, exclude)?,
                None => of_folders(&watch, label, exclude, keys(&registry)?)?,
            };
            if dry_run { count(session, &wish) } else { create(session, &wish) }
        }
        SnapshotVerb::List => list(session),
        SnapshotVerb::Show { id } => show(session, &id),
        SnapshotVerb::Diff { from, to } => compare(session, &from, to.as_deref()),
        SnapshotVerb::Verify { id } => check(session, id.as_deref()),
        SnapshotVerb::Pin { id, dry_run: true } => would_pin(session, &id, true),
        SnapshotVerb::Pin { id, dry_run: false } => pin(session, &id, true),
        SnapshotVerb::Unpin { id, dry_run: true } => would_pin(session, &id, false),
        SnapshotVerb::Unpin { id, dry_run: false } => pin(session, &id, false),
        SnapshotVerb::Drop { id, dry_run } => remove(session, &id, dry_run),
    }
}

fn of_profile(
    session: &Session,
    profile: &str,
    label: Option<String>,
    exclude: Vec<String>,
) -> Result<snapshot::Wish, Stop> {
    let job = session.job(&Wish { profile: Some(profile.to_owned()), ..Wish::default() })?;
    of_job(session, &job, label, exclude)
}

/// What a snapshot of a profile's product sets aside.
pub(super) fn of_job(
    session: &Session,
    job: &Job,
    label: Option<String>,
    exclude: Vec<String>,
) -> Result<snapshot::Wish, Stop> {
    apart::state(job, &session.state).map_err(stop)?;
    let roots = snapshot::roots(job).map_err(stop)?;
    let services = snapshot::services(job).map_err(stop)?;
    let profile = &job.profile.profile;
    let exclude = profile.exclude.iter().cloned().chain(exclude).collect();
    Ok(snapshot::Wish {
        label,
        profile: Some(profile.name.clone()),
        names: profile.names,
        roots,
        exclude,
        services,
        registry: snapshot::keys(registry::here(), &profile.registry).map_err(stop)?,
    })
}

fn of_folders(
    folders: &[PathBuf],
    label: Option<String>,
    exclude: Vec<String>,
    registry: Vec<SavedKey>,
) -> Result<snapshot::Wish, Stop> {
    let roots = snapshot::outermost(real(folders)?);
    let names = if cfg!(windows) { NameRule::Folded } else { NameRule::Exact };
    Ok(snapshot::Wish { label, profile: None, names, roots, exclude, services: Vec::new(), registry })
}

/// The keys of the registry that somebody names by hand, read.
pub(super) fn keys(named: &[String]) -> Result<Vec<SavedKey>, Stop> {
    let parsed = named.iter().map(|text| text.parse().map_err(|e: BadKey| wrong(e.to_string())));
    let parsed: Vec<KeyPath> = parsed.collect::<Result<_, _>>()?;
    snapshot::no_registry(registry::here(), &parsed).map_err(stop)?;
    snapshot::keys(registry::here(), &parsed).map_err(stop)
}

/// The real paths of folders.
pub(super) fn real(folders: &[PathBuf]) -> Result<Vec<HostPath>, Stop> {
    let real = |folder: &PathBuf| {
        let missing = |_| stop(Refusal::FolderMissing { path: load::absolute(folder) });
        std::fs::canonicalize(folder).map(HostPath).map_err(missing)
    };
    folders.iter().map(real).collect()
}

/// Says how much a snapshot would set aside.
fn count(session: &Session, wish: &snapshot::Wish) -> Result<Answer, Stop> {
    if let Some(state) = State::look(&session.state).map_err(stop)? {
        session.nothing_changing(&state)?;
    }
    let counted = snapshot::count(&session.state, wish, &session.cancel).map_err(stop)?;
    let data = json!({
        "dry_run": true,
        "label": wish.label,
        "profile": wish.profile,
        "roots": wish.roots,
        "files": counted.files,
        "bytes": counted.bytes,
    });
    Ok(Answer::read(words::would_take(wish, &counted), data).warn(&counted.notices))
}

fn create(session: &Session, wish: &snapshot::Wish) -> Result<Answer, Stop> {
    let locked = session.lock()?;
    session.nothing_changing(locked.state())?;
    let created = snapshot::create(&locked, wish, &session.cancel).map_err(stop)?;
    let taken = &created.snapshot;
    let text = format!(
        "snapshot {} of {}: {} files, {}\nfolder {}",
        taken.id,
        words::of(taken),
        taken.files(),
        bytes(taken.bytes()),
        created.folder
    );
    let stored = Stored {
        id: taken.id.clone(),
        folder: created.folder,
        pinned: false,
        snapshot: Ok(created.snapshot),
    };
    let mut answer = Answer::read(text, row(&stored)).warn(&created.notices);
    answer.result.changed = true;
    Ok(answer)
}

fn list(session: &Session) -> Result<Answer, Stop> {
    let all = match State::look(&session.state).map_err(stop)? {
        Some(state) => snapshot::list(&state).map_err(stop)?,
        None => Vec::new(),
    };
    let lines: Vec<String> = all.iter().map(words::line).collect();
    let text = if lines.is_empty() { "no snapshot was taken yet".to_owned() } else { lines.join("\n") };
    Ok(Answer::read(text, json!({ "snapshots": all.iter().map(row).collect::<Vec<_>>() })))
}

/// The state folder and the snapshot that is meant.
fn found(session: &Session, id: &str) -> Result<(State, SnapshotId), Stop> {
    let state = State::look(&session.state).map_err(stop)?;
    let id = snapshot::resolve(state.as_ref(), id).map_err(stop)?;
    match state {
        Some(state) => Ok((state, id)),
        None => Err(stop(Refusal::SnapshotUnknown { asked: id.to_string(), known: Vec::new() })),
    }
}

fn show(session: &Session, id: &str) -> Result<Answer, Stop> {
    let (state, id) = found(session, id)?;
    let taken = snapshot::open(&state, &id).map_err(stop)?;
    let all = snapshot::list(&state).map_err(stop)?;
    let Some(stored) = all.into_iter().find(|s| s.id == id) else {
        return Err(stop(Refusal::SnapshotUnknown { asked: id.to_string(), known: Vec::new() }));
    };
    let mut data = row(&stored);
    data["exclude"] = json!(taken.exclude);
    data["services"] = json!(taken.services);
    data["registry"] = json!(taken.registry);
    data["entries"] = taken.entries.iter().map(|e| entry(&taken, e)).collect();
    Ok(Answer::read(words::whole(&stored, &taken), data))
}

/// A snapshot as a program reads it.
fn row(stored: &Stored) -> Value {
    let taken = stored.snapshot.as_ref().ok();
    json!({
        "id": stored.id,
        "folder": stored.folder,
        "pinned": stored.pinned,
        "label": taken.map(|s| &s.label),
        "profile": taken.map(|s| &s.profile),
        "taken": taken.map(|s| when(s.taken)),
        "taken_ms": taken.map(|s| s.taken),
        "roots": taken.map(|s| s.roots.iter().map(|r| &r.path).collect::<Vec<_>>()),
        "files": taken.map(Snapshot::files),
        "bytes": taken.map(Snapshot::bytes),
        "problem": stored.snapshot.as_ref().err().map(|e| words::refused(e).message),
    })
}

fn entry(taken: &Snapshot, entry: &backout_protocol::snapshot::Entry) -> Value {
    let mut value = what(&entry.what);
    value["path"] = json!(taken.place(entry).map(|p| encode(p.path().as_os_str())));
    value["facts"] = json!(entry.facts);
    value
}

fn what(what: &What) -> Value {
    match what {
        What::Folder => json!({ "kind": "folder" }),
        What::File(image) => json!({ "kind": "file", "image": image }),
        What::Link(target) => json!({ "kind": "link", "target": target }),
        What::Other => json!({ "kind": "other" }),
    }
}

fn compare(session: &Session, from: &str, to: Option<&str>) -> Result<Answer, Stop> {
    let (state, from) = found(session, from)?;
    let earlier = snapshot::open(&state, &from).map_err(stop)?;
    let was = Settings::from(&earlier);
    let (to, later, is) = match to {
        Some(to) => {
            let to = snapshot::resolve(Some(&state), to).map_err(stop)?;
            let later = snapshot::open(&state, &to).map_err(stop)?;
            let is = Settings::from(&later);
            (Some(to), later.into(), is)
        }
        None => {
            let is = settings::now(&earlier, registry::here()).map_err(stop)?;
            (None, diff::now(&earlier, &session.cancel).map_err(stop)?, is)
        }
    };
    let changes = diff::diff(&earlier.into(), &later);
    let settings = settings::differences(&was, &is);
    let rows: Vec<Value> = changes.iter().map(change).collect();
    let set: Vec<Value> = settings.iter().map(|d| json!({ "about": d.about, "how": d.how })).collect();
    let differs = !(changes.is_empty() && settings.is_empty());
    let data = json!({ "from": from, "to": to, "differs": differs, "changes": rows, "settings": set });
    Ok(Answer::read(words::changes(&changes, &settings), data))
}

fn change(change: &diff::Change) -> Value {
    let (how, before, after, facts) = match &change.how {
        diff::How::Added(new) => ("added", None, Some(new), None),
        diff::How::Removed(old) => ("removed", Some(old), None, None),
        diff::How::Changed { from, to } => ("changed", Some(from), Some(to), None),
        diff::How::Facts(facts) => ("facts", None, None, Some(facts)),
    };
    json!({ "path": change.path, "how": how, "before": before.map(what), "after": after.map(what), "facts": facts })
}

fn check(session: &Session, id: Option<&str>) -> Result<Answer, Stop> {
    let (state, ids) = match id {
        Some(id) => {
            let (state, id) = found(session, id)?;
            (state, vec![id])
        }
        None => {
            let Some(state) = State::look(&session.state).map_err(stop)? else { return list(session) };
            let all = snapshot::list(&state).map_err(stop)?;
            (state, all.into_iter().map(|s| s.id).collect())
        }
    };
    let (mut rows, mut lines, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        let found: Vec<(HostPath, String)> = match verify::verify(&state, &id, &session.cancel) {
            Ok(found) => found.into_iter().map(|d| (d.path, words::damage(&d.how))).collect(),
            // One that cannot be believed at all hides no other.
            Err(refusal @ (Refusal::SnapshotDamaged { .. } | Refusal::SnapshotTooNew { .. })) => {
                vec![(retention::folder(&state, &id), words::refused(&refusal).message)]
            }
            Err(refusal) => return Err(stop(refusal)),
        };
        let state = if found.is_empty() { "whole" } else { "damaged" };
        lines.push(format!("{id}  {state}"));
        let files: Vec<Value> = found.iter().map(|(p, why)| json!({ "path": p, "why": why })).collect();
        rows.push(json!({ "id": id, "whole": found.is_empty(), "damaged": files }));
        damaged.extend(found);
    }
    let text = if lines.is_empty() { "no snapshot was taken yet".to_owned() } else { lines.join("\n") };
    let data = json!({ "snapshots": rows });
    if damaged.is_empty() {
        return Ok(Answer::read(text, data));
    }
    let mut answer = Answer::plain(exit_code::DIFFERENT, Outcome::Done, text, data);
    answer.say(words::damaged(&damaged));
    Ok(answer)
}

fn pin(session: &Session, id: &str, keep: bool) -> Result<Answer, Stop> {
    let (_, id) = found(session, id)?;
    let locked = session.lock()?;
    let id = snapshot::resolve(Some(locked.state()), id.as_str()).map_err(stop)?;
    let changed = if keep { snapshot::pin(&locked, &id) } else { snapshot::unpin(&locked, &id) };
    let changed = changed.map_err(stop)?;
    let text = if keep { format!("{id} stays until it is unpinned") } else { format!("{id} is not pinned") };
    let outcome = if changed { Outcome::Done } else { Outcome::NothingToDo };
    let data = json!({ "id": id, "pinned": keep });
    let mut answer = Answer::plain(exit_code::DONE, outcome, text, data);
    answer.result.changed = changed;
    Ok(answer)
}

fn would_pin(session: &Session, id: &str, keep: bool) -> Result<Answer, Stop> {
    let (state, id) = found(session, id)?;
    let all = snapshot::list(&state).map_err(stop)?;
    let would = all.iter().any(|s| s.id == id && s.pinned != keep);
    let outcome = if would { Outcome::Done } else { Outcome::NothingToDo };
    let data = json!({ "dry_run": true, "id": id, "pinned": keep });
    Ok(Answer::plain(exit_code::DONE, outcome, words::would_pin(&id, keep, would), data))
}

fn remove(session: &Session, id: &str, dry_run: bool) -> Result<Answer, Stop> {
    session.may_ask(dry_run)?;
    let (state, id) = found(session, id)?;
    if dry_run {
        let freed = snapshot::may_drop(&state, &id).map_err(stop)?;
        let data = json!({ "dry_run": true, "id": id, "bytes": freed });
        return Ok(Answer::read(format!("{id} would be removed, {}", bytes(freed)), data));
    }
    let all = snapshot::list(&state).map_err(stop)?;
    drop(state);
    let locked = session.lock()?;
    let shown = all.iter().find(|s| s.id == id).map(words::line).unwrap_or_default();
    session.ask_first(&shown, words::QUESTION)?;
    let freed = snapshot::drop(&locked, &id).map_err(stop)?;
    let data = json!({ "id": id, "bytes": freed });
    let mut answer = Answer::read(format!("{id} is removed, {}", bytes(freed)), data);
    answer.result.changed = true;
    Ok(answer)
}
