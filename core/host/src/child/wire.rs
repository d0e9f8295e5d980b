//! What goes between a host and its child: one order, one reply, each as the length of its JSON and the JSON.

use crate::{Leave, Pinning, error::HostError};
use backout_protocol::{
    message::{Answer, Request},
    plan::PluginRef,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// Neither is longer. An answer has its own limit below this.
const LIMIT: u32 = 256 * 1024 * 1024;
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
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The plugin's answer.
    Answer(Box<Answer>),
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

/// Receives either. Its beginning alone is an [`io::ErrorKind::UnexpectedEof`].
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let (mut mark, mut len) = ([0; MARK.len()], [0; 4]);
    from.read_exact(&mut mark)?;
    if mark != MARK {
        return Err(io::Error::other("something else was written there"));
    }
    from.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len);
    if len > LIMIT {
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
    fn a_reply_comes_over_whole_or_not_at_all() {
        let error = HostError::NotFound { id: "x".into(), searched: Vec::new() };
        let mut bytes = Vec::new();
        write(&Reply::Failed(error.clone()), &mut bytes).unwrap();
        assert!(matches!(read(&mut &bytes[..]).unwrap(), Reply::Failed(e) if e == error));
        for cut in 0..bytes.len() {
            let failed = read::<Reply>(&mut &bytes[..cut]).unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
        for other in [&b"hello, world"[..], b"\0bko\xff\xff\xff\xff{}"] {
            let failed = read::<Reply>(&mut &*other).unwrap_err();
            assert_ne!(failed.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
