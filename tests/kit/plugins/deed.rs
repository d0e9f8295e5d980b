//! The plugin `deed`: each of its actions gives a real file a text, and goes wrong as it is told.
//!
//! What goes wrong at an operation (`prepare`, `apply`, `undo`, `state`) stands in the file `ctl/OPERATION` beside the
//! product's folder: `fail`, `die`, `hang`, `half` (only half is done, then it dies), `late` (it is done, then it dies),
//! `wait` (it is done; then the file `ctl/reached` is made and `ctl/go` waited for), `between` (a state that is said).
#![expect(
    clippy::disallowed_methods,
    reason = "a plugin's action is what changes files here, and it dies when it is told to"
)]

use backout_plugin::{
    Action, Ask, Component, Frame, Machine, action, export_component, failure,
    protocol::{
        Place, RelPath,
        message::{ActionRequest, ActionState, Failure, Prepared, Proposal, Proposed},
    },
    schemars,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// A component whose files get other texts.
#[derive(Default)]
struct Deeds;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    deeds: Vec<Args>,
    /// Files that the engine writes.
    #[serde(default)]
    writes: Vec<Args>,
}

/// One file below `home`, and its text.
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    file: String,
    text: String,
}

impl Component for Deeds {
    const ID: &'static str = "deed";
    const ABOUT: &'static str = "Gives files a text by an action; goes wrong as it is told.";
    type Config = Config;

    fn plan(&self, ask: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> {
        let custom = |args: &Args| {
            let args = format!("(file:{:?},text:{:?})", args.file, args.text);
            Proposed::Custom { action: "write".to_owned(), args }
        };
        let mut steps: Vec<Proposed> = Vec::new();
        for write in &ask.config.writes {
            let home = ask.request.folders.get("home").ok_or_else(|| failure("there is no home"))?;
            let rel = RelPath::new(&write.file).map_err(|e| failure(e.to_string()))?;
            let target = Place { root: home.clone(), rel };
            steps.push(Proposed::WriteFile { target, bytes: write.text.clone().into_bytes() });
        }
        steps.extend(ask.config.deeds.iter().map(custom));
        let frame = Frame::new(ask, &[], &[], &[])?;
        Ok(frame.around(Proposal { steps, ..Proposal::default() }))
    }

    fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        (name == "write").then(|| Box::new(Write) as Box<dyn Action>)
    }
}

struct Write;

/// What was there before; `None`: nothing.
#[derive(Serialize, Deserialize)]
struct Memo(Option<String>);

impl Action for Write {
    fn prepare(&self, about: &ActionRequest) -> Result<Prepared, Failure> {
        told(about, "prepare")?;
        let now = read(&file(about)?)?;
        let already = now.as_ref() == Some(&args(about)?.text);
        action::remember(&Memo(now), already)
    }

    fn apply(&self, about: &ActionRequest) -> Result<(), Failure> {
        asked(about, "apply")?;
        let how = told(about, "apply")?;
        put(about, Some(&args(about)?.text), &how)
    }

    fn undo(&self, about: &ActionRequest) -> Result<(), Failure> {
        asked(about, "undo")?;
        let how = told(about, "undo")?;
        let Memo(before) = action::memo(about)?;
        put(about, before.as_deref(), &how)
    }

    fn state(&self, about: &ActionRequest) -> Result<ActionState, Failure> {
        if told(about, "state")? == "between" {
            return Ok(ActionState::Between);
        }
        let (now, Memo(before)) = (read(&file(about)?)?, action::memo(about)?);
        Ok(match now {
            now if now == before => ActionState::Before,
            now if now.as_ref() == Some(&args(about)?.text) => ActionState::After,
            _ => ActionState::Between,
        })
    }
}

fn args(about: &ActionRequest) -> Result<Args, Failure> {
    action::args(about)
}

fn home(about: &ActionRequest) -> Result<PathBuf, Failure> {
    about.folders.get("home").map(|home| home.0.clone()).ok_or_else(|| failure("there is no home"))
}

fn file(about: &ActionRequest) -> Result<PathBuf, Failure> {
    Ok(home(about)?.join(args(about)?.file))
}

fn ctl(about: &ActionRequest, name: &str) -> Result<PathBuf, Failure> {
    Ok(home(about)?.with_file_name("ctl").join(name))
}

fn said(error: io::Error) -> Failure {
    failure(error.to_string())
}

fn read(file: &PathBuf) -> Result<Option<String>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(said(e)),
    }
}

/// Makes a file whose text is one such file like every other, on the medium.
fn dress(file: &PathBuf) -> io::Result<()> {
    let open = File::options().write(true).open(file)?;
    open.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_300_000_000))?;
    #[cfg(unix)]
    open.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    open.sync_all()
}

/// Notes what is asked of it in the file `ctl/asked`, a line each.
fn asked(about: &ActionRequest, operation: &str) -> Result<(), Failure> {
    let notes = File::options().create(true).append(true).open(ctl(about, "asked")?);
    let line = format!("{operation} {}\n", args(about)?.file);
    notes.and_then(|mut notes| notes.write_all(line.as_bytes())).map_err(said)
}

/// How an operation is to go wrong. What goes wrong before anything is done does so here.
fn told(about: &ActionRequest, operation: &str) -> Result<String, Failure> {
    let how = read(&ctl(about, operation)?)?.unwrap_or_default();
    match how.as_str() {
        "fail" => Err(failure("it was told to fail")),
        "die" => std::process::abort(),
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => Ok(how),
    }
}

/// Gives the file this text, or takes it away, by way of half of it; what is done is on the medium.
fn put(about: &ActionRequest, text: Option<&str>, how: &str) -> Result<(), Failure> {
    let file = file(about)?;
    fs::write(&file, "half").map_err(said)?;
    if how == "half" {
        std::process::abort();
    }
    match text {
        Some(text) => {
            let new = file.with_extension("new");
            fs::write(&new, text).map_err(said)?;
            dress(&new).map_err(said)?;
            fs::rename(&new, &file).map_err(said)?;
        }
        None => {
            // What a death in the middle of the other way may have left.
            let _ = fs::remove_file(file.with_extension("new"));
            fs::remove_file(&file).map_err(said)?;
        }
    }
    if let Some(folder) = file.parent().filter(|_| cfg!(unix)) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(said)?;
    }
    match how {
        "late" => std::process::abort(),
        "wait" => {
            fs::write(ctl(about, "reached")?, "").map_err(said)?;
            while !ctl(about, "go")?.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

export_component!(Deeds);
