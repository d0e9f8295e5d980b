//! What the engine asks for and others provide: plugins, an observer, a way to be told to stop.

use backout_machine::registry::Registry;
use backout_protocol::{
    Event, HostPath, RunId,
    message::{Answer, Failure, PlanRequest, Proposal, Request},
    plan::PluginRef,
};
use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

/// Finds plugins and asks them.
pub trait PluginHost {
    /// The plugin with this manifest id, checked and trusted.
    ///
    /// # Errors
    /// [`HostError`]: there is none, or it may not be used.
    fn find(&self, id: &str) -> Result<PluginRef, HostError>;

    /// Asks it what its component needs.
    ///
    /// # Errors
    /// [`HostError`]: it cannot be loaded, breaks, or answers nonsense.
    fn plan(&self, plugin: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError>;

    /// Asks it about one of its actions: to prepare it, to do it, to take it back, or how far it got. `plugin.file` is the
    /// copy of its library that the run keeps; it must have the digest that `plugin` says. Only to do and to undo it may
    /// change anything. What runs its code inherits `held` and keeps it open until it ends, so that whoever settles the
    /// run after our death can tell.
    ///
    /// # Errors
    /// [`HostError`], but that the plugin cannot do it is an answer. A host without actions refuses them all.
    fn act(&self, plugin: &PluginRef, _request: &Request, _held: Option<&File>) -> Result<Answer, HostError> {
        Err(HostError::Unfit { file: plugin.file.clone(), why: "this host knows no actions".to_owned() })
    }

    /// Every plugin that can be seen, whether or not it may be used. Runs no plugin code.
    fn list(&self) -> Vec<Listed>;
}

/// A plugin that can be seen.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The library file.
    pub file: HostPath,
    /// Who it is.
    pub manifest: backout_protocol::message::Manifest,
    /// Why it may not be used, if so.
    pub problem: Option<String>,
}

/// Why a plugin cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// No plugin has this id.
    NotFound {
        /// The id.
        id: String,
        /// Folders looked in.
        searched: Vec<HostPath>,
    },
    /// Its file, a parent folder or its digest is not to be trusted. None of its code ran.
    Distrusted {
        /// The plugin's file.
        file: HostPath,
        /// What is wrong.
        why: String,
    },
    /// It does not fit this tool: another ABI, other messages, a missing symbol, two of the same id.
    Unfit {
        /// The plugin's file.
        file: HostPath,
        /// What is wrong.
        why: String,
    },
    /// It crashed or answered what no plugin may answer.
    Broken {
        /// The plugin's id.
        plugin: String,
        /// What it did.
        why: String,
    },
    /// It says that it cannot plan.
    Failed {
        /// The plugin's id.
        plugin: String,
        /// Its words.
        failure: Failure,
    },
}

/// Is told what happens. Must not fail: a closed terminal changes nothing.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: &Event);

    /// A run was begun or taken over. `log`: the file in its folder that whatever is worth a line goes to, unless it
    /// cannot be had.
    fn begun(&self, _run: &RunId, _log: Option<File>) {}
}

/// A way to be told to stop: a flag that a signal sets, and a moment.
#[derive(Debug, Default)]
pub struct Cancel {
    flag: std::sync::Arc<AtomicBool>,
    deadline: Option<Instant>,
    ends: std::sync::Arc<AtomicBool>,
}

/// Why a run is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The operator said so.
    Asked,
    /// Its time is over.
    Deadline,
}

impl Cancel {
    /// Stops when `flag` is set or `deadline` has passed.
    pub fn new(flag: std::sync::Arc<AtomicBool>, deadline: Option<Instant>) -> Self {
        Self { flag, deadline, ends: std::sync::Arc::default() }
    }

    /// `ends`: set beside the flag where no person asks, but the system ends this process.
    #[must_use]
    pub fn ended_by(self, ends: std::sync::Arc<AtomicBool>) -> Self {
        Self { ends, ..self }
    }

    /// Whether it is the system that ends this process, as it does before a reboot.
    pub fn ends_the_process(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// Whether to stop, and why.
    pub fn requested(&self) -> Option<Cancelled> {
        if self.flag.load(Ordering::SeqCst) {
            Some(Cancelled::Asked)
        } else if self.deadline.is_some_and(|d| Instant::now() >= d) {
            Some(Cancelled::Deadline)
        } else {
            None
        }
    }
}

/// All of them.
#[derive(Clone, Copy)]
pub struct Faces<'a> {
    /// Plugins.
    pub host: &'a dyn PluginHost,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Who may stop it.
    pub cancel: &'a Cancel,
    /// The registry.
    pub registry: &'a dyn Registry,
}
