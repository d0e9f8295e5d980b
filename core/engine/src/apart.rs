//! Apart: what backout itself needs lies apart from what a run changes or reads as backups.

use crate::{
    load::{Job, absolute},
    look::below,
    refusal::{Refusal, Trusted},
    variables,
};
use backout_protocol::{HostPath, Plan, message::BackupSource, step::Source, step::Step};
use std::path::{Path, PathBuf};

/// Refuses a state folder inside a folder of the product or of backups: it would be rolled back itself, or be read as
/// backups. To be asked before a state folder is made.
///
/// # Errors
/// [`Refusal::InTheWay`]; what is wrong with a variable.
pub fn state(job: &Job, state: &Path) -> Result<(), Refusal> {
    let vars = variables::resolve(&job.profile.profile, &job.site, &job.ask)?;
    let sources = job.ask.from.iter().filter_map(|(_, source)| match source {
        BackupSource::Dir(folder) => Some(folder),
        BackupSource::Vendor => None,
    });
    outside(state, vars.values().map(|v| &v.value).chain(sources))
}

/// Refuses a plan whose places hold the state folder, or that would change the profile, site or plugins it was made
/// with.
pub(crate) fn plan(plan: &Plan, state: &Path) -> Result<(), Refusal> {
    let sources = plan.steps.iter().filter_map(|s| match s {
        Step::ReplaceFile { source: Source::File(place), .. } => Some(&place.root),
        _ => None,
    });
    let roots = plan.steps.iter().filter_map(Step::target).map(|t| &t.root);
    outside(state, roots.chain(sources))?;
    let own = own_files(plan);
    for target in plan.file_steps().filter_map(Step::target) {
        let target = real(&target.path());
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

fn own_files(plan: &Plan) -> Vec<(Trusted, PathBuf)> {
    let site = plan.request.site.iter().map(|p| (Trusted::Site, p));
    let profile = plan.profile.file.iter().map(|p| (Trusted::Profile, p));
    let files = plan.plugins.iter().map(|p| (Trusted::Plugins, &p.file));
    let folders = plan.request.plugin_dirs.iter().map(|p| (Trusted::Plugins, p));
    site.chain(profile).chain(files).chain(folders).map(|(what, path)| (what, real(&path.0))).collect()
}

fn outside<'a>(state: &Path, folders: impl Iterator<Item = &'a HostPath>) -> Result<(), Refusal> {
    let state = real(state);
    let mut folders = folders.map(|f| real(&f.0));
    match folders.find(|f| below(&state, f)) {
        Some(of) => Err(Refusal::InTheWay { what: Trusted::State, path: HostPath(state), of: HostPath(of) }),
        None => Ok(()),
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
