//! One call: its flags, made into what the engine takes.

use crate::{
    answer::Answer,
    args::{Global, OnLocked, PLUGIN_HOST, Wish},
    exit_code, given,
    messages::{self, notice, usage},
    progress::Progress,
    signals, terminal,
};
use backout_engine::{
    Cancel, Faces, Job, LoadedProfile, Locked, Refusal, State, boot, faces::Cancelled, load, preflight,
    snapshot,
};
use backout_host::{Hosting, Pinning, Plugins, Spawner};
use backout_protocol::{
    ComponentId, Notice, Plan,
    plan::{self, Ask, Operator},
    profile::Role,
    report::Warning,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// So many seconds a plugin may take for one answer, if nothing is said.
const PATIENCE: u64 = 60;

/// The profiles that the binary brings along.
pub(crate) const BUILT_IN: [(&str, &str); 3] = [
    ("serverprotect-5.8-patch3", include_str!("../../../profiles/serverprotect-5.8-patch3.ron")),
    (
        "serverprotect-5.8-fixed-address",
        include_str!("../../../profiles/serverprotect-5.8-fixed-address.ron"),
    ),
    ("linux-service-example", include_str!("../../../profiles/linux-service-example.ron")),
];

/// One call of the binary.
pub(crate) struct Session {
    pub global: Global,
    pub plugins: Plugins,
    pub progress: Progress,
    pub cancel: Cancel,
    pub state: PathBuf,
}

/// How the processes of plugins are started, with this much time for each answer; `None`: this program has no name.
pub(crate) fn spawner(deadline: Duration) -> Option<Spawner> {
    // The name that stands for this very program, even where another has been put in its place meanwhile.
    let program =
        if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let arguments = vec![PLUGIN_HOST.to_owned(), "--quiet".to_owned()];
    program.ok().map(|program| Spawner { program, arguments, deadline })
}

/// Where the plugins' code runs. Without a name for this program, which nothing can be done about, it is here.
fn hosting(global: &Global) -> Hosting {
    match spawner(Duration::from_secs(global.plugin_timeout.unwrap_or(PATIENCE))) {
        Some(spawner) if !global.in_process => Hosting::Child(spawner),
        _ => Hosting::Here,
    }
}

impl Global {
    /// Whether a plugin must be pinned.
    pub(crate) fn pinning(&self) -> Pinning {
        if self.require_pinned { Pinning::Required } else { Pinning::WhereListed }
    }
}

/// Where a profile comes from.
enum Origin {
    File(PathBuf),
    BuiltIn(String, &'static str),
}

/// A profile's text, and what its file is called.
pub(crate) struct Source {
    pub name: String,
    pub text: String,
}

/// Why a command has no other answer than an error.
pub(crate) type Stop = Box<Answer>;

/// Any refusal as the end of a command.
pub(crate) fn stop(refusal: Refusal) -> Stop {
    Box::new(refusal.into())
}

impl Session {
    pub(crate) fn new(global: Global) -> Self {
        let deadline = global.timeout.and_then(|s| after(Duration::from_secs(s)));
        let state = global.state_dir.clone().unwrap_or_else(default_state);
        Self {
            plugins: Plugins::new(plugin_folders(&global), global.pinning(), hosting(&global)),
            progress: Progress::new(global.json, global.quiet),
            cancel: Cancel::new(signals::flag(), deadline).ended_by(signals::ended()),
            state,
            global,
        }
    }

    /// The plugins of this folder alone.
    pub(crate) fn plugins_in(&self, folder: PathBuf) -> Plugins {
        Plugins::new([folder], self.global.pinning(), hosting(&self.global))
    }

    /// The plugins of the folders that a plan was made with, unless this call names others.
    pub(crate) fn plugins_of(&self, plan: &Plan) -> Plugins {
        let folders = match (self.global.plugin_dir.is_empty(), plan.request.plugin_dirs.as_slice()) {
            (false, _) | (true, []) => plugin_folders(&self.global),
            (true, planned) => planned.iter().map(|folder| folder.0.clone()).collect(),
        };
        Plugins::new(folders, self.global.pinning(), hosting(&self.global))
    }

    pub(crate) fn faces(&self) -> Faces<'_> {
        Faces {
            host: &self.plugins,
            observer: &self.progress,
            cancel: &self.cancel,
            registry: backout_machine::registry::here(),
        }
    }

    /// Whether people read standard output.
    pub(crate) fn for_people(&self) -> bool {
        self.global.json.is_none()
    }

    /// Takes the lock, waiting as long as `--lock-timeout` says.
    pub(crate) fn lock(&self) -> Result<Locked, Stop> {
        let until = after(Duration::from_secs(self.global.lock_timeout));
        loop {
            match State::lock(&self.state) {
                Err(Refusal::Locked { .. })
                    if until.is_none_or(|u| Instant::now() < u) && self.cancel.requested().is_none() =>
                {
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => return other.map_err(stop),
            }
        }
    }

    /// Refuses while a run is unfinished.
    pub(crate) fn nothing_open(&self, state: &State) -> Result<(), Stop> {
        match state.unfinished().map_err(stop)? {
            Some(open) => Err(stop(open.refusal())),
            None => Ok(()),
        }
    }

    /// The same, but for a run that waits for its commit: of the product everything is as it was.
    pub(crate) fn nothing_changing(&self, state: &State) -> Result<(), Stop> {
        match state.unfinished().map_err(stop)? {
            Some(open) if !open.waits_for_its_commit() => Err(stop(open.refusal())),
            Some(_) | None => Ok(()),
        }
    }

    /// What is open in a state folder that is only looked at: left over, or just under way.
    pub(crate) fn open_run(&self, state: &State) -> Result<Option<Refusal>, Stop> {
        let Some(open) = state.unfinished().map_err(stop)? else { return Ok(None) };
        let worker = state.worker().map_err(stop)?;
        Ok(Some(worker.map_or_else(|| open.refusal(), |pid| Refusal::Locked { pid: Some(pid) })))
    }

    /// What is checked before a plan is carried out or shown, and warned of.
    pub(crate) fn preflight(&self, plan: &Plan) -> Result<Vec<Notice>, Stop> {
        let notices = preflight::check(plan, &self.state, &self.faces()).map_err(stop)?;
        self.at_boot(plan, notices).map_err(stop)
    }

    /// The same of a plan that is staged.
    pub(crate) fn preflight_staged(&self, plan: &Plan) -> Result<Vec<Notice>, Refusal> {
        let notices = preflight::check_staged(plan, &self.state, &self.faces())?;
        self.at_boot(plan, notices)
    }

    /// What the boot makes of a plan, besides these notices.
    fn at_boot(&self, plan: &Plan, mut notices: Vec<Notice>) -> Result<Vec<Notice>, Refusal> {
        if let Ok(exe) = std::env::current_exe().and_then(std::fs::canonicalize) {
            if plan.request.on_locked == plan::OnLocked::Reboot {
                boot::may_defer(&exe, &self.state)?;
            }
            notices.extend(boot::warning(plan, &exe, &self.state)?);
        }
        Ok(notices)
    }

    /// Without a terminal a changing verb needs `--yes`, and says so before anything is looked at.
    pub(crate) fn may_ask(&self, dry_run: bool) -> Result<(), Stop> {
        if self.global.yes || dry_run || (terminal::can_ask() && self.for_people()) {
            return Ok(());
        }
        Err(stop(Refusal::NotConfirmed))
    }

    /// Asks, unless `--yes` answered already.
    pub(crate) fn confirm(&self) -> Result<(), Stop> {
        self.ask_first("", "Carry this out? Services will be stopped. [yes/no]")
    }

    /// Shows something and asks, unless `--yes` answered already.
    pub(crate) fn ask_first(&self, shown: &str, question: &str) -> Result<(), Stop> {
        if self.global.yes {
            return Ok(());
        }
        if !shown.is_empty() {
            terminal::out(shown);
        }
        match terminal::ask(question, || self.cancel.requested().is_some()) {
            Some(true) => Ok(()),
            Some(false) => Err(stop(Refusal::Declined)),
            None => Err(stop(Refusal::Cancelled(self.cancel.requested().unwrap_or(Cancelled::Asked)))),
        }
    }

    /// Shows a plan and what it warns of, before anybody is asked. Says which warnings were shown.
    pub(crate) fn show(&self, plan: &Plan) -> Vec<Warning> {
        if !self.for_people() || (self.global.quiet && self.global.yes) {
            return Vec::new();
        }
        if !self.global.quiet {
            terminal::out(messages::plan::plan(plan).trim_end());
        }
        let warnings: Vec<Warning> = plan.notices.iter().map(notice::warning).collect();
        for warning in &warnings {
            terminal::err(&format!("warning[{}]: {}", warning.code, warning.message));
        }
        warnings
    }

    /// The profile of this name or file.
    pub(crate) fn profile(&self, name: &str) -> Result<LoadedProfile, Stop> {
        match self.origin(name)? {
            Origin::File(file) => LoadedProfile::from_file(&file).map_err(stop),
            Origin::BuiltIn(name, text) => LoadedProfile::from_text(&name, text, None).map_err(stop),
        }
    }

    /// The same with the text that it was read from.
    pub(crate) fn profile_with_source(&self, name: &str) -> Result<(LoadedProfile, Source), Stop> {
        let loaded = self.profile(name)?;
        let source = match self.origin(name)? {
            Origin::BuiltIn(name, text) => Source { name, text: text.to_owned() },
            Origin::File(file) => {
                // Read before, and judged; what was put there meanwhile is another profile.
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let path = load::absolute(&file);
                let unreadable =
                    || stop(Refusal::Unreadable { path, why: "it changes while it is read".to_owned() });
                if backout_disk::fingerprint::digest_bytes(text.as_bytes()) != loaded.sha256 {
                    return Err(unreadable());
                }
                Source { name: file.display().to_string(), text }
            }
        };
        Ok((loaded, source))
    }

    fn origin(&self, name: &str) -> Result<Origin, Stop> {
        if name.ends_with(".ron") || name.contains(std::path::MAIN_SEPARATOR) {
            return Ok(Origin::File(name.into()));
        }
        for folder in &self.global.profile_dir {
            let file = folder.join(format!("{name}.ron"));
            if file.is_file() {
                return Ok(Origin::File(file));
            }
        }
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => Ok(Origin::BuiltIn(format!("{known}.ron"), text)),
            None => {
                let searched = self.global.profile_dir.iter().map(|f| load::absolute(f)).collect();
                Err(stop(Refusal::ProfileNotFound { name: name.to_owned(), searched }))
            }
        }
    }

    /// Profile, site and wishes.
    pub(crate) fn job(&self, wish: &Wish) -> Result<Job, Stop> {
        let Some(name) = &wish.profile else {
            return Err(Box::new(Answer::usage(usage::usage("no profile is named"))));
        };
        // What cannot be meant at all is told before any file is opened.
        let ask = self.ask(wish)?;
        let profile = self.profile(name)?;
        self.job_of(profile, ask)
    }

    /// The same for a profile and wishes that are known already.
    pub(crate) fn job_of(&self, profile: LoadedProfile, ask: Ask) -> Result<Job, Stop> {
        let site = self.site(&ask)?;
        // A misspelt component of `--from` or `--prefer` would otherwise be silently useless.
        let known = |id: &ComponentId| profile.profile.components.iter().any(|c| c.id == *id);
        if let Some((_, unknown)) = ask.prefer.iter().find(|(_, c)| !known(c)) {
            let restoring =
                profile.profile.components.iter().filter(|c| matches!(c.role, Role::Restore { .. }));
            let known = restoring.map(|c| c.id.clone()).collect();
            return Err(stop(Refusal::ComponentUnknown { component: unknown.clone(), known }));
        }
        let names = profile.profile.names;
        contradiction(&ask.prefer, |target| names.path_key(Path::new(&target.replace('\\', "/"))))?;
        Ok(Job { profile, site, ask })
    }

    /// The site that is asked for; where none is, one that says nothing.
    pub(crate) fn site(&self, ask: &Ask) -> Result<backout_protocol::Site, Stop> {
        match &ask.site {
            Some(file) => load::site(&file.0).map_err(stop),
            None => Ok(backout_protocol::Site::default()),
        }
    }

    /// The wishes, checked for their form.
    pub(crate) fn ask(&self, wish: &Wish) -> Result<Ask, Stop> {
        let mut ask = Ask {
            end_lingering: wish.end_lingering,
            start_all: wish.start_all,
            only_safe: wish.only_safe,
            keep_local: wish.keep_local.clone(),
            overwrite: wish.overwrite.clone(),
            on_locked: match wish.on_locked {
                OnLocked::Fail => plan::OnLocked::Fail,
                OnLocked::Reboot => plan::OnLocked::Reboot,
            },
            site: self.global.site.as_deref().map(load::absolute),
            plugin_dirs: self.global.plugin_dir.iter().map(|d| load::absolute(d)).collect(),
            profile_dirs: self.global.profile_dir.iter().map(|d| load::absolute(d)).collect(),
            by: Some(operator()),
            request_id: self.global.request_id.clone(),
            ..Ask::default()
        };
        for component in &wish.component {
            ask.components.push(component_id(component)?);
        }
        for from in &wish.from {
            ask.from.push(given::source(from, |id| {
                let state = State::look(&self.state).map_err(stop)?;
                snapshot::resolve(state.as_ref(), id).map_err(stop)
            })?);
        }
        for prefer in &wish.prefer {
            let (target, component) = pair(prefer, "--prefer TARGET=COMPONENT")?;
            ask.prefer.push((target.to_owned(), component_id(component)?));
        }
        contradiction(&ask.prefer, |target| target.replace('\\', "/"))?;
        for set in &self.global.set {
            let (name, value) = given::variable(set)?;
            ask.set.insert(name, value);
        }
        for (given, option) in
            [(wish.include_unlisted, "include-unlisted"), (wish.clear_hotfix, "clear-hotfix")]
        {
            if given {
                ask.options.insert(option.to_owned());
            }
        }
        Ok(ask)
    }
}

/// The answer to something that is documented and not in this version.
pub(crate) fn later(what: &str) -> Stop {
    Box::new(Answer::usage(usage::not_in_this_version(what)))
}

pub(crate) fn wrong(why: String) -> Stop {
    Box::new(Answer::usage(usage::usage(&why)))
}

pub(crate) fn component_id(text: &str) -> Result<ComponentId, Stop> {
    let id = text.parse::<ComponentId>();
    // A name that cannot be a component's is one that the profile does not have.
    id.map_err(|e| {
        let said = messages::Said::new(
            1007,
            format!("{e}; nothing was touched"),
            "`backout profile show PROFILE` shows the components",
        );
        Box::new(Answer::error(exit_code::REFUSED, backout_protocol::Outcome::Refused, said))
    })
}

/// One target, preferred from two components: only one of them could be meant.
fn contradiction(prefer: &[(String, ComponentId)], key: impl Fn(&str) -> String) -> Result<(), Stop> {
    let mut seen: BTreeMap<String, &ComponentId> = BTreeMap::new();
    for (target, component) in prefer {
        let before = seen.insert(key(target), component).filter(|before| *before != component);
        if let Some(before) = before {
            return Err(wrong(format!("`--prefer` names both {before} and {component} for `{target}`")));
        }
    }
    Ok(())
}

fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), Stop> {
    match text.rsplit_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left, right)),
        _ => Err(wrong(format!("`{text}` is not of the form {form}"))),
    }
}

/// That much later; `None`: so late that it never comes.
pub(crate) fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

#[expect(clippy::disallowed_methods, reason = "the binary is the one that reads the environment")]
fn default_state() -> PathBuf {
    if let Some(given) = std::env::var_os("BACKOUT_STATE_DIR").filter(|v| !v.is_empty()) {
        return given.into();
    }
    if cfg!(windows) {
        let data = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
        return Path::new(&data).join("backout");
    }
    "/var/lib/backout".into()
}

/// Who asks, as the operating system knows them.
#[expect(clippy::disallowed_methods, reason = "the binary is the one that reads the environment")]
pub(crate) fn operator() -> Operator {
    let unknown = |_| "unknown".to_owned();
    Operator {
        user: whoami::username().unwrap_or_else(unknown),
        sudo: std::env::var("SUDO_USER").ok().filter(|v| !v.is_empty()),
        host: whoami::hostname().unwrap_or_else(unknown),
        process: std::process::id(),
    }
}

fn plugin_folders(global: &Global) -> Vec<PathBuf> {
    if !global.plugin_dir.is_empty() {
        return global.plugin_dir.clone();
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("plugins")));
    let system = cfg!(unix).then(|| PathBuf::from("/usr/lib/backout/plugins"));
    beside.into_iter().chain(system).collect()
}
