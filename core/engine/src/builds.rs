//! What a plan leads to: the builds that are reached, the fixes that are given up, what stays patched.

use crate::{
    look,
    presence::Presence,
    refusal::Refusal,
    survey::{Survey, listed, row_place},
};
use backout_protocol::{
    ComponentId, FileVersion, Image, Notice, Profile, Step,
    message::ListedFile,
    path::encode,
    plan::{ComponentState, PlannedComponent},
    profile::{Advisory, Component, Role},
};
use std::{collections::BTreeSet, path::Path};

/// What becomes of each component, and the builds its files show before and after.
pub(crate) fn planned_components(
    profile: &Profile,
    survey: &Survey,
    selected: &[&Component],
    seen: &[(ComponentId, Image, Image)],
) -> Vec<PlannedComponent> {
    let state = |component: &Component| match (survey.presence.get(&component.id), &component.role) {
        (Some(Presence::Present { .. }), Role::Restore { .. }) => {
            let chosen = selected.iter().any(|s| s.id == component.id);
            if chosen { ComponentState::Selected } else { ComponentState::NotSelected }
        }
        (Some(Presence::Present { .. }), _) => ComponentState::VerifyOnly,
        (Some(Presence::NotPatchedHere), _) => ComponentState::NotPatchedHere,
        _ => ComponentState::Absent,
    };
    let restoring = profile.components.iter().filter(|c| !matches!(c.role, Role::ReportOnly));
    restoring
        .map(|component| {
            let own = || seen.iter().filter(|(c, ..)| *c == component.id);
            PlannedComponent {
                id: component.id.clone(),
                state: state(component),
                builds_now: builds(profile, own().map(|(_, now, _)| now)),
                builds_after: builds(profile, own().map(|(_, _, after)| after)),
            }
        })
        .collect()
}

/// The product's own builds among the versions of files, each once, lowest first.
fn builds<'a>(profile: &Profile, images: impl Iterator<Item = &'a Image>) -> Vec<FileVersion> {
    let line = profile.product.patched.map(FileVersion::line);
    let all: BTreeSet<FileVersion> =
        images.filter_map(|i| i.version).filter(|v| line.is_none_or(|l| l == v.line())).collect();
    all.into_iter().collect()
}

/// Mixed builds, and the fixes that are given up, the worst first.
pub(crate) fn build_notices(
    profile: &Profile,
    components: &[PlannedComponent],
    seen: &[(ComponentId, Image, Image)],
) -> Vec<Notice> {
    let mut notices = Vec::new();
    let after = builds(profile, seen.iter().map(|(_, _, after)| after));
    if after.len() > 1 {
        notices.push(Notice::MixedBuilds { builds: after.clone() });
    }
    let selected =
        |id: &ComponentId| components.iter().any(|c| c.id == *id && c.state == ComponentState::Selected);
    let gives_up = |advisory: &&Advisory| {
        // What is taken away or only held gives up no fix.
        let own = seen.iter().filter(|(c, ..)| advisory.component.as_ref().is_none_or(|id| id == c));
        let changed: Vec<_> = own
            .filter(|(_, now, after)| !after.fingerprint.is_absent() && now.fingerprint != after.fingerprint)
            .collect();
        let now = builds(profile, changed.iter().map(|(_, now, _)| now)).into_iter().max();
        let reached = builds(profile, changed.iter().map(|(_, _, after)| after)).into_iter().min();
        !changed.is_empty()
            && advisory.component.as_ref().is_none_or(selected)
            && reached.is_none_or(|r| r.build() < advisory.fixed_in)
            && now.is_none_or(|n| n.build() >= advisory.fixed_in)
    };
    let mut given_up: Vec<_> = profile.advisories.iter().filter(gives_up).collect();
    given_up.sort_by_key(|a| a.severity);
    let advisory =
        |a: &Advisory| Notice::Advisory { id: a.id.clone(), severity: a.severity, text: a.text.clone() };
    notices.extend(given_up.into_iter().map(advisory));
    notices
}

/// Components that nothing rolls back, present and patched while others go back.
pub(crate) fn stays_patched(
    profile: &Profile,
    survey: &Survey,
    files: &[Step],
) -> Result<Vec<Notice>, Refusal> {
    let mut notices = Vec::new();
    let changed =
        |path: &Path| files.iter().any(|s| s.changes_files() && s.target().is_some_and(|t| t.path() == path));
    for component in &profile.components {
        let Role::VerifyOnly { why } = &component.role else { continue };
        if !matches!(survey.presence.get(&component.id), Some(Presence::Present { .. })) {
            continue;
        }
        let rows = listed(profile, survey, component)?;
        // That it stays patched matters where files of the same names go back beside it.
        let goes_back = |row: &ListedFile| {
            let key = profile.names.key(row.name.as_ref());
            let same = |s: &Step| s.target().is_some_and(|t| profile.names.key(t.rel.name()) == key);
            files.iter().any(|s| s.changes_files() && same(s))
        };
        if !rows.iter().any(goes_back) {
            continue;
        }
        let mut stay = Vec::new();
        for row in rows {
            let Some(place) = row_place(profile, survey, &row) else { continue };
            let image = look::image(&place).unwrap_or(Image::ABSENT);
            let patched = row.patched.is_some() && image.version == row.patched;
            if patched && !changed(&place.path()) {
                stay.push(encode(place.rel.name()));
            }
        }
        if !stay.is_empty() {
            notices.push(Notice::StaysPatched {
                component: component.id.clone(),
                files: stay,
                why: why.clone(),
            });
        }
    }
    Ok(notices)
}
