//! Outlook: file by file, how far the patch got, where a good copy lies, and what a rollback can make of it. For a patch
//! that failed half-way and whatever somebody did to mend it. Changes nothing.

use crate::{
    drift::Known,
    faces::Faces,
    generations::{self, Generations, Sought},
    load::Job,
    look, planner,
    refusal::Refusal,
    state::State,
    survey::{Survey, expected_machines},
    verify::{self, Found, Row, Verdict},
};
use backout_protocol::{
    ComponentId, FileVersion, HostPath, NameRule, Notice, Place, Plan, SnapshotId, Step,
    message::{Need, Reject},
    notice::Stays,
    profile::Role,
    step::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a rollback can make of this machine.
#[derive(Debug)]
pub struct Outlook {
    /// Every listed file of the components that are here, and every other file that a rollback would change.
    pub files: Vec<FileOutlook>,
    /// Whether a rollback is possible.
    pub way: Way,
    /// Where it is not possible wholly: the components whose files come from a snapshot each so that it is; empty: with
    /// no snapshot.
    pub through: Vec<(ComponentId, SnapshotId)>,
    /// What explains the state that was found.
    pub findings: Vec<Finding>,
}

/// Whether a rollback is possible, as far as files and backups tell.
#[derive(Debug)]
pub enum Way {
    /// All of it.
    Whole,
    /// All that is left: everything else is back already.
    NothingToDo,
    /// All but the files that stay: `--only-safe`. Why a whole one is refused.
    Part(Box<Refusal>),
    /// No file at all. Why.
    NotAtAll(Box<Refusal>),
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOutlook {
    /// Whose it is, where a list or a backup says so.
    pub component: Option<ComponentId>,
    /// Where it is looked for.
    pub path: HostPath,
    /// What it is now.
    pub state: FileState,
    /// Its version, if it has one.
    pub version: Option<FileVersion>,
    /// Where a good copy of what was there before the patch lies.
    pub copy: GoodCopy,
    /// What a rollback makes of it.
    pub fate: FileFate,
}

/// What a file is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// As before the patch.
    Original,
    /// As the patch left it.
    Patched,
    /// Newer than the patch.
    Newer,
    /// Nothing tells: it carries no version, cannot be read, or was edited.
    Unknown,
    /// Not there.
    Missing,
}

/// Where a good copy of a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoodCopy {
    /// The file itself is as before the patch.
    Live,
    /// Among the product's own backups.
    Vendor(HostPath),
    /// In a folder that the operator named.
    Folder(HostPath),
    /// In a snapshot: the one it is taken from, or the newest that has one.
    Snapshot(SnapshotId),
    /// Nowhere that was looked at.
    Nowhere,
}

/// What a rollback makes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFate {
    /// It goes back.
    GoesBack,
    /// It is back already.
    IsBack,
    /// The patch brought it; it is taken away.
    GoesAway,
    /// It stays, and this is why.
    Stays(Stays),
    /// It is not there, and no backup says that it should be.
    NotHere,
    /// No component rolls it back.
    NobodysTask,
    /// A rollback is refused before it comes to single files.
    NotReached,
}

/// What explains the state that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Files of one component are partly patched and partly as before: a patch or a rollback by hand stopped half-way.
    HalfApplied {
        /// Which component.
        component: ComponentId,
        /// How many are patched.
        patched: usize,
        /// How many are as before.
        original: usize,
    },
    /// The backups of these files are patched files themselves: the patch was run more than once, and the second run put
    /// the patched files over the backups.
    PatchedTwice {
        /// Each of them.
        files: Vec<Place>,
    },
    /// Something newer was installed on top of the patch.
    NewerOnTop {
        /// Each file with its version.
        files: Vec<(Place, FileVersion)>,
    },
    /// Somebody edited these files since the patch.
    Edited {
        /// Each of them.
        files: Vec<Place>,
    },
}

/// Works out what a rollback of `job` can do, and why not more.
///
/// # Errors
/// As planning, up to the survey.
pub fn look(job: &Job, state: Option<&State>, faces: &Faces<'_>) -> Result<Outlook, Refusal> {
    let (plan, way) = match planner::plan(job, state, faces) {
        Ok(plan) if plan.is_empty() => (Some(plan), Way::NothingToDo),
        Ok(plan) => (Some(plan), Way::Whole),
        Err(refusal) if is_about_files(&refusal) => {
            let mut safe = job.clone();
            safe.ask.only_safe = true;
            match planner::plan(&safe, state, faces) {
                Ok(plan) if plan.is_empty() => (Some(plan), Way::NotAtAll(Box::new(refusal))),
                Ok(plan) => (Some(plan), Way::Part(Box::new(refusal))),
                Err(_) => (None, Way::NotAtAll(Box::new(refusal))),
            }
        }
        Err(refusal) => (None, Way::NotAtAll(Box::new(refusal))),
    };
    let survey = Survey::of_files(job)?;
    let known = Known::of(&job.profile.profile, &survey, state);
    let fates = Fates::of(plan.as_ref(), &survey, job.profile.profile.names);
    let rows = verify::verify(job, None).map(|v| v.rows).unwrap_or_default();
    let mut files = Vec::new();
    let mut listed = BTreeSet::new();
    for row in &rows {
        let Some(component) = &row.component else { continue };
        let role = job.profile.profile.components.iter().find(|c| c.id == *component).map(|c| &c.role);
        if matches!(role, None | Some(Role::ReportOnly)) {
            continue;
        }
        listed.insert(fates.names.path_key(&row.looked_at.0));
        let restores = matches!(role, Some(Role::Restore { .. }));
        files.push(fates.listed(component, row, restores, &known));
    }
    files.extend(fates.unlisted(&listed));
    let profile = &job.profile.profile;
    let machines = expected_machines(profile, &survey);
    let roots = planner::roots(profile, &survey);
    let generations = Generations::of(state, profile, &roots, &machines, &known);
    let needs: BTreeMap<&HostPath, Need> =
        rows.iter().map(|r| (&r.looked_at, r.listed.map_or(Need::Listed, Need::Patched))).collect();
    let through = match way {
        Way::Whole | Way::NothingToDo => Vec::new(),
        Way::Part(_) | Way::NotAtAll(_) => generations.way(job, faces, &wanting(&files, &needs)),
    };
    for file in files.iter_mut().filter(|f| is_in_want(f)) {
        if let Some(id) = wanted(file, &needs).and_then(|sought| generations.newest(&sought)) {
            file.copy = GoodCopy::Snapshot(id.clone());
        }
    }
    let findings = findings(plan.as_ref(), &files);
    Ok(Outlook { files, way, through, findings })
}

/// Whether no good copy of a file was found where a rollback looks, and another would help.
fn is_in_want(file: &FileOutlook) -> bool {
    let helps = match &file.fate {
        FileFate::Stays(Stays::NewerOnTop { .. } | Stays::KeptLocal) => false,
        FileFate::Stays(Stays::NoGoodBackup(_) | Stays::BackupsDiffer | Stays::Drifted)
        | FileFate::NobodysTask
        | FileFate::NotReached => true,
        FileFate::GoesBack | FileFate::IsBack | FileFate::GoesAway | FileFate::NotHere => false,
    };
    helps && file.copy == GoodCopy::Nowhere
}

/// A listed file as one whose earlier state is sought.
fn wanted<'a>(file: &'a FileOutlook, needs: &BTreeMap<&HostPath, Need>) -> Option<Sought<'a>> {
    let (component, path) = (file.component.as_ref()?, &file.path);
    needs.get(path).map(|need| Sought { component, path, need: *need })
}

/// The files, by component, of those components of which a file stays that a good copy would take back. None where one
/// stays that no copy helps.
fn wanting<'a>(
    files: &'a [FileOutlook],
    needs: &BTreeMap<&HostPath, Need>,
) -> BTreeMap<&'a ComponentId, Vec<Sought<'a>>> {
    let stays = |f: &&FileOutlook| matches!(f.fate, FileFate::Stays(_));
    if files.iter().filter(stays).any(|f| !is_in_want(f) || f.component.is_none()) {
        return BTreeMap::new();
    }
    let components = files.iter().filter(stays).filter_map(|f| f.component.as_ref());
    let moves =
        |f: &&FileOutlook| matches!(f.fate, FileFate::GoesBack | FileFate::IsBack | FileFate::Stays(_));
    let of = |component: &'a ComponentId| {
        let own = files.iter().filter(|f| f.component.as_ref() == Some(component)).filter(moves);
        (component, own.filter_map(|f| wanted(f, needs)).collect())
    };
    components.map(of).collect()
}

/// Whether leaving single files out may help.
fn is_about_files(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NoGoodBackup { .. }
            | Refusal::NewerOnTop { .. }
            | Refusal::BackupsDiffer { .. }
            | Refusal::Drifted { .. }
    )
}

/// What a plan makes of one file.
struct Planned {
    place: Place,
    component: Option<ComponentId>,
    copy: GoodCopy,
    fate: FileFate,
    version: Option<FileVersion>,
}

/// What a plan makes of each file, by the key of its path.
struct Fates {
    names: NameRule,
    planned: BTreeMap<String, Planned>,
    /// Whether there is a plan at all.
    reached: bool,
}

impl Fates {
    fn of(plan: Option<&Plan>, survey: &Survey, names: NameRule) -> Self {
        let mut planned = BTreeMap::new();
        for step in plan.iter().flat_map(|p| &p.steps) {
            if let Some(one) = of_step(step, survey) {
                planned.insert(names.path_key(&one.place.path()), one);
            }
        }
        for notice in plan.iter().flat_map(|p| &p.notices) {
            let Notice::LeftOut { target, why } = notice else { continue };
            let (place, fate) = (target.clone(), FileFate::Stays(why.clone()));
            let one = Planned { place, component: None, copy: GoodCopy::Nowhere, fate, version: None };
            planned.insert(names.path_key(&target.path()), one);
        }
        Self { names, planned, reached: plan.is_some() }
    }

    fn listed(&self, component: &ComponentId, row: &Row, restores: bool, known: &Known<'_>) -> FileOutlook {
        let planned = self.planned.get(&self.names.path_key(&row.looked_at.0));
        let (copy, fate) = match planned {
            Some(planned) => (planned.copy.clone(), planned.fate.clone()),
            None if !restores => (GoodCopy::Nowhere, FileFate::NobodysTask),
            None if !self.reached => (GoodCopy::Nowhere, FileFate::NotReached),
            None => (GoodCopy::Nowhere, FileFate::NotHere),
        };
        let by_digest = || {
            planned.is_some_and(|p| {
                look::image(&p.place).is_ok_and(|l| known.is_patched(component, &p.place, &l))
            })
        };
        let state = match (&fate, row.verdict, &row.found) {
            (FileFate::IsBack, ..) => FileState::Original,
            (FileFate::Stays(Stays::Drifted), ..) => FileState::Unknown,
            (_, verdict, Found::Absent) if verdict != Verdict::Patched => FileState::Missing,
            (_, Verdict::Older, _) => FileState::Original,
            (_, Verdict::Newer, _) => FileState::Newer,
            (_, Verdict::Patched, _) => FileState::Patched,
            _ if by_digest() => FileState::Patched,
            _ => FileState::Unknown,
        };
        let version = match row.found {
            Found::Version(v) => Some(v),
            _ => None,
        };
        FileOutlook {
            component: Some(component.clone()),
            path: row.looked_at.clone(),
            state,
            version,
            copy: if state == FileState::Original { GoodCopy::Live } else { copy },
            fate,
        }
    }

    /// Files of the plan that no list names.
    fn unlisted<'a>(&'a self, listed: &'a BTreeSet<String>) -> impl Iterator<Item = FileOutlook> + 'a {
        let others = self.planned.iter().filter(|(key, _)| !listed.contains(*key));
        others.map(|(_, planned)| FileOutlook {
            component: planned.component.clone(),
            path: HostPath(planned.place.path()),
            state: match &planned.fate {
                FileFate::IsBack => FileState::Original,
                FileFate::Stays(Stays::NewerOnTop { .. }) => FileState::Newer,
                _ if look::image(&planned.place).is_ok_and(|i| i.fingerprint.is_absent()) => {
                    FileState::Missing
                }
                _ => FileState::Unknown,
            },
            version: planned.version,
            copy: planned.copy.clone(),
            fate: planned.fate.clone(),
        })
    }
}

fn of_step(step: &Step, survey: &Survey) -> Option<Planned> {
    Some(match step {
        Step::ReplaceFile { target, source: Source::Saved(from), component, before, .. } => Planned {
            place: target.clone(),
            component: Some(component.clone()),
            copy: generations::of_copy(from).map_or(GoodCopy::Nowhere, GoodCopy::Snapshot),
            fate: FileFate::GoesBack,
            version: before.version,
        },
        Step::ReplaceFile { target, source: Source::File(from), component, before, .. } => {
            let path = HostPath(from.path());
            let own = survey.folders.values().any(|folder| *folder == from.root);
            Planned {
                place: target.clone(),
                component: Some(component.clone()),
                copy: if own { GoodCopy::Vendor(path) } else { GoodCopy::Folder(path) },
                fate: FileFate::GoesBack,
                version: before.version,
            }
        }
        Step::Hold { target, image } => Planned {
            place: target.clone(),
            component: None,
            copy: GoodCopy::Live,
            fate: FileFate::IsBack,
            version: image.version,
        },
        Step::RemoveFile { target, before } => Planned {
            place: target.clone(),
            component: None,
            copy: GoodCopy::Nowhere,
            fate: FileFate::GoesAway,
            version: before.version,
        },
        _ => return None,
    })
}

fn findings(plan: Option<&Plan>, files: &[FileOutlook]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for component in files.iter().filter_map(|f| f.component.as_ref()).filter(|c| done.insert(*c)) {
        let count = |state: FileState| {
            let own = files
                .iter()
                .filter(|f| f.component.as_ref() == Some(component) && f.fate != FileFate::NobodysTask);
            own.filter(|f| f.state == state).count()
        };
        let (patched, original) = (count(FileState::Patched), count(FileState::Original));
        if patched > 0 && original > 0 {
            found.push(Finding::HalfApplied { component: component.clone(), patched, original });
        }
    }
    let left = || plan.iter().flat_map(|p| &p.notices).filter_map(Notice::left_out);
    let is_patched = |reject: &Reject| matches!(reject, Reject::Patched(_) | Reject::EqualsLive);
    let twice: Vec<Place> = left()
        .filter(|(_, why)| match why {
            Stays::NoGoodBackup(seen) => seen.iter().any(|(_, reject)| is_patched(reject)),
            _ => false,
        })
        .map(|(target, _)| target.clone())
        .collect();
    let newer: Vec<(Place, FileVersion)> = left()
        .filter_map(|(target, why)| match why {
            Stays::NewerOnTop { live, .. } => Some((target.clone(), *live)),
            _ => None,
        })
        .collect();
    let edited: Vec<Place> =
        left().filter(|(_, why)| **why == Stays::Drifted).map(|(target, _)| target.clone()).collect();
    if !twice.is_empty() {
        found.push(Finding::PatchedTwice { files: twice });
    }
    if !newer.is_empty() {
        found.push(Finding::NewerOnTop { files: newer });
    }
    if !edited.is_empty() {
        found.push(Finding::Edited { files: edited });
    }
    found
}
