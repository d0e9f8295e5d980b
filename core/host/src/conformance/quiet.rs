//! What a plugin must not do while it plans.

use super::{Status, Subject, Verdict, crashed, failed, skipped, subject::Sample, tree::Tree};
use crate::{
    Leave,
    conformance::probe::{Left, Probe},
};
use backout_protocol::message::{PlanRequest, Request};

/// Why nothing can be told.
const NOT_SHOWN: &str = "this system does not show it";

pub(super) fn prints_nothing(subject: &Subject) -> Verdict {
    for Sample { name, request } in subject.samples()? {
        let tree = tree(&request)?;
        let request = Request::Plan(Box::new(tree.request(&request)));
        let calls = vec![subject.bytes(&Request::Describe), subject.bytes(&request)];
        let probe = Probe { calls, catch_output: true, ..Probe::default() };
        let probed = subject.probe(request, probe, Leave::Change).map_err(crashed)?;
        match probed.output {
            None => return Err(skipped(NOT_SHOWN)),
            Some(printed) if printed.is_empty() => {}
            Some(printed) => return Err(failed(format!("{name}: it prints \"{}\"", printed.trim_end()))),
        }
    }
    Ok(())
}

pub(super) fn writes_nothing(subject: &Subject) -> Verdict {
    for Sample { name, request } in subject.samples()? {
        let tree = tree(&request)?;
        let request = Request::Plan(Box::new(tree.request(&request)));
        let before = tree.look();
        let free = subject.ask_with(&request, Leave::Change)?;
        if let Some(changed) = tree.changed(&before) {
            return Err(failed(format!("{name}: while it planned `{changed}` has changed")));
        }
        if subject.ask_with(&request, Leave::ReadOnly)? != free {
            return Err(failed(format!("{name}: where it may write nothing it plans something else")));
        }
    }
    Ok(())
}

/// What the request is about, as a throw-away tree: there the plugin has leave to do anything, so that what it would do is
/// seen and not refused.
fn tree(request: &PlanRequest) -> Result<Tree, (Status, String)> {
    Tree::of(request).map_err(|e| failed(format!("no throw-away tree can be made: {e}")))
}

pub(super) fn opens_no_sockets(subject: &Subject) -> Verdict {
    left(subject, |left| {
        (!left.sockets.is_empty()).then(|| format!("{} sockets are open", left.sockets.len()))
    })
}

pub(super) fn leaves_nothing_running(subject: &Subject) -> Verdict {
    left(subject, |left| match (left.threads, left.processes.as_slice()) {
        (0, []) => None,
        (0, processes) => Some(format!("these processes are left: {}", processes.join(", "))),
        (threads, _) => Some(format!("{threads} threads are left")),
    })
}

fn left(subject: &Subject, wrong: impl Fn(&Left) -> Option<String>) -> Verdict {
    for Sample { name, request } in subject.samples()? {
        let tree = tree(&request)?;
        let request = Request::Plan(Box::new(tree.request(&request)));
        let probe = Probe { calls: vec![subject.bytes(&request)], ..Probe::default() };
        let probed = subject.probe(request, probe, Leave::Change).map_err(crashed)?;
        match probed.left {
            None => return Err(skipped(NOT_SHOWN)),
            Some(left) => {
                if let Some(seen) = wrong(&left) {
                    return Err(failed(format!("{name}: {seen}")));
                }
            }
        }
    }
    Ok(())
}
