//! `backout guard --learn`: the profile of what an installer really changed, and a second machine that goes back by it.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::pe;
use backout_e2e::snapshots;
use backout_kit::{Run, Running, Snapshot, World, place, process, snapshot};
use backout_protocol::MachineType;
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

const OLD: &str = "1.0.0.3";
const NEW: &str = "2.0.0.7";

/// A product with programs and texts, its profile without any list, and two services.
fn product() -> World {
    let mut world = World::new(&[("First", "first"), ("Second", "second")]);
    let home = &world.home;
    for (name, version) in [("bin/server.exe", OLD), ("bin/helper.dll", OLD), ("bin/same.dll", NEW)] {
        backout_kit::write(&home.join(name), program(version, name));
    }
    for (name, text) in [
        ("conf/a.conf", "old a"),
        ("conf/it's a \"b\".conf", "old b"),
        ("conf/A.conf", "old big a"),
        ("conf/sub/a.conf", "old deep a"),
        ("conf/gone.conf", "old gone"),
        ("conf/kept.conf", "kept"),
    ] {
        backout_kit::write(&home.join(name), text);
    }
    let text = r#"(
      name: "product", title: (en: "A product"), product: (name: "Product", version: "1", patch: "2"),
      variables: [(name: "home", about: (en: "where it is"))],
      components: [( id: "all", title: (en: "all"), role: Restore(plugin: "file-set", config: (from: "home/none", to: "home")),
        presence: (marker: "home/bin/same.dll"), services: [(name: "First"), (name: "Second", need: Optional)] )],
      timeouts: (stop: 120, start: 120, status: 120, exit: 5, settle: 0),
    )"#;
    let profile = world.path().join("product.ron");
    fs::write(&profile, text).unwrap();
    world.profile = profile.to_str().unwrap().to_owned();
    let payload = world.path().join("payload");
    for name in ["bin/server.exe", "bin/helper.dll", "bin/extra.dll"] {
        backout_kit::write(&payload.join(name), program(NEW, name));
    }
    world
}

fn program(version: &str, salt: &str) -> Vec<u8> {
    pe(MachineType::X64, Some(version.parse().unwrap()), salt)
}

/// The changed and removed files of the patch below, in the shell's words.
const FILES: &str = r#"bin/server.exe bin/helper.dll conf/a.conf conf/A.conf conf/sub/a.conf conf/gone.conf "conf/it's a \"b\".conf""#;

/// What the patch does once it has backed up what it likes.
const PATCH: &str = r#"
for f in bin/server.exe bin/helper.dll; do cp "$here/payload/$f" "$home/$f"; done
for f in conf/a.conf conf/A.conf conf/sub/a.conf "conf/it's a \"b\".conf"; do echo "new $f" >"$home/$f"; done
rm "$home/conf/gone.conf"
mkdir -p "$home/new/deep"
cp "$here/payload/bin/extra.dll" "$home/new/extra.dll"
echo added >"$home/new/deep/n.conf"
"#;

/// It leaves each file's old bytes beside it.
fn with_siblings() -> String {
    format!("cd \"$home\"\nfor f in {FILES}; do cp -p \"$f\" \"$f.orig\"; done\n{PATCH}")
}

/// It leaves them in a folder, with their paths and a list of its own.
fn with_folder() -> String {
    format!(
        "cd \"$home\"\nfor f in {FILES}; do mkdir -p \"backup/$(dirname \"$f\")\"; cp -p \"$f\" \"backup/$f\"; done\n\
         echo list >backup/list.txt\n{PATCH}"
    )
}

/// The script as a file that can be run.
fn script(world: &World, lines: &str) -> PathBuf {
    let file = world.path().join("setup.sh");
    let head = format!("#!/bin/sh -e\nhome='{}'\nhere='{}'", world.home.display(), world.path().display());
    place::script(&format!("{head}\n{lines}\n"), &file);
    file
}

fn learn_command(world: &World, to: &Path, more: &[&str], lines: &str) -> Command {
    let mut command = world.verb_command("guard", &["--yes", "--learn"]);
    command.arg(to).args(more).arg("--").arg(script(world, lines));
    command
}

fn learn(world: &World, to: &Path, lines: &str) -> Run {
    Run::to_its_end(&mut learn_command(world, to, &["--settle", "1"], lines))
}

/// A machine of its own with the same product, and its files before the patch.
fn second(profile: &Path) -> (World, Snapshot) {
    let mut world = product();
    // Another's profile: read as anybody reads one.
    world.profile = profile.to_str().unwrap().to_owned();
    let files = world.files();
    (world, files)
}

/// Runs the patch without anybody's guard.
fn patch(world: &World, lines: &str) {
    assert!(Command::new(script(world, lines)).status().unwrap().success());
}

/// The second machine, patched, goes back by the learned profile, and every verb tells its state.
#[track_caller]
fn goes_back(world: &World, old: &Snapshot, more: &[&str]) -> Run {
    world.verb("verify", &["--expect", "patched"]).ends(0);
    world.verb("verify", &["--expect", "before"]).ends(31);
    let run = world.rollback(more).ends(0);
    assert_eq!(run.json["changed"], true);
    let now = world.files();
    assert!(now == *old, "{}", snapshot::differences(&now, old).join("\n"));
    assert!(world.running().iter().all(|r| *r));
    world.verb("verify", &["--expect", "before"]).ends(0);
    world.verb("verify", &["--expect", "patched"]).ends(31);
    world.verb("doctor", &[]).ends(0);
    run
}

fn warnings(run: &Run) -> Vec<&str> {
    run.json["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect()
}

#[test]
fn a_second_machine_goes_back_by_what_was_learned_from_backups_beside_the_files() {
    let first = product();
    let new = first.path().join("patch-2.ron");
    let run = learn(&first, &new, &with_siblings()).ends(0);
    let learned = &run.json["data"]["learned"];
    assert_eq!(learned["file"], new.to_str().unwrap());
    let counts = ["changed", "added", "removed", "without_backup"].map(|c| learned[c].as_u64().unwrap());
    assert_eq!(counts, [6, 2, 1, 0]);
    assert_eq!(warnings(&run), Vec::<&str>::new());
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o022, 0);
    let text = fs::read_to_string(&new).unwrap();
    for there in [
        r#"name: "patch-2""#,
        r#"patched: "2.0.0.7""#,
        r#"version: "1.0.0.3""#,
        "// It was 1.0.0.3.",
        r#"(name: "bin/server.exe", version: "2.0.0.7")"#,
        r#"suffix: ".orig", consume: true"#,
        r#"(name: "First")"#,
        r#"(name: "Second", need: Optional)"#,
    ] {
        assert!(text.contains(there), "{there}\n{text}");
    }
    for not in ["kept.conf", ".orig\", ad", "old a", "new conf"] {
        assert!(!text.contains(not), "{not}\n{text}");
    }
    let mut check = first.command(&["profile", "check"]);
    Run::to_its_end(check.arg(&new).args(first.flags()).arg("--json")).ends(0);

    let (world, old) = second(&new);
    patch(&world, &with_siblings());
    let patched = world.files();
    let plan = world.verb("plan", &[]).ends(0);
    assert_eq!(plan.json["counts"]["removed"], 4, "two files and their folders");
    goes_back(&world, &old, &[]);
    assert_eq!(world.rollback(&[]).ends(0).json["changed"], false);
    world.plain(&["undo"]).ends(0);
    let now = world.files();
    assert!(now == patched, "{}", snapshot::differences(&now, &patched).join("\n"));
}

#[test]
fn and_from_a_backup_folder() {
    let first = product();
    let new = first.path().join("patch-2.ron");
    learn(&first, &new, &with_folder()).ends(0);
    let text = fs::read_to_string(&new).unwrap();
    assert!(text.contains(r#"from: "home/backup", to: "home", consume: true, exact: true"#), "{text}");
    let (world, old) = second(&new);
    patch(&world, &with_folder());
    goes_back(&world, &old, &[]);
}

#[test]
fn what_is_no_longer_what_the_patch_put_there_stays_and_is_named() {
    let first = product();
    let new = first.path().join("patch-2.ron");
    learn(&first, &new, &with_siblings()).ends(0);
    let (world, _) = second(&new);
    patch(&world, &with_siblings());
    fs::write(world.home.join("new/deep/n.conf"), "my own").unwrap();
    world.verb("verify", &["--expect", "patched"]).ends(31);
    let run = world.rollback(&[]).ends(0);
    assert_eq!(run.json["counts"]["left_alone"], 3, "the file, and both folders above it");
    assert_eq!(fs::read_to_string(world.home.join("new/deep/n.conf")).unwrap(), "my own");
    assert!(!world.home.join("new/extra.dll").exists());

    // An edited file is none of the patch's; it goes back only if that is said.
    let (world, old) = second(&new);
    patch(&world, &with_siblings());
    fs::write(world.home.join("conf/sub/a.conf"), "my own").unwrap();
    let run = world.rollback(&[]).ends(10);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("conf/sub/a.conf"), "{run:?}");
    // One of the same name in another folder is none of it.
    fs::write(world.home.join("conf/sub/a.conf"), "new conf/a.conf\n").unwrap();
    world.rollback(&[]).ends(10);
    fs::write(world.home.join("conf/sub/a.conf"), "new conf/sub/a.conf\n").unwrap();
    goes_back(&world, &old, &[]);
}

#[test]
fn without_backups_a_snapshot_or_a_folder_of_good_copies_takes_a_second_machine_back() {
    let first = product();
    let new = first.path().join("patch-2.ron");
    let run = learn(&first, &new, PATCH).ends(0);
    assert_eq!(warnings(&run), ["BKO-5221"]);
    assert_eq!(run.json["data"]["learned"]["without_backup"], 7);
    // The same request tells the same, though the file is there by now.
    let again = |id: &str, file: &Path| {
        let mut again = learn_command(&first, file, &["--settle", "1", "--request-id", id], "exit 0");
        Run::to_its_end(&mut again)
    };
    let other = first.path().join("nothing.ron");
    let told = again("r1", &other).ends(0);
    assert_eq!(again("r1", &other).ends(0).json["run_id"], told.json["run_id"]);
    assert!(fs::read_to_string(&new).unwrap().contains("--from snapshot:ID"));

    let (world, old) = second(&new);
    let taken = snapshots::taken(&world, &[]);
    patch(&world, PATCH);
    // Somebody's own file is no backup, whatever it is called.
    let stray = world.home.join("conf/a.conf.bak");
    fs::write(&stray, "stray").unwrap();
    assert_eq!(world.rollback(&[]).ends(10).error_code(), "BKO-1031");
    fs::remove_file(stray).unwrap();
    goes_back(&world, &old, &["--from", &format!("snapshot:{taken}")]);

    let (world, old) = second(&new);
    let copies = world.path().join("copies");
    assert!(Command::new("cp").args(["-rp"]).args([&world.home, &copies]).status().unwrap().success());
    patch(&world, PATCH);
    goes_back(&world, &old, &["--from", &format!("dir:{}", copies.display())]);
}

#[test]
fn what_a_profile_cannot_say_and_what_is_data_stand_as_comments_and_are_told() {
    let first = product();
    let new = first.path().join("patch-2.ron");
    backout_kit::write(&first.home.join("log/server.log"), "line");
    backout_kit::write(&first.home.join("empty.conf"), "");
    fs::create_dir(first.home.join("hollow")).unwrap();
    let odd = first.home.join(std::ffi::OsStr::from_bytes(b"odd-\xff.conf"));
    fs::write(&odd, "odd").unwrap();
    let more = r#"
echo line >>"$home/log/server.log"
echo 1 >"$home/server.pid"
echo full >"$home/empty.conf"
rmdir "$home/hollow"
ln -s /etc "$home/link"
chmod 600 "$home/conf/kept.conf"
touch -d '2001-01-01' "$home/bin/same.dll"
for f in "$home"/odd-*; do echo new >"$f"; done
"#;
    let run = learn(&first, &new, &format!("{}{more}", with_siblings())).ends(0);
    assert_eq!(warnings(&run), ["BKO-5220", "BKO-5222"]);
    let text = fs::read_to_string(&new).unwrap();
    let comments: String = text.lines().filter(|l| l.trim_start().starts_with("//")).collect();
    let rows: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
    let told = run.json["warnings"].to_string();
    for name in
        ["log/server.log", "server.pid", "empty.conf", "hollow", "link", "conf/kept.conf", "odd-%FF.conf"]
    {
        assert!(comments.contains(name) && !rows.contains(name) && told.contains(name), "{name}\n{text}");
    }
    assert!(comments.contains("1 names have another time"), "{text}");
    let (world, old) = second(&new);
    patch(&world, &with_siblings());
    goes_back(&world, &old, &[]);
}

#[test]
fn files_that_are_written_again_when_the_installer_is_gone_are_data() {
    let first = product();
    let new = first.path().join("patch-2.ron");
    // What goes on behind the installer, and is waited for as long as the product settles.
    let lines = format!(
        "{}\n( while kill -0 $$ 2>/dev/null; do :; done; sleep 0.3; echo late >\"$home/conf/late.conf\" ) &\n",
        with_siblings()
    );
    let mut command = learn_command(&first, &new, &["--settle", "30"], &lines);
    let run = Run::to_its_end(&mut command).ends(0);
    assert_eq!(warnings(&run), ["BKO-5222"]);
    let text = fs::read_to_string(&new).unwrap();
    assert!(!text.contains(r#"name: "conf/late.conf""#), "{text}");
}

#[test]
fn a_target_that_cannot_be_is_refused_before_anything_runs() {
    let world = product();
    let old = world.files();
    let refused = |to: &Path, code: &str| {
        let run = learn(&world, to, "touch \"$here/ran\"").ends(10);
        assert_eq!(run.error_code(), code, "{}", to.display());
        assert!(!world.path().join("ran").exists() && !world.state.exists());
    };
    let there = world.path().join("there.ron");
    fs::write(&there, "mine").unwrap();
    refused(&there, "BKO-5210");
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    let link = world.path().join("link.ron");
    std::os::unix::fs::symlink("/nowhere", &link).unwrap();
    refused(&link, "BKO-5210");
    refused(&world.path().join("no/folder/new.ron"), "BKO-5211");
    let locked = world.state.with_extension("locked");
    refused(Path::new("/proc/self/new.ron"), "BKO-5211");
    assert!(!locked.exists());
    refused(&world.path().join("new.txt"), "BKO-5212");
    refused(&world.path().join("a b.ron"), "BKO-5212");
    refused(&world.home.join("conf/new.ron"), "BKO-5213");
    assert!(world.files() == old);
    let mut dry = learn_command(&world, &there, &["--dry-run"], "exit 1");
    Run::to_its_end(&mut dry).ends(10);
    let free = world.path().join("new.ron");
    Run::to_its_end(&mut learn_command(&world, &free, &["--dry-run"], "exit 1")).ends(0);
    assert!(!free.exists());
}

#[test]
fn a_run_that_is_not_good_writes_nothing_and_says_so() {
    for (more, code) in [(vec![], 20), (vec!["--on-failure", "keep"], 31)] {
        let world = product();
        let new = world.path().join("new.ron");
        let mut command = learn_command(&world, &new, &more, &format!("{}exit 3", with_siblings()));
        let run = Run::to_its_end(&mut command).ends(code);
        assert!(warnings(&run).contains(&"BKO-5223"), "{run:?}");
        assert!(!new.exists());
    }
    let world = product();
    let new = world.path().join("new.ron");
    let run = learn(&world, &new, "exit 0").ends(0);
    assert_eq!(warnings(&run), ["BKO-5224"]);
    assert!(!new.exists());
}

#[test]
fn a_profile_that_cannot_be_written_in_the_end_leaves_the_guard_kept() {
    let world = product();
    let new = world.path().join("new.ron");
    // Somebody else takes the name meanwhile, and the one beside it.
    let lines =
        format!("{}\necho mine >\"$here/new.ron\"\necho mine >\"$here/.new.ron.new\"", with_siblings());
    let run = learn(&world, &new, &lines).ends(0);
    assert_eq!((&run.json["outcome"], warnings(&run)), (&"done".into(), vec!["BKO-5225"]));
    for name in ["new.ron", ".new.ron.new"] {
        assert_eq!(fs::read_to_string(world.path().join(name)).unwrap(), "mine\n");
    }
    let left = fs::read_dir(world.path()).unwrap().filter_map(|e| e.unwrap().file_name().into_string().ok());
    assert_eq!(left.filter(|name| name.contains("new.ron")).count(), 2);
    world.plain(&["undo"]).ends(0);
}

#[test]
fn a_guard_that_died_is_settled_and_its_profile_written() {
    let world = product();
    let new = world.path().join("new.ron");
    let lines =
        format!("echo $$ >\"$here/installer\"\nwhile [ ! -e \"$here/go\" ]; do :; done\n{}", with_siblings());
    let mut run = Running::start(&mut learn_command(&world, &new, &["--no-parent"], &lines));
    run.until(|| world.path().join("installer").exists());
    process::kill(run.child.id());
    fs::write(world.path().join("go"), "").unwrap();
    let recovered = world.plain(&["recover"]).ends(0);
    assert_eq!(recovered.json["outcome"], "completed");
    assert_eq!(recovered.json["data"]["learned"]["file"], new.to_str().unwrap());
    let (world, old) = second(&new);
    patch(&world, &with_siblings());
    goes_back(&world, &old, &[]);
}

#[test]
fn a_variable_that_follows_another_follows_it_in_what_is_learned() {
    let world = product();
    let text = fs::read_to_string(&world.profile).unwrap();
    let home = "(name: \"home\", about: (en: \"where it is\"))";
    let two = format!("{home}, (name: \"again\", about: (en: \"the same\"), same_as: \"home\")");
    fs::write(&world.profile, text.replace(home, &two)).unwrap();
    let new = world.path().join("new.ron");
    learn(&world, &new, &with_siblings()).ends(0);
    let learned = fs::read_to_string(&new).unwrap();
    assert!(learned.contains("same_as: \"home\""), "{learned}");
}
