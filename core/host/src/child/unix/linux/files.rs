//! Files, by Landlock: nothing is written, made, moved, truncated or removed, wherever a path leads.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::io;

/// Whether the kernel keeps files from being opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// Yes (Linux 5.13 and later).
    Kept,
    /// It has no Landlock.
    Open,
}

/// As much of it as this kernel has. `/dev/null` may be written to.
///
/// # Errors
/// It has Landlock and refuses.
pub(super) fn write_nothing() -> io::Result<Files> {
    fn refused(e: impl std::error::Error + Send + Sync + 'static) -> io::Error {
        io::Error::other(e)
    }
    let sink = PathFd::new("/dev/null").map_err(refused)?;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rule(PathBeneath::new(sink, AccessFs::WriteFile)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(refused)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => {
            log::info!(
                "this kernel has no Landlock: files can be opened for reading only, by the system call"
            );
            Ok(Files::Open)
        }
        _ => Ok(Files::Kept),
    }
}
