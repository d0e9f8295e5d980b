//! Going back to a snapshot: any generation, whatever lies between.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::TreeSpec;
use backout_e2e::snapshots::{call, taken};
use backout_kit::{Run, ServerProtect, Snapshot, World, serverprotect::version, snapshot, write};
use std::{fs, path::Path};

fn from(id: &str) -> [String; 2] {
    ["--from".to_owned(), format!("snapshot:{id}")]
}

fn back_to(world: &World, id: &str, more: &[&str]) -> Run {
    let from = from(id);
    let all: Vec<&str> = from.iter().map(String::as_str).chain(more.iter().copied()).collect();
    world.rollback(&all)
}

#[track_caller]
fn assert_alike(a: &Snapshot, b: &Snapshot, what: &str) {
    assert!(a == b, "{what}\n{}", snapshot::differences(a, b).join("\n"));
}

/// A product in its first state: as before the patch, and without a backup anywhere.
fn first_state() -> ServerProtect {
    let sp = ServerProtect::new(&TreeSpec::default());
    for file in &sp.tree.files {
        fs::write(&file.live, &file.before).unwrap();
        if let Some(backup) = &file.backup {
            let _ = fs::remove_file(backup);
        }
    }
    for folder in [sp.tree.home.join("is_backup"), sp.tree.tmi.join("Backup"), sp.tree.home.join("HotFix")] {
        let _ = fs::remove_dir_all(folder);
    }
    sp
}

/// What the patch does, and what it does when it is run once more: it writes what is not there yet.
fn patch(sp: &ServerProtect) {
    let put = |path: &Path, bytes: &[u8]| {
        if fs::read(path).ok().as_deref() != Some(bytes) {
            write(path, bytes);
        }
    };
    for file in &sp.tree.files {
        if let Some(backup) = &file.backup {
            put(backup, &fs::read(&file.live).unwrap());
        }
    }
    for file in &sp.tree.files {
        put(&file.live, &file.patched);
    }
    write(&sp.tree.home.join("HotFix/waits.txt"), "to be deployed");
}

#[track_caller]
fn is_first(sp: &ServerProtect) {
    for file in &sp.tree.files {
        assert!(fs::read(&file.live).unwrap() == file.before, "{}", file.live.display());
    }
    assert_eq!(version(&sp.live("SpntSvc.exe")).unwrap().to_string(), "5.80.0.1179");
    assert_eq!(version(&sp.live("Admin.exe")).unwrap().to_string(), "5.80.0.1179", "the console too");
}

#[test]
fn a_patch_that_was_run_twice_is_refused_by_the_vendors_backups_and_goes_back_to_the_first_generation() {
    let sp = first_state();
    let first = sp.world.files();
    let id = taken(&sp.world, &["--label", "before"]);
    patch(&sp);
    patch(&sp);
    let twice = sp.world.files();
    let refused = sp.world.rollback(&[]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1031");
    assert!(refused.json["error"]["message"].as_str().unwrap().contains("SpntSvc.exe"));
    assert_alike(&sp.world.files(), &twice, "refused");
    let mut plan = sp.world.command(&["plan", &sp.world.profile]);
    let planned = Run::to_its_end(plan.args(sp.world.flags()).args(from(&id))).ends(0).stdout;
    assert!(planned.contains("; 5.80.0.1297 -> 5.80.0.1179\n"), "the builds of a component: {planned}");
    sp.world.services.clear_log();
    let run = back_to(&sp.world, &id, &[]).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"done".into(), &true.into()));
    is_first(&sp);
    assert_alike(&sp.world.files(), &first, "what came since is gone, and all is as it was");
    let log = sp.world.services.log();
    assert_eq!(log, ["stop spnt", "stop agent", "stop tmi", "start spnt", "start agent", "start tmi"]);
    assert!(sp.world.running().iter().all(|r| *r));
    sp.world.services.clear_log();
    let again = back_to(&sp.world, &id, &[]).ends(0);
    assert_eq!(again.json["outcome"], "nothing-to-do");
    assert!(sp.world.services.log().is_empty());
    sp.world.plain(&["undo"]).ends(0);
    assert_alike(&sp.world.files(), &twice, "undone");
}

#[test]
fn three_generations_go_any_to_any() {
    let sp = first_state();
    let mut generations = vec![(taken(&sp.world, &[]), sp.world.files())];
    patch(&sp);
    generations.push((taken(&sp.world, &[]), sp.world.files()));
    patch(&sp);
    write(&sp.tree.home.join("Added/deeper/new.dll"), "new");
    fs::remove_dir_all(sp.tree.home.join("HotFix")).unwrap();
    generations.push((taken(&sp.world, &[]), sp.world.files()));
    for to in [0, 1, 2, 1, 0, 2, 0] {
        let (id, files) = &generations[to];
        back_to(&sp.world, id, &[]).ends(0);
        assert_alike(&sp.world.files(), files, &format!("generation {to}"));
        assert_eq!(call(&sp.world, &["diff", id]).ends(0).json["data"]["changes"], serde_json::json!([]));
        let build = version(&sp.live("SpntSvc.exe")).unwrap().to_string();
        assert_eq!(build, if to == 0 { "5.80.0.1179" } else { "5.80.0.1297" });
        if to == 0 {
            is_first(&sp);
        }
    }
    call(&sp.world, &["verify"]).ends(0);
}

#[test]
fn a_generation_that_was_restored_is_not_taken_for_one_that_is_back() {
    // A file without a version is known to be back by what an earlier rollback put there; a snapshot may put anything.
    let sp = first_state();
    let first = taken(&sp.world, &[]);
    patch(&sp);
    let patched = taken(&sp.world, &[]);
    back_to(&sp.world, &first, &[]).ends(0);
    back_to(&sp.world, &patched, &[]).ends(0);
    sp.world.rollback(&[]).ends(0);
    for file in sp.tree.files.iter().filter(|f| f.backup.is_some()) {
        assert!(fs::read(&file.live).unwrap() == file.before, "{}", file.live.display());
    }
}

#[test]
fn a_damaged_snapshot_restores_nothing() {
    let sp = first_state();
    let id = taken(&sp.world, &[]);
    patch(&sp);
    let patched = sp.world.files();
    let copy = sp.world.state.join("snapshots").join(&id).join("files/0/SpntSvc.exe");
    let copy = if copy.exists() { copy } else { copy.with_file_name("../1/SpntSvc.exe") };
    let mut bytes = fs::read(&copy).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&copy, bytes).unwrap();
    let named = call(&sp.world, &["verify"]).ends(31);
    assert!(named.json["error"]["message"].as_str().unwrap().contains("SpntSvc.exe"));
    sp.world.services.clear_log();
    for verb in ["plan", "rollback"] {
        let from = from(&id);
        let run = sp.world.verb(verb, &[&from[0], &from[1]]).ends(10);
        assert_eq!(run.error_code(), "BKO-1122");
        assert!(run.json["error"]["message"].as_str().unwrap().contains("SpntSvc.exe"), "{run:?}");
    }
    assert!(sp.world.services.log().is_empty());
    assert_alike(&sp.world.files(), &patched, "nothing was touched");
}

#[test]
fn doctor_knows_the_good_copies_of_snapshots_and_the_command_that_takes_all_of_it_back() {
    let sp = first_state();
    let good = taken(&sp.world, &[]);
    patch(&sp);
    // Newer, and of no use: it holds the patched files.
    taken(&sp.world, &[]);
    let through = |run: &Run| run.json["data"]["rollback"]["through_snapshots"].as_str().map(str::to_owned);
    assert_eq!(through(&sp.world.verb("doctor", &[]).ends(0)), None, "the vendor's backups do");
    patch(&sp);
    let twice = sp.world.files();
    let copy = |run: &Run, name: &str| {
        let files = run.json["data"]["files"].as_array().unwrap();
        let own = |f: &&serde_json::Value| f["path"].as_str().unwrap().ends_with(name);
        let copy = &files.iter().find(own).unwrap()["copy"];
        (copy["in"].as_str().unwrap().to_owned(), copy["snapshot"].as_str().map(str::to_owned))
    };
    let doctor = sp.world.verb("doctor", &[]).ends(31);
    for name in ["SpntSvc.exe", "eng50.dll", "Admin.exe"] {
        assert_eq!(copy(&doctor, name), ("snapshot".to_owned(), Some(good.clone())), "{name}");
    }
    let command = through(&doctor).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    let sources: Vec<&str> = words.windows(2).filter(|w| w[0] == "--from").flatten().copied().collect();
    assert!(sources.contains(&format!("normal-server=snapshot:{good}").as_str()), "{command}");
    assert_alike(&sp.world.files(), &twice, "doctor changes nothing");
    let planned = sp.world.verb("doctor", &sources).ends(0);
    assert_eq!(copy(&planned, "SpntSvc.exe").1, Some(good.clone()));
    assert_eq!(planned.json["data"]["rollback"]["possible"], "whole");
    // A copy that has rotted is no good one, and without it not all goes back.
    let file = below(&sp.world.state.join("snapshots").join(&good).join("files"), "eng50.dll").unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, "rot").unwrap();
    let rotten = sp.world.verb("doctor", &[]).ends(31);
    assert_eq!((copy(&rotten, "eng50.dll").0, through(&rotten)), ("none".to_owned(), None));
    assert_eq!(copy(&rotten, "SpntSvc.exe").1, Some(good.clone()));
    fs::write(&file, bytes).unwrap();
    sp.world.rollback(&sources).ends(0);
    assert_eq!(version(&sp.live("SpntSvc.exe")).unwrap().to_string(), "5.80.0.1179");
    assert_eq!(version(&sp.live("mrf.exe")).unwrap().to_string(), "1.12.0.1100");
    let after = sp.world.verb("verify", &["--expect", "before"]);
    assert_eq!(after.code, Some(0), "{after:?}");
}

/// The file of this name below a folder.
fn below(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).find_map(|path| match path.is_dir() {
        true => below(&path, name),
        false => path.ends_with(name).then_some(path),
    })
}

#[test]
fn one_component_alone_goes_back_to_a_generation() {
    let sp = first_state();
    let id = taken(&sp.world, &[]);
    patch(&sp);
    patch(&sp);
    sp.world.services.clear_log();
    sp.world.rollback(&["--component", "cm-agent", "--from", &format!("snapshot:{}", &id[..20])]).ends(0);
    assert_eq!(version(&sp.live("mrf.exe")).unwrap().to_string(), "1.12.0.1100");
    assert_eq!(version(&sp.live("SpntSvc.exe")).unwrap().to_string(), "5.80.0.1297");
    assert_eq!(sp.world.services.log(), ["stop agent", "stop tmi", "start agent", "start tmi"]);
    assert!(sp.tree.home.join("HotFix/waits.txt").exists(), "what is no component's stays");
}

#[test]
fn what_came_since_is_moved_away_and_comes_back() {
    let world = World::small();
    let (id, before) = (taken(&world, &["--exclude", "*.log"]), world.files());
    write(&world.home.join("live/added.conf"), "new");
    write(&world.home.join("fresh/deep/er/x"), "x");
    fs::create_dir_all(world.home.join("fresh/empty")).unwrap();
    fs::remove_dir_all(world.home.join("live/sub")).unwrap();
    write(&world.home.join("live/a.conf"), "other");
    let patched = world.files();
    let from = from(&id);
    let plan = world.verb("plan", &[&from[0], &from[1]]).ends(0);
    assert_alike(&world.files(), &patched, "a plan changes nothing");
    assert_eq!((&plan.json["counts"]["removed"], &plan.json["counts"]["replaced"]), (&6.into(), &1.into()));
    back_to(&world, &id, &[]).ends(0);
    assert_alike(&world.files(), &before, "restored");
    // The run needs it as long as it can be undone.
    taken(&world, &[]);
    assert_eq!(call(&world, &["drop", &id]).ends(10).error_code(), "BKO-1124");
    world.plain(&["undo"]).ends(0);
    assert_alike(&world.files(), &patched, "undone");
    // What was left out of the snapshot is left alone, and so is the folder that holds it.
    write(&world.home.join("fresh/deep/day.log"), "logged");
    let run = back_to(&world, &id, &[]).ends(0);
    assert!(world.home.join("fresh/deep/day.log").exists() && !world.home.join("fresh/deep/er").exists());
    assert!(run.json["warnings"].to_string().contains("BKO-4043"), "{run:?}");
}

#[test]
fn a_saved_plan_holds_for_a_snapshot_too() {
    let world = World::small();
    let id = taken(&world, &[]);
    write(&world.home.join("live/a.conf"), "other");
    let plan = world.path().join("plan.ron");
    let from = from(&id);
    world.verb("plan", &[&from[0], &from[1], "-o", plan.to_str().unwrap()]).ends(0);
    let carried_out = || {
        let mut command = world.command(&["rollback", "--yes", "--json", "--plan", plan.to_str().unwrap()]);
        Run::to_its_end(command.args(world.flags()))
    };
    write(&world.home.join("live/added"), "since the plan");
    carried_out().ends(12);
    fs::remove_file(world.home.join("live/added")).unwrap();
    let other = taken(&world, &[]);
    carried_out().ends(0);
    assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "patched a");
    // One that is dropped in between is not there, and no damaged one.
    let from = self::from(&other);
    fs::remove_file(&plan).unwrap();
    world.verb("plan", &[&from[0], &from[1], "-o", plan.to_str().unwrap()]).ends(0);
    taken(&world, &[]);
    call(&world, &["drop", &other]).ends(0);
    let stale = carried_out().ends(12);
    assert!(stale.json["error"]["message"].as_str().unwrap().contains("no snapshot is called"), "{stale:?}");
}

#[test]
fn two_components_of_one_file_go_back_to_generations_that_agree_and_are_refused_where_they_do_not() {
    let world = World::without_services();
    let component = |id: &str| {
        format!(
            r#"( id: "{id}", title: (en: "{id}"), presence: (marker: "home/live/a.conf"),
                role: Restore(plugin: "file-set", config: (from: "home/backup", to: "home/live")) )"#
        )
    };
    let profile = format!(
        r#"( name: "twice", title: (en: "Two of one"), product: (name: "Twice", version: "1", patch: "2"),
             variables: [(name: "home", about: (en: "where it is"))], components: [{}, {}] )"#,
        component("one"),
        component("two")
    );
    fs::write(&world.profile, profile).unwrap();
    let file = world.home.join("live/a.conf");
    let (first, alike) = (taken(&world, &[]), taken(&world, &[]));
    write(&file, "second");
    let second = taken(&world, &[]);
    write(&file, "third");
    let of = |one: &str, two: &str| {
        let [one, two] = [("one", one), ("two", two)].map(|(name, id)| format!("{name}=snapshot:{id}"));
        world.rollback(&["--from", &one, "--from", &two])
    };
    let refused = of(&first, &second).ends(10);
    assert_eq!(refused.error_code(), "BKO-1035");
    assert!(refused.json["error"]["message"].as_str().unwrap().contains("a.conf"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "third");
    of(&first, &alike).ends(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "patched a");
}

#[test]
fn snapshots_of_other_folders_and_ids_that_are_none_are_refused() {
    let world = World::small();
    assert_eq!(back_to(&world, "01jd", &[]).ends(10).error_code(), "BKO-1120");
    let id = taken(&world, &[]);
    for none in ["zzz", "..", "../../x"] {
        let run = back_to(&world, none, &[]).ends(10);
        assert!(run.json["error"]["message"].as_str().unwrap().contains(&id), "{none}: {run:?}");
    }
    let outside = world.path().join("outside");
    write(&outside.join("f"), "f");
    let mut command = world.command(&["snapshot", "create", "--json"]);
    let other = Run::to_its_end(command.arg("--watch").arg(&outside)).ends(0);
    write(&outside.join("f"), "changed");
    let refused = back_to(&world, other.json["data"]["id"].as_str().unwrap(), &[]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1130");
    assert_eq!(fs::read_to_string(outside.join("f")).unwrap(), "changed");
}

#[test]
fn a_file_that_became_a_folder_is_refused_by_name() {
    let world = World::small();
    let id = taken(&world, &[]);
    fs::remove_file(world.home.join("live/b.conf")).unwrap();
    write(&world.home.join("live/b.conf/f"), "f");
    write(&world.home.join("live/a.conf"), "other");
    let now = world.files();
    let run = back_to(&world, &id, &[]).ends(10);
    assert_eq!(run.error_code(), "BKO-1131");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("b.conf"), "{run:?}");
    assert_alike(&world.files(), &now, "nothing was touched");
}
