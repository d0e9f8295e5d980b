//! Calls a loaded plugin: JSON in, JSON out. An answer that is not understood to its last field is refused.

use crate::{error::HostError, load::Loaded, speech};
use backout_protocol::{
    abi::DONE,
    message::{Answer, Proposal, Request},
    plan::PluginRef,
};
use core::ffi::c_void;

/// No answer is longer.
pub(crate) const LIMIT: usize = 64 * 1024 * 1024;

/// What an answer to a question for a plan says.
///
/// # Errors
/// [`HostError::BadAnswer`], [`HostError::Failed`].
pub(crate) fn proposal(answer: Answer, id: &str) -> Result<Proposal, HostError> {
    let bad = |why: &str| HostError::BadAnswer { plugin: id.to_owned(), why: why.to_owned() };
    match answer {
        Answer::Proposal(proposal) => Ok(proposal),
        Answer::Failed(failure) => Err(HostError::Failed { plugin: id.to_owned(), failure }),
        Answer::Manifest(_)
        | Answer::Recorded(_)
        | Answer::Schema(_)
        | Answer::Examples(_)
        | Answer::Prepared(_)
        | Answer::Applied
        | Answer::Undone
        | Answer::State(_) => Err(bad("something else where a proposal was asked for")),
    }
}

/// Asks a plugin in this process.
///
/// # Errors
/// [`HostError::NotSpoken`], [`HostError::Broken`], [`HostError::BadAnswer`].
pub(crate) fn ask(loaded: Loaded, plugin: &PluginRef, request: &Request) -> Result<Answer, HostError> {
    let broken = |what: String| HostError::Broken { plugin: plugin.id.clone(), what };
    let bad = |why: String| HostError::BadAnswer { plugin: plugin.id.clone(), why };
    let spoken = loaded.spoken;
    let request = speech::written(request, spoken)
        .map_err(|since| HostError::NotSpoken {
            path: plugin.file.clone(),
            spoken,
            what: speech::question(request).to_owned(),
            since,
        })?
        .map_err(|e| broken(format!("the request cannot be written: {e}")))?;
    let mut answer = Collected::default();
    let ended = enter(loaded, &request, &mut answer);
    if answer.too_long {
        return Err(bad(format!("longer than {LIMIT} bytes")));
    }
    if ended != DONE {
        return Err(broken(format!("it returned {ended}")));
    }
    read(&answer.bytes).map_err(bad)
}

/// Reads an answer, every field of it.
fn read(bytes: &[u8]) -> Result<Answer, String> {
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

#[expect(unsafe_code, reason = "the host's end of the C ABI")]
fn enter(loaded: Loaded, request: &[u8], answer: &mut Collected) -> i32 {
    let context: *mut Collected = answer;
    // SAFETY: the request lives until the call returns, and `collect` is called with the `Collected` it expects.
    unsafe { (loaded.call)(request.as_ptr(), request.len(), collect, context.cast()) }
}

/// What a plugin pushed so far.
#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Collected {
    /// Takes more bytes; 0 if the plugin may go on.
    fn push(&mut self, more: &[u8]) -> i32 {
        let fits = !self.too_long && more.len() <= LIMIT - self.bytes.len();
        if !fits || self.bytes.try_reserve(more.len()).is_err() {
            self.too_long = true;
            return 1;
        }
        self.bytes.extend_from_slice(more);
        0
    }
}

#[expect(unsafe_code, reason = "the host's end of the C ABI")]
unsafe extern "C" fn collect(context: *mut c_void, bytes: *const u8, len: usize) -> i32 {
    if context.is_null() || (bytes.is_null() && len > 0) {
        return 1;
    }
    // SAFETY: `context` is the `Collected` of `enter`, which nothing else uses during the call, and the plugin promises
    // that `bytes` leads to `len` bytes.
    unsafe {
        let more = if len == 0 { &[][..] } else { std::slice::from_raw_parts(bytes, len) };
        (*context.cast::<Collected>()).push(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_longer_than_the_limit_is_cut_off() {
        let mut collected = Collected::default();
        let piece = vec![0; LIMIT / 4];
        assert!((0..4).all(|_| collected.push(&piece) == 0));
        assert_eq!((collected.push(b"x"), collected.too_long), (1, true));
        assert_eq!(collected.push(b""), 1, "once too long stays too long");
    }

    #[test]
    fn an_answer_with_anything_unknown_in_it_is_refused() {
        for good in [
            r#"{"proposal":{"steps":[]}}"#,
            r#"{"proposal":{"steps":[{"remove-folder":{"target":{"root":"/a","rel":"b"}}}]}}"#,
            r#"{"failed":{"message":"no"}}"#,
        ] {
            assert!(read(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "{}",
            "null",
            r#"{"proposal":{}}"#,
            r#"{"proposal":{"steps":[],"more":1}}"#,
            r#"{"proposal":{"steps":[{"format-disk":{}}]}}"#,
            r#"{"proposal":{"steps":[{"remove-folder":{"target":{"root":"/a","rel":"b"},"force":true}}]}}"#,
            r#"{"proposal":{"steps":[{"remove-folder":{"target":{"root":"/a","rel":"../b"}}}]}}"#,
            r#"{"proposal":{"steps":[{"remove-folder":{"target":{"root":"/a","rel":"b","x":1}}}]}}"#,
            r#"{"proposal":{"steps":[{"stop-service":{"service":""}}]}}"#,
            r#"{"proposal":{"steps":[],"notes":[{"en":"a","xx":"b"}]}}"#,
            r#"{"failed":{"message":"no","why":"x"}}"#,
            r#"{"proposal":{"steps":[]}} {}"#,
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
