//! rpm's records, of which only `rpm` itself knows the form.

use super::{Front, Owner, PackagesError, Records};
use crate::{
    Patience,
    command::{self, Ended},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

const PROGRAMS: [&str; 2] = ["/usr/bin/rpm", "/bin/rpm"];
const LIMIT: Duration = Duration::from_secs(60);
/// What a line about a file that some package owns begins with, and no line of rpm's own does.
const MARK: &str = "@owner ";
/// How many files are asked for at once, and how long their names may be together: a command line is not endless.
const FILES: usize = 500;
const BYTES: usize = 64 * 1024;

/// Where it is, if it is here with records.
pub(super) fn program() -> Option<&'static str> {
    let records = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];
    let there = records.iter().any(|folder| Path::new(folder).is_dir());
    PROGRAMS.into_iter().find(|path| there && Path::new(path).exists())
}

/// The packages that own some of `files`. A name that is no text cannot be asked for.
pub(super) fn owners(program: &str, files: &BTreeSet<PathBuf>) -> Result<Vec<Owner>, PackagesError> {
    let mut owners: BTreeMap<String, Owner> = BTreeMap::new();
    let names: Vec<&str> = files.iter().filter_map(|file| file.to_str()).collect();
    let mut rest = names.as_slice();
    while !rest.is_empty() {
        let mut room = BYTES;
        let fits = rest.iter().take(FILES).take_while(|name| {
            let before = room;
            room = room.saturating_sub(name.len());
            before > 0
        });
        let (now, later) = rest.split_at(fits.count());
        rest = later;
        for line in of_files(program, now)?.lines() {
            let Some((name, version)) = line.strip_prefix(MARK).and_then(|line| line.split_once(' ')) else {
                continue;
            };
            let known = owners.entry(name.to_owned()).or_insert_with(|| Owner {
                records: Records::Rpm(front()),
                package: name.to_owned(),
                version: version.to_owned(),
                files: 0,
                first: None,
            });
            known.files += 1;
        }
    }
    for owner in owners.values_mut() {
        let listed = ask(program, &["-ql", "--", &owner.package])?;
        let mut listed = listed.lines().map(PathBuf::from);
        owner.first = listed.find(|file| files.contains(file));
    }
    Ok(owners.into_values().collect())
}

/// A line for each package that owns one of these files. A file that none owns is a line of rpm's own words.
fn of_files(program: &str, files: &[&str]) -> Result<String, PackagesError> {
    let form = format!("{MARK}%{{NAME}} %{{EVR}}.%{{ARCH}}\\n");
    ask(program, &[&["-qf", "--queryformat", &form, "--"], files].concat())
}

/// What rpm prints. Its exit code says no more than how many names it has no answer for.
fn ask(program: &str, words: &[&str]) -> Result<String, PackagesError> {
    let argv: Vec<String> = std::iter::once(&program).chain(words).map(|word| (*word).to_owned()).collect();
    let failed = |why: String| PackagesError { manager: "rpm", why };
    match command::ask(None, &argv, &command::PLAIN, &Patience::firm(LIMIT)) {
        Ok((Ended::Exited { code: Some(_), .. }, answer)) => {
            Ok(String::from_utf8_lossy(&answer).into_owned())
        }
        Ok((Ended::Exited { said, .. } | Ended::Cancelled { said }, _)) => Err(failed(said)),
        Ok((Ended::TimedOut { said }, _)) => {
            Err(failed(format!("no answer within {} s {said}", LIMIT.as_secs())))
        }
        Err(e) => Err(failed(format!("`{program}` cannot be run: {e}"))),
    }
}

fn front() -> Front {
    let there = |name: &str| Path::new("/usr/bin").join(name).exists();
    match () {
        () if there("zypper") => Front::Zypper,
        () if there("dnf") => Front::Dnf,
        () if there("yum") => Front::Yum,
        () => Front::Rpm,
    }
}
