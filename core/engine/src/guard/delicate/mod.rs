//! What a snapshot of files does not take rightly: the data of a database, a file that is open for writing, and what a package
//! manager believes to be its own.

mod data;
mod open;
mod packaged;
mod walk;

pub use backout_machine::packages::program_of;

use crate::refusal::Refusal;
use backout_protocol::{HostPath, NameRule, Notice};
use walk::Tree;

/// What is taken along in spite of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leave {
    /// Data of databases, and files that are open for writing.
    pub include_data: bool,
    /// Files of packages, and a package manager as the installer.
    pub allow_packaged: bool,
}

/// Data of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The file or folder that tells.
    pub path: HostPath,
    /// Whose data it is.
    pub of: &'static str,
    /// What leaves it out; `None`: only the root itself could be.
    pub glob: Option<String>,
}

/// A file that is open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// Which.
    pub path: HostPath,
    /// What leaves it out.
    pub glob: String,
    /// Image and number of each process that has it open.
    pub holders: Vec<(String, u32)>,
}

/// Who named the folders that are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The author of a profile, who knows which of the product's files are data and which are written to. The package
    /// manager's records lie beside the product in any case.
    ByProfile,
    /// Whoever calls.
    ByHand,
}

/// Looks through `roots`, without what `exclude` leaves out, and at the program that is to run, which is what
/// [`program_of`] makes of a command line. What `leave` lets through is said.
///
/// # Errors
/// What is refused, by name: [`Refusal::PackageManager`], [`Refusal::Packaged`]; of folders that were named by hand also
/// [`Refusal::DatabaseFiles`], [`Refusal::OpenForWriting`]. A root that is not there, or that cannot be looked through.
pub fn check(
    roots: &[HostPath],
    named: Named,
    names: NameRule,
    exclude: &[String],
    program: &HostPath,
    leave: Leave,
) -> Result<Vec<Notice>, Refusal> {
    let mut notices = Vec::new();
    packaged::check_program(program, leave, &mut notices)?;
    let tree = Tree::of(roots, names, exclude)?;
    packaged::check(&tree, leave, &mut notices)?;
    if named == Named::ByHand {
        data::check(&tree, names, leave, &mut notices)?;
        open::check(&tree, leave, &mut notices)?;
    }
    Ok(notices)
}
