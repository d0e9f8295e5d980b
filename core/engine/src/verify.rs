//! Verify: which files of the patch are in, read from their version resources. Changes nothing.

use crate::{
    load::Job,
    look,
    presence::Presence,
    refusal::Refusal,
    survey::{Survey, absent, known, listed, row_place},
};
use backout_protocol::{
    ComponentId, Digest, FileVersion, Fingerprint, HostPath, Image, Profile, message::ListedFile,
    profile::Role,
};
use std::collections::BTreeSet;

/// What every judged file is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// As the patch left it.
    Patched,
    /// As it was before the patch.
    Before,
}

/// What was found of all files.
#[derive(Debug, Clone)]
pub struct Verification {
    /// One row a file, in the profile's order.
    pub rows: Vec<Row>,
    /// Whether a judged file is other than expected.
    pub differs: bool,
    /// The product's builds found, lowest first.
    pub builds: Vec<FileVersion>,
}

/// What was found of one file.
#[derive(Debug, Clone)]
pub struct Row {
    /// The list it stands in.
    pub list: String,
    /// The component it belongs to here.
    pub component: Option<ComponentId>,
    /// Its name as listed.
    pub name: String,
    /// Where it was looked for.
    pub looked_at: HostPath,
    /// Its version once patched.
    pub listed: Option<FileVersion>,
    /// What is there.
    pub found: Found,
    /// What that means.
    pub verdict: Verdict,
    /// Whether it counts: it has a version or a digest to be judged by, and, where the state before the patch is expected, some
    /// component rolls it back.
    pub judged: bool,
    /// Whether it counts and is other than expected.
    pub differs: bool,
}

/// What is under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A file without a version.
    Unversioned,
    /// A file of this version.
    Version(FileVersion),
    /// Something that cannot be read: the system's words.
    Unreadable(String),
}

/// What a file's version means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As the patch left it.
    Patched,
    /// Older than the patch.
    Older,
    /// Newer than the patch.
    Newer,
    /// Not there.
    Absent,
    /// It carries no version.
    Unversioned,
    /// Shown, never judged.
    ReportOnly,
    /// Its bytes are neither those that the patch put there nor those that were there before it.
    Other,
    /// It cannot be read.
    Unreadable,
}

/// Looks at every listed file of the components that are here (or that were asked for). Files that nothing rolls back,
/// such as those of a component without backups, are reported and, where the state before the patch is expected, never
/// counted.
///
/// # Errors
/// As planning, up to the survey.
pub fn verify(job: &Job, expect: Option<Expect>) -> Result<Verification, Refusal> {
    let survey = Survey::of_files(job)?;
    let profile = &job.profile.profile;
    asked_are_here(job, &survey)?;
    let mut rows = Vec::new();
    let key = |path: &HostPath| profile.names.path_key(&path.0);
    for component in &profile.components {
        let asked = &job.ask.components;
        let here = matches!(survey.presence.get(&component.id), Some(Presence::Present { .. }));
        if !here || !(asked.is_empty() || asked.contains(&component.id)) {
            continue;
        }
        // None of its lists applies: nothing of it could be judged, and that is no good news.
        listed(profile, &survey, component)?;
        for used in &component.lists {
            let mut one = component.clone();
            one.lists = vec![used.clone()];
            let report_only = matches!(component.role, Role::ReportOnly);
            match listed(profile, &survey, &one) {
                Ok(files) => {
                    for file in files {
                        let looked_at = row_place(profile, &survey, &file);
                        rows.push(row(&used.list, &component.id, &file, looked_at, report_only));
                    }
                }
                // The list is for another machine type than this one.
                Err(Refusal::NoListFor { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
    }
    if expect == Some(Expect::Before) {
        let rolled_back = rolled_back(profile, &survey)?;
        for row in &mut rows {
            row.judged &= rolled_back.contains(&key(&row.looked_at));
        }
    }
    for row in &mut rows {
        let expected = match expect {
            None => true,
            Some(Expect::Patched) => row.verdict == Verdict::Patched,
            // A file that was never there is as it was before.
            Some(Expect::Before) => matches!(row.verdict, Verdict::Older | Verdict::Absent),
        };
        row.differs = row.judged && !expected;
    }
    let line = profile.product.patched.map(FileVersion::line);
    let builds: BTreeSet<FileVersion> = rows
        .iter()
        .filter_map(|r| match r.found {
            Found::Version(v) => Some(v).filter(|v| line.is_none_or(|l| l == v.line())),
            _ => None,
        })
        .collect();
    Ok(Verification {
        differs: rows.iter().any(|r| r.differs) || (expect.is_some() && !rows.iter().any(|r| r.judged)),
        rows,
        builds: builds.into_iter().collect(),
    })
}

/// The paths of all files that a component which is here rolls back, whether or not it was asked for: a file of another
/// component under one of them goes back too.
fn rolled_back(profile: &Profile, survey: &Survey) -> Result<BTreeSet<String>, Refusal> {
    let mut paths = BTreeSet::new();
    for component in &profile.components {
        let here = matches!(survey.presence.get(&component.id), Some(Presence::Present { .. }));
        if !here || !matches!(component.role, Role::Restore { .. }) {
            continue;
        }
        for file in listed(profile, survey, component)? {
            let place = row_place(profile, survey, &file);
            let path = place.map_or_else(|| file.folder.0.join(&file.name), |place| place.path());
            paths.insert(profile.names.path_key(&path));
        }
    }
    Ok(paths)
}

/// A component asked for by name must be one of the profile's, and here.
fn asked_are_here(job: &Job, survey: &Survey) -> Result<(), Refusal> {
    let profile = &job.profile.profile;
    for id in &job.ask.components {
        let component = known(profile, id)?;
        if !matches!(survey.presence.get(id), Some(Presence::Present { .. })) {
            return Err(absent(survey, component));
        }
    }
    Ok(())
}

fn row(
    list: &str,
    component: &ComponentId,
    file: &ListedFile,
    place: Option<backout_protocol::Place>,
    report_only: bool,
) -> Row {
    let presumed = || HostPath(file.folder.0.join(&file.name));
    let looked_at = place.as_ref().map_or_else(presumed, |p| HostPath(p.path()));
    let image = place.as_ref().map(look::image);
    let bytes = match &image {
        Some(Ok(Image { fingerprint: Fingerprint::File { sha256, .. }, .. })) => Some(*sha256),
        _ => None,
    };
    let found = match image {
        None => Found::Absent,
        Some(Ok(image)) if image.fingerprint.is_absent() => Found::Absent,
        Some(Ok(image)) => image.version.map_or(Found::Unversioned, Found::Version),
        Some(Err(e)) => Found::Unreadable(e.to_string()),
    };
    let by_bytes = file.sha256.is_some() || file.removed;
    let judged = !report_only && (file.patched.is_some() || by_bytes);
    let verdict = match (&found, file.patched) {
        _ if !judged => Verdict::ReportOnly,
        (Found::Absent, _) if file.removed => Verdict::Patched,
        (Found::Absent, _) => Verdict::Absent,
        (Found::Unreadable(_), _) => Verdict::Unreadable,
        (Found::Version(v), Some(patched)) if *v == patched => Verdict::Patched,
        (Found::Version(v), Some(patched)) if *v < patched => Verdict::Older,
        (Found::Version(_), Some(_)) => Verdict::Newer,
        (Found::Unversioned, Some(_)) => Verdict::Unversioned,
        (Found::Version(_) | Found::Unversioned, None) => by_digest(file, bytes),
    };
    Row {
        list: list.to_owned(),
        component: Some(component.clone()),
        name: file.name.clone(),
        looked_at,
        listed: file.patched,
        found,
        verdict,
        judged,
        differs: false,
    }
}

/// What the bytes of a file without a version mean: those that the list gives tell. One that the patch takes away and that is
/// there is as before, whatever is in it, unless the list knows better.
fn by_digest(file: &ListedFile, bytes: Option<Digest>) -> Verdict {
    match (bytes == file.sha256, file.before) {
        (true, _) => Verdict::Patched,
        (false, Some(before)) if bytes == Some(before) => Verdict::Older,
        (false, None) if file.removed => Verdict::Older,
        (false, _) => Verdict::Other,
    }
}
