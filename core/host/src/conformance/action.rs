//! Custom actions: does an action do what it says, can it be taken back, and does it tell the truth after a kill?

use super::{
    Status, Subject, Verdict, crashed, failed, skipped,
    subject::Sample,
    tree::{Seen, Tree},
};
use crate::{HostError, Leave, child, conformance::probe::Probe};
use backout_protocol::message::{ActionRequest, ActionState, Answer, Prepared, Proposed, Request};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// An action is killed so long after its process was started, in milliseconds: before it is loaded, while it works, and
/// when it is done.
const KILLED_AFTER: [u64; 6] = [1, 3, 6, 10, 20, 50];

/// An action of an example, on a throw-away tree.
struct Trial {
    name: String,
    tree: Tree,
    action: ActionRequest,
    before: BTreeMap<PathBuf, Seen>,
}

/// Every action that the examples propose.
fn trials(subject: &Subject) -> Result<Vec<Trial>, (Status, String)> {
    if cfg!(windows) {
        return Err(skipped("a throw-away tree has no registry, and an action could change this machine's"));
    }
    let mut trials = Vec::new();
    for Sample { name, request } in subject.samples()? {
        let count = match subject.ask(&Request::Plan(Box::new(request.clone())))? {
            Answer::Proposal(proposal) => actions(&proposal.steps).count(),
            _ => 0,
        };
        for n in 0..count {
            let tree =
                Tree::of(&request).map_err(|e| failed(format!("no throw-away tree can be made: {e}")))?;
            let there = tree.request(&request);
            let Answer::Proposal(proposal) = subject.ask(&Request::Plan(Box::new(there.clone())))? else {
                continue;
            };
            let Some((action, args)) = actions(&proposal.steps).nth(n) else { continue };
            let action = ActionRequest {
                component: there.component,
                action: action.clone(),
                args: args.clone(),
                folders: there.folders,
                names: there.names,
                memo: None,
            };
            let before = tree.look();
            trials.push(Trial { name: format!("{name}, action `{}`", action.action), tree, action, before });
        }
    }
    if trials.is_empty() {
        return Err(skipped(
            "no example of it proposes an action that can be carried out on a throw-away tree",
        ));
    }
    Ok(trials)
}

fn actions(steps: &[Proposed]) -> impl Iterator<Item = (&String, &String)> {
    steps.iter().filter_map(|step| match step {
        Proposed::Custom { action, args } => Some((action, args)),
        _ => None,
    })
}

impl Trial {
    fn bad(&self, seen: impl std::fmt::Display) -> (Status, String) {
        failed(format!("{}: {seen}", self.name))
    }

    fn ask(&self, subject: &Subject, request: &Request, leave: Leave) -> Result<Answer, (Status, String)> {
        match subject.ask_with(request, leave)? {
            Answer::Failed(failure) => Err(self.bad(format!("it fails: {}", failure.message))),
            answer => Ok(answer),
        }
    }

    /// Prepares it. Whether there is anything to apply comes with it.
    fn prepare(&mut self, subject: &Subject) -> Result<bool, (Status, String)> {
        let request = Request::Prepare(self.action.clone());
        let Answer::Prepared(Prepared { memo, already }) = self.ask(subject, &request, Leave::ReadOnly)?
        else {
            return Err(self.bad("its answer is none to `prepare`"));
        };
        self.action.memo = Some(memo);
        Ok(!already)
    }

    fn state(&self, subject: &Subject) -> Result<ActionState, (Status, String)> {
        match self.ask(subject, &Request::State(self.action.clone()), Leave::ReadOnly)? {
            Answer::State(state) => Ok(state),
            _ => Err(self.bad("its answer is none to `state`")),
        }
    }

    fn must_be(&self, subject: &Subject, wanted: ActionState, when: &str) -> Verdict {
        let state = self.state(subject)?;
        if state == wanted { Ok(()) } else { Err(self.bad(format!("{when} its state is {state:?}"))) }
    }

    fn apply(&self, subject: &Subject) -> Verdict {
        match self.ask(subject, &Request::Apply(self.action.clone()), Leave::Change)? {
            Answer::Applied => Ok(()),
            _ => Err(self.bad("its answer is none to `apply`")),
        }
    }

    fn undo(&self, subject: &Subject) -> Verdict {
        match self.ask(subject, &Request::Undo(self.action.clone()), Leave::Change)? {
            Answer::Undone => {}
            _ => return Err(self.bad("its answer is none to `undo`")),
        }
        self.must_be(subject, ActionState::Before, "once undone")?;
        match self.tree.content_changed(&self.before) {
            None => Ok(()),
            Some(changed) => Err(self.bad(format!("once undone `{changed}` is not as it was"))),
        }
    }
}

pub(super) fn prepare_changes_nothing(subject: &Subject) -> Verdict {
    for mut trial in trials(subject)? {
        let to_do = trial.prepare(subject)?;
        if let Some(changed) = trial.tree.changed(&trial.before) {
            return Err(trial.bad(format!("while it was prepared `{changed}` has changed")));
        }
        let wanted = if to_do { ActionState::Before } else { ActionState::After };
        trial.must_be(subject, wanted, "once prepared")?;
    }
    Ok(())
}

pub(super) fn apply_then_after(subject: &Subject) -> Verdict {
    for mut trial in trials(subject)? {
        if trial.prepare(subject)? {
            trial.apply(subject)?;
            trial.must_be(subject, ActionState::After, "once applied")?;
        }
    }
    Ok(())
}

pub(super) fn undo_then_before(subject: &Subject) -> Verdict {
    for mut trial in trials(subject)? {
        if trial.prepare(subject)? {
            trial.apply(subject)?;
            trial.undo(subject)?;
            // Whoever takes a run back may be cut off, and does it again.
            trial.undo(subject)?;
        }
    }
    Ok(())
}

pub(super) fn state_after_kill(subject: &Subject) -> Verdict {
    for mut trial in trials(subject)? {
        if !trial.prepare(subject)? {
            continue;
        }
        let apply = Request::Apply(trial.action.clone());
        for after in KILLED_AFTER {
            let probe = Probe { calls: vec![subject.bytes(&apply)], ..Probe::default() };
            let hurried = subject.hurried(Duration::from_millis(after));
            match child::probe(
                &hurried,
                subject.plugin(),
                subject.pinning,
                apply.clone(),
                probe,
                Leave::Change,
            ) {
                Ok(_) | Err(HostError::Broken { .. }) => {}
                Err(error) => return Err(crashed(error)),
            }
            let untouched = trial.tree.content_changed(&trial.before).is_none();
            match (trial.state(subject)?, untouched) {
                (ActionState::Before, false) => {
                    return Err(
                        trial.bad("killed while it was applied it says `before`, and something has changed")
                    );
                }
                (ActionState::After, true) => {
                    return Err(
                        trial.bad("killed while it was applied it says `after`, and nothing has changed")
                    );
                }
                _ => {}
            }
            trial.undo(subject)?;
        }
    }
    Ok(())
}
