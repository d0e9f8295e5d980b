//! What must not confuse a plugin.

use super::{Status, Subject, Verdict, crashed, failed, mangle::mangled, probe::Bytes, subject::Sample};
use crate::{Leave, conformance::probe::Probe};
use backout_protocol::{
    abi::DONE,
    message::{Answer, PlanRequest, Request},
};
use serde_json::{Value, json};

/// So many configurations are mangled.
const MANGLED: u64 = 64;
/// How long the huge request is, in bytes.
const HUGE: usize = 16 << 20;

pub(super) fn unknown_fields(subject: &Subject) -> Verdict {
    same_with(subject, &json!({ "deeper": ["later", 1, null, { "x": "\u{1f600}" }] }))
}

pub(super) fn huge_request(subject: &Subject) -> Verdict {
    same_with(subject, &Value::String("x".repeat(HUGE)))
}

/// Asks with one field more than there is.
fn same_with(subject: &Subject, more: &Value) -> Verdict {
    for Sample { name, request } in subject.samples()? {
        let request = Request::Plan(Box::new(request));
        let mut longer: Value = serde_json::from_str(&subject.text(&request)).unwrap_or_default();
        if let Some(Value::Object(plan)) = longer.get_mut("plan") {
            plan.insert("zz-of-a-later-version".to_owned(), more.clone());
        }
        let usual = subject.ask(&request)?;
        if subject.ask_text(longer.to_string())? != usual {
            return Err(failed(format!("{name}: with a field more its answer is another")));
        }
    }
    Ok(())
}

pub(super) fn unknown_request(subject: &Subject) -> Verdict {
    for text in [r#""zz-of-a-later-version""#, r#"{"zz-of-a-later-version":{"plan":1}}"#] {
        match subject.ask_text(text.to_owned())? {
            Answer::Failed(_) => {}
            _ => return Err(failed(format!("to {text} its answer is no failure"))),
        }
    }
    Ok(())
}

pub(super) fn garbage_request(subject: &Subject) -> Verdict {
    let whole = subject.samples()?.remove(0).request;
    let whole = subject.text(&Request::Plan(Box::new(whole)));
    let mut cut = whole.len() / 2;
    while !whole.is_char_boundary(cut) {
        cut -= 1;
    }
    let texts =
        ["", "{", "[]", "null", "{\"plan\":", "{\"plan\":null}", "{\"plan\":{}}", "\"", &whole[..cut]];
    let mut calls: Vec<Bytes> = texts.iter().map(|t| Bytes::Text((*t).to_owned())).collect();
    calls.push(Bytes::Raw(vec![0, 0xff, b'{', 0x80]));
    calls.push(Bytes::Text("[".repeat(100_000)));
    for call in calls {
        let shown = String::from_utf8_lossy(call.as_slice()).chars().take(40).collect::<String>();
        let probe = Probe { calls: vec![call], ..Probe::default() };
        let probed = subject.probe(Request::Describe, probe, Leave::ReadOnly);
        let probed = probed.map_err(|e| named(crashed(e), &format!("asked `{shown}`")))?;
        let refused = |reply: &super::probe::Replied| {
            reply.returned != DONE || matches!(reply.answer(), Ok(Answer::Failed(_)))
        };
        if !probed.replies.iter().all(refused) {
            return Err(failed(format!("to the request `{shown}` its answer is no failure")));
        }
    }
    Ok(())
}

pub(super) fn bad_config(subject: &Subject) -> Verdict {
    let request = subject.samples()?.remove(0).request;
    for config in ["", "(((", "\u{7f}%"] {
        let request = PlanRequest { config: config.to_owned(), ..request.clone() };
        match subject.ask(&Request::Plan(Box::new(request)))? {
            Answer::Failed(failure) if failure.at.is_some_and(|(l, c)| l > 0 && c > 0) => {}
            Answer::Failed(failure) => {
                let said = failure.message;
                return Err(failed(format!(
                    "of the configuration `{config}` it says without a place: {said}"
                )));
            }
            _ => return Err(failed(format!("it takes the configuration `{config}`"))),
        }
    }
    Ok(())
}

pub(super) fn mangled_config(subject: &Subject) -> Verdict {
    for Sample { request, .. } in subject.samples()? {
        let with = |n: u64| {
            let config = mangled(&request.config, subject.seed.wrapping_add(n));
            Request::Plan(Box::new(PlanRequest { config, ..request.clone() }))
        };
        let calls = (0..MANGLED).map(|n| subject.bytes(&with(n))).collect();
        let probe = Probe { calls, ..Probe::default() };
        let probed = match subject.probe(with(0), probe, Leave::ReadOnly) {
            Ok(probed) => probed,
            // Which of them it was is found by asking each alone.
            Err(error) => {
                return Err((0..MANGLED)
                    .find_map(|n| alone(subject, &with(n)))
                    .unwrap_or_else(|| crashed(error)));
            }
        };
        for (reply, n) in probed.replies.iter().zip(0..) {
            match reply.answer() {
                Ok(Answer::Proposal(_) | Answer::Failed(_)) => {}
                Ok(_) => return Err(failed(of(&with(n), "its answer is none to a plan"))),
                Err(why) => return Err(failed(of(&with(n), &why))),
            }
        }
    }
    Ok(())
}

fn alone(subject: &Subject, request: &Request) -> Option<(Status, String)> {
    let (status, why) = subject.ask(request).err()?;
    Some((status, of(request, &why)))
}

fn of(request: &Request, why: &str) -> String {
    let Request::Plan(plan) = request else { return why.to_owned() };
    format!("with the configuration {:?}: {why}", plan.config)
}

fn named((status, why): (Status, String), what: &str) -> (Status, String) {
    (status, format!("{what}: {why}"))
}
