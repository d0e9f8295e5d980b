//! Words about a request that was made before.

use super::Said;
use backout_protocol::RunId;

/// How its run ended is not known.
pub(crate) fn no_result(id: &str, run: &RunId) -> Said {
    Said::new(
        1095,
        format!(
            "the request id `{id}` belongs to the run {run}, which was given up or whose records cannot be read: how it \
             ended is not known; nothing was done now"
        ),
        format!("`backout show {run}` tells what is known; to have it done, ask under another id"),
    )
}
