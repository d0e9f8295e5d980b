//! `backout demo`: a throw-away ServerProtect of real files and real processes, rolled back and undone by the same
//! commands that a person types. It never touches a service manager, a registry or Program Files.

use crate::{
    answer::Answer,
    args::Cli,
    command, exit_code,
    messages::Said,
    session::{BUILT_IN, Session, Stop, stop},
    terminal,
};
use backout_demo::{Tree, TreeSpec, service as demo_service};
use backout_engine::{LoadedProfile, look};
use backout_protocol::{FileVersion, HostPath, Outcome, Place, RelPath, path::encode};
use clap::Parser;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

const PROFILE: &str = "serverprotect-5.8-patch3";
/// Display name and folder name of each service.
const SERVICES: [(&str, &str); 3] = [
    ("Trend ServerProtect", "spnt"),
    ("Trend ServerProtect Agent", "agent"),
    ("Trend Micro Management Infrastructure", "tmi"),
];

/// The demo's folder and what is in it.
struct Demo {
    folder: PathBuf,
    tree: Tree,
    profile: LoadedProfile,
    flags: Vec<OsString>,
}

pub(crate) fn run(session: &Session, keep: bool, dir: Option<PathBuf>) -> Result<Answer, Stop> {
    let made = match dir {
        Some(dir) => tempfile::Builder::new().prefix("backout-demo-").tempdir_in(dir),
        None => tempfile::Builder::new().prefix("backout-demo-").tempdir(),
    };
    let failed = |e: io::Error| broken(format!("the demo's folder cannot be made: {e}"));
    let temp = made.map_err(failed)?;
    let folder = std::fs::canonicalize(temp.path()).map_err(failed)?;
    // Whatever happens, no service process outlives the demo.
    let done = Demo::make(session, &folder).and_then(|demo| demo.play(session));
    for (_, name) in SERVICES {
        let services = folder.join("services").join(name);
        if services.is_dir() {
            let _ = demo_service::stop(&services);
        }
    }
    if keep {
        let kept = temp.keep();
        session_say(session, &format!("kept: {}", kept.display()));
    }
    done
}

fn session_say(session: &Session, line: &str) {
    if session.for_people() { terminal::out(line) } else { terminal::err(line) }
}

fn broken(why: String) -> Stop {
    Box::new(Answer::error(
        exit_code::BUG,
        Outcome::Stuck,
        Said::new(
            9080,
            format!("{why}; only the demo's own folder was touched"),
            "run it again with `--keep -v`, and tell the developers",
        ),
    ))
}

impl Demo {
    fn make(session: &Session, folder: &Path) -> Result<Self, Stop> {
        let failed = |e: io::Error| broken(format!("the demo's files cannot be made: {e}"));
        let source = BUILT_IN.iter().find(|(name, _)| *name == PROFILE).map_or("", |(_, text)| text);
        let profile = LoadedProfile::from_text(PROFILE, source, None).map_err(stop)?;
        let rows: Vec<_> = profile
            .profile
            .lists
            .iter()
            .flat_map(|l| l.files.iter().map(|f| (l.id.clone(), f.name.clone(), f.version)))
            .collect();
        let tree = Tree::build(folder, &TreeSpec::default(), &rows).map_err(failed)?;
        let site = folder.join("site.ron");
        let exe = std::env::current_exe().map_err(failed)?;
        let text = site_text(&exe, folder, &tree);
        backout_disk::Folder::open_root(folder)
            .and_then(|f| backout_disk::durable::write(&f, "site.ron".as_ref(), text.as_bytes(), 0o600))
            .map_err(|e| broken(e.to_string()))?;
        let mut flags: Vec<OsString> =
            vec!["--site".into(), site.into(), "--state-dir".into(), folder.join("state").into()];
        for dir in &session.global.plugin_dir {
            flags.extend(["--plugin-dir".into(), dir.into()]);
        }
        if session.global.json.is_some() {
            flags.push("--quiet".into());
        }
        let demo = Self { folder: folder.to_owned(), tree, profile, flags };
        for (_, name) in SERVICES {
            demo.start(&exe, name).map_err(failed)?;
        }
        Ok(demo)
    }

    fn service_folder(&self, name: &str) -> PathBuf {
        self.folder.join("services").join(name)
    }

    /// Starts a service process that holds its component's files open.
    fn start(&self, exe: &Path, name: &str) -> io::Result<()> {
        let folder = self.service_folder(name);
        let hold = held(&self.tree, name);
        let mut program: Vec<OsString> =
            vec![exe.into(), "demo-service".into(), "run".into(), folder.clone().into()];
        program.extend(hold.into_iter().map(OsString::from));
        demo_service::start(&folder, &program)
    }

    /// One command, exactly as a person types it.
    fn call(&self, session: &Session, words: &[&str]) -> Answer {
        session_say(session, &format!("\n$ backout {}", words.join(" ")));
        let line = std::iter::once(OsString::from("backout"))
            .chain(words.iter().map(OsString::from))
            .chain(self.flags.clone());
        match Cli::try_parse_from(line) {
            Ok(cli) => command::run(cli),
            Err(e) => Answer::usage(crate::messages::usage::usage(&e.to_string())),
        }
    }

    fn play(&self, session: &Session) -> Result<Answer, Stop> {
        let before = self.versions();
        // A command that does not end well is the demo's own end: its exit code and its words say why.
        let done = |answer: Answer| {
            if answer.result.exit_code != exit_code::DONE {
                return Err(Box::new(answer));
            }
            if session.for_people() {
                answer.print(None);
            }
            Ok(answer)
        };
        done(self.call(session, &["plan", PROFILE]))?;
        let rolled = done(self.call(session, &["rollback", PROFILE, "--yes"]))?;
        session_say(session, "\nVersions read back after the rollback:");
        let after = self.versions();
        for (path, version) in &after {
            session_say(
                session,
                &format!(
                    "  {:<24} {} (was {})",
                    name(path),
                    shown(*version),
                    shown(before.get(path).copied().flatten())
                ),
            );
        }
        let wrong = self.wrong(false);
        if !wrong.is_empty() {
            return Err(broken(format!("not rolled back: {}", wrong.join(", "))));
        }
        done(self.call(session, &["undo", "--yes"]))?;
        session_say(session, "\nVersions read back after the undo:");
        for (path, version) in self.versions() {
            session_say(session, &format!("  {:<24} {}", name(&path), shown(version)));
        }
        let wrong = self.wrong(true);
        if !wrong.is_empty() {
            return Err(broken(format!("not as before: {}", wrong.join(", "))));
        }
        let mut answer = rolled;
        let ms = answer.result.window_ms.unwrap_or(0);
        answer.text = format!(
            "\nThe services were down for {}.{:03} s. Everything was rolled back, and everything is as it was before.",
            ms / 1000,
            ms % 1000
        );
        answer.result.warnings.clear();
        Ok(answer)
    }

    /// Every file that has a backup, each path once, with the version in its version resource.
    fn versions(&self) -> BTreeMap<PathBuf, Option<FileVersion>> {
        let files = self.tree.files.iter().filter(|f| f.backup.is_some());
        files.map(|f| (f.live.clone(), self.version(&f.live))).collect()
    }

    fn version(&self, path: &Path) -> Option<FileVersion> {
        let rel = RelPath::new(path.strip_prefix(&self.folder).ok()?).ok()?;
        look::image(&Place { root: HostPath(self.folder.clone()), rel }).ok()?.version
    }

    /// Files whose bytes are not what they are to be, backups included.
    fn wrong(&self, patched: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for file in &self.tree.files {
            let Some(backup) = &file.backup else { continue };
            let wanted = if patched { &file.patched } else { &file.before };
            if std::fs::read(&file.live).ok().as_ref() != Some(wanted) {
                wrong.push(encode(file.live.as_os_str()));
            }
            if patched && std::fs::read(backup).ok().as_ref() != Some(&file.before) {
                wrong.push(encode(backup.as_os_str()));
            }
        }
        let listed: usize = self.profile.profile.lists.iter().map(|l| l.files.len()).sum();
        if listed == 0 {
            wrong.push("the profile lists no file".to_owned());
        }
        wrong
    }
}

fn name(path: &Path) -> String {
    encode(path.file_name().unwrap_or_default())
}

fn shown(version: Option<FileVersion>) -> String {
    version.map_or_else(|| "no version".to_owned(), |v| v.to_string())
}

/// The files that a service's process holds open.
fn held(tree: &Tree, service: &str) -> Vec<PathBuf> {
    let list = match service {
        "spnt" => "normal-server-x86",
        "agent" => "information-server",
        _ => "cm-agent",
    };
    tree.files.iter().filter(|f| f.list == list).map(|f| f.live.clone()).collect()
}

fn site_text(exe: &Path, folder: &Path, tree: &Tree) -> String {
    let quoted = |p: &Path| format!("{:?}", encode(p.as_os_str()));
    let mut services = Vec::new();
    for (display, name) in SERVICES {
        let at = folder.join("services").join(name);
        let argv = |verb: &str| format!("[{}, \"demo-service\", {verb:?}, {}]", quoted(exe), quoted(&at));
        let hold: String = held(tree, name).iter().map(|p| format!(", {}", quoted(p))).collect();
        let start = format!("[{}, \"demo-service\", \"start\", {}{hold}]", quoted(exe), quoted(&at));
        services.push(format!(
            "    {display:?}: (start: {start}, stop: {}, status: {})",
            argv("stop"),
            argv("status")
        ));
    }
    format!(
        "(\n  vars: {{ \"home\": {}, \"tmi\": {} }},\n  services: Commands({{\n{},\n  }}),\n  timeouts: (settle: 1),\n)\n",
        quoted(&tree.home),
        quoted(&tree.tmi),
        services.join(",\n")
    )
}

/// The demo's service process and its three commands.
pub(crate) fn service(verb: &str, folder: &Path, hold: &[PathBuf]) -> Result<Answer, Stop> {
    let failed = |e: io::Error| broken(format!("the demo's service: {e}"));
    let code = match verb {
        "run" => demo_service::run(folder, hold).map(|()| 0),
        "start" => std::env::current_exe().and_then(|exe| {
            let mut program: Vec<OsString> =
                vec![exe.into(), "demo-service".into(), "run".into(), folder.into()];
            program.extend(hold.iter().map(OsString::from));
            demo_service::start(folder, &program).map(|()| 0)
        }),
        "stop" => demo_service::stop(folder).map(|()| 0),
        "status" => demo_service::status(folder).map(|s| s.exit_code()),
        other => Err(io::Error::other(format!("no verb `{other}`"))),
    };
    let code = code.map_err(failed)?;
    Ok(Answer::plain(code, Outcome::Done, String::new(), serde_json::Value::Null))
}
