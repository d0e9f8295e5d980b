//! Linux only: links, pipes, owners, modes, attributes; a full disk.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests make files and stop at the first surprise")]

use backout_e2e::snapshots::{call, create};
use backout_kit::{Run, World, snapshot, write};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
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
    // A link's own time is not set.
    let plain = |root: &std::path::Path| {
        let mut all = snapshot(root);
        all.retain(|_, entry| entry.kind != 'l');
        all
    };
    assert!(plain(&kept) == plain(&world.home));
    call(&world, &["verify", id]).ends(0);
    // One that is led elsewhere is not what was set aside.
    fs::remove_file(kept.join("live/same")).unwrap();
    symlink("b.conf", kept.join("live/same")).unwrap();
    let named = call(&world, &["verify", id]).ends(31);
    assert!(named.json["error"]["message"].as_str().unwrap().contains("live/same"));
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
    // Rights beside the same bytes are said, and stay.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let run = back_to(&world, &id).ends(0);
    assert_eq!(run.json["outcome"], "nothing-to-do");
    assert!(run.json["warnings"].to_string().contains("BKO-4044"), "{run:?}");
}

#[test]
fn links_that_differ_are_refused_by_name_and_those_that_do_not_are_let_be() {
    let world = World::small();
    symlink("a.conf", world.home.join("live/same")).unwrap();
    let id = create(&world, &[]).ends(0).json["data"]["id"].as_str().unwrap().to_owned();
    write(&world.home.join("live/b.conf"), "other");
    symlink("b.conf", world.home.join("live/new")).unwrap();
    let added = back_to(&world, &id).ends(10);
    assert!(added.json["error"]["message"].as_str().unwrap().contains("live/new"), "{added:?}");
    fs::remove_file(world.home.join("live/new")).unwrap();
    fs::remove_file(world.home.join("live/same")).unwrap();
    symlink("b.conf", world.home.join("live/same")).unwrap();
    let turned = back_to(&world, &id).ends(10);
    assert!(turned.json["error"]["message"].as_str().unwrap().contains("live/same"), "{turned:?}");
    fs::remove_file(world.home.join("live/same")).unwrap();
    symlink("a.conf", world.home.join("live/same")).unwrap();
    back_to(&world, &id).ends(0);
    assert_eq!(fs::read_to_string(world.home.join("live/b.conf")).unwrap(), "patched b");
}
