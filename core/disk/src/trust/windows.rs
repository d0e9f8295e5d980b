//! Windows: owner and access list.

use super::{Fault, Part};
use crate::os::security::{self, Descriptor, Grant};
use std::{
    fs::{self, File},
    io,
    os::windows::{fs::OpenOptionsExt, io::AsHandle},
    path::Path,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY, FILE_DELETE_CHILD, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES, FILE_WRITE_EA, READ_CONTROL,
    WRITE_DAC, WRITE_OWNER,
};

/// The system, its administrators, the installer of Windows itself; and an owner's rights, as owners are judged too.
const TRUSTED: [&str; 5] = [
    "S-1-5-18",
    "S-1-5-32-544",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    "S-1-3-0",
    "S-1-3-4",
];

/// Whoever may do this to a folder above can put another in the place of what lies in it. New names beside it do no
/// harm there, and everybody may make folders in `C:\`.
const ABOVE: u32 = DELETE | FILE_DELETE_CHILD | WRITE_DAC | WRITE_OWNER;
/// Whoever may do this to a file can change it; to a folder, also put a library beside one that is loaded.
const ITSELF: u32 = ABOVE | FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES;

/// Who gets into a folder does not tell here who gets at what lies in it.
pub(super) fn is_private(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

pub(super) fn fault(path: &Path, _: &fs::Metadata, part: Part) -> io::Result<Option<Fault>> {
    let descriptor = Descriptor::of(open(path)?.as_handle())?;
    let us = security::user()?;
    Ok(judge(&descriptor.owner()?, descriptor.grants()?.as_deref(), &us, part))
}

#[expect(clippy::disallowed_methods, reason = "opened for its rights alone, nothing is changed")]
fn open(path: &Path) -> io::Result<File> {
    let rights = READ_CONTROL | FILE_READ_ATTRIBUTES;
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    fs::OpenOptions::new().access_mode(rights).custom_flags(flags).open(path)
}

/// `grants`: `None` means that everybody may do everything.
fn judge(owner: &str, grants: Option<&[Grant]>, us: &str, part: Part) -> Option<Fault> {
    let trusted = |sid: &str| sid == us || TRUSTED.contains(&sid);
    if !trusted(owner) {
        return Some(Fault::OwnedBy(owner.to_owned()));
    }
    let harmful = match part {
        Part::Above => ABOVE,
        Part::Itself | Part::Link => ITSELF,
    };
    let Some(grants) = grants else { return Some(Fault::ChangeableBy("everybody".to_owned())) };
    let other = grants.iter().find(|g| g.mask & harmful != 0 && !trusted(&g.to))?;
    Some(Fault::ChangeableBy(other.to.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "S-1-5-21-1-2-3-1000";
    const USERS: &str = "S-1-5-32-545";

    fn grant(to: &str, mask: u32) -> Grant {
        Grant { to: to.to_owned(), mask }
    }

    #[test]
    fn only_the_system_its_administrators_and_we_may_own_and_change() {
        let all = [grant("S-1-5-18", u32::MAX), grant("S-1-5-32-544", u32::MAX), grant(US, u32::MAX)];
        for part in [Part::Itself, Part::Above, Part::Link] {
            assert_eq!(judge(US, Some(&all), US, part), None);
            assert_eq!(judge(USERS, Some(&all), US, part), Some(Fault::OwnedBy(USERS.to_owned())));
            assert!(judge(US, None, US, part).is_some(), "no list at all");
            let read = [grant(USERS, READ_CONTROL | FILE_READ_ATTRIBUTES)];
            assert_eq!(judge(US, Some(&read), US, part), None);
            let change = [grant(USERS, DELETE)];
            assert_eq!(judge(US, Some(&change), US, part), Some(Fault::ChangeableBy(USERS.to_owned())));
        }
    }

    #[test]
    fn new_names_are_harmless_above_and_not_beside() {
        let add = [grant("S-1-5-11", FILE_ADD_SUBDIRECTORY | FILE_ADD_FILE)];
        assert_eq!(judge("S-1-5-18", Some(&add), US, Part::Above), None);
        assert!(judge("S-1-5-18", Some(&add), US, Part::Itself).is_some());
    }
}
