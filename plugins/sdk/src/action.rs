//! Actions: what a plugin does itself, because no file step can say it.
//!
//! A component proposes [`Custom`](backout_protocol::message::Proposed::Custom) steps and names the code behind each in
//! [`Component::action`]. That code must keep to four rules, as a run may die at any moment of it:
//!
//! - `prepare` and `state` change nothing; they are refused by the kernel where it can.
//! - `prepare` remembers all that `undo` needs. Nothing else is kept: each question comes in a process of its own.
//! - `apply` and `undo` return when what they did would survive a power cut, and work from wherever it stands: before,
//!   after, or anywhere in between. They may be asked twice: what is there already may not be on the medium yet, so they
//!   see to that too before they return.
//! - `state` says [`Before`](ActionState::Before) or [`After`](ActionState::After) only if that is exactly what is there.

use crate::{Component, failure};
use backout_protocol::{
    message::{ActionRequest, ActionState, Answer, Failure, Prepared, Request},
    text::{from_ron, to_ron},
};
use serde::{Serialize, de::DeserializeOwned};

/// One action of a plugin.
pub trait Action {
    /// Looks at what would be changed and remembers it.
    ///
    /// # Errors
    /// It cannot be done; the run is refused before anything is touched.
    fn prepare(&self, about: &ActionRequest) -> Result<Prepared, Failure>;

    /// Does it, from wherever it stands, and returns only when it is durable, also what it finds done already.
    ///
    /// # Errors
    /// It could not be done, or not all of it; the run is put back, with [`Action::undo`].
    fn apply(&self, about: &ActionRequest) -> Result<(), Failure>;

    /// Takes it back, by what [`Action::prepare`] remembered, from wherever it stands, and returns only when that is
    /// durable, also what it finds taken back already.
    ///
    /// # Errors
    /// It could not be taken back; a person is needed.
    fn undo(&self, about: &ActionRequest) -> Result<(), Failure>;

    /// Says how far it got.
    ///
    /// # Errors
    /// It cannot be told.
    fn state(&self, about: &ActionRequest) -> Result<ActionState, Failure>;
}

/// The arguments that the component proposed, read from their RON text.
///
/// # Errors
/// They are not what the action expects.
pub fn args<T: DeserializeOwned>(about: &ActionRequest) -> Result<T, Failure> {
    from_ron("args", &about.args).map_err(|e| {
        failure(format!("the arguments of action `{}` are not understood: {}", about.action, e.why))
    })
}

/// What `prepare` [remembered](remember).
///
/// # Errors
/// There is none, or it is not what the action expects.
pub fn memo<T: DeserializeOwned>(about: &ActionRequest) -> Result<T, Failure> {
    let Some(memo) = &about.memo else {
        return Err(failure(format!("action `{}` was not prepared", about.action)));
    };
    from_ron("memo", memo).map_err(|e| {
        failure(format!("what action `{}` remembers is not understood: {}", about.action, e.why))
    })
}

/// What `prepare` answers, so that [`memo`] gives the same value again. `already`: there is nothing to apply.
///
/// # Errors
/// The value cannot be put into RON.
pub fn remember<T: Serialize>(value: &T, already: bool) -> Result<Prepared, Failure> {
    let memo = to_ron(value).map_err(|e| failure(format!("what is to be remembered is no RON: {e}")))?;
    Ok(Prepared { memo, already })
}

/// Answers a question about an action; `None`: it is about something else.
pub(crate) fn answer<C: Component>(request: &Request) -> Option<Answer> {
    let (Request::Prepare(about) | Request::Apply(about) | Request::Undo(about) | Request::State(about)) =
        request
    else {
        return None;
    };
    let Some(action) = C::default().action(&about.action) else {
        return Some(Answer::Failed(failure(format!("this plugin has no action `{}`", about.action))));
    };
    let answered = match request {
        Request::Prepare(_) => action.prepare(about).map(Answer::Prepared),
        Request::Apply(_) => action.apply(about).map(|()| Answer::Applied),
        Request::Undo(_) => action.undo(about).map(|()| Answer::Undone),
        _ => action.state(about).map(Answer::State),
    };
    Some(answered.unwrap_or_else(Answer::Failed))
}
