//! Takes a snapshot: a copy of every file and an inventory of every name, whole or not at all.

use super::{
    exclude::Exclude,
    inventory::Inventory,
    store::{self, DIGEST, FILES, INVENTORY, NEW, SNAPSHOTS},
};
use crate::{
    apart,
    faces::Cancel,
    look,
    planner::TOOL,
    refusal::{Refusal, Trusted},
    state::{Locked, unusable},
    survey::Survey,
};
use backout_disk::{Error, Folder, aside, durable};
use backout_machine::service::{ServiceState, Services};
use backout_protocol::{
    Fingerprint, HostPath, NameRule, Notice, ServiceName, SnapshotId,
    configuration::Part,
    registry::SavedKey,
    snapshot::{FORMAT, SavedService, ServiceWas, Snapshot},
    text::to_ron,
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::load::Job;

/// What is to be set aside.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it is called.
    pub label: Option<String>,
    /// The profile's name; `None`: of folders alone.
    pub profile: Option<String>,
    /// How names compare.
    pub names: NameRule,
    /// The folders, as [`roots`] gives them.
    pub roots: Vec<HostPath>,
    /// What of them is left out.
    pub exclude: Vec<String>,
    /// What is known of the services.
    pub services: Vec<SavedService>,
    /// Keys of the registry, as [`super::keys`] reads them.
    pub registry: Vec<SavedKey>,
}

/// A snapshot that was taken.
#[derive(Debug)]
pub struct Created {
    /// What there was.
    pub snapshot: Snapshot,
    /// Its folder.
    pub folder: HostPath,
    /// What a person should know.
    pub notices: Vec<Notice>,
}

/// What a snapshot would hold.
#[derive(Debug)]
pub struct Counted {
    /// How many files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What a person should know.
    pub notices: Vec<Notice>,
}

/// The folders that a snapshot of `job` covers: the profile's roots, else the folders of all variables that have a
/// value; those that are there, each once, and none that lies in another.
///
/// # Errors
/// [`Refusal::FolderMissing`]: a root that the profile names, or all of them; what is wrong with a variable.
pub fn roots(job: &Job) -> Result<Vec<HostPath>, Refusal> {
    let profile = &job.profile.profile;
    let vars = crate::variables::resolve(profile, &job.site, &job.ask)?;
    let folders = vars.iter().map(|(name, r)| (name.clone(), r.value.clone())).collect();
    let named = profile.roots.iter().filter_map(|root| look::path_of(&folders, root)).map(HostPath);
    let all: Vec<HostPath> =
        if profile.roots.is_empty() { folders.values().cloned().collect() } else { named.collect() };
    let there: Vec<HostPath> = all.iter().filter(|f| f.0.is_dir()).cloned().collect();
    match (there.is_empty(), all.into_iter().next()) {
        (true, Some(path)) => Err(Refusal::FolderMissing { path }),
        (true, None) => Err(Refusal::NothingPresent { profile: profile.name.clone() }),
        (false, _) => Ok(outermost(there)),
    }
}

/// Each folder once, and none that lies in another of them.
pub fn outermost(mut folders: Vec<HostPath>) -> Vec<HostPath> {
    folders.sort();
    folders.dedup();
    let all = folders.clone();
    folders.retain(|f| !all.iter().any(|other| other != f && look::below(&f.0, &other.0)));
    folders
}

/// What is known of the profile's services. One that cannot say what it is doing is written down as that.
///
/// # Errors
/// What is wrong with the site; [`Refusal::Service`].
pub fn services(job: &Job) -> Result<Vec<SavedService>, Refusal> {
    let survey = Survey::make(job)?;
    let used = job.profile.profile.components.iter().flat_map(|c| &c.services).map(|used| &used.name);
    saved(survey.services.as_ref(), used, &job.site.units)
}

/// What is known of these services, each once. One whose configuration its manager does not tell is no snapshot of.
///
/// # Errors
/// [`Refusal::Service`].
pub(crate) fn saved<'a>(
    services: &dyn Services,
    names: impl Iterator<Item = &'a ServiceName>,
    units: &BTreeMap<ServiceName, String>,
) -> Result<Vec<SavedService>, Refusal> {
    let mut found: Vec<SavedService> = Vec::new();
    for name in names {
        if found.iter().any(|s| s.name == *name) {
            continue;
        }
        let state = match services.state(name) {
            Ok(ServiceState::NotInstalled) => ServiceWas::NotInstalled,
            Ok(ServiceState::Running | ServiceState::Starting) => ServiceWas::Running,
            Ok(ServiceState::Restarting) => ServiceWas::Restarting,
            Ok(ServiceState::Stopped) => ServiceWas::Stopped,
            Err(e) => ServiceWas::Unknown(e.to_string()),
        };
        let unit = units.get(name).cloned();
        let configuration = match services.configuration(name, None) {
            Ok(kept) => kept,
            Err(_) if matches!(state, ServiceWas::Unknown(_)) => None,
            Err(e) => return Err(Refusal::Service(e)),
        };
        let start = configuration.as_ref().and_then(|kept| kept.part(Part::Enabled));
        let start = start.filter(|words| !words.is_empty());
        found.push(SavedService { name: name.clone(), unit, state, start, configuration });
    }
    Ok(found)
}

/// Takes the snapshot. While this works it lies under a name that is no id; if we die, it is removed by the next one.
///
/// # Errors
/// [`Refusal::Changing`], [`Refusal::SnapshotFailed`], [`Refusal::BadGlob`], [`Refusal::InTheWay`],
/// [`Refusal::FolderMissing`], [`Refusal::Cancelled`], whatever cannot be read. Nothing of it stays.
pub fn create(locked: &Locked, wish: &Wish, cancel: &Cancel) -> Result<Created, Refusal> {
    let state = locked.state();
    let exclude = checked(state.path(), wish)?;
    store::sweep(locked)?;
    let fail = |e: Error| unusable(state.path(), &e);
    let above = durable::ensure_folder(state.folder(), OsStr::new(SNAPSHOTS), 0o700).map_err(fail)?;
    let id = new_id(locked)?;
    let name = format!("{NEW}{id}");
    let taken = durable::make_folder(&above, OsStr::new(&name), 0o700)
        .map_err(Refusal::SnapshotFailed)
        .and_then(|folder| fill(&folder, &id, wish, &exclude, cancel))
        .and_then(|(snapshot, notices)| {
            // Everything in it is durable. If we die before the next line it is a leftover, behind it a snapshot.
            let placed = durable::rename(&above, OsStr::new(&name), &above, OsStr::new(id.as_str()));
            placed.map(|()| (snapshot, notices)).map_err(Refusal::SnapshotFailed)
        });
    match taken {
        Ok((snapshot, notices)) => {
            let folder = HostPath(above.path().join(id.as_str()));
            Ok(Created { snapshot, folder, notices })
        }
        Err(refusal) => {
            if let Err(e) = aside::remove(&above, OsStr::new(&name)) {
                log::warn!("what was copied for a snapshot stays until the next one is taken: {e}");
            }
            Err(refusal)
        }
    }
}

/// Looks at all that a snapshot would hold, and copies nothing. `state`: the state folder, which need not be there.
///
/// # Errors
/// As [`create`], but for what only writing meets.
pub fn count(state: &Path, wish: &Wish, cancel: &Cancel) -> Result<Counted, Refusal> {
    let exclude = checked(&apart::real(state), wish)?;
    let mut inventory = Inventory::new(&exclude, cancel);
    for (number, path) in wish.roots.iter().enumerate() {
        inventory.take(number, path, None)?;
    }
    let files = || inventory.entries.iter().filter_map(|entry| entry.what.image());
    let bytes = files().map(|image| match image.fingerprint {
        Fingerprint::File { len, .. } => len,
        Fingerprint::Absent | Fingerprint::Folder { .. } | Fingerprint::Link { .. } => 0,
    });
    Ok(Counted { files: files().count(), bytes: bytes.sum(), notices: inventory.notices() })
}

/// What is left out, if it can be meant and no folder holds the state folder, into which it would be copied.
fn checked(state: &Path, wish: &Wish) -> Result<Exclude, Refusal> {
    let exclude = Exclude::new(&wish.exclude, wish.names)?;
    for root in &wish.roots {
        if look::below(state, &apart::real(&root.0)) {
            let (path, of) = (HostPath(state.to_owned()), root.clone());
            return Err(Refusal::InTheWay { what: Trusted::State, path, of });
        }
    }
    Ok(exclude)
}

fn fill(
    folder: &Folder,
    id: &SnapshotId,
    wish: &Wish,
    exclude: &Exclude,
    cancel: &Cancel,
) -> Result<(Snapshot, Vec<Notice>), Refusal> {
    let fail = Refusal::SnapshotFailed;
    let taken = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let files = aside::make_folder(folder, OsStr::new(FILES)).map_err(fail)?;
    let mut inventory = Inventory::new(exclude, cancel);
    let mut roots = Vec::new();
    for (number, path) in wish.roots.iter().enumerate() {
        let to = aside::make_folder(&files, OsStr::new(&number.to_string())).map_err(fail)?;
        roots.push(inventory.take(number, path, Some(&to))?);
    }
    let notices = inventory.notices();
    let snapshot = Snapshot {
        format: FORMAT,
        tool: TOOL.to_owned(),
        id: id.clone(),
        label: wish.label.clone(),
        profile: wish.profile.clone(),
        taken,
        names: wish.names,
        roots,
        exclude: exclude.globs().to_vec(),
        services: wish.services.clone(),
        registry: wish.registry.clone(),
        mounts: Some(inventory.mounts),
        entries: inventory.entries,
    };
    let text = to_ron(&snapshot)
        .map_err(|e| fail(Error::unsupported("write", &folder.path().join(INVENTORY), &e.to_string())))?;
    for (name, text) in [(INVENTORY, &text), (DIGEST, &store::digest_line(&text))] {
        durable::write(folder, OsStr::new(name), text.as_bytes(), 0o600).map_err(fail)?;
    }
    aside::sync(folder).map_err(fail)?;
    Ok((snapshot, notices))
}

/// A new id that sorts behind every one that is there, even if the clock went back.
fn new_id(locked: &Locked) -> Result<SnapshotId, Refusal> {
    let state = locked.state();
    let fresh = ulid::Ulid::generate();
    let newest = store::ids(state)?.pop();
    let ulid = match newest.and_then(|id| ulid::Ulid::from_string(id.as_str()).ok()) {
        Some(last) if last >= fresh => last.increment().unwrap_or(fresh),
        _ => fresh,
    };
    ulid.to_string().to_ascii_lowercase().parse().map_err(|_| Refusal::State {
        path: HostPath(state.path().to_owned()),
        why: "no id to be had".into(),
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the folders of other snapshots")]
mod tests {
    use super::*;
    use crate::state::State;
    use std::fs;

    #[test]
    fn an_id_tells_the_time_and_sorts_behind_the_newest_even_if_the_clock_went_back() {
        let dir = tempfile::tempdir().unwrap();
        let locked = State::lock(&dir.path().canonicalize().unwrap().join("state")).unwrap();
        let there = |id: &str| fs::create_dir_all(locked.state().path().join(SNAPSHOTS).join(id)).unwrap();
        let next = || new_id(&locked).unwrap().to_string();
        there("01jd0000000000000000000000");
        let fresh = next();
        assert!(fresh.as_str() > "01jd1", "{fresh}");
        there("7zzzzzzzzz0000000000000000");
        assert_eq!(next(), "7zzzzzzzzz0000000000000001");
    }
}
