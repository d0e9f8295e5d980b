//! Settings: keys of the registry, and how services are configured. They are made what they are to be behind all swaps, before
//! the plugins' actions, while services are down.
//!
//! What each was and will be stands whole in the plan, and each can be looked at. So they have no records of their own: from
//! `Armed` to `Swapped`, and from `Undo` to `Unswapped`, all of them are made so once more, wherever a crash has cut them off. What
//! looks done is done again too: that it is on the medium nobody can see.

use crate::{
    failure::{Failure, Stuck},
    window::{Run, chain},
};
use backout_machine::{registry::Registry, service::Services};
use backout_protocol::{
    Configuration, KeyName, Notice, ServiceName, Step,
    configuration::{self, Part},
    registry::{self, Edit},
};

/// What settings are read from and written to.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub registry: &'a dyn Registry,
    pub services: &'a dyn Services,
}

/// Which way a setting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Towards {
    After,
    Before,
}

/// What becomes of a value, or of a part of a service, that is neither as before nor as it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drift {
    /// It is named, and nothing is done of the step that it belongs to.
    Refuses,
    /// It stays, and is named.
    Stays,
    /// It is overwritten: on a guard's way back there is no other way, and services write down how they were stopped.
    Goes,
}

/// How often a key is looked at again: what was in a key that goes may keep it from going.
const LOOKS: usize = 3;

/// What is left of a setting.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// The step that is left; `None`: it is as it is to be.
    pub step: Option<Step>,
    /// What is neither as before nor as it is to be.
    pub drifted: Vec<String>,
}

impl Settings<'_> {
    /// What is left to do of a step that is a setting.
    pub(crate) fn left(&self, step: &Step) -> Result<Left, String> {
        match step {
            Step::SetKey { key, edits } => {
                let now = self.registry.tree(key).map_err(|e| chain(&e))?;
                let found = registry::due(edits, &now);
                let edits: Vec<Edit> = found.due.into_iter().cloned().collect();
                let step = (!edits.is_empty()).then(|| Step::SetKey { key: key.clone(), edits });
                Ok(Left { step, drifted: found.drifted.iter().map(|edit| edit.about(key)).collect() })
            }
            Step::Configure { service, before, after, parts } => {
                let now = self.configuration(service, before)?;
                let found = configuration::due(parts, before, after, now.as_ref());
                let (service, before, after) = (service.clone(), before.clone(), after.clone());
                let drifted = found.drifted.iter().map(|part| about(&service, *part)).collect();
                let step = (!found.due.is_empty()).then_some(Step::Configure {
                    service,
                    before,
                    after,
                    parts: found.due,
                });
                Ok(Left { step, drifted })
            }
            _ => Ok(Left::default()),
        }
    }

    /// Whether any part of a step that is a setting is as it is to be.
    pub(crate) fn is_begun(&self, step: &Step) -> Result<bool, String> {
        let size = |step: &Step| match step {
            Step::SetKey { edits, .. } => edits.len(),
            Step::Configure { parts, .. } => parts.len(),
            _ => 0,
        };
        let left = self.left(step)?;
        Ok(left.step.as_ref().map_or(0, size) + left.drifted.len() < size(step))
    }

    fn configuration(
        &self,
        service: &ServiceName,
        known: &Configuration,
    ) -> Result<Option<Configuration>, String> {
        self.services.configuration(service, Some(known)).map_err(|e| chain(&e))
    }

    /// Makes all of it so, on the medium. What has drifted and stays is named.
    fn make(&self, step: &Step, towards: Towards, drift: Drift) -> Result<Vec<String>, String> {
        match (step, towards) {
            (Step::SetKey { key, edits }, Towards::After) => self.edit(key, edits, drift),
            (Step::SetKey { key, edits }, Towards::Before) => {
                let back: Vec<Edit> = edits.iter().rev().map(Edit::inverse).collect();
                self.edit(key, &back, drift)
            }
            (Step::Configure { service, before, after, parts }, Towards::After) => {
                self.configure(service, before, after, parts, drift)
            }
            (Step::Configure { service, before, after, parts }, Towards::Before) => {
                self.configure(service, after, before, parts, drift)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn edit(&self, key: &KeyName, edits: &[Edit], drift: Drift) -> Result<Vec<String>, String> {
        let fail = |e| chain(&e);
        let mut stays = Vec::new();
        for _ in 0..LOOKS {
            let now = self.registry.tree(key).map_err(fail)?;
            let found = registry::due(edits, &now);
            let goes = |edit: &&Edit| {
                drift == Drift::Goes && matches!(edit, Edit::Set { path, .. } if now.has(path))
            };
            let (over, left): (Vec<_>, Vec<_>) = found.drifted.into_iter().partition(goes);
            stays = left.iter().map(|edit| edit.about(key)).collect::<Vec<_>>();
            if drift == Drift::Refuses && !stays.is_empty() {
                return Ok(stays);
            }
            for edit in found.due.into_iter().chain(over.iter().copied()) {
                // If we die here, some are done; each tells by itself.
                match edit {
                    Edit::Make { path } => self.registry.make(key, path),
                    Edit::Remove { path } => self.registry.remove(key, path),
                    Edit::Set { path, name, after, .. } => self.registry.set(key, path, name, after.as_ref()),
                }
                .map_err(fail)?;
            }
            if over.is_empty() {
                break;
            }
        }
        self.registry.flush(key).map_err(fail)?;
        Ok(stays)
    }

    fn configure(
        &self,
        service: &ServiceName,
        from: &Configuration,
        to: &Configuration,
        parts: &[Part],
        drift: Drift,
    ) -> Result<Vec<String>, String> {
        let now = self.configuration(service, from)?;
        let mut found = configuration::due(parts, from, to, now.as_ref());
        if drift == Drift::Goes && now.is_some() {
            found.sound.append(&mut found.drifted);
        }
        let refuses = drift == Drift::Refuses && !found.drifted.is_empty();
        if !refuses && !found.sound.is_empty() {
            self.services.configure(service, to, &found.sound).map_err(|e| chain(&e))?;
        }
        Ok(found.drifted.iter().map(|part| about(service, *part)).collect())
    }
}

/// A part of a service, for people.
fn about(service: &ServiceName, part: Part) -> String {
    format!("service {service}, {part}")
}

/// The same step backwards.
pub(crate) fn inverse(step: &Step) -> Step {
    match step.clone() {
        Step::SetKey { key, edits } => {
            Step::SetKey { key, edits: edits.iter().rev().map(Edit::inverse).collect() }
        }
        Step::Configure { service, before, after, parts } => {
            Step::Configure { service, before: after, after: before, parts }
        }
        other => other,
    }
}

impl<'a> Run<'a> {
    fn settings(&self) -> Settings<'a> {
        Settings { registry: self.faces.registry, services: self.services }
    }

    fn drift(&self) -> Drift {
        if self.tx.plan.guard.is_some() { Drift::Goes } else { Drift::Refuses }
    }

    /// Looks, before anything is changed, whether each is still as it was planned.
    pub(crate) fn look_at_settings(&self) -> Result<(), Failure> {
        if self.drift() == Drift::Goes {
            return Ok(());
        }
        let mut drifted = Vec::new();
        for step in self.tx.plan.settings() {
            let left = self.settings().left(step).map_err(|why| failed(step, why))?;
            // What somebody has made so already is no work of this run, which could not take it back.
            if left.drifted.is_empty() && left.step.as_ref() != Some(step) {
                drifted.extend(step.setting());
            }
            drifted.extend(left.drifted);
        }
        if drifted.is_empty() { Ok(()) } else { Err(Failure::SettingDrift { names: drifted }) }
    }

    /// Makes each what it is to be. Every name is swapped by now.
    pub(crate) fn set_all(&mut self) -> Result<(), Failure> {
        let (drift, mut kept) = (self.drift(), Vec::new());
        for step in self.tx.plan.settings() {
            let drifted =
                self.settings().make(step, Towards::After, drift).map_err(|why| failed(step, why))?;
            // In a recovery somebody may have changed it meanwhile.
            if drift == Drift::Refuses && !drifted.is_empty() {
                return Err(Failure::SettingDrift { names: drifted });
            }
            kept.extend(drifted);
        }
        if !kept.is_empty() {
            self.notices.push(Notice::SettingDriftKept { names: kept });
        }
        Ok(())
    }

    /// Makes each what it was, the last first. One that cannot be keeps no other, and no file, from going back; the first of
    /// them is the error.
    pub(crate) fn set_back(&mut self) -> Result<(), Stuck> {
        let (mut failed, mut kept) = (None, Vec::new());
        for step in self.tx.plan.settings().rev() {
            match self.settings().make(step, Towards::Before, Drift::Stays) {
                Ok(drifted) => kept.extend(drifted),
                Err(why) => {
                    let setting = step.setting().unwrap_or_default();
                    log::warn!("run {}: {setting}: {why}", self.tx.run);
                    failed.get_or_insert(Stuck::Setting { setting, why });
                }
            }
        }
        if !kept.is_empty() {
            self.notices.push(Notice::SettingDriftKept { names: kept });
        }
        failed.map_or(Ok(()), Err)
    }
}

fn failed(step: &Step, why: String) -> Failure {
    Failure::Setting { setting: step.setting().unwrap_or_default(), why }
}
