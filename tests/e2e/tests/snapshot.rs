//! Snapshots: what is set aside, what is said of it, and what keeps it.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::snapshots::{call, create, taken};
use backout_kit::{Run, Snapshot, World, snapshot, write};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The tree that was set aside.
fn kept(world: &World, id: &str) -> PathBuf {
    world.state.join("snapshots").join(id).join("files/0")
}

fn listed(world: &World) -> Vec<Value> {
    call(world, &["list"]).ends(0).json["data"]["snapshots"].as_array().unwrap().clone()
}

#[track_caller]
fn assert_alike(a: &Snapshot, b: &Snapshot) {
    assert!(a == b, "{}", snapshot::differences(a, b).join("\n"));
}

#[test]
fn everything_is_set_aside_as_it_is_and_nothing_of_the_product_changes() {
    let world = World::small();
    fs::create_dir_all(world.home.join("empty/er")).unwrap();
    write(&world.home.join("日本 語.txt"), "x");
    write(&world.home.join(".backout-01jd0000000000000000000000/id"), "somebody's");
    let before = world.files();
    let log = world.services.log();
    let id = taken(&world, &["--label", "before the patch"]);
    assert_alike(&world.files(), &before);
    assert_eq!(world.services.log(), log, "no service is stopped or started");
    assert_alike(&snapshot(&kept(&world, &id)), &before);
    assert!(!kept(&world, &id).join(".backout-01jd0000000000000000000000").exists());
    let all = listed(&world);
    assert_eq!(
        (all.len(), &all[0]["label"], &all[0]["pinned"]),
        (1, &"before the patch".into(), &false.into())
    );
    let shown = call(&world, &["show", &id[..20]]).ends(0);
    let entries = shown.json["data"]["entries"].as_array().unwrap();
    assert!(entries.iter().any(|e| e["kind"] == "folder" && e["path"].as_str().unwrap().ends_with("er")));
    assert_eq!(shown.json["data"]["services"].as_array().unwrap().len(), 2);
    assert_eq!(shown.json["data"]["services"][0]["state"], "running");
    call(&world, &["verify"]).ends(0);
    assert_eq!(call(&world, &["diff", &id]).ends(0).json["data"]["differs"], false);
}

#[test]
fn a_copy_is_never_a_second_name_of_the_live_file() {
    let world = World::small();
    let id = taken(&world, &[]);
    // As installers do it: in place.
    let mut file = fs::OpenOptions::new().write(true).open(world.home.join("live/a.conf")).unwrap();
    std::io::Write::write_all(&mut file, b"PATCHED").unwrap();
    drop(file);
    assert_eq!(fs::read_to_string(kept(&world, &id).join("live/a.conf")).unwrap(), "patched a");
    call(&world, &["verify", &id]).ends(0);
    let changes = call(&world, &["diff", &id]).ends(0).json["data"]["changes"].clone();
    assert_eq!((changes.as_array().unwrap().len(), &changes[0]["how"]), (1, &"changed".into()), "{changes}");
}

#[test]
fn what_is_left_out_is_left_out_and_said() {
    let world = World::small();
    write(&world.home.join("live/log/x.log"), "x");
    write(&world.home.join("cache/deep/y"), "y");
    let id = taken(&world, &["--exclude", "*.log", "--exclude", "cache"]);
    let files = kept(&world, &id);
    assert!(files.join("live/log").is_dir());
    assert!(!files.join("live/log/x.log").exists() && !files.join("cache").exists());
    let shown = call(&world, &["show", &id]).ends(0);
    assert_eq!(shown.json["data"]["exclude"], serde_json::json!(["*.log", "cache"]));
    write(&world.home.join("live/log/z.log"), "z");
    assert_eq!(call(&world, &["diff", &id]).ends(0).json["data"]["differs"], false);
    let bad = create(&world, &["--exclude", "a["]).ends(10);
    assert_eq!(bad.error_code(), "BKO-1128");
    assert_eq!(listed(&world).len(), 1);
}

#[test]
fn a_profile_says_what_is_covered_and_what_is_left_out() {
    let world = World::small();
    let text = fs::read_to_string(&world.profile).unwrap();
    let with = r#"roots: ["home/live"], exclude: ["sub"], components: ["#;
    fs::write(&world.profile, text.replace("components: [", with)).unwrap();
    let id = taken(&world, &[]);
    let files: Vec<String> = snapshot(&kept(&world, &id)).into_keys().collect();
    assert_eq!(files, ["a.conf", "b.conf"]);
    fs::write(&world.profile, text.replace("components: [", r#"roots: ["nowhere"], components: ["#)).unwrap();
    create(&world, &[]).ends(10);
}

#[test]
fn folders_without_a_profile_are_set_aside_too() {
    let world = World::small();
    let (live, backup) = (world.home.join("live"), world.home.join("backup"));
    let mut command = world.command(&["snapshot", "create", "--json"]);
    command.arg("--watch").arg(&live).arg(&backup).arg(live.join("sub"));
    let run = Run::to_its_end(&mut command).ends(0);
    let roots = run.json["data"]["roots"].as_array().unwrap();
    assert_eq!(roots.len(), 2, "one that lies in another is covered by that: {roots:?}");
    let mut command = world.command(&["snapshot", "create", "--json"]);
    let missing = Run::to_its_end(command.arg("--watch").arg(world.home.join("nowhere"))).ends(10);
    assert_eq!(missing.error_code(), "BKO-1046");
    let mut command = world.command(&["snapshot", "create", "--json"]);
    let own = Run::to_its_end(command.arg("--watch").arg(world.path())).ends(10);
    assert_eq!(own.error_code(), "BKO-1080", "the state folder itself is never set aside");
    assert_eq!(listed(&world).len(), 1);
}

#[test]
fn one_flipped_byte_is_named() {
    let world = World::small();
    let (sound, id) = (taken(&world, &[]), taken(&world, &[]));
    let file = kept(&world, &id).join("live/b.conf");
    let mut bytes = fs::read(&file).unwrap();
    bytes[3] ^= 1;
    fs::write(&file, bytes).unwrap();
    let run = call(&world, &["verify"]).ends(31);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("b.conf"), "{run:?}");
    assert_eq!(run.error_code(), "BKO-5010");
    call(&world, &["verify", &sound]).ends(0);
    call(&world, &["verify", &id]).ends(31);
}

/// What is wrong with the copies, by their names.
fn damage(world: &World, id: &str) -> BTreeMap<String, String> {
    let run = call(world, &["verify", id]).ends(31);
    let all = run.json["data"]["snapshots"][0]["damaged"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let name = |path: &Value| {
        let below = Path::new(path.as_str().unwrap()).strip_prefix(kept(world, id)).unwrap().to_owned();
        below.to_str().unwrap().replace('\\', "/")
    };
    let found: BTreeMap<_, _> = all.iter().map(|one| (name(&one["path"]), text(&one["why"]))).collect();
    assert_eq!(found.len(), all.len(), "each once: {all:?}");
    found
}

#[test]
fn a_missing_an_added_and_another_thing_are_named_for_what_they_are() {
    let world = World::small();
    let id = taken(&world, &[]);
    let files = kept(&world, &id);
    fs::remove_file(files.join("live/a.conf")).unwrap();
    write(&files.join("live/added"), "x");
    fs::remove_file(files.join("live/b.conf")).unwrap();
    fs::create_dir(files.join("live/b.conf")).unwrap();
    fs::remove_dir_all(files.join("live/sub")).unwrap();
    fs::remove_dir_all(files.join("backup/sub")).unwrap();
    write(&files.join("backup/sub"), "no folder");
    let wanted = [
        ("backup/sub", "it is something else than what was set aside"),
        ("backup/sub/c.conf", "it is something else than what was set aside"),
        ("live/a.conf", "it is missing"),
        ("live/added", "it was not set aside"),
        ("live/b.conf", "it is something else than what was set aside"),
        ("live/sub", "it is missing"),
        ("live/sub/c.conf", "it is missing"),
    ];
    assert_eq!(damage(&world, &id), wanted.map(|(name, why)| (name.to_owned(), why.to_owned())).into());
    fs::remove_dir_all(&files).unwrap();
    let all = damage(&world, &id);
    assert!(
        all.contains_key("") && all.values().all(|why| why == "it is missing"),
        "the tree itself: {all:?}"
    );
}

#[test]
fn what_is_no_folder_among_the_snapshots_hides_no_other() {
    let world = World::small();
    let id = taken(&world, &[]);
    let stray = "01jd0000000000000000000000";
    write(&world.state.join("snapshots").join(stray), "not a snapshot");
    let all = listed(&world);
    assert_eq!((&all[0]["id"], &all[1]["id"]), (&id.as_str().into(), &stray.into()));
    assert!(all[0]["problem"].is_null() && all[1]["problem"].is_string(), "{all:?}");
    assert_eq!(call(&world, &["show", stray]).ends(10).error_code(), "BKO-1122");
    call(&world, &["verify"]).ends(31);
    call(&world, &["verify", &id]).ends(0);
    call(&world, &["drop", stray]).ends(0);
    assert_eq!(names_in(&world), [id]);
}

#[test]
fn a_state_folder_whose_snapshots_are_no_folder_is_not_one_without_snapshots() {
    let world = World::small();
    taken(&world, &[]);
    fs::remove_dir_all(world.state.join("snapshots")).unwrap();
    write(&world.state.join("snapshots"), "not a folder");
    assert_eq!(call(&world, &["list"]).ends(10).error_code(), "BKO-1051");
    assert_eq!(create(&world, &[]).ends(10).error_code(), "BKO-1051");
}

#[test]
fn a_product_that_is_gone_is_no_difference() {
    let world = World::small();
    let id = taken(&world, &[]);
    fs::rename(&world.home, world.path().join("elsewhere")).unwrap();
    assert_eq!(call(&world, &["diff", &id]).ends(10).error_code(), "BKO-1046");
}

#[test]
fn an_inventory_that_was_edited_is_not_believed() {
    let world = World::small();
    write(&world.home.join("top.conf"), "top");
    let id = taken(&world, &[]);
    let inventory = world.state.join("snapshots").join(&id).join("snapshot.ron");
    let digest = inventory.with_file_name("snapshot.sha256");
    let text = fs::read_to_string(&inventory).unwrap();
    fs::write(&inventory, text.replace("top.conf", "pot.conf")).unwrap();
    let refused = |what: &str| {
        let shown = call(&world, &["show", &id]).ends(10);
        assert_eq!(shown.error_code(), "BKO-1122", "{what}");
        call(&world, &["verify"]).ends(31);
        call(&world, &["diff", &id]).ends(10);
        assert!(listed(&world)[0]["problem"].is_string(), "it is listed, and what is wrong with it: {what}");
    };
    refused("edited");
    // Even by somebody who makes the digest fit.
    for (from, to) in [
        ("path: \"top.conf\"", "path: \"../../../etc/passwd\""),
        ("path: \"top.conf\"", "path: \"/etc/passwd\""),
        ("path: \"top.conf\"", "path: \"nowhere/a.conf\""),
        ("root: 0", "root: 7"),
        (id.as_str(), "01jd0000000000000000000000"),
        ("entries:", "unknown: 1, entries:"),
    ] {
        let edited = text.replacen(from, to, 1);
        assert!(edited != text, "{from}");
        fs::write(&inventory, &edited).unwrap();
        fs::write(&digest, format!("{}  snapshot.ron\n", sha256(&edited))).unwrap();
        refused(to);
    }
    for newer in ["format: (2, ", "format: (1, 9"] {
        let newer = text.replacen("format: (1, ", newer, 1);
        assert!(newer != text, "the format stands where this test looks for it");
        fs::write(&inventory, &newer).unwrap();
        fs::write(&digest, format!("{}  snapshot.ron\n", sha256(&newer))).unwrap();
        assert_eq!(call(&world, &["show", &id]).ends(10).error_code(), "BKO-1123");
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_last_and_a_pinned_one_stay_and_others_go() {
    let world = World::small();
    let first = taken(&world, &[]);
    assert_eq!(call(&world, &["drop", &first]).ends(10).error_code(), "BKO-1124");
    let second = taken(&world, &[]);
    call(&world, &["pin", &first]).ends(0);
    assert_eq!(call(&world, &["pin", &first]).ends(0).json["changed"], false);
    let pinned = call(&world, &["drop", &first]).ends(10);
    assert!(pinned.json["error"]["help"].as_str().unwrap().contains("unpin"), "{pinned:?}");
    call(&world, &["unpin", &first]).ends(0);
    call(&world, &["drop", &first]).ends(0);
    assert_eq!(names_in(&world), std::slice::from_ref(&second));
    // Nobody is asked here, and nobody said yes.
    let third = taken(&world, &[]);
    let mut command = world.command(&["snapshot", "drop", &third, "--json"]);
    assert_eq!(Run::to_its_end(&mut command).ends(10).error_code(), "BKO-1067");
    assert_eq!(names_in(&world), [second, third]);
}

#[test]
fn a_dry_run_says_what_would_become_of_one_and_changes_nothing() {
    let world = World::small();
    let would = create(&world, &["--dry-run"]).ends(0);
    assert!(!world.state.exists(), "not even the state folder");
    let first = taken(&world, &[]);
    let shown = call(&world, &["show", &first]).ends(0);
    for field in ["files", "bytes", "roots", "profile", "label"] {
        assert_eq!(would.json["data"][field], shown.json["data"][field], "{field}: {would:?}");
    }
    assert_eq!((&would.json["changed"], &would.json["data"]["dry_run"]), (&false.into(), &true.into()));
    assert_eq!(create(&world, &["--dry-run", "--exclude", "["]).ends(10).error_code(), "BKO-1128");
    assert_eq!(call(&world, &["drop", &first, "--dry-run"]).ends(10).error_code(), "BKO-1124");
    assert_eq!(call(&world, &["pin", "zzz", "--dry-run"]).ends(10).error_code(), "BKO-1121");
    let second = taken(&world, &[]);
    let before = snapshot(&world.state);
    for (verb, outcome) in [("pin", "done"), ("unpin", "nothing-to-do"), ("drop", "done")] {
        // Nobody said yes, and nobody has to.
        let mut dry = world.command(&["snapshot", verb, &first[..], "--dry-run", "--json"]);
        let said = Run::to_its_end(&mut dry).ends(0).json;
        let told = (&said["outcome"], &said["changed"], &said["data"]["dry_run"]);
        assert_eq!(told, (&outcome.into(), &false.into(), &true.into()), "{verb}: {said}");
    }
    assert_alike(&snapshot(&world.state), &before);
    assert_eq!(names_in(&world), [first, second]);
}

fn names_in(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.state.join("snapshots")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_id_that_is_none_names_those_that_are_there() {
    let world = World::small();
    assert_eq!(call(&world, &["show", "01jd"]).ends(10).error_code(), "BKO-1120");
    assert_eq!(call(&world, &["verify"]).ends(0).json["outcome"], "done");
    let (one, two) = (taken(&world, &[]), taken(&world, &[]));
    let common: String = one.chars().zip(two.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    for id in ["zzz", "", "..", "../../etc", "/etc", &common, "files"] {
        for verb in ["show", "verify", "pin", "unpin", "drop", "diff"] {
            let run = call(&world, &[verb, id]).ends(10);
            let message = run.json["error"]["message"].as_str().unwrap();
            assert!(message.contains(&one) && message.contains(&two), "{verb} {id:?}: {message}");
        }
    }
    assert_eq!(names_in(&world), [one, two]);
}

#[test]
fn old_ones_go_with_old_runs_and_what_was_never_whole_goes_too() {
    let world = World::small();
    let ids: Vec<String> = (0..4).map(|_| taken(&world, &[])).collect();
    call(&world, &["pin", &ids[0]]).ends(0);
    let left = world.state.join("snapshots/.new-01jd0000000000000000000000");
    write(&left.join("files/0/x"), "x");
    let prune = |more: &[&str]| {
        let mut command =
            world.command(&["history", "prune", "--keep", "2", "--days", "0", "--json", "--yes"]);
        Run::to_its_end(command.args(more)).ends(0)
    };
    let dry = prune(&["--dry-run"]);
    assert_eq!(dry.json["data"]["snapshots"][0]["id"], ids[1].as_str());
    assert!(left.exists());
    let gone = prune(&[]);
    assert_eq!(gone.json["data"]["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(names_in(&world), [ids[0].clone(), ids[2].clone(), ids[3].clone()]);
    write(&left.join("files/0/x"), "x");
    let last = taken(&world, &[]);
    assert_eq!(names_in(&world), [ids[0].clone(), ids[2].clone(), ids[3].clone(), last]);
}

#[test]
fn two_generations_are_compared_name_by_name() {
    let world = World::small();
    let a = taken(&world, &[]);
    write(&world.home.join("live/a.conf"), "other");
    write(&world.home.join("new/f"), "new");
    fs::remove_file(world.home.join("live/sub/c.conf")).unwrap();
    let b = taken(&world, &[]);
    let run = call(&world, &["diff", &a, &b]).ends(0);
    let how = |end: &str| {
        let all = run.json["data"]["changes"].as_array().unwrap();
        let one = all.iter().find(|c| Path::new(c["path"].as_str().unwrap()).ends_with(end));
        one.map(|c| c["how"].as_str().unwrap().to_owned())
    };
    assert_eq!(how("a.conf").as_deref(), Some("changed"));
    assert_eq!((how("new").as_deref(), how("f").as_deref()), (Some("added"), Some("added")));
    assert_eq!((how("c.conf").as_deref(), how("b.conf").as_deref()), (Some("removed"), None));
}
