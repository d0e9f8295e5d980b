//! What comes and goes with a unit.

use super::Call;
use crate::{
    Patience,
    service::{Companion, ServiceError, unit},
};
use backout_protocol::plan::Tie;
use std::collections::BTreeSet;

impl Call<'_, '_> {
    /// Everything that stops with the unit, and everything that starts one of these by itself.
    pub(super) fn companions(&self) -> Result<Vec<Companion>, ServiceError> {
        let limit = Patience::firm(self.systemctl.status_limit);
        let root = self.look(limit)?;
        let mut seen: BTreeSet<String> = root.names.iter().cloned().chain([root.id.clone()]).collect();
        let mut found: Vec<(String, Vec<String>, Tie)> = Vec::new();
        let mut level = vec![root];
        while !level.is_empty() {
            let mut next: Vec<(String, Tie)> = Vec::new();
            for shown in &level {
                let by = |unit: &String| if unit.ends_with(".socket") { Tie::Socket } else { Tie::Trigger };
                // A socket may be listed among the dependents of another unit too; that it opens its own says more.
                for unit in &shown.triggers {
                    match found.iter_mut().find(|(id, ..)| id == unit) {
                        Some((_, _, tie)) => *tie = by(unit),
                        None => next.push((unit.clone(), by(unit))),
                    }
                }
                next.extend(shown.dependents.iter().map(|unit| (unit.clone(), Tie::Dependent)));
            }
            next.retain(|(unit, _)| seen.insert(unit.clone()));
            level = if next.is_empty() {
                Vec::new()
            } else {
                self.show(&next.iter().map(|(unit, _)| unit.as_str()).collect::<Vec<_>>(), limit)?
            };
            // Targets and the like are passed through: a stop runs on behind them.
            for (shown, (_, tie)) in level.iter().zip(next) {
                seen.insert(shown.id.clone());
                let known = found.iter().any(|(id, ..)| *id == shown.id);
                let idle = !shown.startable() && shown.settled_down();
                if unit::is_companion(&shown.id) && !known && !idle {
                    found.push((shown.id.clone(), shown.names.clone(), tie));
                }
            }
        }
        // A unit that the site knows as a service of its own is called as that one is.
        let name = |id: String, names: &[String]| {
            let known =
                self.systemctl.units.iter().find(|(_, unit)| names.iter().any(|n| n == unit.as_str()));
            known.map(|(service, _)| service.clone()).or_else(|| id.parse().ok())
        };
        let companion =
            |(id, names, tie): (String, Vec<String>, Tie)| Some(Companion { name: name(id, &names)?, tie });
        Ok(found.into_iter().filter_map(companion).collect())
    }
}
