//! Whatever profile, site, flags and saved plan name, nothing outside of the product's folders and the state folder is
//! touched: paths that climb are refused, and so are names that are no names.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test makes files and stops at the first surprise"
)]

use backout_crash::{Verb, promised};
use backout_kit::{Run, Snapshot, World, snapshot, write};
use std::fs;

/// A world beside which lie folders that look as if they belonged to the product.
struct Beside {
    world: World,
    outside: Snapshot,
    home: Snapshot,
}

impl Beside {
    fn new() -> Self {
        let (world, home) = Verb::Rollback.before();
        for (name, text) in
            [("live/a.conf", "patched a"), ("backup/a.conf", "old a"), ("live/sub/c.conf", "c")]
        {
            write(&world.path().join("outside").join(name), text);
        }
        let outside = snapshot(&world.path().join("outside"));
        Self { world, outside, home }
    }

    /// The run was refused before it had stopped or changed anything.
    #[track_caller]
    fn refused(&self, run: &Run, what: &str) {
        assert!(matches!(run.code, Some(10 | 12 | 64)), "{what}: {run:?}");
        assert!(self.world.services.log().is_empty(), "{what}: {:?}", self.world.services.log());
        promised!(
            snapshot(&self.world.path().join("outside")) == self.outside,
            "{what}: outside has changed"
        );
        promised!(self.world.files() == self.home, "{what}: the product has changed");
        assert!(snapshot::leftovers(self.world.path()).is_empty(), "{what}");
    }
}

/// A file with one part of its text replaced.
#[track_caller]
fn edit(path: impl AsRef<std::path::Path>, from: &str, to: &str) {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_profile_cannot_lead_out_of_its_folders() {
    for (from, to) in [
        ("to: \"home/live\"", "to: \"home/../outside/live\""),
        ("to: \"home/live\"", "to: \"home/live/../../outside/live\""),
        ("to: \"home/live\"", "to: \"../outside/live\""),
        ("from: \"home/backup\"", "from: \"home/../outside/backup\""),
        ("to: \"home/live\"", "to: \"/etc\""),
        ("marker: \"home/live/a.conf\"", "marker: \"home/../outside/live/a.conf\""),
        ("name: \"small\"", "name: \"../../outside/small\""),
        ("id: \"files\"", "id: \"../files\""),
        ("name: \"home\"", "name: \"../home\""),
    ] {
        let beside = Beside::new();
        edit(&beside.world.profile, from, to);
        beside.refused(&beside.world.rollback(&[]), to);
    }
}

#[test]
fn a_site_and_flags_cannot_either() {
    let beside = Beside::new();
    let home = beside.world.home.display().to_string();
    for value in
        [format!("{home}/../outside"), "outside".to_owned(), "..".to_owned(), "/".to_owned(), String::new()]
    {
        let run = beside.world.rollback(&["--set", &format!("home={value}")]);
        beside.refused(&run, &format!("--set home={value}"));
    }
    let run = beside.world.rollback(&["--from", "dir:../outside/backup"]);
    assert!(snapshot(&beside.world.path().join("outside")) == beside.outside, "{run:?}");
    let beside = Beside::new();
    let home = beside.world.home.display().to_string();
    edit(&beside.world.site, &home, &format!("{home}/../outside"));
    beside.refused(&beside.world.rollback(&[]), "site");
}

#[test]
fn a_saved_plan_that_was_edited_is_carried_out_in_no_part() {
    for (from, to) in [
        ("live/a.conf", "../outside/live/a.conf"),
        ("live/a.conf", "live/../../outside/live/a.conf"),
        ("home\"", "outside\""),
        ("backup/a.conf", "backup/b.conf"),
    ] {
        let beside = Beside::new();
        let plan = beside.world.path().join("plan.ron");
        beside.world.verb("plan", &["-o", plan.to_str().unwrap()]).ends(0);
        edit(&plan, from, to);
        let mut run =
            beside.world.command(&["rollback", "--yes", "--json", "--plan", plan.to_str().unwrap()]);
        run.args(beside.world.flags());
        beside.refused(&Run::to_its_end(&mut run), to);
    }
}

#[test]
fn ids_that_are_paths_are_no_ids() {
    let beside = Beside::new();
    for id in ["../../outside", "..", ".", "", "/etc", "a/b", "00000000000000000000000000/../x"] {
        for verb in ["undo", "show"] {
            let run = beside.world.plain(&[verb, id]);
            beside.refused(&run, &format!("{verb} {id:?}"));
        }
    }
}

#[test]
fn a_request_id_is_no_path() {
    let beside = Beside::new();
    let run = beside.world.rollback(&["--request-id", "../../../outside/live/a.conf"]);
    assert!(matches!(run.code, Some(0 | 64)), "{run:?}");
    assert!(snapshot(&beside.world.path().join("outside")) == beside.outside);
}
