//! Names of systemd's units, and what `systemctl show` tells of one.

use std::{collections::HashMap, fmt};

/// Kinds of units that can be told to stop and start as a service is. Stopping a mount, a slice or a scope is
/// something else.
const SERVICE_LIKE: [&str; 5] = ["service", "socket", "timer", "path", "target"];
const OTHERS: [&str; 6] = ["mount", "automount", "swap", "slice", "scope", "device"];
/// systemd's own limit.
const LONGEST: usize = 255;

/// The name of a unit that backout may stop and start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnitName(String);

impl UnitName {
    /// Reads a name; one without a suffix is a service's. Fails with what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let known = |kind: &str| SERVICE_LIKE.contains(&kind) || OTHERS.contains(&kind);
        let name = match text.rsplit_once('.') {
            Some((_, kind)) if known(kind) => text.to_owned(),
            _ => format!("{text}.service"),
        };
        let (prefix, kind) = name.rsplit_once('.').unwrap_or_default();
        if !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"@:-_.\\".contains(&b)) {
            return Err("a unit's name has only letters, digits and `@:-_.\\`");
        }
        if prefix.is_empty() || prefix.starts_with(['-', '@', '.']) {
            return Err("a unit's name begins with a letter, a digit, `_`, `:` or `\\`");
        }
        if prefix.ends_with('@') {
            return Err("this is a template; name an instance of it");
        }
        if name.len() > LONGEST {
            return Err("a unit's name has at most 255 characters");
        }
        if OTHERS.contains(&kind) {
            return Err("a unit of this kind is not stopped and started as a service is");
        }
        Ok(Self(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether stopping and starting belongs to a run: targets come and go by what they want, the rest is no service.
pub(super) fn is_companion(unit: &str) -> bool {
    unit.rsplit_once('.').is_some_and(|(_, kind)| SERVICE_LIKE[..4].contains(&kind))
}

/// What `systemctl show` is asked for. A version that does not know one leaves it out of its answer.
pub(super) const PROPERTIES: &str = "Id,Names,LoadState,ActiveState,SubState,Job,Type,MainPID,ControlPID,\
ControlGroup,ConditionResult,ConditionTimestampMonotonic,Result,ExecMainCode,ExecMainStatus,TriggeredBy,UpheldBy,RequiredBy,RequisiteOf,BoundBy,\
ConsistsOf,PropagatesStopTo";

/// What systemd tells of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its own name, whatever name it was asked by.
    pub(super) id: String,
    /// All its names.
    pub(super) names: Vec<String>,
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub(super) load: String,
    /// Where it stands.
    pub(super) stage: Stage,
    /// Its state in systemd's words: `activating (auto-restart)`.
    pub(super) words: String,
    /// A job is queued or under way for it.
    pub(super) job: bool,
    /// `Type=oneshot`.
    pub(super) oneshot: bool,
    /// Whether its conditions were met when it was last told to start. systemd forgets that as soon as nothing needs a
    /// unit that is down.
    pub(super) met: Option<bool>,
    /// It has processes of its own, as far as systemd follows them.
    pub(super) processes: bool,
    /// Its control group, if it has one.
    pub(super) group: Option<String>,
    /// How it ended last: `success`, `exit-code`, `timeout`, `start-limit-hit`…
    pub(super) result: String,
    /// How its main process ended, in systemd's words.
    pub(super) exit: String,
    /// Units that start it by themselves.
    pub(super) triggers: Vec<String>,
    /// Units that systemd stops with it.
    pub(super) dependents: Vec<String>,
}

/// Where a unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not there, or not up and not about to be.
    Down,
    /// It failed and is not up.
    Failed,
    /// It is up.
    Up,
    /// It is on its way up.
    Starting,
    /// It is down and will be started again in a moment.
    Waiting,
    /// It is on its way down.
    Stopping,
}

impl Shown {
    /// There is no such unit.
    pub(super) fn absent(&self) -> bool {
        self.load == "not-found" && self.settled_down()
    }

    /// It is down, and nothing is queued that would change that.
    pub(super) fn settled_down(&self) -> bool {
        matches!(self.stage, Stage::Down | Stage::Failed) && !self.job
    }

    /// It could be started.
    pub(super) fn startable(&self) -> bool {
        self.load == "loaded"
    }

    /// How it ended, for a message.
    pub(super) fn how(&self) -> String {
        [&self.words, &self.result, &self.exit]
            .into_iter()
            .filter(|s| !s.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Reads the answer about one or more units. Fails with the part that makes no sense.
pub(super) fn read(answer: &str) -> Result<Vec<Shown>, String> {
    answer.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).map(one).collect()
}

fn one(block: &str) -> Result<Shown, String> {
    let fields: HashMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let list = |names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|name| field(name).split_whitespace()).map(str::to_owned).collect()
    };
    let sub = field("SubState");
    let job = !matches!(field("Job"), "" | "0");
    let stage = match field("ActiveState") {
        // `refreshing` since 257.
        "active" | "reloading" | "refreshing" => Stage::Up,
        // `auto-restart-queued` since 254.
        "activating" if sub.starts_with("auto-restart") => Stage::Waiting,
        "activating" => Stage::Starting,
        "deactivating" => Stage::Stopping,
        "failed" => Stage::Failed,
        "inactive" | "maintenance" => Stage::Down,
        _ => return Err(block.to_owned()),
    };
    if field("Id").is_empty() || field("LoadState").is_empty() {
        return Err(block.to_owned());
    }
    let told = |name: &str| Some(field(name)).filter(|v| !v.is_empty()).map(|v| format!("{name}={v}"));
    let ran = !matches!(field("ExecMainCode"), "" | "0");
    let exit = if ran { told("ExecMainStatus") } else { None };
    Ok(Shown {
        id: field("Id").to_owned(),
        names: list(&["Names"]),
        load: field("LoadState").to_owned(),
        stage,
        words: if sub.is_empty() {
            field("ActiveState").into()
        } else {
            format!("{} ({sub})", field("ActiveState"))
        },
        job,
        oneshot: field("Type") == "oneshot",
        met: (!matches!(field("ConditionTimestampMonotonic"), "" | "0"))
            .then(|| field("ConditionResult") != "no"),
        processes: ["MainPID", "ControlPID"].iter().any(|pid| !matches!(field(pid), "" | "0")),
        group: Some(field("ControlGroup")).filter(|g| !g.is_empty()).map(str::to_owned),
        result: told("Result").unwrap_or_default(),
        exit: exit.unwrap_or_default(),
        triggers: list(&["TriggeredBy", "UpheldBy"]),
        dependents: list(&["RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of a real systemd 252, recorded.
    macro_rules! recorded {
        ($name:literal) => {
            read(include_str!(concat!("../../tests/systemctl/", $name, ".show"))).unwrap().remove(0)
        };
    }

    #[test]
    fn a_unit_is_named_as_systemd_names_units() {
        for (given, unit) in [
            ("spnt", "spnt.service"),
            ("spnt.service", "spnt.service"),
            ("a.b", "a.b.service"),
            ("spnt.socket", "spnt.socket"),
            ("app.target", "app.target"),
            ("tmpl@1", "tmpl@1.service"),
            (r"a\x2db", r"a\x2db.service"),
        ] {
            assert_eq!(UnitName::parse(given).unwrap().as_str(), unit);
        }
        let long = "x".repeat(248);
        for bad in [
            "",
            ".service",
            "-x",
            "@x",
            "a/b",
            "../x",
            "a b",
            "サービス",
            "x\n",
            "tmpl@",
            "x.mount",
            "-.slice",
            "a.device",
        ] {
            assert!(UnitName::parse(bad).is_err(), "{bad}");
        }
        assert!(UnitName::parse(&long).is_err() && UnitName::parse(&long[1..]).is_ok());
    }

    #[test]
    fn recorded_answers_are_understood() {
        let stage = |shown: Shown| (shown.stage, shown.job, shown.startable(), shown.absent());
        assert_eq!(stage(recorded!("active")), (Stage::Up, false, true, false));
        assert_eq!(stage(recorded!("active-once")), (Stage::Up, false, true, false));
        assert_eq!(stage(recorded!("timer")), (Stage::Up, false, true, false));
        assert_eq!(stage(recorded!("auto-restart")), (Stage::Waiting, false, true, false));
        assert_eq!(stage(recorded!("activating")), (Stage::Starting, true, true, false));
        assert_eq!(stage(recorded!("deactivating")), (Stage::Stopping, true, true, false));
        assert_eq!(stage(recorded!("inactive")), (Stage::Down, false, true, false));
        assert_eq!(stage(recorded!("queued")), (Stage::Down, true, true, false));
        assert_eq!(stage(recorded!("failed")), (Stage::Failed, false, true, false));
        assert_eq!(stage(recorded!("not-found")), (Stage::Down, false, false, true));
        assert_eq!(stage(recorded!("not-found-running")), (Stage::Up, false, false, false));
        assert_eq!(stage(recorded!("masked-running")), (Stage::Up, false, false, false));
        assert_eq!(stage(recorded!("bad-setting")), (Stage::Down, false, false, false));
    }

    #[test]
    fn a_recorded_answer_names_what_belongs_to_the_unit() {
        let base = recorded!("active-alias");
        assert_eq!((base.id.as_str(), base.names.len(), base.processes), ("base.service", 2, true));
        assert_eq!(base.triggers, ["base.timer", "base.path", "base.socket"]);
        assert_eq!(base.dependents, ["a.service", "part.service", "part.service", "bound.service"]);
        let leftover = recorded!("inactive-leftover");
        assert_eq!(leftover.group.as_deref(), Some("/system.slice/leftover.service"));
        assert!(leftover.settled_down() && !leftover.processes);
        assert_eq!(recorded!("failed-oneshot").how(), "failed (failed), Result=exit-code, ExecMainStatus=7");
        assert_eq!(recorded!("condition").met, None, "systemd has forgotten it");
    }

    #[test]
    fn several_answers_are_kept_apart_and_nonsense_is_none() {
        let three = read(include_str!("../../tests/systemctl/three.show")).unwrap();
        let ids: Vec<&str> = three.iter().map(|shown| shown.id.as_str()).collect();
        assert_eq!(ids, ["base.service", "a.service", "nosuch.service"]);
        for bad in
            ["what", "Id=x.service\nLoadState=loaded", "Id=x.service\nLoadState=loaded\nActiveState=dancing"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read(""), Ok(Vec::new()));
    }
}
