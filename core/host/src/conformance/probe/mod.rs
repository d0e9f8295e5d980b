//! One look at a plugin in a process of its own: bytes in, bytes out, and what is left behind.
//!
//! A request goes in as it is, so it may be one that this tool never sends. Whatever the plugin does to its process is
//! seen from outside, as with every other question.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod left;

use crate::{
    HostError, Pinning, call, find,
    library::{Digested, LibraryFile},
    load,
};
use backout_protocol::{HostPath, message::Answer, plan::PluginRef};
use serde::{Deserialize, Serialize};

/// What a plugin is to be handed, and what is to be looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Probe {
    /// The requests, one after the other.
    pub(crate) calls: Vec<Bytes>,
    /// Whether the library is loaded a second time before it is asked.
    pub(crate) load_again: bool,
    /// Whether standard output is caught.
    pub(crate) catch_output: bool,
}

/// Bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bytes {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Raw(Vec<u8>),
}

/// What came back and what was left.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Probed {
    /// What each call gave.
    pub(crate) replies: Vec<Replied>,
    /// What was left behind; `None` where this system does not show it.
    pub(crate) left: Option<Left>,
    /// The beginning of what was printed on standard output; `None`: not caught.
    pub(crate) output: Option<String>,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replied {
    /// What the function returned.
    pub(crate) returned: i32,
    /// What it pushed; [`None`]: more than an answer may have.
    pub(crate) pushed: Option<Bytes>,
}

/// What is there that was not there before the plugin was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Threads.
    pub(crate) threads: usize,
    /// Processes, by their command.
    pub(crate) processes: Vec<String>,
    /// Open sockets, as the system names them.
    pub(crate) sockets: Vec<String>,
}

impl Bytes {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|e| Bytes::Raw(e.into_bytes()), Bytes::Text)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Text(text) => text.as_bytes(),
            Bytes::Raw(raw) => raw,
        }
    }
}

impl Replied {
    /// The answer, every field of it understood.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn answer(&self) -> Result<Answer, String> {
        if self.returned != backout_protocol::abi::DONE {
            return Err(format!("it returned {} and gave no answer", self.returned));
        }
        let Some(pushed) = &self.pushed else {
            return Err("its answer is longer than any may be".to_owned());
        };
        call::read(pushed.as_slice()).map_err(|why| format!("its answer is not understood: {why}"))
    }
}

impl Probe {
    /// The child's end: loads the plugin and hands it everything.
    ///
    /// # Errors
    /// It may not be loaded, or cannot.
    pub(crate) fn carry_out(&self, wanted: &PluginRef, pinning: Pinning) -> Result<Probed, HostError> {
        let broken =
            |what: std::io::Error| HostError::Broken { plugin: wanted.id.clone(), what: what.to_string() };
        let caught = if self.catch_output { left::catch_output().map_err(broken)? } else { None };
        let watch = left::Watch::begin().map_err(broken)?;
        let mut loaded = load::load(opened(wanted, pinning)?.library)?;
        if self.load_again {
            loaded = load::load(opened(wanted, pinning)?.library)?;
        }
        let mut replies = Vec::new();
        for request in &self.calls {
            let (returned, collected) = call::raw(loaded, request.as_slice());
            let pushed = (!collected.too_long).then(|| Bytes::of(collected.bytes));
            replies.push(Replied { returned, pushed });
        }
        let output = caught.map(left::Caught::text).transpose().map_err(broken)?;
        Ok(Probed { replies, left: watch.end(), output })
    }
}

fn opened(wanted: &PluginRef, pinning: Pinning) -> Result<Digested, HostError> {
    let changed = || HostError::Changed { path: HostPath(wanted.file.0.clone()) };
    let plugin = LibraryFile::open(&wanted.file.0).map_err(|_| changed())?.digest()?;
    if plugin.sha256 != wanted.sha256 {
        return Err(changed());
    }
    find::check(&plugin, pinning)?;
    Ok(plugin)
}
