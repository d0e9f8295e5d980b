//! Installing: a package's files copied to where only administrators may change them.
//!
//! A package is a folder with a file `SHA256SUMS`, which names every other file and its digest. Each file is read once,
//! compared with its digest, written whole and durably; the sums go last. If we die between two files, some are of the
//! new version and some of the old, the sums are the old ones, and installing again mends it.

use crate::{
    load::check_trust,
    refusal::{Refusal, Trusted},
    state::State,
};
use backout_disk::{Error, ErrorKind, Folder, durable, fingerprint::digest_bytes};
use backout_protocol::{Digest, HostPath, RelPath};
use std::{ffi::OsStr, path::Path};

/// The file that names all others.
const SUMS: &str = "SHA256SUMS";
/// No list of files is longer, and no file.
const SUMS_CAP: u64 = 1024 * 1024;
const FILE_CAP: u64 = 512 * 1024 * 1024;

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Where.
    pub folder: HostPath,
    /// Files that were written.
    pub written: Vec<RelPath>,
    /// Files of the version before that this one does not have; they are gone.
    pub removed: Vec<RelPath>,
    /// How many were as they should be already.
    pub same: usize,
}

/// Installs the package at `from` into the folder `to`, for runs of the state folder `state`.
///
/// # Errors
/// [`Refusal::NotAPackage`], [`Refusal::PackageSpoilt`], [`Refusal::InstallFailed`], [`Refusal::Distrusted`];
/// [`Refusal::Unfinished`], [`Refusal::CommitPending`] and [`Refusal::Locked`] while a run is open or under way.
pub fn install(from: &Path, to: &Path, state: &Path) -> Result<Installed, Refusal> {
    let from = crate::hold::real(from);
    let source = Folder::open_root(&from).map_err(|e| not_a_package(&from, &e.to_string()))?;
    let files = sums(&source)?.ok_or_else(|| not_a_package(&from, "its `SHA256SUMS` is not there"))?;
    // Nothing is written before all of it is known to be whole.
    for (name, digest) in &files {
        read(&source, name, digest)?;
    }
    // A program that carries a run out is not replaced under it; and no run begins meanwhile.
    let _locked = match State::look(state)? {
        None => None,
        Some(_) => {
            let locked = State::lock(state)?;
            if let Some(open) = locked.state().unfinished()? {
                return Err(open.refusal());
            }
            Some(locked)
        }
    };
    let to = crate::load::absolute(to).0;
    let target = folder(&to)?;
    let mut done = Installed { folder: HostPath(to), written: Vec::new(), removed: Vec::new(), same: 0 };
    let before = sums(&target)?.unwrap_or_default();
    for (name, digest) in &files {
        let place = below(&target, name)?;
        check_trust(place.path(), Trusted::Program)?;
        if there(&place, name, digest)? {
            done.same += 1;
            continue;
        }
        let bytes = read(&source, name, digest)?;
        durable::write(&place, name.name(), &bytes, mode(name)).map_err(|e| failed(&e))?;
        if !there(&place, name, digest)? {
            let why = "it does not hold what was written".to_owned();
            return Err(Refusal::InstallFailed { path: HostPath(place.path().join(name.name())), why });
        }
        done.written.push(name.clone());
    }
    for (name, _) in before.iter().filter(|(old, _)| !files.iter().any(|(new, _)| new == old)) {
        durable::remove_tree(&below(&target, name)?, name.name()).map_err(|e| failed(&e))?;
        done.removed.push(name.clone());
    }
    if before != files {
        let text: String =
            files.iter().map(|(name, digest)| format!("{digest}  {}\n", slashes(name))).collect();
        durable::write(&target, OsStr::new(SUMS), text.as_bytes(), 0o644).map_err(|e| failed(&e))?;
    }
    Ok(done)
}

fn not_a_package(folder: &Path, why: &str) -> Refusal {
    Refusal::NotAPackage { folder: HostPath(folder.to_owned()), why: why.to_owned() }
}

fn failed(error: &Error) -> Refusal {
    let path = HostPath(error.path.clone());
    match error.kind {
        ErrorKind::Denied => Refusal::NoRights { path },
        _ => Refusal::InstallFailed { path, why: error.to_string() },
    }
}

/// Names with the slashes that the list has everywhere.
fn slashes(name: &RelPath) -> String {
    name.as_path().to_string_lossy().replace('\\', "/")
}

/// Programs may be run; everything may be read by all.
fn mode(name: &RelPath) -> u32 {
    if name.parent().is_none() && name.as_path().extension().is_none() { 0o755 } else { 0o644 }
}

/// The files of the list in `folder`; `None`: there is none.
fn sums(folder: &Folder) -> Result<Option<Vec<(RelPath, Digest)>>, Refusal> {
    let spoilt = |why: &str| not_a_package(folder.path(), why);
    let Some(bytes) = durable::read(folder, OsStr::new(SUMS), SUMS_CAP).map_err(|e| failed(&e))? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| spoilt("its `SHA256SUMS` is no text"))?;
    let line = |line: &str| {
        let (digest, name) = line.split_once("  ")?;
        let name = RelPath::new(name).ok().filter(|n| n.as_path() != Path::new(SUMS))?;
        Some((name, digest.parse().ok()?))
    };
    let files: Option<Vec<_>> = text.lines().map(line).collect();
    match files {
        Some(files) if !files.is_empty() => Ok(Some(files)),
        _ => Err(spoilt("its `SHA256SUMS` is no list of digests and files")),
    }
}

/// A file's bytes, which are as the list says.
fn read(folder: &Folder, name: &RelPath, digest: &Digest) -> Result<Vec<u8>, Refusal> {
    let spoilt = |why: &str| Refusal::PackageSpoilt {
        file: HostPath(folder.path().join(name.as_path())),
        why: why.to_owned(),
    };
    let place = match name.parent() {
        Some(parent) => folder.open_below(&parent).map_err(|e| spoilt(&e.to_string()))?,
        None => folder.try_clone().map_err(|e| failed(&e))?,
    };
    let bytes = durable::read(&place, name.name(), FILE_CAP).map_err(|e| spoilt(&e.to_string()))?;
    let bytes = bytes.ok_or_else(|| spoilt("it is not there"))?;
    if digest_bytes(&bytes) == *digest { Ok(bytes) } else { Err(spoilt("its digest is another")) }
}

/// Whether a file holds already what it is to hold.
fn there(place: &Folder, name: &RelPath, digest: &Digest) -> Result<bool, Refusal> {
    match durable::read(place, name.name(), FILE_CAP) {
        Ok(bytes) => Ok(bytes.is_some_and(|b| digest_bytes(&b) == *digest)),
        Err(e) => Err(failed(&e)),
    }
}

/// The folder to install into, which is made if need be; the one above it is there.
fn folder(to: &Path) -> Result<Folder, Refusal> {
    let wrong = |why: &str| Refusal::InstallFailed { path: HostPath(to.to_owned()), why: why.to_owned() };
    let (Some(above), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(wrong("it names no folder"));
    };
    let above = Folder::open_root(&crate::hold::real(above)).map_err(|e| failed(&e))?;
    let new = above.stat(name).map_err(|e| failed(&e))?.is_none();
    let folder = durable::ensure_program_folder(&above, name).map_err(|e| failed(&e))?;
    // One that was there already may be anybody's, and so may what is above it.
    let trusted = check_trust(folder.path(), Trusted::Program);
    if trusted.is_err() && new {
        drop(folder);
        durable::remove_tree(&above, name).map_err(|e| failed(&e))?;
        return trusted.and(Err(wrong("others may change it")));
    }
    trusted.map(|()| folder)
}

/// The folder of a file below the target, which is made if need be.
fn below(target: &Folder, name: &RelPath) -> Result<Folder, Refusal> {
    let mut at = target.try_clone().map_err(|e| failed(&e))?;
    for part in name.parent().iter().flat_map(|parent| parent.as_path().components()) {
        at = durable::ensure_program_folder(&at, part.as_os_str()).map_err(|e| failed(&e))?;
    }
    Ok(at)
}
