//! The machine in a file answers as the real one did.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_plugin::{
    Ask, Component, Machine,
    protocol::{
        RelPath,
        message::{Failure, Known, KnownPe, Planned, Proposal},
        text::{Text, to_ron},
    },
    schemars,
    testkit::{FakeMachine, Trial},
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// Asks everything that can be asked, and proposes the answers as notes.
#[derive(Default)]
struct Curious;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {}

impl Component for Curious {
    const ID: &'static str = "curious";
    const ABOUT: &'static str = "Asks everything.";
    type Config = Config;

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let home = &ask.folder("home")?.0;
        let mut notes = Vec::new();
        let mut note = |text: String| notes.push(Text::en(text));
        for entry in machine.walk(home)? {
            let path = home.join(entry.rel.as_path());
            note(format!("{} {:?} {:?}", entry.rel, entry.kind, machine.stat(&path)?));
            note(format!("{:?}", machine.read(&path, 8).map_err(|e| e.to_string())));
            note(format!("{:?}", machine.read_text(&path, 9).map_err(|e| e.to_string())));
            note(format!("{:?}", machine.hash(&path).map_err(|e| e.to_string())));
            note(format!("{:?}", machine.version(&path).map_err(|e| e.to_string())));
            note(format!("{:?}", machine.list(&path).map_err(|e| e.to_string())));
        }
        for name in ["a", "A", "sub/B", "none", "none/below", "a/below", "link/c", "dangling"] {
            let rel = RelPath::new(name).unwrap();
            note(format!("{name} {:?} {}", machine.find(home, &rel)?, machine.spelled(home, &rel)?));
            note(format!("{} {:?}", machine.exists(&home.join(name))?, machine.stat(&home.join(name))?));
        }
        for service in &ask.request.services {
            note(format!("{service} {:?}", machine.service(service)));
        }
        note(format!("{:?}", machine.processes()));
        Ok(Proposal { notes, ..Proposal::default() })
    }
}

fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("a", b"text");
    write("bytes", b"\xff\x00\xfe");
    write("long", b"longer than all limits");
    write("sub/b", b"");
    write("sub/deeper/c", "日本語".as_bytes());
    write(".backout-1/left", b"x");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("sub/deeper", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("dangling")).unwrap();
    }
    #[cfg(target_os = "linux")]
    {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd\xff%41\n");
        fs::write(dir.path().join(name), "odd").unwrap();
    }
    dir
}

#[test]
fn what_was_recorded_on_a_real_tree_gives_the_same_proposal_without_it() {
    for folded in [false, true] {
        let dir = tree();
        let trial = Trial::new("()").folder("home", dir.path()).service("Product");
        let trial = if folded { trial.folded() } else { trial };
        let recorded = trial.clone().record::<Curious>().unwrap();
        let Planned::Proposal(proposal) = recorded.planned else { panic!("{:?}", recorded.planned) };
        assert_eq!(trial.plan::<Curious>().unwrap(), proposal, "recording changes nothing");
        assert!(proposal.notes.len() > 50);
        let ron = to_ron(&recorded.machine).unwrap();
        drop(dir);
        let replayed = FakeMachine::from_ron(&ron).unwrap().plan::<Curious>("()").unwrap();
        for (now, then) in replayed.notes.iter().zip(&proposal.notes) {
            assert_eq!(now, then);
        }
        assert_eq!(replayed, proposal);
    }
}

#[test]
fn a_record_holds_what_was_read_and_no_other_bytes() {
    let dir = tree();
    let recorded = Trial::new("()").folder("home", dir.path()).record::<Curious>().unwrap();
    let file = |name: &str| match &recorded.machine.paths[&dir.path().join(name).into()] {
        Known::File(file) => file.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!((file("a").text.as_deref(), file("a").pe), (Some("text"), Some(KnownPe::No)));
    assert_eq!((file("bytes").text, file("bytes").hex.as_deref()), (None, Some("ff00fe")));
    let long = file("long");
    assert_eq!((long.len, &long.text, &long.hex, long.sha256.is_some()), (22, &None, &None, true));
    let ron = to_ron(&recorded.machine).unwrap();
    assert!(!ron.contains("longer than") && !ron.contains(".backout"), "{ron}");
}

#[test]
fn a_question_that_the_file_has_no_answer_to_is_a_failure_that_names_it() {
    let plan = |paths: &str| {
        let ron = format!(r#"( folders: {{ "home": "/srv/x" }}, paths: {{ {paths} }} )"#);
        FakeMachine::from_ron(&ron).unwrap().plan::<Curious>("()").unwrap_err().message
    };
    assert_eq!(plan(""), "the fixture says nothing of `/srv/x` (what lies in it)");
    let listed = r#""/srv/x": folder({ "a": file })"#;
    assert_eq!(plan(listed), format!("the fixture says nothing of `{}` (what it is)", native("/srv/x", "a")));
    let closed = r#""/srv/x": closed("no luck")"#;
    assert_eq!(plan(closed), "`/srv/x` cannot be looked at (what lies in it): no luck");
}

fn native(folder: &str, name: &str) -> String {
    Path::new(folder).join(name).display().to_string()
}

#[test]
fn what_follows_from_a_files_bytes_need_not_be_said() {
    #[derive(Default)]
    struct Digester;
    impl Component for Digester {
        const ID: &'static str = "digester";
        const ABOUT: &'static str = "Takes digests.";
        type Config = Config;
        fn plan(&self, _: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
            let path = Path::new("/srv/x");
            let (stat, hash) = (machine.stat(path)?, machine.hash(path)?);
            let text = format!("{} {hash} {:?}", stat.map_or(0, |s| s.len), machine.version(path)?);
            Ok(Proposal { notes: vec![Text::en(text)], ..Proposal::default() })
        }
    }
    let machine = FakeMachine::from_ron(r#"( paths: { "/srv/x": file((text: "abc")) } )"#).unwrap();
    let notes = machine.plan::<Digester>("()").unwrap().notes;
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(notes[0].en, format!("3 {abc} None"));
}
