//! The plugin that is checked.

use super::{
    Status, Verdict, crashed, failed,
    probe::{Bytes, Probe, Probed},
    skipped,
    tree::Tree,
};
use crate::{
    HostError, Leave, Pinning, Spawner, child,
    library::{LibraryFile, NoPlugin},
    pins, speech, target,
};
use backout_protocol::{
    HostPath,
    abi::OLDEST_API,
    message::{Answer, Example, Expected, Fixture, Manifest, PlanRequest, Request},
    plan::PluginRef,
};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

/// Why some checks cannot be asked of it.
pub(super) const OLD: &str =
    "it speaks messages 1.0 alone, which know neither schema nor examples nor actions";

/// Why nothing of a file can be checked. None of its code ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCheckable {
    /// It is no plugin.
    #[error("`{path}` is no plugin: {why}")]
    NoPlugin {
        /// The file.
        path: HostPath,
        /// Why not.
        why: String,
    },
    /// It is one for another kind of machine.
    #[error("`{path}` is made for {triple}, and this is {here}")]
    Foreign {
        /// The file.
        path: HostPath,
        /// What it is made for.
        triple: String,
        /// What this is.
        here: String,
    },
    /// It is not to be trusted.
    #[error(transparent)]
    Distrusted(HostError),
}

/// A plugin that can be checked.
#[derive(Debug)]
pub struct Subject {
    pub(super) manifest: Manifest,
    pub(super) plugin: PluginRef,
    pub(super) spawner: Spawner,
    pub(super) pinning: Pinning,
    pub(super) seed: u64,
    examples: OnceLock<Result<Vec<Example>, (Status, String)>>,
    loads: OnceLock<Verdict>,
    /// Where a plugin looks that cannot be told of a machine.
    ground: OnceLock<Result<Tree, String>>,
}

/// A request that checks make.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// What it is called where something is wrong.
    pub(super) name: String,
    pub(super) request: PlanRequest,
}

impl Subject {
    /// Reads and judges the file. None of its code runs.
    ///
    /// # Errors
    /// [`NotCheckable`].
    pub fn open(file: &Path, spawner: Spawner, pinning: Pinning, seed: u64) -> Result<Self, NotCheckable> {
        let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let path = || HostPath(whole.clone());
        let library = LibraryFile::open(&whole).map_err(|why| match why {
            NoPlugin::NoManifest => NotCheckable::NoPlugin {
                path: path(),
                why: "it has no section `.backout` with a manifest, or is no library".to_owned(),
            },
            other => NotCheckable::NoPlugin { path: path(), why: other.to_string() },
        })?;
        if library.target.as_ref() != Some(&target::native()) {
            let triple = library.target.unwrap_or_else(|| "a machine that has no name here".to_owned());
            return Err(NotCheckable::Foreign { path: path(), triple, here: target::native() });
        }
        let digested = library.digest().map_err(NotCheckable::Distrusted)?;
        backout_disk::trust::check(&whole).map_err(|e| {
            NotCheckable::Distrusted(HostError::Distrusted { path: path(), why: e.to_string() })
        })?;
        let manifest = digested.library.manifest;
        pins::check(&whole, &manifest.id, digested.sha256, pinning).map_err(NotCheckable::Distrusted)?;
        let plugin = PluginRef {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            sha256: digested.sha256,
            file: HostPath(whole),
        };
        Ok(Self {
            manifest,
            plugin,
            spawner,
            pinning,
            seed,
            examples: OnceLock::new(),
            loads: OnceLock::new(),
            ground: OnceLock::new(),
        })
    }

    /// Which plugin it is.
    pub fn plugin(&self) -> &PluginRef {
        &self.plugin
    }

    /// Whether its code can be asked anything. Tried once: every check is told the same.
    pub(super) fn loads(&self) -> Verdict {
        let look = || match self.probe(Request::Describe, Probe::default(), Leave::ReadOnly) {
            Ok(_) => Ok(()),
            Err(error) => Err(crashed(error)),
        };
        self.loads.get_or_init(look).clone()
    }

    pub(super) fn probe(&self, like: Request, probe: Probe, leave: Leave) -> Result<Probed, HostError> {
        child::probe(&self.spawner, &self.plugin, self.pinning, like, probe, leave)
    }

    /// A request's bytes, in words of the messages that it speaks.
    pub(super) fn bytes(&self, request: &Request) -> Bytes {
        Bytes::Text(self.text(request))
    }

    /// The same as text.
    pub(super) fn text(&self, request: &Request) -> String {
        // What speaks none of ours is not loaded.
        let spoken = speech::spoken(self.manifest.api).unwrap_or(OLDEST_API);
        // Every one of ours can be written, and none is made that came later.
        let written = speech::written(request, spoken).ok().and_then(Result::ok);
        written.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// What it answers, in a process of its own that may change nothing.
    pub(super) fn ask(&self, request: &Request) -> Result<Answer, (Status, String)> {
        self.ask_with(request, Leave::ReadOnly)
    }

    pub(super) fn ask_with(&self, request: &Request, leave: Leave) -> Result<Answer, (Status, String)> {
        self.one(request.clone(), self.bytes(request), leave)
    }

    /// The same for a request of which the text is given.
    pub(super) fn ask_text(&self, text: String) -> Result<Answer, (Status, String)> {
        self.one(Request::Describe, Bytes::Text(text), Leave::ReadOnly)
    }

    fn one(&self, like: Request, call: Bytes, leave: Leave) -> Result<Answer, (Status, String)> {
        let probed = self.probe(like, Probe { calls: vec![call], ..Probe::default() }, leave);
        let replies = probed.map_err(crashed)?.replies;
        replies.first().ok_or_else(|| failed("it was not asked"))?.answer().map_err(failed)
    }

    /// The same plugin with less patience.
    pub(super) fn hurried(&self, deadline: Duration) -> Spawner {
        Spawner { deadline, ..self.spawner.clone() }
    }

    /// Whether it speaks the messages that know schemas, examples and actions.
    pub(super) fn knows_examples(&self) -> bool {
        self.manifest.api.1 >= (1, 1)
    }

    /// Its examples.
    pub(super) fn examples(&self) -> Result<&[Example], (Status, String)> {
        let ask = || match self.ask(&Request::Examples)? {
            Answer::Examples(examples) => Ok(examples),
            Answer::Failed(failure) => {
                Err((Status::Warning, format!("it gives no examples: {}", failure.message)))
            }
            _ => Err(failed("its answer is no list of examples")),
        };
        self.examples.get_or_init(ask).as_deref().map_err(Clone::clone)
    }

    /// Its examples, of which there is at least one.
    pub(super) fn some_examples(&self) -> Result<&[Example], (Status, String)> {
        if !self.knows_examples() {
            return Err(skipped(OLD));
        }
        match self.examples() {
            Ok([]) => Err(skipped("it has no example")),
            Ok(examples) => Ok(examples),
            Err((Status::Warning, _)) => Err(skipped("it has no example")),
            Err(other) => Err(other),
        }
    }

    /// A throw-away tree that is there as long as this is, and empty.
    fn ground(&self) -> Result<&Tree, (Status, String)> {
        let made = self.ground.get_or_init(|| Tree::new().map_err(|e| e.to_string())).as_ref();
        made.map_err(|e| failed(format!("no throw-away tree can be made: {e}")))
    }

    /// The request that an example stands for.
    pub(super) fn request(&self, example: &Example) -> Request {
        Request::Plan(Box::new(planning(&example.config, &example.machine)))
    }

    /// What it is asked to plan: each of its examples that plans something; without one a request that it may refuse.
    pub(super) fn samples(&self) -> Result<Vec<Sample>, (Status, String)> {
        let examples = match self.some_examples() {
            Ok(examples) => examples,
            Err((Status::Skipped, _)) => &[],
            Err(other) => return Err(other),
        };
        let planned = examples.iter().filter(|e| matches!(e.expect, Expected::Proposal(_)));
        let mut samples: Vec<Sample> = planned
            .map(|e| Sample {
                name: format!("example \"{}\"", e.about),
                request: planning(&e.config, &e.machine),
            })
            .collect();
        if samples.is_empty() {
            let nowhere = || PathBuf::from(if cfg!(windows) { r"C:\nonexistent" } else { "/nonexistent" });
            let home = HostPath(if self.knows_examples() { nowhere() } else { self.ground()?.home() });
            let machine = Fixture { folders: [("home".to_owned(), home)].into(), ..Fixture::default() };
            let mut request = planning("()", &machine);
            if !self.knows_examples() {
                request.machine = None;
            }
            samples.push(Sample { name: "an empty configuration".to_owned(), request });
        }
        Ok(samples)
    }
}

fn planning(config: &str, machine: &Fixture) -> PlanRequest {
    let Ok(component) = "checked".parse() else { unreachable!("`checked` is a component id") };
    machine.request(component, config.to_owned())
}
