//! What goes between a host and its child: one order, one reply, each as the length of its JSON and the JSON.

use crate::{
    Leave, Pinning, call,
    conformance::probe::{Probe, Probed},
    error::HostError,
};
use backout_protocol::{
    message::{Answer, Request},
    plan::PluginRef,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// No order is longer.
pub(super) const LONGEST_ORDER: u32 = 256 * 1024 * 1024;
/// No reply is longer: an answer and what stands around it. The plugin's code may write one of its own, and who reads it
/// may be root and short of memory.
pub(super) const LONGEST_REPLY: u32 = call::LIMIT as u32 + 1024 * 1024;
/// Stands before the length. Something that is printed there by accident does not begin so.
const MARK: [u8; 4] = *b"\0bko";

/// What a child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Which plugin: its file and the digest that it must still have.
    pub(super) plugin: PluginRef,
    /// Whether it must be pinned.
    pub(super) pinning: Pinning,
    /// What it is asked.
    pub(super) request: Request,
    /// What it may do meanwhile.
    pub(super) leave: Leave,
    /// A file that was open when it was started and that it keeps open, where the system has numbers for them.
    pub(super) keeps: Option<i32>,
    /// Instead of the request: what it is asked by a check of the plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) probe: Option<Probe>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The plugin's answer.
    Answer(Box<Answer>),
    /// What was seen of it while it was probed.
    Probed(Box<Probed>),
    /// It could not be asked, or gave none.
    Failed(HostError),
}

/// Sends either.
pub(super) fn write(what: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_vec(what)?;
    let too_long = |_| io::Error::other("too long");
    let len = u32::try_from(json.len()).map_err(too_long)?;
    to.write_all(&[&MARK[..], &len.to_le_bytes()].concat())?;
    to.write_all(&json)?;
    to.flush()
}

/// Receives either, of which no more than `longest` bytes. Its beginning alone is an [`io::ErrorKind::UnexpectedEof`].
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read, longest: u32) -> io::Result<T> {
    let (mut mark, mut len) = ([0; MARK.len()], [0; 4]);
    from.read_exact(&mut mark)?;
    if mark != MARK {
        return Err(io::Error::other("something else was written there"));
    }
    from.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len);
    if len > longest {
        return Err(io::Error::other(format!("{len} bytes")));
    }
    let mut json = Vec::new();
    from.take(len.into()).read_to_end(&mut json)?;
    if json.len() < len as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&json).map_err(io::Error::other)
}

/// Sees to it that nothing more comes.
pub(super) fn ends(from: &mut impl Read) -> io::Result<()> {
    match from.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::other("more than one was written")),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_not_longer_than_an_answer_may_be() {
        let one_more = [&MARK[..], &(LONGEST_REPLY + 1).to_le_bytes(), b"{}"].concat();
        let failed = read::<Reply>(&mut &one_more[..], LONGEST_REPLY).unwrap_err();
        assert!(failed.to_string().contains(&(LONGEST_REPLY + 1).to_string()), "{failed}");
    }

    #[test]
    fn a_reply_comes_over_whole_or_not_at_all() {
        let error = HostError::NotFound { id: "x".into(), searched: Vec::new() };
        let mut bytes = Vec::new();
        write(&Reply::Failed(error.clone()), &mut bytes).unwrap();
        assert!(matches!(read(&mut &bytes[..], LONGEST_REPLY).unwrap(), Reply::Failed(e) if e == error));
        for cut in 0..bytes.len() {
            let failed = read::<Reply>(&mut &bytes[..cut], LONGEST_REPLY).unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
        for other in [&b"hello, world"[..], b"\0bko\xff\xff\xff\xff{}"] {
            let failed = read::<Reply>(&mut &*other, LONGEST_REPLY).unwrap_err();
            assert_ne!(failed.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
