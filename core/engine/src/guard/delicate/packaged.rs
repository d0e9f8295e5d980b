//! What a package manager has records of. A way back brings the files back and not the records, which then say that a version is
//! installed that is not there; the package manager's own way back does both.

use super::{Leave, walk::Tree};
use crate::refusal::Refusal;
use backout_disk::folder::Kind;
use backout_machine::packages::{self, Owner, Records};
use backout_protocol::{HostPath, Notice};
use std::{collections::BTreeSet, path::PathBuf};

/// How many packages a command names.
const NAMED: usize = 5;

/// The program itself.
pub(super) fn check_program(
    program: &HostPath,
    leave: Leave,
    notices: &mut Vec<Notice>,
) -> Result<(), Refusal> {
    let Some(manager) = packages::manager_of(&program.0) else { return Ok(()) };
    if !leave.allow_packaged {
        return Err(Refusal::PackageManager { program: program.clone(), manager });
    }
    let (name, back) = (manager.name.to_owned(), manager.back.to_owned());
    notices.push(Notice::PackageManagerRuns { name, back });
    Ok(())
}

/// The files below the roots.
pub(super) fn check(tree: &Tree, leave: Leave, notices: &mut Vec<Notice>) -> Result<(), Refusal> {
    let files: BTreeSet<PathBuf> = tree
        .folders
        .iter()
        .flat_map(|folder| {
            let owned = folder.names.iter().filter(|n| matches!(n.kind, Kind::File | Kind::Symlink));
            owned.map(|n| folder.path(&n.name).0)
        })
        .collect();
    let owners = match packages::owners(&files) {
        Ok(owners) if owners.is_empty() => return Ok(()),
        Ok(owners) => owners,
        Err(e) => {
            notices.push(Notice::PackagesUnread { why: e.to_string() });
            return Ok(());
        }
    };
    if !leave.allow_packaged {
        return Err(Refusal::Packaged { owners });
    }
    let files = owners.iter().map(|owner| owner.files).sum();
    let names = owners.iter().map(|owner| owner.package.clone()).collect();
    notices.push(Notice::PackagedIncluded { packages: names, files, check: report(&owners) });
    Ok(())
}

/// The commands that report what differs from the packages.
fn report(owners: &[Owner]) -> Vec<String> {
    let of = |program: &str, is: fn(&Records) -> bool| {
        let names: Vec<&str> =
            owners.iter().filter(|o| is(&o.records)).map(|o| o.package.as_str()).take(NAMED).collect();
        (!names.is_empty()).then(|| format!("{program} -V {}", names.join(" ")))
    };
    let dpkg = of("dpkg", |records| matches!(records, Records::Dpkg));
    let rpm = of("rpm", |records| matches!(records, Records::Rpm(_)));
    dpkg.into_iter().chain(rpm).collect()
}
