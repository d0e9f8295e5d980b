//! Inventory: which products of the known profiles are on this machine, what builds they show, and from where they can
//! be taken back. Changes nothing, and names no profile.

use crate::{
    doctor::{self, Examination},
    faces::Faces,
    history::{self, Fate},
    load::{Job, LoadedProfile},
    planner,
    presence::Presence,
    refusal::Refusal,
    report::counts,
    state::State,
    verify::{self, Found, Row, Verdict},
};
use backout_protocol::{
    ComponentId, Counts, FileVersion, RunId, Site,
    plan::{Ask, PlanKind},
    profile::{Goes, Role},
    site::ServiceAccess,
};
use std::collections::BTreeSet;

/// A product that is here.
#[derive(Debug)]
pub struct Product {
    /// Its profile.
    pub profile: LoadedProfile,
    /// Its components that are here.
    pub components: Vec<Part>,
    /// Files that are only reported: they are here, and nothing rolls them back.
    pub report_only: Vec<Row>,
    /// Whether, and to what, the product's own backups take it back.
    pub vendor: Way,
    /// Finished runs that `undo` may take back, newest first.
    pub undoable: Vec<RunId>,
}

/// A component that is here.
#[derive(Debug)]
pub struct Part {
    /// Which.
    pub id: ComponentId,
    /// What a profile's plugin does for it.
    pub restores: bool,
    /// The builds that its files show, each once, lowest first.
    pub builds: Vec<FileVersion>,
    /// Listed files that are here.
    pub files: usize,
    /// Those of them that are as the patch left them.
    pub patched: usize,
}

/// What the product's own backups are good for.
#[derive(Debug)]
pub enum Way {
    /// A rollback would do this much; nothing: everything is back already.
    Open {
        /// How many of what.
        counts: Counts,
        /// The builds that it would reach.
        builds: Vec<FileVersion>,
    },
    /// A rollback would be refused.
    Closed(Box<Refusal>),
}

/// Looks for the product of `profile`. `None`: nothing of it is here.
///
/// # Errors
/// [`Refusal`]: it cannot be told whether it is here.
pub fn look_for(
    profile: LoadedProfile,
    site: &Site,
    ask: &Ask,
    state: Option<&State>,
    faces: &Faces<'_>,
) -> Result<Option<Product>, Refusal> {
    // What changes settings is no way back.
    if profile.profile.goes == Goes::Forward {
        return Ok(None);
    }
    let job = about(profile, site, ask);
    let seen = doctor::examine(&job, state, faces)?;
    if !here(&job, &seen) {
        return Ok(None);
    }
    let rows = verify::verify(&job, None).map(|v| v.rows).unwrap_or_default();
    let components = seen.components.iter().filter(|(_, p)| matches!(p, Presence::Present { .. }));
    let components: Vec<Part> = components
        .map(|(id, _)| {
            let own: Vec<_> = rows.iter().filter(|r| r.component.as_ref() == Some(id)).collect();
            let builds: BTreeSet<FileVersion> = own.iter().filter_map(|r| version(&job, &r.found)).collect();
            let role = job.profile.profile.components.iter().find(|c| c.id == *id).map(|c| &c.role);
            Part {
                id: id.clone(),
                restores: matches!(role, Some(Role::Restore { .. })),
                builds: builds.into_iter().collect(),
                files: own.iter().filter(|r| !matches!(r.found, Found::Absent)).count(),
                patched: own.iter().filter(|r| r.verdict == Verdict::Patched).count(),
            }
        })
        .collect();
    let vendor = match planner::plan(&job, state, faces) {
        Ok(plan) => {
            let builds: BTreeSet<FileVersion> =
                plan.components.iter().flat_map(|c| c.builds_after.clone()).collect();
            Way::Open { counts: counts(&plan), builds: builds.into_iter().collect() }
        }
        Err(refusal) => Way::Closed(Box::new(refusal)),
    };
    let undoable = match state {
        Some(state) => undoable(state, &job.profile.profile.name)?,
        None => Vec::new(),
    };
    let reported = |r: &Row| r.verdict == Verdict::ReportOnly && !matches!(r.found, Found::Absent);
    let report_only = rows.iter().filter(|r| reported(r)).cloned().collect();
    Ok(Some(Product { profile: job.profile, components, report_only, vendor, undoable }))
}

/// The job of one profile out of answers that may be about several.
fn about(profile: LoadedProfile, site: &Site, ask: &Ask) -> Job {
    let (mut site, mut ask) = (site.clone(), ask.clone());
    let variables: BTreeSet<&str> = profile.profile.variables.iter().map(|v| v.name.as_str()).collect();
    site.vars.retain(|name, _| variables.contains(name.as_str()));
    ask.set.retain(|name, _| variables.contains(name.as_str()));
    if let ServiceAccess::Commands(sets) = &mut site.services {
        let used = || profile.profile.components.iter().flat_map(|c| &c.services);
        sets.retain(|name, _| used().any(|s| s.name == *name));
    }
    Job { profile, site, ask }
}

/// Something counts as here once a component that can be taken back, or is looked after otherwise, is.
fn here(job: &Job, seen: &Examination) -> bool {
    seen.components.iter().any(|(id, presence)| {
        let role = job.profile.profile.components.iter().find(|c| c.id == *id).map(|c| &c.role);
        matches!(presence, Presence::Present { .. }) && !matches!(role, None | Some(Role::ReportOnly))
    })
}

/// The version of a file that is of the product's own line.
fn version(job: &Job, found: &Found) -> Option<FileVersion> {
    let line = job.profile.profile.product.patched.map(FileVersion::line);
    match found {
        Found::Version(v) if line.is_none_or(|l| l == v.line()) => Some(*v),
        _ => None,
    }
}

/// Committed rollbacks of this profile that no committed run has taken back.
fn undoable(state: &State, profile: &str) -> Result<Vec<RunId>, Refusal> {
    let entries = history::entries(state)?;
    let committed = || entries.iter().filter(|e| e.fate == Fate::Committed);
    // An undo of some files alone leaves the rest to take back.
    let whole = |p: &backout_protocol::Plan| p.request.paths.is_empty();
    let undone: BTreeSet<&RunId> = committed()
        .filter(|e| e.plan.as_ref().is_some_and(whole))
        .filter_map(|e| match &e.plan.as_ref()?.kind {
            PlanKind::Undo { of } => Some(of),
            PlanKind::Rollback | PlanKind::Apply | PlanKind::Guard(_) => None,
        })
        .collect();
    let theirs = committed().filter(|e| {
        let rollback = |p: &backout_protocol::Plan| {
            p.kind == PlanKind::Rollback && p.guard.is_none() && p.profile.name == profile
        };
        e.plan.as_ref().is_some_and(rollback) && !undone.contains(&e.run)
    });
    Ok(theirs.map(|e| e.run.clone()).collect())
}
