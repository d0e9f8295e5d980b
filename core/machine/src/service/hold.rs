//! Drop-ins that keep systemd from starting a unit while a run is not settled.

use super::{Hold, unit::UnitName};
use crate::{
    startup::FILES_UNIT,
    unit_text::{self, Unwritable},
};
use std::path::{Path, PathBuf};

/// Drop-ins are read in the order of their names, whichever folder they are in. One that empties a list
/// (`ConditionPathExists=`) empties it of what came before: ours comes last.
const NAME: &str = "zz-backout-hold.conf";
/// Administrator's configuration, which is there at every boot.
const FOLDER: &str = "/etc/systemd/system";

/// The text of a hold; it is the same for all units.
///
/// The condition is looked at whenever the unit is about to be started, so it holds against triggers and dependents
/// too. The mount is named because a file on a file system that is not mounted yet does not exist either. The unit of the
/// recovery is not wanted, only waited for: a start in the middle of a later run would otherwise start it.
pub(super) fn text(unsettled: &Path) -> Result<String, Unwritable> {
    let folder = unsettled.parent().ok_or_else(|| Unwritable(unsettled.to_owned()))?;
    let (file, folder) = (unit_text::line(unsettled)?, unit_text::listed(folder)?);
    Ok(format!(
        "# Written by backout: this unit is not started on files of two states. `backout recover` settles them.\n\
         [Unit]\n\
         ConditionPathExists=!{file}\n\
         RequiresMountsFor={folder}\n\
         After={FILES_UNIT}\n"
    ))
}

/// The hold of one unit.
pub(super) fn of(unit: &UnitName, text: &str) -> Hold {
    Hold { path: PathBuf::from(format!("{FOLDER}/{unit}.d/{NAME}")), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_sorts_behind_other_drop_ins_and_names_the_file_as_systemd_reads_it() {
        let text = text(Path::new("/srv/50% \"x\"/unsettled")).unwrap();
        assert!(text.contains("\nConditionPathExists=!/srv/50%% \"x\"/unsettled\n"), "{text}");
        assert!(text.contains("\nRequiresMountsFor=\"/srv/50%% \"'\"'\"x\"'\"'\"\"\n"), "{text}");
        let hold = of(&UnitName::parse("spnt").unwrap(), &text);
        assert_eq!(hold.path, Path::new("/etc/systemd/system/spnt.service.d/zz-backout-hold.conf"));
        assert!(super::text(Path::new("/a\nb/unsettled")).is_err());
    }
}
