//! Actions: steps that are a plugin's own code. They are run behind all swaps, while services are down.
//!
//! ```text
//! stage:     plugin's library copied, action prepared -> actions.ron F -> (its digest in staged.ron) Staged F
//! window:    … swaps -> Applying{n} F -> apply -> Applied{n} F … -> Swapped F
//! backwards: Undo F -> each that has Applying, the last first: undo, and look that it is as before -> files -> Unswapped F
//! ```
//!
//! Nothing is known of an action but what its plugin says of it: `state` tells whether it is before, after or in between,
//! and is asked wherever a crash may have cut it short. What it needs for that (request, memo, library) lies in the
//! transaction, so that a recovery needs no plugin folder.

mod back;
mod prepare;
mod run;

pub(crate) use prepare::prepare;

use crate::{
    faces::{HostError, PluginHost},
    failure::{Failure, Stuck},
    transaction::Transaction,
};
use backout_journal::{Reading, Record};
use backout_protocol::{
    ComponentId, HostPath,
    message::{ActionRequest, ActionState, Answer, Request},
    plan::PluginRef,
    report::ActionDoing,
    step::Way,
};
use serde::{Deserialize, Serialize};
use std::{fs::File, path::Path};

/// A plan has no more: with two records each, and two more for a recovery, they fill half of a journal.
pub const MOST: usize = 64;
/// The actions' name in the transaction's folder.
pub(crate) const ACTIONS: &str = "actions.ron";
/// The folder with copies of their plugins' libraries.
pub(crate) const PLUGINS: &str = "plugins";

/// `actions.ron`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// In the order they are done.
    pub actions: Vec<Action>,
}

/// One action, prepared: all that is needed to do it, to take it back, and to tell how far it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Whose code it is; `file` is where that was found, not the copy that is run.
    pub plugin: PluginRef,
    /// What the plugin is told, with what it remembers.
    pub request: ActionRequest,
    /// Whether this run does it or takes it back.
    #[serde(default)]
    pub way: Way,
    /// There was nothing to do when it was prepared: it is looked at before arming, and left alone.
    #[serde(default)]
    pub already: bool,
}

/// Where an action stands, seen from the run it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// As before this run.
    Old,
    /// As behind this run.
    New,
    /// Neither.
    Between,
}

impl Action {
    /// The component whose step it is.
    pub(crate) fn component(&self) -> ComponentId {
        self.request.component.clone()
    }

    /// The plugin's name for it.
    pub(crate) fn name(&self) -> String {
        self.request.action.clone()
    }

    fn side(&self, state: ActionState) -> Side {
        match (self.way, state) {
            (_, ActionState::Between) => Side::Between,
            (Way::Forth, ActionState::Before) | (Way::Back { .. }, ActionState::After) => Side::Old,
            (Way::Forth, ActionState::After) | (Way::Back { .. }, ActionState::Before) => Side::New,
        }
    }

    /// What its plugin does when the run goes forwards.
    fn onward(&self) -> [ActionDoing; 2] {
        match self.way {
            Way::Forth => APPLY,
            Way::Back { .. } => UNDO,
        }
    }

    /// The same when the run goes back.
    fn backward(&self) -> [ActionDoing; 2] {
        match self.way {
            Way::Forth => UNDO,
            Way::Back { .. } => APPLY,
        }
    }

    /// Whether it stands as it stood when it was prepared. Where there was nothing to do, before and after are the same;
    /// where there was nothing to take back they are not.
    pub(crate) fn is_untouched(&self, side: Side) -> bool {
        match (self.already, self.way) {
            (false, _) => side == Side::Old,
            (true, Way::Forth) => side != Side::Between,
            (true, Way::Back { .. }) => side == Side::New,
        }
    }

    pub(crate) fn failed(&self, why: String) -> Failure {
        Failure::Action { component: self.component(), action: self.name(), why }
    }

    pub(crate) fn stuck(&self, why: String) -> Stuck {
        Stuck::Action { component: self.component(), action: self.name(), why }
    }
}

/// The plugin as its copy in the transaction's folder.
fn copy_of(plugin: &PluginRef, folder: &Path) -> PluginRef {
    let file = HostPath(folder.join(PLUGINS).join(copy_name(plugin)));
    PluginRef { file, ..plugin.clone() }
}

/// A name with a dot, as Windows puts `.dll` behind one that has none.
fn copy_name(plugin: &PluginRef) -> String {
    format!("{}.plugin", plugin.sha256)
}

/// Asks plugins about the actions of one transaction.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub host: &'a dyn PluginHost,
    /// The transaction's folder.
    pub folder: &'a Path,
    /// What the plugin's process holds open.
    pub held: Option<&'a File>,
}

impl<'a> Asking<'a> {
    /// About a transaction in whose window nothing is changed by this.
    pub(crate) fn of(tx: &'a Transaction, host: &'a dyn PluginHost) -> Self {
        Self { host, folder: tx.folder.path(), held: None }
    }

    /// Asks the transaction's copy of a plugin; that it cannot is its own words or how it broke.
    fn ask(&self, plugin: &PluginRef, request: &Request) -> Result<Answer, String> {
        match self.host.act(&copy_of(plugin, self.folder), request, self.held) {
            Ok(Answer::Failed(failure)) => Err(failure.message),
            Ok(answer) => Ok(answer),
            Err(error) => Err(told(&error)),
        }
    }

    /// How far it got.
    pub(crate) fn side(&self, action: &Action) -> Result<Side, String> {
        match self.ask(&action.plugin, &Request::State(action.request.clone()))? {
            Answer::State(state) => Ok(action.side(state)),
            _ => Err(elsewhere(action, "how far the action got")),
        }
    }

    /// Does what this run is to do, and looks that it is done.
    fn onward(&self, action: &Action) -> Result<(), String> {
        match action.way {
            Way::Forth => self.apply(action)?,
            Way::Back { .. } => self.undo(action)?,
        }
        self.must_be(action, Side::New)
    }

    /// Takes back what this run did, from wherever it got to, and looks that it is as before.
    fn backward(&self, action: &Action) -> Result<(), String> {
        match action.way {
            Way::Forth => self.undo(action)?,
            Way::Back { .. } => self.apply(action)?,
        }
        self.must_be(action, Side::Old)
    }

    fn apply(&self, action: &Action) -> Result<(), String> {
        match self.ask(&action.plugin, &Request::Apply(action.request.clone()))? {
            Answer::Applied => Ok(()),
            _ => Err(elsewhere(action, "to apply the action")),
        }
    }

    fn undo(&self, action: &Action) -> Result<(), String> {
        match self.ask(&action.plugin, &Request::Undo(action.request.clone()))? {
            Answer::Undone => Ok(()),
            _ => Err(elsewhere(action, "to undo the action")),
        }
    }

    fn must_be(&self, action: &Action, wanted: Side) -> Result<(), String> {
        match self.side(action)? {
            side if side == wanted => Ok(()),
            Side::Between => Err("the plugin says it is done, and then that it is half done".to_owned()),
            Side::Old | Side::New => {
                Err("the plugin says it is done, and then that nothing has changed".to_owned())
            }
        }
    }
}

fn elsewhere(action: &Action, asked: &str) -> String {
    format!("the plugin `{}` was asked {asked} and answered something else", action.plugin.id)
}

/// A host's error in words, for the journal and for people.
fn told(error: &HostError) -> String {
    match error {
        HostError::NotFound { id, .. } => format!("there is no plugin `{id}`"),
        HostError::Distrusted { file, why } | HostError::Unfit { file, why } => format!("`{file}`: {why}"),
        HostError::Broken { plugin, why } => format!("the plugin `{plugin}` broke: {why}"),
        HostError::Failed { plugin, failure } => format!("the plugin `{plugin}`: {}", failure.message),
    }
}

/// How far the actions of a run are on record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// So many have an `Applying`, or may have.
    pub begun: usize,
    /// So many have an `Applied`.
    pub done: usize,
}

impl Progress {
    /// By a journal.
    pub(crate) fn of(reading: &Reading) -> Self {
        let mut progress = Self::default();
        for record in reading.records() {
            match record {
                Record::Applying { n } => progress.begun = *n as usize + 1,
                Record::Applied { n } => progress.done = *n as usize + 1,
                _ => {}
            }
        }
        progress
    }
}

/// What its plugin does: while it is at it, and once it is over.
const APPLY: [ActionDoing; 2] = [ActionDoing::Applying, ActionDoing::Applied];
const UNDO: [ActionDoing; 2] = [ActionDoing::Undoing, ActionDoing::Undone];
