//! How a service is configured, as its manager keeps it: what a snapshot writes down and a run puts back.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a manager keeps of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Configuration {
    /// The Windows service manager.
    Scm(Scm),
    /// systemd.
    Unit(Unit),
}

/// A service of the Windows service manager. Numbers are the manager's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scm {
    /// The name of its key.
    pub key: String,
    /// The name that people see.
    pub shown: String,
    /// `SERVICE_WIN32_OWN_PROCESS` and the like.
    pub kind: u32,
    /// When it starts: 2 at boot, 3 on demand, 4 never.
    pub start: u32,
    /// Whether one that starts at boot starts some time behind it.
    #[serde(default)]
    pub delayed: bool,
    /// What the system does where it does not start.
    pub error: u32,
    /// Its program and arguments.
    pub image: String,
    /// The account that it runs as.
    pub account: String,
    /// What it needs before it starts: services and, behind a `+`, groups.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// A unit of systemd, in systemd's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its own name.
    pub name: String,
    /// `UnitFileState`: whether it is enabled.
    pub enabled: String,
    /// `FragmentPath`: the file that it is read from.
    #[serde(default)]
    pub file: String,
    /// `DropInPaths`: the files that add to it.
    #[serde(default)]
    pub drop_ins: Vec<String>,
    /// What it needs: `Requires=a.service b.service`, one for each kind.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// One thing of a configuration that may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The name that people see.
    Shown,
    /// What kind of service it is.
    Kind,
    /// When it starts.
    Start,
    /// What the system does where it does not start.
    Error,
    /// Its program.
    Image,
    /// The account.
    Account,
    /// What it needs.
    Needs,
    /// Whether systemd starts it by itself.
    Enabled,
    /// Its unit file.
    File,
    /// Its drop-ins.
    DropIns,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Shown => "display name",
            Part::Kind => "type",
            Part::Start => "start type",
            Part::Error => "error control",
            Part::Image => "program",
            Part::Account => "account",
            Part::Needs => "dependencies",
            Part::Enabled => "unit file state",
            Part::File => "unit file",
            Part::DropIns => "drop-ins",
        })
    }
}

impl Configuration {
    /// Each part of it, in words that differ where the parts do.
    pub fn parts(&self) -> Vec<(Part, String)> {
        match self {
            Configuration::Scm(scm) => vec![
                (Part::Shown, scm.shown.clone()),
                (Part::Kind, scm.kind.to_string()),
                (Part::Start, scm.start_words()),
                (Part::Error, scm.error.to_string()),
                (Part::Image, scm.image.clone()),
                (Part::Account, scm.account.clone()),
                (Part::Needs, scm.needs.join(", ")),
            ],
            Configuration::Unit(unit) => vec![
                (Part::Enabled, unit.enabled.clone()),
                (Part::File, unit.file.clone()),
                (Part::DropIns, unit.drop_ins.join(", ")),
                (Part::Needs, unit.needs.join(", ")),
            ],
        }
    }

    /// One part in words; `None`: this manager has no such thing.
    pub fn part(&self, wanted: Part) -> Option<String> {
        self.parts().into_iter().find(|(part, _)| *part == wanted).map(|(_, words)| words)
    }

    /// The parts that differ, each as it is here and there. Two of different managers differ in all.
    pub fn differing(&self, other: &Self) -> Vec<(Part, String, String)> {
        let differs = |(part, here): (Part, String)| {
            let there = other.part(part).unwrap_or_default();
            (here != there).then_some((part, here, there))
        };
        self.parts().into_iter().filter_map(differs).collect()
    }
}

/// What of some parts is left to do, and what cannot be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// As before, or as it is to be.
    pub sound: Vec<Part>,
    /// As before.
    pub due: Vec<Part>,
    /// Neither.
    pub drifted: Vec<Part>,
}

/// What is left to do where these parts of a service are to go from `before` to `after`, and it is configured so `now`; `None`:
/// it is not there.
pub fn due(
    parts: &[Part],
    before: &Configuration,
    after: &Configuration,
    now: Option<&Configuration>,
) -> Due {
    let mut found = Due::default();
    for part in parts {
        let is = now.and_then(|now| now.part(*part));
        let known = [begins(Some(before)), begins(Some(after))];
        if *part == Part::Start && begins(now).is_some() && known.contains(&begins(now)) {
            // When it starts, and how long behind the boot, are set one behind the other: it may have been cut off between.
            found.sound.push(*part);
            if is != after.part(*part) {
                found.due.push(*part);
            }
            continue;
        }
        match is {
            Some(is) if Some(&is) == after.part(*part).as_ref() => found.sound.push(*part),
            Some(is) if Some(&is) == before.part(*part).as_ref() => {
                found.sound.push(*part);
                found.due.push(*part);
            }
            _ => found.drifted.push(*part),
        }
    }
    found
}

/// When a service of Windows starts, without how long behind the boot that is.
fn begins(configuration: Option<&Configuration>) -> Option<u32> {
    match configuration {
        Some(Configuration::Scm(scm)) => Some(scm.start),
        _ => None,
    }
}

impl Scm {
    fn start_words(&self) -> String {
        match (self.start, self.delayed) {
            (0, _) => "boot".to_owned(),
            (1, _) => "system".to_owned(),
            (2, false) => "automatic".to_owned(),
            (2, true) => "automatic, delayed".to_owned(),
            (3, _) => "on demand".to_owned(),
            (4, _) => "disabled".to_owned(),
            (other, _) => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scm() -> Scm {
        let text = |text: &str| text.to_owned();
        let (key, shown, image) = (text("spntsvc"), text("Trend ServerProtect"), text(r"C:\sp\SpntSvc.exe"));
        let (account, needs) = (text("LocalSystem"), vec![text("RpcSs")]);
        Scm { key, shown, kind: 16, start: 2, delayed: false, error: 1, image, account, needs }
    }

    #[test]
    fn what_differs_is_told_part_by_part() {
        let was = Configuration::Scm(scm());
        let is = Configuration::Scm(Scm { start: 4, needs: Vec::new(), ..scm() });
        let told = was.differing(&is);
        assert_eq!(
            told,
            [
                (Part::Start, "automatic".to_owned(), "disabled".to_owned()),
                (Part::Needs, "RpcSs".to_owned(), String::new())
            ]
        );
        assert!(was.differing(&was).is_empty());
    }

    #[test]
    fn a_part_is_as_before_or_as_it_is_to_be_or_has_drifted() {
        let of = |start| Configuration::Scm(Scm { start, ..scm() });
        let parts = [Part::Start, Part::Image];
        let due = |now: Option<&Configuration>| due(&parts, &of(2), &of(4), now);
        assert_eq!(due(Some(&of(2))).due, [Part::Start]);
        assert_eq!(due(Some(&of(4))), Due { sound: parts.to_vec(), ..Due::default() });
        assert_eq!(due(Some(&of(3))).drifted, [Part::Start]);
        assert_eq!(due(None).drifted, parts, "it is gone");
    }

    #[test]
    fn one_that_starts_some_time_behind_the_boot_is_another() {
        let delayed = Configuration::Scm(Scm { delayed: true, ..scm() });
        assert_eq!(Configuration::Scm(scm()).differing(&delayed).len(), 1);
        // Cut off between the two: it is neither, and still sound.
        let between = due(
            &[Part::Start],
            &Configuration::Scm(Scm { start: 4, ..scm() }),
            &delayed,
            Some(&Configuration::Scm(scm())),
        );
        assert_eq!((between.due, between.drifted), (vec![Part::Start], vec![]));
        // Where it is not started at boot that says nothing.
        let on_demand = |delayed| Configuration::Scm(Scm { start: 3, delayed, ..scm() });
        assert!(on_demand(false).differing(&on_demand(true)).is_empty());
    }
}
