//! dpkg's records: `status` says which packages are installed, `info/PACKAGE.list` which names each has, and `diversions`
//! which of these lie under another name. Read as they lie: to ask `dpkg-query` for some 100,000 files takes minutes.
//!
//! The lists have names as the packages do. On a machine with a merged `/usr`, `/bin/x` of a list lies at `/usr/bin/x`; a
//! product's folder may be a link to another volume. So each name is taken to where its folder really is.

use super::{Owner, PackagesError, Records};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// What is installed.
pub(super) const STATUS: &str = "status";
const LISTS: &str = "info";
const DIVERSIONS: &str = "diversions";

/// As [`super::owners`], by dpkg's records alone, in the folder `admin`; `root`: what their paths are below.
///
/// # Errors
/// [`PackagesError`].
pub fn owners(admin: &Path, root: &Path, files: &BTreeSet<PathBuf>) -> Result<Vec<Owner>, PackagesError> {
    let failed = |path: &Path, e: &io::Error| PackagesError {
        manager: "dpkg",
        why: format!("`{}`: {e}", path.display()),
    };
    let read = |path: &Path| fs::read(path).map_err(|e| failed(path, &e));
    let status = read(&admin.join(STATUS))?;
    let diverted = match fs::read(admin.join(DIVERSIONS)) {
        Ok(bytes) => diversions(&bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => HashMap::new(),
        Err(e) => return Err(failed(&admin.join(DIVERSIONS), &e)),
    };
    let mut places = Places { root, known: HashMap::new() };
    // Where a folder really is costs a look at the disk: only for names that may be meant.
    let names: HashSet<&OsStr> = files.iter().filter_map(|file| file.file_name()).collect();
    let mut owners = Vec::new();
    for (package, architecture, version) in installed(&String::from_utf8_lossy(&status)) {
        // Of a package that may be there for several architectures, the list is named by both.
        let lists = [format!("{package}:{architecture}.list"), format!("{package}.list")];
        let list = lists.into_iter().map(|name| admin.join(LISTS).join(name)).find(|path| path.is_file());
        // One without a list has no files, as dpkg itself takes it.
        let Some(list) = list else { continue };
        let list = read(&list)?;
        let mut own = BTreeSet::new();
        for line in list.split(|b| *b == b'\n') {
            let line = match diverted.get(line) {
                Some((to, by)) if *by != package => to.as_slice(),
                _ => line,
            };
            let last = line.rsplit(|b| *b == b'/').next().unwrap_or_default();
            let known = names.contains(OsStr::from_bytes(last));
            let Some(name) = Some(line).filter(|_| known).and_then(path_of) else { continue };
            let place = places.of(name);
            if let Some(file) = place.and_then(|place| files.get(&place)) {
                own.insert(file);
            }
        }
        if let Some(first) = own.first() {
            let (files, first) = (own.len() as u64, Some((*first).clone()));
            owners.push(Owner { records: Records::Dpkg, package, version, files, first });
        }
    }
    owners.sort();
    Ok(owners)
}

/// Name, architecture and version of every package that has files here: installed whole, half, or removed but for its
/// configuration.
fn installed(status: &str) -> Vec<(String, String, String)> {
    let stanza = |text: &str| {
        let fields: BTreeMap<&str, &str> = text
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
            .collect();
        let field = |name: &str| fields.get(name).map(|v| (*v).to_owned());
        let there = !fields.get("Status")?.ends_with(" not-installed");
        // It names a file.
        let package = field("Package").filter(|name| !name.contains('/'))?;
        let architecture = field("Architecture").filter(|name| !name.contains('/')).unwrap_or_default();
        there.then(|| (package, architecture, field("Version").unwrap_or_default()))
    };
    status.split("\n\n").filter_map(stanza).collect()
}

/// Where a name was diverted to, and by which package (`:`: by the machine's owner), by the name: three lines each.
fn diversions(bytes: &[u8]) -> HashMap<Vec<u8>, (Vec<u8>, String)> {
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let three = |lines: &[&[u8]]| match lines {
        [from, to, by] => Some((from.to_vec(), (to.to_vec(), String::from_utf8_lossy(by).into_owned()))),
        _ => None,
    };
    lines.chunks(3).filter_map(three).collect()
}

/// The absolute path that a line is.
fn path_of(line: &[u8]) -> Option<&Path> {
    let path = Path::new(OsStr::from_bytes(line));
    (path.is_absolute() && path.file_name().is_some()).then_some(path)
}

/// Where folders really are, asked once for each.
struct Places<'a> {
    root: &'a Path,
    known: HashMap<PathBuf, Option<PathBuf>>,
}

impl Places<'_> {
    /// Where a name of a list lies; `None`: its folder is not there.
    fn of(&mut self, name: &Path) -> Option<PathBuf> {
        let (folder, last) = (name.parent()?, name.file_name()?);
        if !self.known.contains_key(folder) {
            let below = folder.strip_prefix("/").unwrap_or(folder);
            self.known.insert(folder.to_owned(), self.root.join(below).canonicalize().ok());
        }
        Some(self.known.get(folder)?.as_ref()?.join(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_not_installed_owns_nothing_and_hostile_names_are_no_paths() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2-3\nDescription: x\n Version: 9\n\n\
                      Package: b\nStatus: purge ok not-installed\nVersion: 1\n\n\
                      Package: c\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 4\n\n\
                      Package: ../../etc\nStatus: install ok installed\nVersion: 1\n\nnonsense\n";
        let names: Vec<_> = installed(status).into_iter().map(|(name, _, version)| (name, version)).collect();
        assert_eq!(names, [("a".to_owned(), "1:2-3".to_owned()), ("c".to_owned(), "4".to_owned())]);
    }

    #[test]
    fn a_diverted_name_is_its_diverters() {
        let all = diversions(b"/usr/bin/x\n/usr/bin/x.dist\nmine\n/a\n");
        assert_eq!(all.len(), 1);
        assert_eq!(all[&b"/usr/bin/x"[..]], (b"/usr/bin/x.dist".to_vec(), "mine".to_owned()));
    }
}
