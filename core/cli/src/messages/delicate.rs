//! Words about what a guard refuses before it starts, and what it takes along when told to.

use super::{Said, failure::processes, names};
use backout_engine::{
    Refusal,
    guard::delicate::{Data, OpenFile},
};
use backout_machine::packages::{Front, Owner, Records};
use backout_protocol::{HostPath, Notice};

/// How many of many are named.
const NAMED: usize = 5;

/// Refusals.
pub(super) fn refused(refusal: &Refusal) -> Said {
    match refusal {
        Refusal::DatabaseFiles { found } => databases(found),
        Refusal::OpenForWriting { files } => open(files),
        Refusal::Packaged { owners } => packaged(owners),
        Refusal::PackageManager { program, manager } => Said::new(
            5163,
            format!(
                "the installer is the package manager {} (`{program}`): its records of what is installed are in no folder that is guarded, and no way back would take them back",
                manager.name
            ),
            format!(
                "run it without a guard, and go back with its own way: {}; `--allow-packaged` guards it all the same",
                manager.back
            ),
        ),
        other => Said::new(5164, format!("refused: {other:?}"), "tell the developers"),
    }
}

fn databases(found: &[Data]) -> Said {
    let each: Vec<String> = found.iter().map(|data| format!("`{}` ({})", data.path, data.of)).collect();
    let message = format!(
        "the data of databases lies in these folders; copied while the database runs it is none any more, and a way back loses what was written since:{}",
        first(&each)
    );
    let globs = globs(found.iter().filter_map(|data| data.glob.clone()));
    let out = match (globs.is_empty(), found.iter().find(|data| data.glob.is_none())) {
        (_, Some(_)) => "watch other folders than the data's own".to_owned(),
        (false, None) => format!("leave it out with {globs}, and save the database by its own means"),
        (true, None) => "leave it out with `--exclude GLOB`".to_owned(),
    };
    let help = format!("{out}; or take it along with `--include-data`: stop the database's service before");
    Said::new(5160, message, help)
}

fn open(files: &[OpenFile]) -> Said {
    let each: Vec<String> =
        files.iter().map(|file| format!("`{}`: by {}", file.path, processes(&file.holders))).collect();
    let message = format!(
        "these files are open for writing; a copy of one may be of no moment, and who writes to it does not see what a way back puts in its place:{}",
        first(&each)
    );
    // Logs are many, have new names tomorrow, and nobody wants an old one back.
    let glob =
        |file: &OpenFile| if file.glob.ends_with(".log") { "*.log".to_owned() } else { file.glob.clone() };
    let help = format!(
        "stop what writes to them; or leave them out with {}; or take them along as they are with `--include-data`",
        globs(files.iter().map(glob))
    );
    Said::new(5161, message, help)
}

fn packaged(owners: &[Owner]) -> Said {
    let each = |owner: &Owner| {
        let first = owner.first.as_ref().map(|path| format!(", such as `{}`", HostPath(path.clone())));
        let (files, version) = (owner.files, &owner.version);
        format!("{} {version}: {files} files{}", owner.package, first.unwrap_or_default())
    };
    let each: Vec<String> = owners.iter().map(each).collect();
    let message = format!(
        "files in these folders belong to packages; no way back takes back the package manager's records of them:{}",
        first(&each)
    );
    let help = format!(
        "the package manager's own way back is {}; leave these files out with `--exclude GLOB`; or go on with `--allow-packaged`, which says what `{}` will report",
        way_back(owners),
        verifier(owners)
    );
    Said::new(5162, message, help)
}

/// The commands that bring these packages back as they are now.
fn way_back(owners: &[Owner]) -> String {
    let list = |is: fn(&Records) -> bool, join: &str| {
        let some = owners.iter().filter(|owner| is(&owner.records)).take(NAMED);
        let some = some.map(|owner| format!("{}{join}{}", owner.package, owner.version));
        some.collect::<Vec<_>>().join(" ")
    };
    let mut ways = Vec::new();
    let dpkg = list(|records| *records == Records::Dpkg, "=");
    if !dpkg.is_empty() {
        ways.push(format!("`apt-get install --reinstall --allow-downgrades {dpkg}`"));
    }
    let front = owners.iter().find_map(|owner| match owner.records {
        Records::Rpm(front) => Some(front),
        Records::Dpkg => None,
    });
    let rpm = |join| list(|records| matches!(records, Records::Rpm(_)), join);
    match front {
        None => {}
        Some(Front::Zypper) => ways.push(format!("`zypper install --oldpackage --force {}`", rpm("="))),
        Some(Front::Dnf) => ways.push(format!("`dnf history undo last`, or `dnf downgrade {}`", rpm("-"))),
        Some(Front::Yum) => ways.push(format!("`yum history undo last`, or `yum downgrade {}`", rpm("-"))),
        Some(Front::Rpm) => ways.push(format!("`rpm -Uvh --oldpackage --replacepkgs` with {}", rpm("-"))),
    }
    ways.join(" and ")
}

fn verifier(owners: &[Owner]) -> &'static str {
    if owners.iter().any(|owner| owner.records == Records::Dpkg) { "dpkg -V" } else { "rpm -V" }
}

/// The first of a list, one a line, and how many more there are.
fn first(each: &[String]) -> String {
    let lines: String = each.iter().take(NAMED).map(|one| format!("\n  {one}")).collect();
    match each.len().saturating_sub(NAMED) {
        0 => lines,
        more => format!("{lines}\n  … and {more} more"),
    }
}

/// Each glob once, as it is typed.
fn globs(all: impl Iterator<Item = String>) -> String {
    let mut known: Vec<String> = Vec::new();
    for glob in all {
        if !known.contains(&glob) {
            known.push(glob);
        }
    }
    let more = if known.len() > NAMED { " …" } else { "" };
    let typed = known.iter().take(NAMED).map(|glob| format!("--exclude '{}'", glob.replace('\'', r"'\''")));
    let typed = typed.collect::<Vec<_>>().join(" ");
    if typed.is_empty() { typed } else { format!("`{typed}{more}`") }
}

/// What is taken along, and what could not be seen: code and words; `None`: it is about something else.
pub(super) fn noticed(notice: &Notice) -> Option<(u16, String)> {
    Some(match notice {
        Notice::DataIncluded { first, of, count } => (
            5170,
            format!(
                "data of databases is taken along, as you said ({count} found; the first: `{first}`, {of}): it is good only if nothing writes to it from the snapshot to the end, and a way back loses what was written since"
            ),
        ),
        Notice::OpenIncluded { first, holders, count } => (
            5171,
            format!(
                "files that are open for writing are taken along, as you said ({count} found; the first: `{first}`, by {}): a copy may be of no moment",
                processes(holders)
            ),
        ),
        Notice::WritersUnseen { processes } => (
            5172,
            format!(
                "{processes} processes could not be looked at, as of other users only root may, and in a container not even root all of them: whether they have files of these folders open for writing is not known"
            ),
        ),
        Notice::PackagedIncluded { packages, files, check } => {
            let more = packages.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (
                5173,
                format!(
                    "{files} files of packages are guarded, as you said, and the package manager's records are not ({}{more}): what the installer changes of them {} reports file by file (with a `5` in the third place), and behind a way back nothing of it, unless the installer has changed these records too",
                    names(packages.iter().take(NAMED)),
                    names(check)
                ),
            )
        }
        Notice::PackageManagerRuns { name, back } => (
            5174,
            format!(
                "the package manager {name} is guarded, as you said: behind a way back its records still say that the new versions are installed, and `dpkg -V` or `rpm -V` reports their files; mend that with its own way back: {back}"
            ),
        ),
        Notice::PackagesUnread { why } => {
            (5175, format!("whether files in these folders belong to packages could not be found out: {why}"))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(path: &str, glob: Option<&str>) -> Data {
        Data { path: HostPath(path.into()), of: "PostgreSQL", glob: glob.map(str::to_owned) }
    }

    #[test]
    fn a_database_is_named_with_the_glob_that_leaves_it_out() {
        let said = databases(&[data("/srv/x/pg/PG_VERSION", Some("pg"))]);
        assert!(said.message.ends_with("\n  `/srv/x/pg/PG_VERSION` (PostgreSQL)"), "{}", said.message);
        assert!(said.help.starts_with("leave it out with `--exclude 'pg'`, "), "{}", said.help);
        assert!(said.help.contains("stop the database's service before"), "{}", said.help);
        let root = databases(&[data("/srv/pg/PG_VERSION", None)]);
        assert!(root.help.starts_with("watch other folders"), "{}", root.help);
        let many: Vec<Data> = (0..7).map(|n| data("/srv/x", Some(&format!("pg{n}")))).collect();
        let said = databases(&many);
        assert!(said.message.ends_with("\n  … and 2 more") && said.help.contains("'pg4' …`"), "{said:?}");
    }

    #[test]
    fn a_log_that_is_written_to_is_left_out_with_all_logs() {
        let file = |name: &str| OpenFile {
            path: HostPath(format!("/srv/{name}").into()),
            glob: name.to_owned(),
            holders: vec![("httpd".into(), 7)],
        };
        let said = open(&[file("a.log"), file("b.log"), file("it's")]);
        assert!(said.help.contains(r"`--exclude '*.log' --exclude 'it'\''s'`"), "{}", said.help);
        assert!(said.message.contains("\n  `/srv/a.log`: by `httpd` (process 7)"), "{}", said.message);
    }

    #[test]
    fn the_way_back_is_the_package_managers_own() {
        let owner = |records| Owner {
            records,
            package: "x".into(),
            version: "1:2-3".into(),
            files: 4,
            first: Some("/usr/bin/x".into()),
        };
        let said = packaged(&[owner(Records::Dpkg)]);
        assert!(said.message.contains("x 1:2-3: 4 files, such as `/usr/bin/x`"), "{}", said.message);
        assert!(
            said.help.contains("`apt-get install --reinstall --allow-downgrades x=1:2-3`"),
            "{}",
            said.help
        );
        assert!(said.help.contains("`dpkg -V`"));
        for (front, way) in [
            (Front::Dnf, "dnf history undo last"),
            (Front::Yum, "yum downgrade x-1:2-3"),
            (Front::Zypper, "zypper install --oldpackage --force x=1:2-3"),
            (Front::Rpm, "rpm -Uvh --oldpackage"),
        ] {
            let said = packaged(&[owner(Records::Rpm(front))]);
            assert!(said.help.contains(way) && said.help.contains("`rpm -V`"), "{}", said.help);
        }
    }
}
