//! Does it load, and is it who it says?

use super::{Subject, Verdict, crashed, failed};
use crate::{Leave, conformance::probe::Probe};
use backout_protocol::message::{Answer, Request};

pub(super) fn loads_twice(subject: &Subject) -> Verdict {
    let ask = |load_again| {
        let calls = vec![subject.bytes(&Request::Describe)];
        let probe = Probe { calls, load_again, ..Probe::default() };
        let probed = subject.probe(Request::Describe, probe, Leave::ReadOnly).map_err(crashed)?;
        probed.replies.first().ok_or_else(|| failed("it was not asked"))?.answer().map_err(failed)
    };
    let (once, twice) = (ask(false)?, ask(true)?);
    if once == twice { Ok(()) } else { Err(failed("loaded twice it describes itself otherwise than once")) }
}

pub(super) fn describe_equal(subject: &Subject) -> Verdict {
    match subject.ask(&Request::Describe)? {
        Answer::Manifest(manifest) if manifest == subject.manifest => Ok(()),
        Answer::Manifest(m) => {
            Err(failed(format!("it says that it is {} {}, or another field differs", m.id, m.version)))
        }
        _ => Err(failed("it answers with something else than a manifest")),
    }
}
