//! The space that a guard's way back needs: it is there whatever the installer makes of the disk and of the product's folders,
//! and gone with the guard.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::guards::{Small, guard, holds_no_space, installer, is_before, settled, text};
use backout_kit::{Run, World, snapshot, strace};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// The product's folder gets another name, and what is in it is laid anew.
const MOVES: &str = r#"
mv "$home" "$home.old"
mkdir "$home"
cp -a "$home.old/." "$home"
echo v3 >"$home/live/a.conf"
"#;

/// Bytes of what lies below, of every name.
fn bytes(root: &Path) -> u64 {
    let sizes =
        fs::read_dir(root).unwrap().flatten().map(|entry| match entry.file_type().unwrap().is_dir() {
            true => bytes(&entry.path()),
            false => entry.metadata().unwrap().len(),
        });
    sizes.sum()
}

/// A product of so many bytes more, on a volume of its own, whose state folder lies on another.
fn on_two_volumes(volume: &Small, state: &TempDir, more: usize) -> World {
    let above = volume.path().join("srv");
    fs::create_dir(&above).unwrap();
    let mut world = World::without_services_in(&above);
    world.state = state.path().join("state");
    fs::write(world.home.join("big"), vec![7; more]).unwrap();
    world
}

/// The product's folder as the installer renamed it.
fn renamed(world: &World) -> PathBuf {
    world.path().join("home.old")
}

/// Nothing of the guard holds space: beside the product, in what it was renamed to, above it, or in the state folder.
#[track_caller]
fn holds_none(world: &World, above: &Path, product: u64) {
    assert_eq!(snapshot::leftovers(above), Vec::<String>::new());
    assert_eq!(bytes(&renamed(world)), product, "what was renamed holds what it held");
    holds_no_space(world);
}

#[test]
fn the_space_of_a_guard_goes_with_it_where_the_installer_renamed_the_products_folder() {
    for end in ["exit 0", "exit 1"] {
        let world = World::without_services();
        let (old, product) = (world.files(), bytes(&world.home));
        let run = guard(&world, &["--settle", "0"], &format!("{MOVES}{end}"));
        match end {
            "exit 0" => {
                run.ends(0);
                assert_eq!(text(&world, "live/a.conf"), "v3\n");
                settled(&world);
            }
            _ => {
                run.ends(20);
                is_before(&world, &old);
            }
        }
        holds_none(&world, world.path(), product);
    }
}

#[test]
fn the_space_of_a_guard_is_found_on_another_volume_whatever_becomes_of_the_products_folder() {
    let state = TempDir::with_prefix("backout-state-").unwrap();
    for (moves, end) in [
        (MOVES, "exit 0"),
        (MOVES, "exit 1"),
        // With what is full now there is as much room as was taken before.
        (MOVES, "cat /dev/zero >\"$here/fill\"\nexit 1"),
        ("mv \"$home\" \"$home.old\"", "cat /dev/zero >\"$here/fill\"\nexit 1"),
    ] {
        let Some(volume) = Small::of("224m") else { return };
        let world = on_two_volumes(&volume, &state, 8 << 20);
        let (old, product) = (world.files(), bytes(&world.home));
        let run = guard(&world, &["--settle", "0"], &format!("{moves}\n{end}"));
        if end == "exit 0" {
            run.ends(0);
            settled(&world);
        } else {
            run.ends(20);
            is_before(&world, &old);
        }
        holds_none(&world, volume.path(), product);
        fs::remove_dir_all(&world.state).unwrap();
        drop(world);
    }
}

/// An installer that makes more new files than the records of a way back have room for, and fills the disk to the last byte.
const MANY: &str = r#"
mkdir "$home/live/many"
for n in 1 2 3 4; do
    seq 4000 | split -a 4 -l 1 - "$home/live/many/a-file-with-a-name-of-some-length-$n-"
done
rm "$home/live/b.conf"
echo v3 >"$home/live/a.conf"
cat /dev/zero >"$home/live/fill"
cat /dev/zero >"$home/rest"
echo full >"$home/live/sub/c.conf"
exit 1
"#;

/// The guard of a profile, and of watched folders.
fn either(world: &World, watched: bool, lines: &str) -> Run {
    if !watched {
        return guard(world, &[], lines);
    }
    let mut command = world.command(&["guard"]);
    command.arg("--watch").arg(&world.home).args(["--yes", "--json", "--"]).arg(installer(world, lines));
    Run::to_its_end(&mut command)
}

#[test]
fn thousands_of_new_files_on_a_disk_that_is_full_to_the_last_byte_keep_nobody_from_going_back() {
    for watched in [false, true] {
        let Some(small) = Small::of("256m") else { return };
        let world = World::without_services_in(small.path());
        let old = world.files();
        let run = either(&world, watched, MANY).ends(20);
        assert!(run.json["counts"]["removed"].as_u64().unwrap() > 16_000, "{}", run.json["counts"]);
        assert!(!run.stdout.contains("BKO-5141"), "what came is known all the same");
        is_before(&world, &old);
        drop(world);
    }
}

#[test]
fn a_disk_that_takes_no_more_files_keeps_nobody_from_going_back() {
    let Some(small) = Small::of("256m,nr_inodes=4000") else { return };
    for watched in [false, true] {
        let world = World::without_services_in(small.path());
        let old = world.files();
        let lines = r#"
rm "$home/live/b.conf"
echo v3 >"$home/live/a.conf"
seq 8000 | split -a 4 -l 1 - "$home/live/new-" 2>/dev/null
exit 1
"#;
        either(&world, watched, lines).ends(20);
        is_before(&world, &old);
        drop(world);
    }
}

#[test]
fn what_others_put_in_the_place_of_a_guards_space_above_the_product_stays() {
    let Some(volume) = Small::of("64m") else { return };
    fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut world = World::without_services();
    let old = world.files();
    assert!(Command::new("cp").arg("-a").arg(&world.home).arg(volume.path()).status().unwrap().success());
    world.home = volume.path().join("home");
    world.write_site(&[], "");
    let lines = r#"
space=$(echo "$home"/../.backout-*)
echo "$space" >"$here/lay"
mv "$space" "$home/../away"
mkdir -p "$space/reserve"
echo theirs >"$space/reserve/file"
echo v3 >"$home/live/a.conf"
exit 1
"#;
    guard(&world, &[], lines).ends(20);
    let lay = fs::read_to_string(world.path().join("lay")).unwrap();
    assert_eq!(fs::read_to_string(Path::new(lay.trim_end()).join("reserve/file")).unwrap(), "theirs\n");
    is_before(&world, &old);
}

/// More files than the volume takes, so that no run back can be beside what is new.
const NO_MORE_FILES: &str = r#"
rm "$home/live/b.conf"
echo v3 >"$home/live/a.conf"
seq 8000 | split -a 4 -l 1 - "$home/live/new-" 2>/dev/null
exit 1
"#;

/// Whether the message says that some of the installer's work is removed already.
fn is_partly(message: &str) -> bool {
    message.contains("some of its new files are removed already")
        && message.contains("services are left stopped")
}

#[test]
fn behind_the_end_of_what_is_new_no_service_runs_before_the_old_files_are_there() {
    if !strace::works() {
        return;
    }
    let mut gone = 0;
    for n in 4..=6 {
        let Some(small) = Small::of("256m,nr_inodes=600") else { return };
        let world = World::small_in(small.path());
        let old = world.files();
        let mut call = world.verb_command("guard", &["--yes", "--no-parent"]);
        call.arg("--").arg(installer(&world, NO_MORE_FILES));
        let run = Run::of(&strace::injected(&call, "syncfs", "error=EIO", n).output().unwrap());
        if run.code == Some(22) {
            let message = run.json["error"]["message"].as_str().unwrap();
            if is_partly(message) {
                gone += 1;
                assert_eq!(world.running(), [false, false]);
                // Whoever comes next knows it, too.
                let again = strace::injected(
                    &world.command(&["recover", "--json", "--no-parent"]),
                    "syncfs",
                    "error=EIO",
                    1,
                );
                let again = Run::of(&{ again }.output().unwrap()).ends(22);
                assert!(is_partly(again.json["error"]["message"].as_str().unwrap()), "{again:?}");
                assert_eq!(world.running(), [false, false]);
            } else {
                assert_eq!(world.running(), [true, true], "{message}");
            }
            assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
            is_before(&world, &old);
        }
        drop(world);
    }
    assert!(gone > 0, "no sync behind the removal was hit");
}

#[test]
fn no_service_stops_for_a_way_back_that_a_full_disk_refuses_all_the_same() {
    let Some(small) = Small::of("256m") else { return };
    let world = World::small_in(small.path());
    let old = world.files();
    // What fills it is none of the product's; nor is any space left for the way back.
    let lines = r#"
echo v3 >"$home/live/a.conf"
echo new >"$home/live/new.conf"
rm "$here"/state/transactions/*/space "$here"/state/transactions/*/reserve
cat /dev/zero >"$here/other"
exit 1
"#;
    let run = guard(&world, &[], lines).ends(22);
    assert_eq!(run.error_code(), "BKO-5110");
    assert_eq!(world.plain(&["recover"]).ends(22).error_code(), "BKO-5110");
    assert_eq!(world.services.log(), Vec::<String>::new());
    fs::remove_file(world.path().join("other")).unwrap();
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    is_before(&world, &old);
}
