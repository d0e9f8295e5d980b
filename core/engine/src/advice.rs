//! Advice: the questions that people have about a patch, answered where their reason is seen on this machine, and told as
//! advice where it cannot be seen.

use crate::{
    load::Job,
    look, planner,
    preflight::is_ours,
    presence::Presence,
    refusal::Refusal,
    survey::{Survey, open_services},
    verify::{self, Found},
};
use backout_machine::{process, service::ServiceState};
use backout_protocol::{
    ComponentId, HostPath, Place, Profile,
    profile::{LANGUAGE, Question, Sign},
    text::Text,
};
use std::path::PathBuf;

/// A question that concerns this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The profile's id of it.
    pub id: String,
    /// What its reason was seen by; `None`: it cannot be seen, and this is advice.
    pub seen: Option<String>,
    /// Whether a person may say that it is no hindrance.
    pub can_be_confirmed: bool,
    /// What is the matter.
    pub text: Text,
    /// What helps.
    pub remedy: Text,
}

/// Looks for the reason of each question of the profile of `job`.
///
/// # Errors
/// As planning, up to the survey.
pub fn look(job: &Job) -> Result<Vec<Told>, Refusal> {
    concerning(job, &job.profile.profile.questions)
}

/// What keeps this machine from getting the patch of the profile of `job`, as far as nobody has `confirmed` it: that it is seen,
/// or that it cannot be seen and concerns this machine.
///
/// # Errors
/// [`Refusal::NotFit`], [`Refusal::MustBeClosed`], [`Refusal::ConfirmsNothing`]; as planning, up to the survey.
pub fn fit(job: &Job, confirmed: &[String]) -> Result<(), Refusal> {
    let profile = &job.profile.profile;
    let asked: Vec<&Question> = profile.before_patch.iter().filter(|q| q.sign.can_be_confirmed()).collect();
    if let Some(unknown) = confirmed.iter().find(|id| asked.iter().all(|q| q.id != **id)) {
        let known = asked.iter().map(|q| q.id.clone()).collect();
        return Err(Refusal::ConfirmsNothing { asked: unknown.clone(), known });
    }
    planner::closed_here(job)?;
    let mut found = concerning(job, &profile.before_patch)?;
    found.retain(|told| !(told.can_be_confirmed && confirmed.contains(&told.id)));
    if found.is_empty() { Ok(()) } else { Err(Refusal::NotFit { found }) }
}

/// Those of the questions whose reason is seen, or cannot be seen and concerns this machine.
fn concerning(job: &Job, questions: &[Question]) -> Result<Vec<Told>, Refusal> {
    let profile = &job.profile.profile;
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let survey = Survey::with(job, open_services(job)?)?;
    let mut all = Vec::new();
    for question in questions {
        let told = |seen| Told {
            id: question.id.clone(),
            seen,
            can_be_confirmed: question.sign.can_be_confirmed(),
            text: question.text.clone(),
            remedy: question.remedy.clone(),
        };
        let seen = match &question.sign {
            Sign::Lingers { service, images, under } => {
                let under = folders(&survey, under);
                let stopped = matches!(survey.services.state(service), Ok(ServiceState::Stopped));
                let left =
                    if stopped { process::running(images, &under).unwrap_or_default() } else { Vec::new() };
                let each = |p: &process::Process| format!("{} (process {}) runs", p.image, p.pid);
                let left: Vec<String> = left.iter().map(each).collect();
                (!left.is_empty()).then(|| format!("`{service}` is stopped, and {}", left.join(", ")))
            }
            Sign::NotEmpty { folder } => lies_in(&survey, folder),
            Sign::Below { component, build } => below(job, profile, &survey, component, *build),
            Sign::OtherLine { file } => other_line(profile, &survey, file),
            Sign::OtherLanguage { file, language } => other_language(&survey, file, *language),
            Sign::Untold { components } => {
                if components.iter().any(|c| is_here(&survey, c)) {
                    all.push(told(None));
                }
                None
            }
        };
        if seen.is_some() {
            all.push(told(seen));
        }
    }
    Ok(all)
}

/// The version of a file that is there and is of another line than the product's.
fn other_line(profile: &Profile, survey: &Survey, location: &str) -> Option<String> {
    let line = profile.product.patched?.line();
    let place = file(survey, location)?;
    let version = look::image(&place).ok()?.version?;
    (version.line() != line).then(|| format!("`{place}` is of {version}"))
}

/// The language of a file that is there, has one, and is not in this one.
fn other_language(survey: &Survey, location: &str, language: u16) -> Option<String> {
    let place = file(survey, location)?;
    let found = look::language(&place).ok()??;
    ((found ^ language) & LANGUAGE != 0)
        .then(|| format!("`{place}` is in the language 0x{found:04x}, not 0x{language:04x}"))
}

fn file(survey: &Survey, location: &str) -> Option<Place> {
    let (root, rel) = look::location(&survey.folders, location)?;
    Some(Place { root, rel: rel? })
}

fn is_here(survey: &Survey, component: &ComponentId) -> bool {
    matches!(survey.presence.get(component), Some(Presence::Present { .. }))
}

fn folders(survey: &Survey, locations: &[String]) -> Vec<PathBuf> {
    locations.iter().filter_map(|l| look::path_of(&survey.folders, l)).collect()
}

fn lies_in(survey: &Survey, location: &str) -> Option<String> {
    let folder = look::path_of(&survey.folders, location)?;
    let names = std::fs::read_dir(&folder).ok()?.flatten().map(|e| e.file_name());
    let count = names.filter(|name| !is_ours(name)).count();
    (count > 0).then(|| format!("{count} files or folders lie in `{}`", HostPath(folder)))
}

/// The oldest build of the product's own line that a listed file of the component shows, if it is below `build`.
fn below(
    job: &Job,
    profile: &Profile,
    survey: &Survey,
    component: &ComponentId,
    build: u16,
) -> Option<String> {
    if !is_here(survey, component) {
        return None;
    }
    let mut one = job.clone();
    one.ask.components = vec![component.clone()];
    let line = profile.product.patched.map(backout_protocol::FileVersion::line);
    let rows = verify::verify(&one, None).ok()?.rows;
    let builds = rows.iter().filter_map(|r| match r.found {
        Found::Version(v) => Some(v).filter(|v| line.is_none_or(|l| l == v.line())),
        _ => None,
    });
    let oldest = builds.min().filter(|v| v.build() < build)?;
    Some(format!("{component} has files of {oldest}"))
}
