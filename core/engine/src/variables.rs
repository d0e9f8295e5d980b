//! The value of each variable on this machine: `--set` beats site beats registry beats a default that exists.

use crate::refusal::Refusal;
use backout_machine::registry;
use backout_protocol::{
    HostPath, Profile, Site,
    plan::{Ask, Origin, Resolved},
    profile::{Holds, Variable},
};
use std::{collections::BTreeMap, path::Component, path::Path};

/// Every variable of the profile that has a value here.
///
/// # Errors
/// [`Refusal::VariableUnknown`], [`Refusal::VariableNotAbsolute`].
pub fn resolve(profile: &Profile, site: &Site, ask: &Ask) -> Result<BTreeMap<String, Resolved>, Refusal> {
    let known: Vec<String> = profile.variables.iter().map(|v| v.name.clone()).collect();
    for (variable, value) in site.vars.iter().chain(&ask.set) {
        if !known.contains(variable) {
            return Err(Refusal::VariableUnknown { variable: variable.clone(), known });
        }
        if profile.is_folder(variable) && !is_plain_absolute(&value.0) {
            return Err(Refusal::VariableNotAbsolute { variable: variable.clone(), value: value.clone() });
        }
    }
    let mut values = BTreeMap::new();
    let (own, same): (Vec<_>, Vec<_>) = profile.variables.iter().partition(|v| v.same_as.is_none());
    for variable in own.into_iter().chain(same) {
        if let Some(resolved) = value_of(variable, site, ask, &values) {
            values.insert(variable.name.clone(), resolved);
        }
    }
    Ok(values)
}

fn value_of(
    variable: &Variable,
    site: &Site,
    ask: &Ask,
    values: &BTreeMap<String, Resolved>,
) -> Option<Resolved> {
    let from = |value: &HostPath, origin| Resolved { value: value.clone(), origin };
    if let Some(value) = ask.set.get(&variable.name) {
        return Some(from(value, Origin::CommandLine));
    }
    if let Some(value) = site.vars.get(&variable.name) {
        return Some(from(value, Origin::Site));
    }
    if variable.holds == Holds::Text {
        // Given, or what the profile says for this system: nothing on the disk tells.
        let default = if cfg!(windows) { &variable.windows } else { &variable.unix };
        return default.first().map(|d| from(&HostPath(d.into()), Origin::Default));
    }
    let told = variable.registry.iter().flat_map(|r| registry::texts(&r.key, &r.value));
    let told: Vec<(HostPath, String)> = told.map(|t| (HostPath(t.text.into()), t.name)).collect();
    // A product that was moved or removed may leave a value of one view behind.
    let named = told.iter().find(|(place, _)| place.0.exists()).or(told.first());
    if let Some((value, name)) = named.filter(|(value, _)| is_plain_absolute(&value.0)) {
        return Some(from(value, Origin::Registry(name.clone())));
    }
    let defaults = if cfg!(windows) { &variable.windows } else { &variable.unix };
    let mut places = defaults.iter().map(|d| HostPath(d.into()));
    let first = places.clone().next();
    // Without one that exists the first is still the answer to where the product would be.
    if let Some(value) = places.find(|p| p.0.exists()).or(first) {
        return Some(from(&value, Origin::Default));
    }
    let other = variable.same_as.as_ref()?;
    values.get(other).map(|r| from(&r.value, Origin::SameAs(other.clone())))
}

/// Absolute, and no name of it is `.` or `..`.
fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|c| !matches!(c, Component::ParentDir | Component::CurDir))
        && path.components().any(|c| matches!(c, Component::Normal(_)))
}
