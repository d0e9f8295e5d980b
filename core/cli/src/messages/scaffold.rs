//! Words about files that are made for an author.

use super::Said;
use std::path::Path;

/// Something is there already.
pub(crate) fn there(path: &Path) -> Said {
    Said::new(
        1163,
        format!("`{}` is there already; nothing was made", path.display()),
        "give another name, or another folder",
    )
}

/// It cannot be made.
pub(crate) fn not_made(path: &Path, why: &str) -> Said {
    Said::new(
        1164,
        format!("`{}` cannot be made: {why}; what was made before it is still there", path.display()),
        "take it away, mend that and call again",
    )
}
