//! Live decides first: what a target needs is read from the live file before any backup is believed.
//!
//! | live file | what follows |
//! |---|---|
//! | newer than patched | refuse: something was installed on top |
//! | older than patched | hold: it is already back, no backup needed |
//! | absent, no backup seen | not on this machine |
//! | patched, unversioned, or absent | needs a good backup |
//!
//! A backup is good if it has bytes, other ones than the live file, is older than patched (if it says), is a PE file
//! where the live file is one or the list gives a version, and is made for the live file's machine type.

use backout_protocol::{FileVersion, Image, MachineType, message::Need, message::Reject};

/// What a target needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Newer than patched.
    NewerOnTop {
        /// The live version.
        live: FileVersion,
        /// The patched one.
        patched: FileVersion,
    },
    /// Already back.
    Hold,
    /// Not on this machine.
    NotHere,
    /// One of the good backups is needed. Each backup's verdict, in the order they were given.
    NeedsBackup(Vec<Result<(), Reject>>),
    /// Not listed: a good backup is taken if there is one, and nothing is refused for want of one.
    MayTake(Vec<Result<(), Reject>>),
}

/// Decides what `live` needs. `restored`: it is exactly what an earlier rollback of ours put there and nobody undid.
/// `expected`: the machine type that the list says the file is for, where the live file does not say.
pub fn decide(
    need: Need,
    live: &Image,
    expected: Option<MachineType>,
    restored: bool,
    backups: &[Result<Image, Reject>],
) -> Decision {
    let verdicts = || backups.iter().map(|b| judge(need, live, expected, b)).collect::<Vec<_>>();
    let seen = backups.iter().any(|b| !matches!(b, Err(Reject::Missing)));
    if need == Need::Unlisted {
        return Decision::MayTake(verdicts());
    }
    if live.fingerprint.is_absent() {
        return if seen { Decision::NeedsBackup(verdicts()) } else { Decision::NotHere };
    }
    match (need, live.version) {
        (Need::Patched(patched), Some(version)) if version > patched => {
            Decision::NewerOnTop { live: version, patched }
        }
        (Need::Patched(patched), Some(version)) if version < patched => Decision::Hold,
        (Need::Patched(_), Some(_)) => Decision::NeedsBackup(verdicts()),
        (Need::Patched(_), None) | (Need::Unlisted, _) if restored => Decision::Hold,
        (Need::Patched(_), None) | (Need::Unlisted, _) => Decision::NeedsBackup(verdicts()),
        (Need::Listed, _) => {
            let equal =
                |b: &Result<Image, Reject>| b.as_ref().is_ok_and(|b| b.fingerprint == live.fingerprint);
            if restored || backups.iter().any(equal) {
                Decision::Hold
            } else {
                Decision::NeedsBackup(verdicts())
            }
        }
    }
}

/// Whether one backup is good.
pub(crate) fn judge(
    need: Need,
    live: &Image,
    expected: Option<MachineType>,
    backup: &Result<Image, Reject>,
) -> Result<(), Reject> {
    let backup = backup.as_ref().map_err(Clone::clone)?;
    if matches!(backup.fingerprint, backout_protocol::Fingerprint::File { len: 0, .. }) {
        return Err(Reject::Empty);
    }
    if backup.fingerprint == live.fingerprint {
        return Err(Reject::EqualsLive);
    }
    // A file without a version of its own is measured by the live one: nothing newer than that is a backup of it.
    let limit = match need {
        Need::Patched(patched) => Some((patched, true)),
        Need::Listed | Need::Unlisted => live.version.map(|v| (v, false)),
    };
    if let (Some(version), Some((limit, limit_too))) = (backup.version, limit) {
        if version > limit {
            return Err(Reject::Newer(version));
        }
        if version == limit && limit_too {
            return Err(Reject::Patched(version));
        }
    }
    // Only PE files carry versions, so a row with one is of a PE file; without one the live file tells.
    let is_pe = live.machine.is_some() || matches!(need, Need::Patched(_));
    match (live.machine.or(expected), backup.machine) {
        (Some(live), Some(backup)) if live != backup => Err(Reject::WrongMachine(backup)),
        (_, None) if is_pe => Err(Reject::NotPe),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_protocol::{Digest, Fingerprint};

    fn v(text: &str) -> FileVersion {
        text.parse().unwrap()
    }
    fn file(byte: u8, version: Option<&str>) -> Image {
        let fingerprint = Fingerprint::File { len: 9, sha256: Digest([byte; 32]) };
        Image { fingerprint, version: version.map(v), machine: version.map(|_| MachineType::X64) }
    }
    const OLD: &str = "5.80.0.1179";
    const PATCHED: &str = "5.80.0.1297";
    const NEWER: &str = "5.80.0.1330";

    #[test]
    fn live_decides_first() {
        let listed = Need::Patched(v(PATCHED));
        let good = Ok(file(1, Some(OLD)));
        let missing = Err(Reject::Missing);
        let newer_on_top = Decision::NewerOnTop { live: v(NEWER), patched: v(PATCHED) };
        let table = [
            (file(9, Some(NEWER)), vec![good.clone()], newer_on_top),
            (file(9, Some(OLD)), vec![], Decision::Hold),
            (file(9, Some(OLD)), vec![good.clone()], Decision::Hold),
            (Image::ABSENT, vec![], Decision::NotHere),
            (Image::ABSENT, vec![missing.clone()], Decision::NotHere),
            (Image::ABSENT, vec![good.clone()], Decision::NeedsBackup(vec![Ok(())])),
            (file(9, Some(PATCHED)), vec![], Decision::NeedsBackup(vec![])),
            (file(9, Some(PATCHED)), vec![good.clone()], Decision::NeedsBackup(vec![Ok(())])),
            (file(9, None), vec![good.clone()], Decision::NeedsBackup(vec![Ok(())])),
            (file(9, None), vec![missing], Decision::NeedsBackup(vec![Err(Reject::Missing)])),
        ];
        for (live, backups, expected) in table {
            assert_eq!(decide(listed, &live, None, false, &backups), expected, "{live:?} {backups:?}");
        }
        assert_eq!(decide(listed, &file(9, None), None, true, &[]), Decision::Hold);
        assert_eq!(decide(listed, &file(9, Some(PATCHED)), None, true, &[]), Decision::NeedsBackup(vec![]));
    }

    #[test]
    fn a_backup_is_good_only_if_nothing_speaks_against_it() {
        let need = Need::Patched(v(PATCHED));
        let live = file(9, Some(PATCHED));
        let empty = Image {
            fingerprint: Fingerprint::File { len: 0, sha256: Digest([0; 32]) },
            version: None,
            machine: None,
        };
        let wrong = Image { machine: Some(MachineType::X86), ..file(1, Some(OLD)) };
        let table = [
            (Ok(file(1, Some(OLD))), Ok(())),
            (Ok(file(1, None)), Err(Reject::NotPe)),
            (Ok(Image { version: None, ..file(1, Some(OLD)) }), Ok(())),
            (Ok(file(1, Some(PATCHED))), Err(Reject::Patched(v(PATCHED)))),
            (Ok(file(1, Some(NEWER))), Err(Reject::Newer(v(NEWER)))),
            (Ok(live), Err(Reject::EqualsLive)),
            (Ok(empty), Err(Reject::Empty)),
            (Ok(wrong), Err(Reject::WrongMachine(MachineType::X86))),
            (Err(Reject::Symlink), Err(Reject::Symlink)),
            (Err(Reject::NotAFile), Err(Reject::NotAFile)),
        ];
        for (backup, verdict) in table {
            assert_eq!(judge(need, &live, None, &backup), verdict, "{backup:?}");
        }
    }

    #[test]
    fn a_backup_that_is_no_pe_file_is_good_only_where_nothing_says_that_the_file_is_one() {
        let patched = Need::Patched(v(PATCHED));
        let (pe, text) = (file(9, Some(PATCHED)), file(9, None));
        let (none, x86) = (None, Some(MachineType::X86));
        let table = [
            (patched, pe, none, Err(Reject::NotPe)),
            (patched, text, none, Err(Reject::NotPe)),
            (patched, Image::ABSENT, none, Err(Reject::NotPe)),
            (Need::Listed, pe, none, Err(Reject::NotPe)),
            (Need::Unlisted, pe, none, Err(Reject::NotPe)),
            (Need::Listed, text, none, Ok(())),
            (Need::Unlisted, text, none, Ok(())),
            (Need::Listed, Image::ABSENT, none, Ok(())),
            // A list for one machine type may have rows of texts too.
            (Need::Listed, text, x86, Ok(())),
            (Need::Listed, Image::ABSENT, x86, Ok(())),
        ];
        for (need, live, expected, verdict) in table {
            let junk = Ok(file(1, None));
            assert_eq!(judge(need, &live, expected, &junk), verdict, "{need:?} {live:?}");
            let decided = decide(need, &live, expected, false, &[junk]);
            let verdicts = match decided {
                Decision::NeedsBackup(verdicts) | Decision::MayTake(verdicts) => verdicts,
                other => panic!("{need:?} {live:?}: {other:?}"),
            };
            assert_eq!(verdicts, [verdict]);
        }
    }

    #[test]
    fn where_the_live_file_does_not_say_the_list_says_the_machine_type() {
        let backup = [Ok(file(1, Some(OLD)))];
        for live in [Image::ABSENT, file(9, None)] {
            let wrong = decide(Need::Patched(v(PATCHED)), &live, Some(MachineType::X86), false, &backup);
            assert_eq!(wrong, Decision::NeedsBackup(vec![Err(Reject::WrongMachine(MachineType::X64))]));
        }
        let live = file(9, Some(PATCHED));
        let live_first = decide(Need::Patched(v(PATCHED)), &live, Some(MachineType::X86), false, &backup);
        assert_eq!(live_first, Decision::NeedsBackup(vec![Ok(())]));
    }

    #[test]
    fn without_a_patched_version_a_backup_equal_to_live_means_already_back() {
        let live = file(9, None);
        assert_eq!(decide(Need::Listed, &live, None, false, &[Ok(live)]), Decision::Hold);
        assert_eq!(
            decide(Need::Listed, &live, None, false, &[Ok(file(1, None))]),
            Decision::NeedsBackup(vec![Ok(())])
        );
        assert_eq!(decide(Need::Listed, &live, None, false, &[]), Decision::NeedsBackup(vec![]));
        assert_eq!(
            decide(Need::Unlisted, &live, None, false, &[Ok(live)]),
            Decision::MayTake(vec![Err(Reject::EqualsLive)])
        );
    }
}
