//! systemd's units: their names, and what `systemctl show` says of one.

use super::{Companion, ServiceState};
use backout_protocol::{ServiceName, plan::Tie};
use std::collections::BTreeMap;

/// Suffixes of units that can be services of a run.
const SUFFIXES: [&str; 4] = [".service", ".socket", ".timer", ".path"];
/// systemd's own limit.
const LONGEST: usize = 255;

/// What is asked of a unit.
pub(super) const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,ConditionResult,\
TriggeredBy,RequiredBy,RequisiteOf,BoundBy,ConsistsOf";

/// The name as one of a unit: with `.service` where it says nothing else. `None`: no unit can have it.
pub(super) fn unit_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(legal) {
        return None;
    }
    let known = SUFFIXES.iter().any(|s| name.ends_with(s) && name.len() > s.len());
    let name = if known { name.to_owned() } else { format!("{name}.service") };
    (name.len() <= LONGEST).then_some(name)
}

/// What `systemctl show` said of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown(BTreeMap<String, String>);

impl Shown {
    /// Reads lines of `Name=value`. `None`: that is not what was asked for.
    pub(super) fn read(text: &str) -> Option<Self> {
        let pairs = text.lines().filter_map(|l| l.split_once('='));
        let shown = Self(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect());
        (shown.0.contains_key("LoadState") && shown.0.contains_key("ActiveState")).then_some(shown)
    }

    pub(super) fn get(&self, property: &str) -> &str {
        self.0.get(property).map_or("", String::as_str)
    }

    /// What the unit is doing; `None`: it is in a state that this does not know.
    pub(super) fn state(&self) -> Option<ServiceState> {
        if self.get("LoadState") == "not-found" && self.get("ActiveState") == "inactive" {
            return Some(ServiceState::NotInstalled);
        }
        match self.get("ActiveState") {
            "active" | "reloading" | "refreshing" => Some(ServiceState::Running),
            // Whether it is on its way up or waits for its automatic restart: it is not up, and will be.
            "activating" => Some(ServiceState::Restarting),
            "deactivating" => Some(ServiceState::Stopping),
            "inactive" | "failed" | "maintenance" => Some(ServiceState::Stopped),
            _ => None,
        }
    }

    /// Whether it runs although the manager would refuse to start it again.
    pub(super) fn runs_masked(&self) -> bool {
        self.get("LoadState") == "masked" && self.state() == Some(ServiceState::Running)
    }

    /// What starts it by itself, and what is stopped with it.
    pub(super) fn companions(&self) -> Vec<Companion> {
        let mut all: Vec<Companion> = Vec::new();
        let related = [
            ("TriggeredBy", None),
            ("RequiredBy", Some(Tie::Dependent)),
            ("RequisiteOf", Some(Tie::Dependent)),
            ("BoundBy", Some(Tie::Dependent)),
            ("ConsistsOf", Some(Tie::Dependent)),
        ];
        for (property, tie) in related {
            for unit in self.get(property).split_whitespace() {
                let tie = tie.unwrap_or(if unit.ends_with(".socket") { Tie::Socket } else { Tie::Trigger });
                // Targets, mounts and slices are not ours to stop; what hangs on them is named by itself.
                let ours = SUFFIXES.iter().any(|s| unit.ends_with(s));
                if ours
                    && !all.iter().any(|c| c.name.as_str() == unit)
                    && let Ok(name) = unit.parse::<ServiceName>()
                {
                    all.push(Companion { name, tie });
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_name_is_a_unit_name_where_it_can_be_one() {
        assert_eq!(unit_name("spnt").as_deref(), Some("spnt.service"));
        assert_eq!(unit_name("spnt.socket").as_deref(), Some("spnt.socket"));
        assert_eq!(unit_name("a@b.timer").as_deref(), Some("a@b.timer"));
        assert_eq!(unit_name("x.y").as_deref(), Some("x.y.service"));
        for wrong in ["", "-x", ".service", "Trend ServerProtect", "a/b", "ä", &"x".repeat(250)] {
            assert_eq!(unit_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_is_a_state() {
        let shown = |load: &str, active: &str| {
            Shown::read(&format!("LoadState={load}\nActiveState={active}\nSubState=x\n")).unwrap()
        };
        for (active, state) in [
            ("active", Some(ServiceState::Running)),
            ("reloading", Some(ServiceState::Running)),
            ("activating", Some(ServiceState::Restarting)),
            ("deactivating", Some(ServiceState::Stopping)),
            ("inactive", Some(ServiceState::Stopped)),
            ("failed", Some(ServiceState::Stopped)),
            ("dancing", None),
        ] {
            assert_eq!(shown("loaded", active).state(), state, "{active}");
        }
        assert_eq!(shown("not-found", "inactive").state(), Some(ServiceState::NotInstalled));
        // Its unit file was taken away while it ran.
        assert_eq!(shown("not-found", "active").state(), Some(ServiceState::Running));
        assert!(shown("masked", "active").runs_masked() && !shown("masked", "inactive").runs_masked());
        assert_eq!(Shown::read("Failed to connect to bus\n"), None);
    }

    #[test]
    fn what_comes_and_goes_with_a_unit_is_told_once_each() {
        let text = "LoadState=loaded\nActiveState=active\nTriggeredBy=a.timer a.socket a.path\n\
                    RequiredBy=b.service multi-user.target\nBoundBy=b.service c.service\nConsistsOf=\n";
        let found: Vec<(String, Tie)> = Shown::read(text)
            .unwrap()
            .companions()
            .into_iter()
            .map(|c| (c.name.to_string(), c.tie))
            .collect();
        let expected = [
            ("a.timer", Tie::Trigger),
            ("a.socket", Tie::Socket),
            ("a.path", Tie::Trigger),
            ("b.service", Tie::Dependent),
            ("c.service", Tie::Dependent),
        ];
        assert_eq!(found, expected.map(|(n, t)| (n.to_owned(), t)));
    }
}
