//! Linux only: links, pipes, owners, modes, attributes, access lists.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::{
    guards::{Mounted, Small},
    snapshots::{call, create, taken},
    staged,
};
use backout_kit::{
    Run, World,
    place::{can_be_immutable, chattr},
    snapshot,
    snapshot::leftovers,
    write,
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

#[test]
fn links_are_links_and_are_never_followed() {
    let world = World::small();
    let outside = world.path().join("outside");
    write(&outside.join("secret"), "not the product's");
    symlink(&outside, world.home.join("live/out")).unwrap();
    symlink("a.conf", world.home.join("live/same")).unwrap();
    symlink("nowhere", world.home.join("live/dangling")).unwrap();
    let run = create(&world, &[]).ends(0);
    let id = run.json["data"]["id"].as_str().unwrap();
    let kept = world.state.join("snapshots").join(id).join("files/0");
    assert_eq!(fs::read_link(kept.join("live/out")).unwrap(), outside);
    assert_eq!(fs::read_link(kept.join("live/same")).unwrap().to_str(), Some("a.conf"));
    assert!(snapshot(&kept) == snapshot(&world.home), "links too, with owner and time");
    call(&world, &["verify", id]).ends(0);
    // One that is led elsewhere is not what was set aside.
    fs::remove_file(kept.join("live/same")).unwrap();
    symlink("b.conf", kept.join("live/same")).unwrap();
    fs::remove_file(kept.join("live/dangling")).unwrap();
    let named = call(&world, &["verify", id]).ends(31).json["error"]["message"].to_string();
    assert!(named.contains("live/same") && named.contains("live/dangling"), "{named}");
}

#[test]
fn folders_are_taken_to_a_depth_and_deeper_ones_are_refused_unless_they_are_left_out() {
    let Some(small) = Small::of("64m") else { return };
    let world = World::without_services_in(small.path());
    // Beside `live`, so that one in the last lies below 256 others.
    let within = world.home.join(vec!["d"; 256].join("/"));
    fs::create_dir_all(&within).unwrap();
    write(&within.join("f"), "deep");
    let id = taken(&world, &[]);
    let from = format!("snapshot:{id}");
    call(&world, &["verify", &id]).ends(0);
    let other = taken(&world, &[]);
    call(&world, &["drop", &other]).ends(0);
    assert!(!world.state.join("snapshots").join(&other).exists());
    fs::remove_dir_all(world.home.join("d")).unwrap();
    world.rollback(&["--from", &from]).ends(0);
    assert_eq!(fs::read_to_string(within.join("f")).unwrap(), "deep");
    let deeper = within.join("d");
    fs::create_dir(&deeper).unwrap();
    for run in [create(&world, &[]), call(&world, &["diff", &id]), world.rollback(&["--from", &from])] {
        let refused = run.ends(10);
        let message = refused.json["error"]["message"].as_str().unwrap();
        let named = message.contains(deeper.to_str().unwrap()) && message.contains("touched");
        assert!(refused.error_code() == "BKO-5194" && named, "{message}");
    }
    assert_eq!(fs::read_dir(world.state.join("snapshots")).unwrap().count(), 1);
    taken(&world, &["--exclude", "d"]);
    drop(world);
}

#[test]
fn pipes_and_sockets_are_named_and_not_read() {
    let world = World::small();
    let pipe = world.home.join("live/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(world.home.join("live/socket")).unwrap();
    let run = create(&world, &[]).ends(0);
    let warning = run.json["warnings"][0]["message"].as_str().unwrap();
    assert!(warning.contains("live/pipe") && warning.contains("live/socket"), "{warning}");
    let id = run.json["data"]["id"].as_str().unwrap();
    call(&world, &["verify", id]).ends(0);
    assert_eq!(call(&world, &["diff", id]).ends(0).json["data"]["differs"], false);
}

#[test]
fn modes_attributes_and_closed_folders_are_kept_and_can_be_removed_again() {
    let world = World::small();
    let (file, folder) = (world.home.join("live/a.conf"), world.home.join("live/sub"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4750)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let ids: Vec<String> =
        (0..2).map(|_| create(&world, &[]).ends(0).json["data"]["id"].as_str().unwrap().to_owned()).collect();
    let kept = world.state.join("snapshots").join(&ids[0]).join("files/0/live");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&kept.join("a.conf")), mode(&kept.join("sub"))), (0o4750, 0o555));
    let time = |path: &std::path::Path| fs::metadata(path).map(|m| (m.mtime(), m.mtime_nsec())).unwrap();
    assert_eq!(time(&kept.join("sub")), time(&folder));
    assert_eq!(time(&kept), time(&world.home.join("live")));
    call(&world, &["drop", &ids[0]]).ends(0);
    assert!(!kept.exists());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let facts = call(&world, &["diff", &ids[1]]).ends(0).json["data"]["changes"].clone();
    assert!(facts[0]["facts"][0].as_str().unwrap().starts_with("mode 0555 -> 0755"), "{facts}");
}

#[test]
fn a_root_that_leads_through_a_link_is_refused() {
    let world = World::small();
    let real = world.path().join("real");
    fs::rename(&world.home, &real).unwrap();
    symlink(&real, &world.home).unwrap();
    assert_eq!(create(&world, &[]).ends(10).error_code(), "BKO-1040");
    fs::remove_file(&world.home).unwrap();
    fs::rename(&real, &world.home).unwrap();
}

fn back_to(world: &World, id: &str) -> Run {
    world.rollback(&["--from", &format!("snapshot:{id}")])
}

#[test]
fn everything_goes_back_with_the_rights_and_times_it_was_saved_with() {
    let world = World::small();
    let (file, folder) = (world.home.join("live/a.conf"), world.home.join("live/sub"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o710)).unwrap();
    let id = create(&world, &[]).ends(0).json["data"]["id"].as_str().unwrap().to_owned();
    let before = world.files();
    // An installer that makes it anew gives it other rights.
    fs::remove_file(&file).unwrap();
    write(&file, "patched again");
    fs::remove_dir_all(&folder).unwrap();
    back_to(&world, &id).ends(0);
    let after = world.files();
    assert!(after == before, "{}", snapshot::differences(&after, &before).join("\n"));
    // Copies that have lost them cannot give them back: that is said, and they stay.
    let copies = world.state.join("snapshots").join(&id).join("files/0/live");
    for name in ["a.conf", "b.conf"] {
        mode(&copies.join(name), 0o777);
        mode(&world.home.join("live").join(name), 0o600);
    }
    let run = back_to(&world, &id).ends(0);
    assert_eq!(run.json["outcome"], "nothing-to-do");
    let said = run.json["warnings"].to_string();
    assert!(said.contains("BKO-4044") && said.contains("2 files or folders"), "{said}");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What may not be given away stays ours: then owners are no part of the test.
fn owner(path: &Path, uid: u32, gid: u32) {
    let _ = std::os::unix::fs::lchown(path, Some(uid), Some(gid));
}

fn attribute(path: &Path, name: &str, value: &str) {
    rustix::fs::setxattr(path, name, value.as_bytes(), rustix::fs::XattrFlags::empty()).unwrap();
}

fn access(path: &Path, list: &str) {
    let set = Command::new("setfacl").args(["-m", list]).arg(path).status();
    assert!(set.is_ok_and(|set| set.success()) || !Path::new("/usr/bin/setfacl").exists());
}

fn link(to: &str, path: &Path) {
    let _ = fs::remove_file(path);
    symlink(to, path).unwrap();
    let then = filetime::FileTime::from_unix_time(1_200_000_000, 7);
    filetime::set_symlink_file_times(path, then, then).unwrap();
}

/// A product with something of everything that lies beside the bytes of files.
fn furnished() -> World {
    let world = World::small();
    let live = world.home.join("live");
    mode(&live.join("a.conf"), 0o640);
    owner(&live.join("a.conf"), 1, 2);
    attribute(&live.join("b.conf"), "user.note", "first");
    access(&live.join("b.conf"), "u:3:rwx");
    write(&live.join("plain"), "plain");
    write(&live.join("linked"), "a file");
    for (to, name) in [("a.conf", "same"), ("a.conf", "turned"), ("nowhere", "lost"), ("b.conf", "filed")] {
        link(to, &live.join(name));
    }
    for (folder, bits) in [("empty", 0o755), ("closed", 0o710), ("listed", 0o755), ("gone/deep", 0o700)] {
        fs::create_dir_all(live.join(folder)).unwrap();
        mode(&live.join(folder), bits);
    }
    link("../plain", &live.join("gone/up"));
    owner(&live.join("closed"), 3, 4);
    access(&live.join("listed"), "d:u:3:rwx");
    world
}

/// All that is changed without a byte of a file.
fn disarranged(world: &World) {
    let live = world.home.join("live");
    owner(&live.join("a.conf"), 5, 6);
    mode(&live.join("a.conf"), 0o4777);
    attribute(&live.join("b.conf"), "user.note", "second");
    attribute(&live.join("b.conf"), "user.more", "more");
    access(&live.join("b.conf"), "u:3:---");
    let late = filetime::FileTime::from_unix_time(1_500_000_000, 11);
    filetime::set_file_mtime(live.join("sub/c.conf"), late).unwrap();
    link("b.conf", &live.join("turned"));
    link("/etc/hostname", &live.join("came"));
    fs::remove_file(live.join("lost")).unwrap();
    fs::remove_file(live.join("filed")).unwrap();
    write(&live.join("filed"), "a file now");
    link("../../outside", &live.join("linked"));
    fs::remove_dir(live.join("empty")).unwrap();
    fs::remove_dir_all(live.join("gone")).unwrap();
    fs::create_dir_all(live.join("fresh/empty")).unwrap();
    link("plain", &live.join("fresh/link"));
    mode(&live.join("closed"), 0o777);
    owner(&live.join("closed"), 0, 0);
    attribute(&live.join("closed"), "user.note", "new");
    access(&live.join("listed"), "d:u:3:---");
    mode(&world.home, 0o700);
}

#[test]
fn what_lies_beside_the_bytes_goes_back_and_comes_back() {
    let world = furnished();
    mode(&world.home, 0o751);
    let home = |world: &World| fs::metadata(&world.home).unwrap().mode() & 0o7777;
    write(&world.path().join("outside"), "not the product's");
    let id = taken(&world, &[]);
    let before = world.files();
    disarranged(&world);
    let changed = world.files();
    let plan = {
        let mut command = world.command(&["plan", &world.profile, "--from", &format!("snapshot:{id}")]);
        String::from_utf8(command.args(world.flags()).output().unwrap().stdout).unwrap()
    };
    for words in [
        "mode 4777 -> 0640",
        "attribute user.more",
        "sub/c.conf  time",
        "symbolic link to `b.conf` -> `a.conf`",
        "symbolic link to `nowhere`",
        "file -> symbolic link to `b.conf`",
        "symbolic link to `../../outside` -> file",
        "live/came  a symbolic link",
        "live/closed/  ",
        "home/  mode 0700 -> 0751",
        "live/empty/",
    ] {
        assert!(plan.contains(words), "{words} is not in\n{plan}");
    }
    let told = call(&world, &["diff", &id]).ends(0).json["data"]["changes"].to_string();
    for words in ["mode 0640 -> 4777", "attribute user.more", "live/came", "live/turned", "mode 0710 -> 0777"]
    {
        assert!(told.contains(words), "{words} is not in {told}");
    }
    for _ in 0..2 {
        back_to(&world, &id).ends(0);
        let after = world.files();
        assert!(after == before, "{}", snapshot::differences(&after, &before).join("\n"));
        assert_eq!(home(&world), 0o751);
        assert_eq!(call(&world, &["diff", &id]).ends(0).json["data"]["changes"], serde_json::json!([]));
        assert_eq!(back_to(&world, &id).ends(0).json["outcome"], "nothing-to-do");
        let undone = world.plain(&["undo"]).ends(0);
        assert_eq!(undone.json["warnings"], serde_json::json!([]));
        let after = world.files();
        assert!(after == changed, "{}", snapshot::differences(&after, &changed).join("\n"));
        assert_eq!(home(&world), 0o700);
    }
    assert_eq!(fs::read_to_string(world.path().join("outside")).unwrap(), "not the product's");
}

#[test]
fn a_restore_that_fails_leaves_everything_beside_the_bytes_as_it_was() {
    let world = furnished();
    let id = taken(&world, &[]);
    disarranged(&world);
    let changed = world.files();
    world.services.fault("second", "refuse-start");
    back_to(&world, &id).ends(22);
    let after = world.files();
    assert!(after == changed, "{}", snapshot::differences(&after, &changed).join("\n"));
    assert_eq!(fs::metadata(&world.home).unwrap().mode() & 0o7777, 0o700);
    world.services.mend("second", "refuse-start");
    world.plain(&["recover"]).ends(0);
    assert!(world.files() == changed);
}

#[test]
fn rights_that_somebody_changes_before_the_swap_are_drift() {
    let world = furnished();
    let id = taken(&world, &[]);
    disarranged(&world);
    let folder = world.home.join("live/closed");
    world.services.hook("first", "stop", &format!("chmod 0701 '{}'", folder.display()));
    let files = world.files();
    let run = back_to(&world, &id).ends(20);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("live/closed"), "{run:?}");
    mode(&folder, 0o777);
    assert!(world.files() == files, "nothing else was touched");
}

#[test]
fn a_restore_that_waits_for_its_commit_knows_what_lies_beside_the_bytes() {
    let world = furnished();
    let (id, before) = (taken(&world, &[]), world.files());
    disarranged(&world);
    let (changed, folder) = (world.files(), world.home.join("live/closed"));
    let run = staged(&world, &["--from", &format!("snapshot:{id}")]);
    assert!(world.files() == changed);
    mode(&folder, 0o701);
    let stale = world.plain(&["commit", &run]).ends(12);
    assert!(stale.json["error"]["message"].as_str().unwrap().contains("live/closed"), "{stale:?}");
    mode(&folder, 0o777);
    world.plain(&["commit", &run]).ends(0);
    let after = world.files();
    assert!(after == before, "{}", snapshot::differences(&after, &before).join("\n"));
}

#[test]
fn a_part_of_an_undo_and_of_a_restore_goes_beside_the_bytes_too() {
    let world = furnished();
    let id = taken(&world, &[]);
    let (file, folder) = (world.home.join("live/a.conf"), world.home.join("live/closed"));
    let bits = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    disarranged(&world);
    world.rollback(&["--component", "files", "--from", &format!("snapshot:{id}")]).ends(0);
    assert_eq!((bits(&file), bits(&folder)), (0o640, 0o777), "folders are not a component's");
    world.plain(&["undo"]).ends(0);
    back_to(&world, &id).ends(0);
    world.plain(&["undo", "--path", folder.to_str().unwrap()]).ends(0);
    assert_eq!((bits(&file), bits(&folder)), (0o640, 0o777));
    world.plain(&["undo"]).ends(0);
    assert_eq!(bits(&file), 0o4777);
}

#[test]
fn a_link_where_a_folder_was_is_refused_by_name_and_never_followed() {
    let world = World::small();
    let outside = world.path().join("outside");
    fs::create_dir(&outside).unwrap();
    write(&outside.join("c.conf"), "not the product's");
    let id = taken(&world, &[]);
    fs::remove_dir_all(world.home.join("live/sub")).unwrap();
    symlink(&outside, world.home.join("live/sub")).unwrap();
    write(&world.home.join("live/b.conf"), "other");
    let now = world.files();
    let refused = back_to(&world, &id).ends(10);
    assert_eq!(refused.error_code(), "BKO-1131");
    assert!(refused.json["error"]["message"].as_str().unwrap().contains("live/sub"), "{refused:?}");
    assert!(world.files() == now);
    assert_eq!(fs::read_to_string(outside.join("c.conf")).unwrap(), "not the product's");
}

#[test]
fn a_folder_with_new_rights_that_is_gone_on_the_way_back_is_let_be_and_one_that_keeps_them_needs_a_person() {
    for (lines, code) in [("rmdir", 20), ("chattr +i", 22)] {
        let world = World::small();
        let folder = world.home.join("live/empty");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        if !can_be_immutable(&folder) {
            return;
        }
        let from = format!("snapshot:{}", taken(&world, &[]));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let (folder_shown, told) = (folder.display(), world.path().join("told"));
        let once =
            format!("[ -e {0} ] || {{ touch {0}; {lines} '{folder_shown}'; exit 1; }}", told.display());
        world.services.hook("second", "start", &once);
        let run = world.rollback(&["--from", &from]);
        if code == 22 {
            assert!(chattr("-i", &folder));
        }
        assert!(told.exists());
        let run = run.ends(code);
        if code == 20 {
            let warnings = run.json["warnings"].as_array().unwrap();
            assert!(warnings.iter().any(|w| w["message"].to_string().contains("live/empty")), "{run:?}");
        } else {
            assert!(run.json["error"]["message"].as_str().unwrap().contains("live/empty"), "{run:?}");
            assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
            assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
        }
        assert_eq!(world.running(), [true, true]);
    }
}

#[test]
fn an_undo_passes_over_a_folder_with_new_rights_that_is_gone_and_never_follows_what_came_in_its_place() {
    let world = World::small();
    let (folder, file) = (world.home.join("live/empty"), world.home.join("live/a.conf"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let from = format!("snapshot:{}", taken(&world, &[]));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(&file, "later").unwrap();
    world.rollback(&["--from", &from]).ends(0);
    fs::remove_dir(&folder).unwrap();
    let outside = world.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o711)).unwrap();
    symlink(&outside, &folder).unwrap();
    let refused = world.plain(&["undo"]).ends(10);
    assert!(refused.json["error"]["message"].as_str().unwrap().contains("live/empty"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "patched a");
    assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o7777, 0o711);
    fs::remove_file(&folder).unwrap();
    world.plain(&["undo"]).ends(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "later");
    assert!(!folder.exists());
}

#[test]
fn a_folders_rights_are_taken_back_by_its_path_alone() {
    let world = World::small();
    let folders = ["one", "other"].map(|name| world.home.join("live").join(name));
    let file = world.home.join("live/a.conf");
    folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
    let from = format!("snapshot:{}", taken(&world, &[]));
    let mode = |folder: &Path| fs::metadata(folder).unwrap().mode() & 0o7777;
    let before = mode(&folders[0]);
    for folder in &folders {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::write(&file, "later").unwrap();
    world.rollback(&["--from", &from]).ends(0);
    let undo = world.plain(&["undo", "--path", "live/one"]).ends(0);
    assert_eq!((mode(&folders[0]), mode(&folders[1])), (0o700, before));
    assert_eq!(fs::read_to_string(&file).unwrap(), "patched a");
    let left = undo.json["warnings"].to_string();
    assert!(left.contains("and 2 of its changes stay"), "{left}");
    world.plain(&["undo"]).ends(0);
    assert_eq!((mode(&folders[1]), fs::read_to_string(&file).unwrap()), (0o700, "later".to_owned()));
}

#[test]
fn a_folder_whose_owner_cannot_be_kept_stays_as_it_is_and_nobody_is_told_that_it_went_back() {
    let world = World::small();
    let folder = world.home.join("live/sub");
    owner(&folder, 4321, 4321);
    if fs::metadata(&folder).unwrap().uid() != 4321 {
        return;
    }
    let from = format!("snapshot:{}", taken(&world, &[]));
    owner(&folder, 0, 0);
    // Root that may not give files away, as in some containers.
    let rollback = |more: &[&str]| {
        let command = world.verb_command("rollback", &[&["--from", &from][..], more].concat());
        let mut without = Command::new("setpriv");
        without.arg("--bounding-set=-chown").arg(command.get_program()).args(command.get_args());
        without.env_remove("BACKOUT_STATE_DIR");
        Run::to_its_end(&mut without)
    };
    let told = |run: &Run| {
        let warning = run.json["warnings"].to_string();
        assert!(warning.contains("BKO-4059") && warning.contains("live/sub"), "{run:?}");
        assert_eq!(run.json["counts"]["dressed"], 0, "{run:?}");
        let now = fs::metadata(&folder).unwrap();
        assert_eq!((now.uid(), now.gid()), (0, 0));
    };
    world.services.clear_log();
    let run = rollback(&[]).ends(0);
    assert_eq!(
        (&run.json["outcome"], &run.json["changed"]),
        (&"nothing-to-do".into(), &false.into()),
        "{run:?}"
    );
    told(&run);
    assert_eq!(leftovers(&world.home), [""; 0]);
    assert!(
        !world.services.log().iter().any(|did| did.starts_with("stop")),
        "no service goes down for nothing"
    );
    // What else there is to do is done.
    write(&world.home.join("live/a.conf"), "other");
    let run = rollback(&[]).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"done".into(), &true.into()), "{run:?}");
    told(&run);
    assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "patched a");
    // Where it may be given away, it goes back.
    let run = world.rollback(&["--from", &from]).ends(0);
    assert_eq!(run.json["counts"]["dressed"], 1);
    assert_eq!(fs::metadata(&folder).unwrap().uid(), 4321);
}

#[test]
fn a_file_that_changes_at_each_look_and_one_that_cannot_be_read_are_refused_by_name() {
    let world = World::small();
    let file = world.home.join("live/b.conf");
    let closed = "/proc/sys/vm/compact_memory";
    // One holds other bytes each time; one nobody may read, not even root.
    for (other, code, ends) in [("/proc/sys/kernel/random/uuid", "BKO-1127", 10), (closed, "BKO-1047", 13)] {
        let Some(_mounted) = Mounted::at(&file, &["--bind", other]) else { return };
        let refused = create(&world, &[]).ends(ends);
        assert_eq!(refused.error_code(), code);
        assert!(refused.json["error"]["message"].as_str().unwrap().contains("live/b.conf"), "{refused:?}");
        assert_eq!(fs::read_dir(world.state.join("snapshots")).unwrap().count(), 0, "nothing of it stays");
    }
    // What cannot be read is not said to be damaged.
    let id = taken(&world, &[]);
    let inventory = world.state.join("snapshots").join(&id).join("snapshot.ron");
    let Some(_mounted) = Mounted::at(&inventory, &["--bind", closed]) else { return };
    assert_eq!(call(&world, &["verify", &id]).ends(13).error_code(), "BKO-1047");
}

#[test]
fn a_snapshot_that_does_not_fit_is_refused_and_nothing_of_it_stays() {
    let Some(small) = Small::of("64m") else { return };
    let world = World::without_services_in(small.path());
    let big = world.home.join("big");
    // Itself it takes no room.
    fs::File::create(&big).unwrap().set_len(256 << 20).unwrap();
    let refused = create(&world, &[]).ends(10);
    assert_eq!(refused.error_code(), "BKO-1125");
    assert!(refused.json["error"]["message"].as_str().unwrap().contains("big"), "{refused:?}");
    assert_eq!(fs::read_dir(world.state.join("snapshots")).unwrap().count(), 0);
    fs::remove_file(&big).unwrap();
    taken(&world, &[]);
    drop(world);
}

#[test]
fn copies_that_could_not_be_given_all_are_counted_and_the_first_is_named() {
    let world = World::small();
    for name in ["a.conf", "b.conf"] {
        if std::os::unix::fs::chown(world.home.join("live").join(name), Some(1), Some(2)).is_err() {
            return;
        }
    }
    // Root may give files to anybody, but for this.
    let backout = world.command(&["snapshot", "create", &world.profile]);
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-chown").arg(backout.get_program()).args(backout.get_args());
    let run = Run::to_its_end(command.args(world.flags()).arg("--json")).ends(0);
    let warning = &run.json["warnings"][0];
    let message = warning["message"].as_str().unwrap();
    assert_eq!(warning["code"], "BKO-4041");
    assert!(message.contains("2 copies") && message.contains("live/a.conf"), "{message}");
}

#[test]
fn keys_that_are_named_where_there_is_no_registry_are_refused() {
    let world = World::small();
    let mut command = world.command(&["snapshot", "create", "--json"]);
    command.arg("--watch").arg(&world.home).args(["--registry", r"HKLM\SOFTWARE\Vendor\Product"]);
    assert_eq!(Run::to_its_end(&mut command).ends(10).error_code(), "BKO-1170");
    assert!(!world.state.join("snapshots").exists());
}

#[test]
fn a_product_on_several_volumes_goes_back_on_each_from_any_generation_to_any() {
    let world = World::small();
    let (volume, bound) = (world.home.join("volume"), world.home.join("deep/bound"));
    let outside = world.path().join("outside");
    for folder in [&volume, &bound, &outside] {
        fs::create_dir_all(folder).unwrap();
    }
    let Some(_volume) = Mounted::at(&volume, &["-t", "tmpfs", "tmpfs"]) else { return };
    let Some(_bound) = Mounted::at(&bound, &["--bind", outside.to_str().unwrap()]) else { return };
    let mut generations = Vec::new();
    for generation in ["first", "second", "third"] {
        for folder in [&volume, &bound, &world.home.join("deep"), &world.home.join("live")] {
            write(&folder.join("file"), generation);
            write(&folder.join("inner/file"), generation);
            if generation == "second" {
                fs::remove_dir_all(folder.join("inner")).unwrap();
            }
        }
        generations.push((taken(&world, &[]), world.files()));
    }
    for to in [0, 1, 2, 1, 0] {
        let (id, files) = &generations[to];
        back_to(&world, id).ends(0);
        let now = world.files();
        assert!(now == *files, "{to}: {}", snapshot::differences(&now, files).join("\n"));
    }
}

#[test]
fn a_volume_that_is_away_or_came_since_is_refused_and_an_empty_one_is_not_missed() {
    let world = World::small();
    let (volume, file) = (world.home.join("volume"), world.home.join("live/a.conf"));
    fs::create_dir(&volume).unwrap();
    let tmpfs = ["-t", "tmpfs", "tmpfs"];
    let Some(mounted) = Mounted::at(&volume, &tmpfs) else { return };
    let empty = taken(&world, &[]);
    write(&volume.join("f"), "on the volume");
    let full = taken(&world, &[]);
    drop(mounted);
    write(&file, "later");
    let refused = |id: &str, code: &str, path: &Path| {
        let run = back_to(&world, id).ends(10);
        assert_eq!(run.error_code(), code);
        let message = run.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{}`", path.display())), "{message}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "later");
    };
    refused(&full, "BKO-5195", &volume);
    write(&volume.join("f"), "below the volume");
    refused(&empty, "BKO-5195", &volume);
    fs::remove_file(volume.join("f")).unwrap();
    let sub = world.home.join("live/sub");
    let Some(mounted) = Mounted::at(&sub, &tmpfs) else { return };
    refused(&empty, "BKO-1044", &sub);
    drop(mounted);
    back_to(&world, &empty).ends(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "patched a");
}

#[test]
fn a_component_does_not_go_back_into_a_root_that_is_gone_or_through_one_that_became_a_link() {
    let world = World::small();
    let text = fs::read_to_string(&world.profile).unwrap();
    let text = text.replace("components: [", r#"roots: ["home/live", "home/backup"], components: ["#);
    fs::write(&world.profile, text.replace("home/live/a.conf", "home/backup/a.conf")).unwrap();
    let from = format!("files=snapshot:{}", taken(&world, &[]));
    let (live, aside) = (world.home.join("live"), world.path().join("aside"));
    fs::rename(&live, &aside).unwrap();
    let back = || world.rollback(&["--component", "files", "--from", &from]).ends(10);
    assert_eq!(back().error_code(), "BKO-1046");
    symlink(&aside, &live).unwrap();
    assert_eq!(back().error_code(), "BKO-1040");
    fs::remove_file(&live).unwrap();
    fs::rename(&aside, &live).unwrap();
}
