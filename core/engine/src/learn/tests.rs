//! Profiles that are learned from trees as they are written down; where names may hold anything.
#![cfg(unix)]

use super::*;
use backout_protocol::{
    Digest, Fingerprint, Image, MachineType, NameRule, Profile, RelPath,
    profile::FileRow,
    snapshot::{Entry, Facts, Root, Snapshot, What},
};

/// A text of this content, or a program of this version.
fn file(content: &str) -> Image {
    let version: Option<FileVersion> = content.parse().ok();
    let mut bytes = [7; 32];
    content.bytes().enumerate().for_each(|(n, b)| bytes[n % 32] ^= b);
    let fingerprint = Fingerprint::File { len: content.len() as u64, sha256: Digest(bytes) };
    Image { fingerprint, version, machine: version.map(|_| MachineType::X64) }
}

fn facts(seconds: i64) -> Facts {
    let attributes = std::collections::BTreeMap::new();
    Facts { owner: "0".into(), group: None, mode: 0o644, modified: (seconds, 0), attributes }
}

/// A tree of these files: the root's number, the path, the content.
fn tree(roots: &[&str], names: NameRule, files: &[(usize, &str, &str)]) -> Snapshot {
    let root = |path: &&str| Root { path: HostPath(path.into()), facts: facts(1) };
    let mut entries: Vec<Entry> = Vec::new();
    for (root, path, content) in files {
        let rel = RelPath::new(path).unwrap();
        let above = std::iter::successors(rel.parent(), RelPath::parent).collect::<Vec<_>>();
        for folder in above.into_iter().rev() {
            if !entries.iter().any(|e| e.root == *root && e.path == folder) {
                entries.push(Entry { root: *root, path: folder, what: What::Folder, facts: Some(facts(1)) });
            }
        }
        entries.push(Entry {
            root: *root,
            path: rel,
            what: What::File(file(content)),
            facts: Some(facts(1)),
        });
    }
    Snapshot {
        format: backout_protocol::snapshot::FORMAT,
        tool: "0".into(),
        id: "01jd0000000000000000000000".parse().unwrap(),
        label: None,
        profile: None,
        taken: 0,
        names,
        roots: roots.iter().map(root).collect(),
        exclude: vec!["*.cache".to_owned()],
        services: Vec::new(),
        registry: Vec::new(),
        mounts: None,
        entries,
    }
}

fn told() -> Told {
    Told {
        name: "new".into(),
        plugin: "a-plugin".into(),
        installer: "setup\n.sh".into(),
        ended: Some(5_000),
        product: None,
        variables: Vec::new(),
        services: Vec::new(),
        timeouts: Timeouts::default(),
    }
}

fn learned(before: &Snapshot, after: Snapshot) -> (Learned, Profile) {
    let learned = learn(before, &after.into(), &told()).unwrap().unwrap();
    let profile = LoadedProfile::from_text("new", &learned.text, None).unwrap().profile;
    (learned, profile)
}

type Files<'a> = &'a [(usize, &'a str, &'a str)];

fn one_root(before: Files<'_>, after: Files<'_>) -> (Learned, Profile) {
    let of = |files| tree(&["/srv/product"], NameRule::Exact, files);
    learned(&of(before), of(after))
}

fn row<'a>(profile: &'a Profile, name: &str) -> &'a FileRow {
    profile.lists.iter().flat_map(|l| &l.files).find(|f| f.name == name).unwrap()
}

fn configs(profile: &Profile) -> Vec<String> {
    let config = |c: &backout_protocol::profile::Component| match &c.role {
        backout_protocol::profile::Role::Restore { plugin, config } => {
            assert_eq!(plugin, "a-plugin");
            config.get_ron().trim().to_owned()
        }
        other => panic!("{other:?}"),
    };
    profile.components.iter().map(config).collect()
}

#[test]
fn versions_tell_the_build_and_rows_without_one_are_told_by_their_bytes() {
    let before =
        [(0, "a.exe", "1.0.0.3"), (0, "b.exe", "1.0.0.3"), (0, "c.txt", "old"), (0, "d.exe", "1.0.0.1")];
    let after =
        [(0, "a.exe", "2.0.0.7"), (0, "b.exe", "2.0.0.7"), (0, "c.txt", "new"), (0, "e.exe", "2.0.0.7")];
    let (learned, profile) = one_root(&before, &after);
    let patched = "2.0.0.7".parse().ok();
    assert_eq!((profile.product.patched, profile.product.version.as_str()), (patched, "1.0.0.3"));
    assert_eq!(profile.exclude, ["*.cache"]);
    let digest = |content| match file(content).fingerprint {
        Fingerprint::File { sha256, .. } => Some(sha256),
        other => panic!("{other:?}"),
    };
    let a = row(&profile, "a.exe");
    assert_eq!((a.version, a.sha256, a.before), (patched, None, None));
    let c = row(&profile, "c.txt");
    assert_eq!((c.version, c.sha256, c.before), (None, digest("new"), digest("old")));
    let (d, e) = (row(&profile, "d.exe"), row(&profile, "e.exe"));
    assert_eq!((d.removed, d.before, d.version), (true, digest("1.0.0.1"), None));
    assert_eq!((e.added, e.sha256, e.version), (true, digest("2.0.0.7"), patched));
    let counts = Counts { changed: 3, added: 1, removed: 1, without_backup: 4 };
    assert_eq!(learned.counts, counts);
    assert_eq!(profile.components[0].presence.marker.as_deref(), Some("home/a.exe"));
    assert!(learned.text.lines().all(|line| !line.starts_with(".sh")), "{}", learned.text);
}

#[test]
fn backups_are_found_beside_and_below_and_each_way_is_a_component() {
    let before = [
        (0, "a", "old a"),
        (0, "x/b", "old b"),
        (0, "y/b", "old c"),
        (0, "live/d", "old d"),
        (0, "e", "old e"),
    ];
    let mut after: Vec<(usize, &str, &str)> = vec![
        (0, "a", "new"),
        (0, "x/b", "new"),
        (0, "y/b", "new"),
        (0, "live/d", "new"),
        (0, "e", "new"),
        (0, "a.orig", "old a"),
        (0, "x/b.orig", "old b"),
        (0, "keep/y/b", "old c"),
        (0, "keep/list", "list"),
        (0, "set/d~", "old d"),
    ];
    after.sort();
    let (learned, profile) = one_root(&before, &after);
    assert_eq!(learned.counts, Counts { changed: 5, added: 1, removed: 0, without_backup: 1 });
    let mut configs = configs(&profile);
    configs.sort();
    assert_eq!(
        configs,
        [
            r#"(from: "home", to: "home", suffix: ".orig", consume: true, exact: true)"#,
            r#"(from: "home/.no-backup", to: "home", suffix: ".bak", exact: true)"#,
            r#"(from: "home/keep", to: "home", consume: true, exact: true, made: ["home/keep", "home/keep/y"])"#,
            r#"(from: "home/set", to: "home/live", suffix: "~", consume: true, exact: true, made: ["home/set"])"#,
        ]
    );
    let lists: Vec<&str> = profile.lists.iter().map(|l| l.id.as_str()).collect();
    assert!(lists.contains(&"no-backup-in-home"), "{lists:?}");
    // What a backup folder holds besides belongs to its component; the backups are in no list.
    let with_list = profile.lists.iter().find(|l| l.files.iter().any(|f| f.name == "keep/list")).unwrap();
    assert!(with_list.files.iter().any(|f| f.name == "y/b"));
    assert!(profile.lists.iter().flat_map(|l| &l.files).all(|f| !f.name.ends_with(".orig")));
}

#[test]
fn a_backup_that_was_there_before_under_another_content_is_not_taken_away() {
    let before = [(0, "a", "old"), (0, "a.bak", "older")];
    let (learned, profile) = one_root(&before, &[(0, "a", "new"), (0, "a.bak", "old")]);
    assert_eq!(learned.unsaid[0].what, Difference::OldBackup, "and that one does not come back is told");
    assert_eq!(configs(&profile)[0], r#"(from: "home", to: "home", suffix: ".bak", exact: true)"#);
}

#[test]
fn odd_names_are_read_back_and_those_of_two_roots_do_not_meet() {
    let odd = "it's a \"b\" \\ % \n c";
    let of = |content| [(0, odd, content), (0, "same", content), (0, "Same", content), (1, "same", content)];
    let roots = ["/srv/product one", "/srv/product-data"];
    let tree = |content| tree(&roots, NameRule::Exact, &of(content));
    let (_, profile) = learned(&tree("old"), tree("new"));
    let names = ["product_one", "product_data"];
    assert_eq!(profile.variables.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(profile.roots, names);
    assert_eq!(profile.variables[0].unix, ["/srv/product one"]);
    assert!(row(&profile, odd).sha256.is_some());
    let lists: Vec<(&str, usize)> =
        profile.lists.iter().map(|l| (l.folder.as_str(), l.files.len())).collect();
    assert_eq!(lists, [("product_one", 3), ("product_data", 1)]);
}

#[test]
fn folders_of_one_name_are_numbered() {
    let of = |content| {
        let files = [(0, "a", content), (1, "a", content), (2, "a", content)];
        tree(&["/opt/product", "/srv/product", "/usr/product"], NameRule::Exact, &files)
    };
    let (_, profile) = learned(&of("old"), of("new"));
    let names = profile.variables.iter().map(|v| v.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["product", "product_2", "product_3"]);
}

#[test]
fn variables_that_are_no_root_stand_once_behind_those_that_are_as_they_were() {
    let of = |text| tree(&["/srv/product"], NameRule::Exact, &[(0, "a.conf", text)]);
    let named = |name: &str, folder, same_as: Option<&str>| Named {
        name: name.into(),
        value: HostPath("/srv/product".into()),
        folder,
        same_as: same_as.map(str::to_owned),
    };
    let variables =
        vec![named("alias", true, Some("main")), named("main", true, None), named("word", false, None)];
    let told = Told { variables, ..told() };
    let learned = learn(&of("old"), &of("new").into(), &told).unwrap().unwrap();
    let profile = LoadedProfile::from_text("new", &learned.text, None).unwrap().profile;
    let told = profile.variables.iter().map(|v| (v.name.as_str(), v.same_as.as_deref()));
    assert_eq!(told.collect::<Vec<_>>(), [("main", None), ("alias", Some("main")), ("word", None)]);
}

#[test]
fn what_no_backup_would_be_taken_for_is_left_to_snapshots() {
    let before =
        [(0, "down.exe", "3.0.0.0"), (0, "empty", ""), (0, "now.exe", "text"), (0, "same.exe", "2.0.0.0")];
    let after = [(0, "down.exe", "2.0.0.0"), (0, "empty", "full"), (0, "now.exe", "2.0.0.0"), (0, "z", "z")];
    let (learned, profile) = one_root(&before, &after);
    let unsaid: Vec<String> = learned.unsaid.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(unsaid, ["/srv/product/down.exe", "/srv/product/empty", "/srv/product/now.exe"]);
    let head: Vec<&str> = learned.text.lines().filter(|line| line.starts_with("//   ")).collect();
    let said = ["down.exe: it was newer, 3.0.0.0", "empty: it was empty,", "now.exe: it was no program,"];
    assert!(head.iter().zip(said).all(|(line, words)| line.contains(words)) && head.len() == 3, "{head:?}");
    assert_eq!(profile.lists[0].files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["same.exe", "z"]);
}

#[test]
fn logs_and_what_was_written_when_the_installer_was_gone_are_data_and_their_backups_are_not() {
    let before = [(0, "a.log", "old"), (0, "b.conf", "old"), (0, "c.log", "old c"), (0, "d.exe", "1.0.0.0")];
    let mut after = tree(
        &["/srv/product"],
        NameRule::Exact,
        &[
            (0, "a.log", "new"),
            (0, "b.conf", "new"),
            (0, "c.log", "new c"),
            (0, "c.log.bak", "old c"),
            (0, "d.exe", "2.0.0.0"),
        ],
    );
    for entry in &mut after.entries {
        if ["b.conf", "d.exe"].contains(&entry.path.to_string().as_str()) {
            entry.facts = Some(facts(6));
        }
    }
    let (learned, profile) = learned(&tree(&["/srv/product"], NameRule::Exact, &before), after);
    let data: Vec<String> = learned.data.iter().map(ToString::to_string).collect();
    assert_eq!(data, ["/srv/product/a.log", "/srv/product/b.conf"]);
    assert!(row(&profile, "c.log").sha256.is_some() && row(&profile, "d.exe").version.is_some());
}

#[test]
fn nothing_that_a_profile_could_say_is_no_profile() {
    let same = tree(&["/srv/product"], NameRule::Exact, &[(0, "a", "a")]);
    assert!(learn(&same, &same.clone().into(), &told()).unwrap().is_none());
}

#[test]
fn a_target_is_made_once_and_only_where_it_may_be() {
    use target::{Cannot, check};
    let dir = tempfile::TempDir::new().unwrap();
    let real = std::fs::canonicalize(dir.path()).unwrap();
    let why =
        |path: &str, covered: &[HostPath]| match check(&real.join(path), covered, Path::new("/no/state")) {
            Err(Refusal::CannotLearn { why, .. }) => Some(why),
            Err(other) => panic!("{other:?}"),
            Ok(_) => None,
        };
    assert_eq!(why("new.ron", &[]), None);
    for name in ["new", ".ron", ".x.ron", "a b.ron", "new.RON"] {
        assert_eq!(why(name, &[]), Some(Cannot::Name), "{name}");
    }
    assert_eq!(why("new.ron", &[HostPath(real.clone())]), Some(Cannot::Covered(HostPath(real.clone()))));
    assert!(matches!(why("none/new.ron", &[]), Some(Cannot::Folder(_))));
    let file = HostPath(real.join("new.ron"));
    target::try_out(&file).unwrap();
    target::write(&file, "text").unwrap();
    assert_eq!(why("new.ron", &[]), Some(Cannot::Exists));
    let again = target::write(&file, "other").unwrap_err();
    assert_eq!(again.kind, backout_disk::ErrorKind::Exists);
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "text");
    assert_eq!(std::fs::read_dir(&real).unwrap().count(), 1, "nothing is left beside it");
}
