//! What a snapshot keeps beside files: how services are configured, and keys of the registry.

use super::Snapshot;
use crate::{refusal::Refusal, setting, survey::check_programs, window::chain};
use backout_machine::{
    registry::Registry,
    service::{self, Services},
};
use backout_protocol::{
    Configuration, HostPath, KeyPath, Notice, ServiceName, Step,
    configuration::Part,
    profile::Timeouts,
    registry::{SavedKey, edits},
    site::ServiceAccess,
};
use std::collections::BTreeMap;

/// One of them that differs between two snapshots, or between one and the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What: a part of a service, a key, a value.
    pub about: String,
    /// How, in words: what it was, what it is.
    pub how: String,
}

/// Services as they are configured, and keys, of a snapshot or of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    services: BTreeMap<ServiceName, Configuration>,
    registry: Vec<SavedKey>,
}

impl From<&Snapshot> for Settings {
    fn from(snapshot: &Snapshot) -> Self {
        let kept =
            |s: &backout_protocol::snapshot::SavedService| Some((s.name.clone(), s.configuration.clone()?));
        let services = snapshot.services.iter().filter_map(kept).collect();
        Self { services, registry: snapshot.registry.clone() }
    }
}

/// Reads these keys, each as programs of 64 and of 32 bits see it, and none twice. Where there is no registry there are none.
///
/// # Errors
/// [`Refusal::Registry`].
pub fn keys(registry: &dyn Registry, named: &[KeyPath]) -> Result<Vec<SavedKey>, Refusal> {
    if !registry.is_here() {
        return Ok(Vec::new());
    }
    let mut outermost: Vec<&KeyPath> = Vec::new();
    for key in named {
        let lies_in = |other: &KeyPath| key.is_within(other) && !other.is_within(key);
        if !named.iter().any(lies_in) && !outermost.iter().any(|other| key.is_within(other)) {
            outermost.push(key);
        }
    }
    let read = |key| Ok(SavedKey { tree: registry.tree(&key).map_err(Refusal::Registry)?, key });
    outermost.into_iter().flat_map(KeyPath::views).map(read).collect()
}

/// Refuses keys that somebody names by hand where there is no registry.
///
/// # Errors
/// [`Refusal::Registry`].
pub fn no_registry(registry: &dyn Registry, named: &[KeyPath]) -> Result<(), Refusal> {
    match named.is_empty() || registry.is_here() {
        true => Ok(()),
        false => Err(Refusal::Registry(backout_machine::registry::RegistryError::None)),
    }
}

/// What a snapshot keeps, as it is on the machine now.
///
/// # Errors
/// [`Refusal::Service`], [`Refusal::Registry`].
pub fn now(snapshot: &Snapshot, registry: &dyn Registry) -> Result<Settings, Refusal> {
    let then = Settings::from(snapshot);
    let mut now = Settings::default();
    if !then.services.is_empty() {
        let units =
            snapshot.services.iter().filter_map(|s| Some((s.name.clone(), s.unit.clone()?))).collect();
        let asked = service::open(&ServiceAccess::System, &units, &Timeouts::default());
        let asked = asked.map_err(Refusal::Service)?;
        check_programs(asked.as_ref())?;
        now.services = configured(asked.as_ref(), &then.services)?;
    }
    for saved in &then.registry {
        let (key, tree) = (saved.key.clone(), registry.tree(&saved.key).map_err(Refusal::Registry)?);
        now.registry.push(SavedKey { key, tree });
    }
    Ok(now)
}

fn configured(
    services: &dyn Services,
    then: &BTreeMap<ServiceName, Configuration>,
) -> Result<BTreeMap<ServiceName, Configuration>, Refusal> {
    let mut now = BTreeMap::new();
    for (name, known) in then {
        if let Some(found) = services.configuration(name, Some(known)).map_err(Refusal::Service)? {
            now.insert(name.clone(), found);
        }
    }
    Ok(now)
}

/// The steps that make everything what the snapshot has, and what cannot be put back.
///
/// `insists`: what cannot be read stays, and is named.
///
/// # Errors
/// [`Refusal::Service`], [`Refusal::Registry`].
pub(crate) fn restore(
    snapshot: &Snapshot,
    settings: &setting::Settings<'_>,
    insists: bool,
) -> Result<(Vec<Step>, Vec<Notice>), Refusal> {
    let (mut steps, mut notices) = (Vec::new(), Vec::new());
    let roots: Vec<HostPath> = snapshot.roots.iter().map(|root| root.path.clone()).collect();
    for SavedKey { key, tree } in &snapshot.registry {
        let now = match settings.registry.tree(key) {
            Err(why) if insists => {
                notices.push(Notice::KeyStays { key: key.clone(), why: chain(&why) });
                continue;
            }
            now => now.map_err(Refusal::Registry)?,
        };
        let edits = edits(&now, tree);
        if !edits.is_empty() {
            steps.push(Step::SetKey { key: key.clone(), edits });
        }
    }
    for (service, after) in Settings::from(snapshot).services {
        let now = match settings.services.configuration(&service, Some(&after)) {
            Err(why) if insists => {
                notices.push(Notice::ConfigurationStays { service, what: vec![chain(&why)] });
                continue;
            }
            now => now.map_err(Refusal::Service)?,
        };
        let Some(before) = now else {
            let what = vec!["it is not there any more".to_owned()];
            notices.push(Notice::ConfigurationStays { service, what });
            continue;
        };
        let differing = before.differing(&after);
        let settable = |part: &Part| settings.services.settable(*part, &before, &after, &roots);
        let (set, stay): (Vec<_>, Vec<_>) = differing.into_iter().partition(|(part, ..)| settable(part));
        // What files tell of a unit comes back with them where they are covered, and is said where it does not.
        let what: Vec<String> = stay
            .into_iter()
            .filter(|(part, ..)| !settings.services.is_of_files(*part, &before, &after, &roots))
            .map(|(part, is, was)| format!("{part} `{is}`, and was `{was}`"))
            .collect();
        if !what.is_empty() {
            notices.push(Notice::ConfigurationStays { service: service.clone(), what });
        }
        let parts: Vec<Part> = set.into_iter().map(|(part, ..)| part).collect();
        if !parts.is_empty() {
            steps.push(Step::Configure { service, before, after, parts });
        }
    }
    Ok((steps, notices))
}

/// Lets services start again as they did when the snapshot was taken: one that is disabled no run stops, as it could not be
/// started again. In place, for who has no other way than back; may be repeated.
///
/// One that cannot be is left to the run. `first`: is asked before one is changed.
///
/// # Errors
/// Those of `first`.
pub(crate) fn make_startable(
    snapshot: &Snapshot,
    services: &dyn Services,
    first: &dyn Fn() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for (service, then) in Settings::from(snapshot).services {
        let differs = |now: &Configuration| now.part(Part::Start) != then.part(Part::Start);
        let told = match services.configuration(&service, Some(&then)) {
            Ok(now) if now.as_ref().is_some_and(differs) => {
                first()?;
                services.configure(&service, &then, &[Part::Start])
            }
            found => found.map(drop),
        };
        if let Err(e) = told {
            log::warn!("the service `{service}`: {}", chain(&e));
        }
    }
    Ok(())
}

/// What differs.
pub fn differences(from: &Settings, to: &Settings) -> Vec<Difference> {
    let mut found = Vec::new();
    let names = from.services.keys().chain(to.services.keys());
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        match (from.services.get(name), to.services.get(name)) {
            (Some(old), Some(new)) => {
                for (part, was, is) in old.differing(new) {
                    let (about, how) = (format!("service {name}, {part}"), format!("`{was}` -> `{is}`"));
                    found.push(Difference { about, how });
                }
            }
            (old, _) => {
                let how = if old.is_some() { "is gone" } else { "is new" };
                found.push(Difference { about: format!("service {name}"), how: how.to_owned() });
            }
        }
    }
    for old in &from.registry {
        // A key that only one of them keeps is not known of the other.
        let Some(new) = to.registry.iter().find(|new| new.key == old.key) else { continue };
        for edit in edits(&old.tree, &new.tree) {
            found.push(Difference { about: edit.about(&old.key), how: edit.to_string() });
        }
    }
    found
}
