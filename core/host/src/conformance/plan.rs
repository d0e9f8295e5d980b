//! Is what it plans the same each time, and about what it was asked?

use super::{Subject, Verdict, crashed, failed, skipped, subject::Sample};
use crate::{Leave, conformance::probe::Probe};
use backout_protocol::{
    HostPath, Place,
    message::{Answer, BackupSource, PlanRequest, Proposal, Proposed, Request},
};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn twice(subject: &Subject) -> Verdict {
    for Sample { name, request } in subject.samples()? {
        let request = Request::Plan(Box::new(request));
        let call = subject.bytes(&request);
        let probe = Probe { calls: vec![call.clone(), call], ..Probe::default() };
        let probed = subject.probe(request.clone(), probe, Leave::ReadOnly).map_err(crashed)?;
        let mut answers = Vec::new();
        for reply in &probed.replies {
            answers.push(reply.answer().map_err(failed)?);
        }
        answers.push(subject.ask(&request)?);
        if answers.windows(2).any(|two| two[0] != two[1]) {
            return Err(failed(format!("{name}: the same request has two answers")));
        }
    }
    Ok(())
}

pub(super) fn order_of_folders(subject: &Subject) -> Verdict {
    for Sample { name, mut request } in subject.samples()? {
        // One folder alone has no order. What it is called says that nobody asks for it.
        request.folders.insert("zz_nobody_asks".to_owned(), HostPath("/nonexistent/zz".into()));
        if let Some(machine) = &mut request.machine {
            machine.folders.clone_from(&request.folders);
        }
        let request = Request::Plan(Box::new(request));
        let turned =
            turned(&subject.text(&request)).ok_or_else(|| failed("the request cannot be written"))?;
        let usual = subject.ask(&request)?;
        if subject.ask_text(turned)? != usual {
            return Err(failed(format!("{name}: with its folders in another order the plan is another")));
        }
    }
    Ok(())
}

/// The request with its folders told in the opposite order.
fn turned(request: &str) -> Option<String> {
    let mut request: Value = serde_json::from_str(request).ok()?;
    let Value::Object(whole) = request.get_mut("plan")? else { return None };
    let Value::Object(folders) = whole.remove("folders")? else { return None };
    let folders = folders.into_iter().rev().map(|(k, v)| format!("{}:{v}", Value::String(k)));
    let folders = folders.collect::<Vec<_>>().join(",");
    let rest = Value::Object(std::mem::take(whole)).to_string();
    Some(format!("{{\"plan\":{{\"folders\":{{{folders}}},{}}}", rest.strip_prefix('{')?))
}

pub(super) fn places_inside(subject: &Subject) -> Verdict {
    each(subject, |request, proposal| {
        let source = match &request.source {
            BackupSource::Dir(dir) => Some(dir),
            BackupSource::Vendor => None,
        };
        let inside = |path: &HostPath| {
            request.folders.values().chain(source).any(|folder| path.0.starts_with(&folder.0))
        };
        if let Some(place) = places(proposal).into_iter().find(|place| !inside(&place.root)) {
            return Some(format!(
                "it names `{}`, which lies in none of the folders it was given",
                place.path().display()
            ));
        }
        proposal.steps.iter().find_map(|step| match step {
            Proposed::WaitExit { under, .. } => {
                let outside = under.iter().find(|folder| !inside(folder))?;
                Some(format!("it waits for processes below `{outside}`, which is none of its folders"))
            }
            Proposed::StopService { service } | Proposed::StartService { service } => {
                let unknown = !request.services.contains(service);
                unknown.then(|| format!("it names the service `{service}`, which it was not given"))
            }
            _ => None,
        })
    })
}

fn places(proposal: &Proposal) -> Vec<&Place> {
    let mut places: Vec<&Place> = proposal.left_alone.iter().map(|left| &left.place).collect();
    places.extend(&proposal.keep_clear);
    for step in &proposal.steps {
        match step {
            Proposed::RestoreFile { target, candidates, .. } => {
                places.push(target);
                places.extend(candidates.iter().map(|c| &c.place));
            }
            Proposed::WriteFile { target, .. }
            | Proposed::RemoveFile { target, .. }
            | Proposed::RemoveFolder { target } => places.push(target),
            Proposed::StopService { .. }
            | Proposed::StartService { .. }
            | Proposed::WaitExit { .. }
            | Proposed::Custom { .. } => {}
        }
    }
    places
}

pub(super) fn starts_what_it_stops(subject: &Subject) -> Verdict {
    each(subject, |_, proposal| {
        let mut down = BTreeSet::new();
        for step in &proposal.steps {
            match step {
                Proposed::StopService { service } => {
                    down.insert(service);
                }
                Proposed::StartService { service } => {
                    down.remove(service);
                }
                _ => {}
            }
        }
        down.first().map(|service| format!("it stops the service `{service}` and does not start it again"))
    })
}

/// What is wrong with any of the plugin's plans.
fn each(subject: &Subject, wrong: impl Fn(&PlanRequest, &Proposal) -> Option<String>) -> Verdict {
    let mut planned = false;
    for Sample { name, request } in subject.samples()? {
        let answer = subject.ask(&Request::Plan(Box::new(request.clone())))?;
        let Answer::Proposal(proposal) = answer else { continue };
        planned = true;
        if let Some(seen) = wrong(&request, &proposal) {
            return Err(failed(format!("{name}: {seen}")));
        }
    }
    if planned { Ok(()) } else { Err(skipped("it plans nothing without an example")) }
}
