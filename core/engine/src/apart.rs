//! Apart: what backout itself needs lies apart from what a run changes or reads as backups.

use crate::{
    load::{Job, absolute},
    look::{below, path_of},
    refusal::{Refusal, Trusted},
    variables,
};
use backout_protocol::{HostPath, Plan, Profile, Step, plan::RestoreFrom, step::Source};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Refuses a state folder inside a folder of the product or of backups: it would be rolled back itself, or be read as
/// backups. To be asked before a state folder is made.
///
/// # Errors
/// [`Refusal::InTheWay`]; what is wrong with a variable.
pub fn state(job: &Job, state: &Path) -> Result<(), Refusal> {
    let vars = variables::resolve(&job.profile.profile, &job.site, &job.ask)?;
    let sources = job.ask.from.iter().filter_map(|(_, source)| match source {
        RestoreFrom::Dir(folder) => Some(folder),
        RestoreFrom::Vendor | RestoreFrom::Snapshot(_) => None,
    });
    let folders = vars.iter().filter(|(name, _)| job.profile.profile.is_folder(name)).map(|(_, v)| &v.value);
    outside(state, folders.chain(sources))
}

/// Refuses a plan whose places hold the state folder, or that would change the profile, site or plugins it was made
/// with.
pub(crate) fn plan(plan: &Plan, state: &Path) -> Result<(), Refusal> {
    let sources = plan.steps.iter().filter_map(|s| match s {
        Step::ReplaceFile { source: Source::File(place), .. } => Some(&place.root),
        _ => None,
    });
    let roots = plan.steps.iter().filter_map(|step| match step {
        Step::DressFolder { root, .. } => Some(root),
        other => other.target().map(|t| &t.root),
    });
    outside(state, roots.chain(sources))?;
    let own = own_files(plan);
    for target in plan.file_steps().filter_map(Step::target) {
        let target = real_name(&target.path());
        let clash = own
            .iter()
            .find(|(what, path)| below(path, &target) || (*what == Trusted::Plugins && below(&target, path)));
        if let Some((what, path)) = clash {
            return Err(Refusal::InTheWay {
                what: *what,
                path: HostPath(path.clone()),
                of: HostPath(target),
            });
        }
    }
    Ok(())
}

/// The target or the folder of backups that `file`, which is about to be written, is or lies in.
pub fn taken(plan: &Plan, profile: &Profile, file: &Path) -> Option<HostPath> {
    let key = |path: &Path| plan.site.names.path_key(path);
    let wanted = key(&real(file));
    let holds = |path: &PathBuf| {
        let own = key(&real(path));
        wanted == own || wanted.starts_with(&format!("{own}/"))
    };
    let targets = plan.steps.iter().filter_map(Step::target).map(|target| real_name(&target.path()));
    let folders: BTreeMap<String, HostPath> =
        plan.site.vars.iter().map(|(name, r)| (name.clone(), r.value.clone())).collect();
    let known = profile.components.iter().flat_map(|c| &c.presence.backups);
    let known = known.filter_map(|b| path_of(&folders, b));
    let named = plan.request.from.iter().filter_map(|(_, source)| match source {
        RestoreFrom::Dir(folder) => Some(folder.0.clone()),
        RestoreFrom::Vendor | RestoreFrom::Snapshot(_) => None,
    });
    let used = plan.steps.iter().filter_map(|s| match s {
        Step::ReplaceFile { target, source: Source::File(backup), .. } => {
            Some(folder_of(&backup.path(), &target.path()))
        }
        _ => None,
    });
    targets.chain(known).chain(named).chain(used).find(holds).map(HostPath)
}

/// The folder of backups that `backup` is in: above the names that it shares with its target.
fn folder_of(backup: &Path, target: &Path) -> PathBuf {
    let same = backup.components().rev().zip(target.components().rev()).take_while(|(a, b)| a == b).count();
    backup.ancestors().nth(same.max(1)).unwrap_or(backup).to_owned()
}

fn own_files(plan: &Plan) -> Vec<(Trusted, PathBuf)> {
    let site = plan.request.site.iter().map(|p| (Trusted::Site, p));
    let profile = plan.profile.file.iter().map(|p| (Trusted::Profile, p));
    let files = plan.plugins.iter().map(|p| (Trusted::Plugins, &p.file));
    let folders = plan.request.plugin_dirs.iter().map(|p| (Trusted::Plugins, p));
    site.chain(profile).chain(files).chain(folders).map(|(what, path)| (what, real(&path.0))).collect()
}

/// Refuses a state folder inside one of these.
pub(crate) fn outside<'a>(state: &Path, folders: impl Iterator<Item = &'a HostPath>) -> Result<(), Refusal> {
    let state = real(state);
    let mut folders = folders.map(|f| real(&f.0));
    match folders.find(|f| below(&state, f)) {
        Some(of) => Err(Refusal::InTheWay { what: Trusted::State, path: HostPath(state), of: HostPath(of) }),
        None => Ok(()),
    }
}

/// A target, with every link above it followed: its own name is what changes, wherever that leads if it is a link.
fn real_name(target: &Path) -> PathBuf {
    match (target.parent(), target.file_name()) {
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => real(target),
    }
}

/// `path` with every link in it followed, as far as it is there.
pub(crate) fn real(path: &Path) -> PathBuf {
    let whole = absolute(path).0;
    for there in whole.ancestors() {
        if let Ok(real) = std::fs::canonicalize(there) {
            return whole.strip_prefix(there).map_or(real.clone(), |rest| real.join(rest));
        }
    }
    whole
}
