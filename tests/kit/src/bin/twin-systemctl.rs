//! A twin of `systemctl` and the manager behind it, for machines without one and for answers that are hard to come by.
//!
//! Its world is `/run/twin`: `loaded/` is the configuration as it was read last, `units/UNIT` what each unit is doing, and
//! `odd` makes it misbehave: `silent` (never answers a question), `garbage`, `away` (no manager), `newer` (the words of
//! newer versions), `deaf` (does not reload). Services have no processes: those whose `Type` is `notify` hang while they
//! start, a `oneshot`'s command is run, all others are up once started.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program of the tests"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

const CONFIGURATION: &str = "/etc/systemd/system";
const LOADED: &str = "/run/twin/loaded";
const UNITS: &str = "/run/twin/units";
const KINDS: [&str; 5] = [".service", ".socket", ".timer", ".path", ".target"];

fn main() -> ExitCode {
    let all: Vec<String> = env::args().skip(1).collect();
    let no_block = all.iter().any(|a| a == "--no-block");
    let value = all.iter().any(|a| a == "--value");
    let mut words = Vec::new();
    let mut wanted = String::new();
    let mut rest = all.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-p" | "--property" => wanted = rest.next().cloned().unwrap_or_default(),
            option if option.starts_with("--") => {}
            _ => words.push(word.clone()),
        }
    }
    let Some((verb, names)) = words.split_first() else { return ExitCode::FAILURE };
    let names: Vec<String> = names.iter().map(|name| full(name)).collect();
    let odd = fs::read_to_string("/run/twin/odd").unwrap_or_default();
    match (odd.trim(), verb.as_str()) {
        ("silent", "show") => hang(),
        ("away", _) => {
            eprintln!("Failed to connect to bus: No such file or directory");
            return ExitCode::FAILURE;
        }
        ("garbage", "show") => {
            println!("Id=x.service\nActiveState=dancing");
            return ExitCode::SUCCESS;
        }
        ("deaf", "daemon-reload") => {
            eprintln!("Failed to reload daemon: Refusing to reload.");
            return ExitCode::FAILURE;
        }
        _ => {}
    }
    let mut worst = 0;
    match verb.as_str() {
        "daemon-reload" => load(),
        "mask" => {
            for name in &names {
                let link = Path::new(CONFIGURATION).join(name);
                let _ = fs::remove_file(&link);
                std::os::unix::fs::symlink("/dev/null", link).unwrap();
            }
            load();
        }
        "enable" | "disable" => {
            for name in &names {
                enable(name, verb == "enable");
            }
            load();
        }
        "reset-failed" => {
            for unit in names.iter().map(|n| Unit::of(n)).filter(|u| u.life[0] == "failed") {
                unit.is("inactive dead success 0 -");
            }
        }
        "show" => {
            let blocks: Vec<String> =
                names.iter().map(|n| show(&Unit::of(n), &wanted, value, odd.trim() == "newer")).collect();
            println!("{}", blocks.join("\n\n"));
        }
        "start" | "restart" | "stop" => {
            for name in &names {
                let done = match verb.as_str() {
                    "stop" => stop(name, true),
                    _ => start(name, verb == "restart", no_block),
                };
                if let Err((code, said)) = done {
                    eprintln!("{said}");
                    worst = code;
                }
            }
        }
        _ => worst = 1,
    }
    ExitCode::from(worst)
}

fn hang() -> ! {
    loop {
        thread::sleep(Duration::from_secs(1000));
    }
}

fn full(name: &str) -> String {
    if KINDS.iter().any(|kind| name.ends_with(kind)) { name.to_owned() } else { format!("{name}.service") }
}

/// Reads the configuration.
fn load() {
    let _ = fs::remove_dir_all(LOADED);
    fs::create_dir_all(LOADED).unwrap();
    Command::new("cp").args(["-a", &format!("{CONFIGURATION}/."), LOADED]).status().unwrap();
}

/// Makes the links of what the unit is wanted by, or takes them away.
fn enable(name: &str, comes: bool) {
    for target in Unit::of(name).all("WantedBy") {
        let folder = Path::new(CONFIGURATION).join(format!("{target}.wants"));
        if comes {
            fs::create_dir_all(&folder).unwrap();
            let _ = std::os::unix::fs::symlink(Path::new(CONFIGURATION).join(name), folder.join(name));
        } else {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// A unit: its settings, and what it is doing: state, sub-state, result, exit status, whether conditions were met.
struct Unit {
    name: String,
    load: &'static str,
    settings: Vec<(String, String)>,
    life: [String; 5],
}

impl Unit {
    fn of(name: &str) -> Self {
        let fragment = Path::new(LOADED).join(name);
        let text = fs::read_to_string(&fragment).unwrap_or_default();
        let load = match fs::read_link(&fragment) {
            Ok(to) if to == Path::new("/dev/null") => "masked",
            _ if !fragment.exists() => "not-found",
            _ if text.contains("ExecStart=relative/") => "bad-setting",
            _ => "loaded",
        };
        let mut texts = vec![text];
        let folder = Path::new(LOADED).join(format!("{name}.d"));
        let mut drop_ins: Vec<PathBuf> =
            fs::read_dir(folder).map(|all| all.flatten().map(|e| e.path()).collect()).unwrap_or_default();
        drop_ins.sort();
        texts.extend(drop_ins.iter().map(|path| fs::read_to_string(path).unwrap()));
        let mut settings = Vec::new();
        for (key, value) in texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once('='))
        {
            // An empty value empties the list.
            if value.is_empty() {
                settings.retain(|(known, _)| known != key);
            } else {
                settings.push((key.to_owned(), value.replace("%%", "%")));
            }
        }
        let life = fs::read_to_string(Path::new(UNITS).join(name))
            .unwrap_or_else(|_| "inactive dead success 0 -".into());
        let mut life = life.split_whitespace().map(str::to_owned);
        let life = std::array::from_fn(|_| life.next().unwrap());
        Self { name: name.to_owned(), load, settings, life }
    }

    fn all(&self, key: &str) -> Vec<String> {
        let values = self.settings.iter().filter(|(known, _)| known == key);
        values.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned)).collect()
    }

    fn set(&self, key: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn is(&self, life: &str) {
        fs::create_dir_all(UNITS).unwrap();
        fs::write(Path::new(UNITS).join(&self.name), life).unwrap();
    }

    fn met(&self) -> bool {
        let paths = self.settings.iter().filter(|(key, _)| key == "ConditionPathExists");
        paths
            .map(|(_, v)| v.strip_prefix('!').map_or((v.as_str(), true), |p| (p, false)))
            .all(|(p, there)| Path::new(p).exists() == there)
    }

    /// Which unit it starts by itself.
    fn triggers(&self) -> Option<String> {
        let kind = [".socket", ".timer", ".path"].into_iter().find(|kind| self.name.ends_with(kind))?;
        Some(
            self.set("Unit")
                .or(self.set("Service"))
                .map_or_else(|| self.name.replace(kind, ".service"), str::to_owned),
        )
    }
}

/// All units but this one, in the order of their names.
fn others(name: &str) -> Vec<Unit> {
    let all = fs::read_dir(LOADED).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut names: Vec<String> = all.iter().map(|e| e.file_name().into_string().unwrap()).collect();
    names.retain(|other| other != name && KINDS.iter().any(|kind| other.ends_with(kind)));
    names.sort();
    names.iter().map(|name| Unit::of(name)).collect()
}

const STOPPED_WITH: [(&str, &str); 4] = [
    ("RequiredBy", "Requires"),
    ("RequisiteOf", "Requisite"),
    ("BoundBy", "BindsTo"),
    ("ConsistsOf", "PartOf"),
];

fn show(unit: &Unit, wanted: &str, value: bool, newer: bool) -> String {
    let others = others(&unit.name);
    let of = |key: &str| {
        let those = others.iter().filter(|other| other.all(key).contains(&unit.name));
        those.map(|other| other.name.clone()).collect::<Vec<_>>().join(" ")
    };
    let [mut active, mut sub, result, exit, met] = unit.life.clone();
    if newer && sub == "auto-restart" {
        sub = "auto-restart-queued".into();
    }
    if newer && active == "active" {
        (active, sub) = ("refreshing".into(), "refresh".into());
    }
    let queued = active == "activating" && sub == "start";
    let triggered = others.iter().filter(|other| other.triggers().is_some_and(|it| it == unit.name));
    let mut lines = Vec::new();
    if unit.name.ends_with(".service") {
        let kind = if unit.load == "loaded" { unit.set("Type").unwrap_or("simple") } else { "" };
        lines.push(("Type", kind.to_owned()));
        lines.extend(["MainPID", "ControlPID"].map(|key| (key, "0".to_owned())));
        lines.push(("Result", result));
        lines.push(("ExecMainCode", if exit == "0" { "0".to_owned() } else { "1".to_owned() }));
        lines.push(("ExecMainStatus", exit));
        lines.push(("ControlGroup", String::new()));
    }
    lines.push(("Id", unit.name.clone()));
    lines.push(("Names", unit.name.clone()));
    let stopped_with = STOPPED_WITH.map(|(name, key)| (name, of(key)));
    lines.extend(stopped_with[..3].iter().cloned());
    lines.push(("UpheldBy", of("Upholds")));
    lines.push(stopped_with[3].clone());
    lines.push(("TriggeredBy", triggered.map(|other| other.name.clone()).collect::<Vec<_>>().join(" ")));
    lines.push(("PropagatesStopTo", of("StopPropagatedFrom")));
    lines.push(("LoadState", unit.load.to_owned()));
    lines.push(("ActiveState", active));
    lines.push(("SubState", sub));
    lines.push(("Job", if queued { "7".to_owned() } else { String::new() }));
    lines.push(("ConditionResult", if met == "yes" { met.clone() } else { "no".to_owned() }));
    let link = |target: &String| Path::new(CONFIGURATION).join(format!("{target}.wants")).join(&unit.name);
    let state = match (unit.load, unit.all("WantedBy")) {
        ("loaded", wanted) if wanted.is_empty() => "static",
        ("loaded", wanted) if wanted.iter().all(|target| link(target).is_symlink()) => "enabled",
        ("loaded", _) => "disabled",
        ("masked", _) => "masked",
        _ => "",
    };
    lines.push(("UnitFileState", state.to_owned()));
    lines.push((
        "FragmentPath",
        if state.is_empty() { String::new() } else { format!("{CONFIGURATION}/{}", unit.name) },
    ));
    lines.push(("Requires", unit.all("Requires").join(" ")));
    lines.push(("ConditionTimestampMonotonic", if met == "-" { "0".to_owned() } else { "7".to_owned() }));
    let asked: Vec<&str> = wanted.split(',').collect();
    let lines = lines.iter().filter(|(key, _)| wanted.is_empty() || asked.contains(key));
    lines.map(|(key, v)| if value { v.clone() } else { format!("{key}={v}") }).collect::<Vec<_>>().join("\n")
}

type Said = (u8, String);

fn start(name: &str, again: bool, no_block: bool) -> Result<(), Said> {
    let unit = Unit::of(name);
    match unit.load {
        "not-found" => return Err((5, format!("Failed to start {name}: Unit {name} not found."))),
        "masked" => return Err((1, format!("Failed to start {name}: Unit {name} is masked."))),
        "bad-setting" => {
            return Err((1, format!("Failed to start {name}: Unit {name} has a bad unit file setting.")));
        }
        _ => {}
    }
    match (unit.life[0].as_str(), unit.life[1].as_str()) {
        ("active", _) if !again => return Ok(()),
        ("activating", "auto-restart") if !again && no_block => return Ok(()),
        ("activating", "auto-restart") if !again => hang(),
        _ => {}
    }
    for wanted in unit.all("Wants") {
        let _ = start(&wanted, false, no_block);
    }
    for needed in unit.all("Requires").iter().chain(&unit.all("BindsTo")) {
        let failed = (1, format!("A dependency job for {name} failed. See 'journalctl -xe' for details."));
        start(needed, false, no_block).map_err(|_| failed.clone())?;
    }
    if !unit.met() {
        // Forgotten unless another unit refers to it.
        let kept = others(name)
            .iter()
            .any(|other| other.life[0] == "active" && other.all("Wants").contains(&unit.name));
        unit.is(if kept { "inactive dead success 0 no" } else { "inactive dead success 0 -" });
        return Ok(());
    }
    let failure = |said: &str| (1, format!("Job for {name} failed because {said}."));
    match unit.set("Type").unwrap_or(if name.ends_with(".service") { "simple" } else { "" }) {
        "notify" => {
            unit.is("activating start success 0 yes");
            if no_block { Ok(()) } else { hang() }
        }
        "oneshot" => {
            let command = unit.set("ExecStart").unwrap();
            let code = Command::new("sh").args(["-c", command]).status().unwrap().code().unwrap();
            match (code, unit.set("RemainAfterExit"), unit.set("Restart")) {
                (0, Some("yes"), _) => unit.is("active exited success 0 yes"),
                (0, ..) => unit.is("inactive dead success 0 -"),
                (_, _, Some(_)) => unit.is(&format!("activating auto-restart exit-code {code} yes")),
                _ => unit.is(&format!("failed failed exit-code {code} yes")),
            }
            let told = failure("the control process exited with error code");
            if code == 0 || no_block { Ok(()) } else { Err(told) }
        }
        _ => {
            let service = unit.triggers().map(|triggered| Unit::of(&triggered));
            if name.ends_with(".socket") && service.is_some_and(|s| s.life[0] == "active") {
                unit.is("failed failed resources 0 yes");
                return Err((1, "Job failed. See \"journalctl -xe\" for details.".to_owned()));
            }
            unit.is("active running success 0 yes");
            Ok(())
        }
    }
}

fn stop(name: &str, by_hand: bool) -> Result<(), Said> {
    let unit = Unit::of(name);
    if unit.load == "not-found" && unit.life[0] == "inactive" {
        return Err((5, format!("Failed to stop {name}: Unit {name} not loaded.")));
    }
    if by_hand && unit.set("RefuseManualStop") == Some("yes") {
        return Err((
            4,
            format!(
                "Failed to stop {name}: Operation refused, unit {name} may be requested by dependency only (it is configured to refuse manual start/stop)."
            ),
        ));
    }
    if unit.life[0] != "failed" {
        unit.is("inactive dead success 0 -");
    }
    for other in others(name) {
        let with = STOPPED_WITH.iter().any(|(_, key)| other.all(key).contains(&unit.name));
        if with && other.life[0] != "inactive" {
            stop(&other.name, false)?;
        }
    }
    Ok(())
}
