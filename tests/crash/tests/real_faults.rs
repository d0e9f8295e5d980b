//! Real faults in the middle of a run: a medium that turns read-only or full, a file that nobody may touch any more or that
//! something is mounted over, a volume that is away when a recovery comes. Each ends old or new, with its services.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test makes files, stops at the first surprise and says what it could not do"
)]

use backout_crash::{Side, Verb, promise::broken, promised, settled, tree};
use backout_kit::{
    Run, Snapshot, World,
    place::{can_be_immutable, chattr},
    snapshot::leftovers,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Whether the system does it. In CI, which runs as root, it must.
fn done(program: &str, arguments: &[&str]) -> bool {
    let done = Command::new(program).args(arguments).output().is_ok_and(|o| o.status.success());
    if !done {
        eprintln!("skipped: `{program} {}` is not for us", arguments.join(" "));
    }
    done
}

/// A file system that goes with this, whatever the run has made of it.
struct Mounted(PathBuf);

impl Mounted {
    /// A file system in memory of so many bytes (and of so many files, where that is added), holding what the folder held.
    fn over(folder: &Path, size: &str) -> Option<Self> {
        let at = folder.to_str().unwrap();
        let aside = folder.with_extension("aside");
        fs::create_dir(&aside).unwrap();
        if !done(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs", aside.to_str().unwrap()],
        ) {
            return None;
        }
        assert!(done("cp", &["-a", &format!("{at}/."), aside.to_str().unwrap()]));
        // Moved into place, so that what the folder held lies where the run looks for it.
        assert!(
            done("mount", &["--move", aside.to_str().unwrap(), at])
                || done("mount", &["--bind", aside.to_str().unwrap(), at])
        );
        Some(Self(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let aside = self.0.with_extension("aside");
        for at in [&self.0, &aside] {
            let _ = Command::new("umount").arg("-l").arg(at).output();
        }
    }
}

/// A world, what its files are before, and what a rollback makes of them.
fn world() -> (World, Snapshot, Snapshot) {
    let new = Verb::Rollback.after();
    let (world, old) = Verb::Rollback.before();
    (world, old, new)
}

/// In the window, once the last service is stopped.
fn in_the_window(world: &World, lines: &str) {
    world.services.hook("second", "stop", lines);
}

/// Everything is as before and the run says so.
#[track_caller]
fn put_back(world: &World, run: Run, old: &Snapshot, new: &Snapshot, why: &str) {
    let run = run.ends(20);
    assert!(run.json["error"].to_string().contains(why), "{run:?}");
    assert!(leftovers(&world.home).is_empty());
    assert_eq!(settled(world, old, new, why), Side::Old);
}

#[test]
fn a_target_that_is_made_immutable_in_the_window_puts_everything_back() {
    // The last of the swaps fails, behind all others.
    for name in ["a.conf", "sub/c.conf"] {
        let (world, old, new) = world();
        let target = world.home.join("live").join(name);
        if !can_be_immutable(&target) {
            return;
        }
        in_the_window(&world, &format!("chattr +i '{}'", target.display()));
        let run = world.rollback(&[]);
        assert!(chattr("-i", &target));
        put_back(&world, run, &old, &new, name);
    }
}

#[test]
fn a_folder_that_is_made_immutable_in_the_window_puts_everything_back() {
    let (world, old, new) = world();
    let folder = world.home.join("live/sub");
    if !can_be_immutable(&folder) {
        return;
    }
    in_the_window(&world, &format!("chattr +i '{}'", folder.display()));
    let run = world.rollback(&[]);
    assert!(chattr("-i", &folder));
    // Its staging folder cannot be tidied up then: the run may leave that to a recovery.
    assert!(matches!(run.code, Some(20..=22)), "{run:?}");
    assert_eq!(settled(&world, &old, &new, "immutable folder"), Side::Old);
}

#[test]
fn something_that_is_mounted_over_a_target_in_the_window_puts_everything_back() {
    let (world, old, new) = world();
    let (target, other) = (world.home.join("live/sub/c.conf"), world.path().join("other"));
    fs::write(&other, "patched c").unwrap();
    let (at, from) = (target.to_str().unwrap(), other.to_str().unwrap());
    if !done("mount", &["--bind", from, at]) || !done("umount", &[at]) {
        return;
    }
    in_the_window(&world, &format!("mount --bind '{from}' '{at}'"));
    let run = world.rollback(&[]);
    assert!(done("umount", &[at]));
    put_back(&world, run, &old, &new, "c.conf");
}

#[test]
fn a_medium_that_turns_read_only_in_the_window_ends_old_or_is_left_to_a_recovery() {
    let (world, old, new) = world();
    let Some(_mounted) = Mounted::over(&world.home, "10m") else { return };
    let at = world.home.to_str().unwrap();
    in_the_window(&world, &format!("mount -o remount,ro '{at}'"));
    let run = world.rollback(&[]);
    assert!(matches!(run.code, Some(20..=22)), "{run:?}");
    assert_eq!(world.files(), old, "nothing can have changed there");
    let early = world.plain(&["recover"]);
    assert!(matches!(early.code, Some(0 | 21 | 22)), "{early:?}");
    assert!(done("mount", &["-o", "remount,rw", at]));
    assert_eq!(settled(&world, &old, &new, "read-only"), Side::Old);
}

#[test]
fn a_medium_that_is_full_in_the_window_does_not_keep_the_run_from_its_end() {
    let (world, old, new) = world();
    let Some(_mounted) = Mounted::over(&world.home, "300k") else { return };
    let fill = world.home.join("fill");
    in_the_window(&world, &format!("dd if=/dev/zero of='{}' bs=1k 2>/dev/null; true", fill.display()));
    let run = world.rollback(&[]);
    assert!(matches!(run.code, Some(0 | 20)), "{run:?}");
    assert!(fs::metadata(&fill).unwrap().len() > 100_000, "it was full");
    fs::remove_file(fill).unwrap();
    let side = settled(&world, &old, &new, "full");
    assert_eq!(side == Side::New, run.code == Some(0), "{run:?}");
}

#[test]
fn a_file_that_its_service_rewrote_goes_back_where_there_is_no_room_for_one_more() {
    let (world, old, _) = world();
    let room = format!("10m,nr_inodes={}", tree(&world.home).len() + 200);
    let Some(_mounted) = Mounted::over(&world.home, &room) else { return };
    let (home, told) = (world.home.display(), world.path().join("told"));
    let lines = format!(
        "[ -e '{0}' ] || {{ touch '{0}'; echo mine >'{home}/live/a.conf'; n=0; \
         while : >'{home}/fill-'$n; do n=$((n+1)); done 2>/dev/null; exit 1; }}",
        told.display()
    );
    world.services.hook("second", "start", &lines);
    let run = world.rollback(&[]).ends(20);
    assert!(run.json["warnings"].to_string().contains("a.conf"), "{run:?}");
    let fills = tree(&world.home).into_iter().filter(|p| p.to_string_lossy().contains("/fill-"));
    assert!(fills.map(|fill| fs::remove_file(fill).unwrap()).count() > 10, "it was full");
    assert_eq!(world.files(), old);
    assert_eq!(world.running(), [true, true]);
}

/// Whether there is room for one more file nobody can tell before: free bytes say nothing of it. The first run has none for
/// any, each other for one more, until there is enough.
#[test]
fn a_medium_that_is_full_while_a_run_stages_leaves_everything_as_it_is() {
    let (mut ends, new) = (Vec::new(), Verb::Rollback.after());
    for more in 0..200 {
        let (world, old) = Verb::Rollback.before();
        let names = tree(&world.home).len();
        let room = format!("10m,nr_inodes={}", names + more);
        let Some(_mounted) = Mounted::over(&world.home, &room) else { return };
        let run = world.rollback(&[]);
        let at = format!("room for {more} more files: {run:?}");
        let left = leftovers(&world.home);
        let side = settled(&world, &old, &new, &at);
        ends.push(run.code);
        match run.code {
            Some(0) => {
                promised!(side == Side::New, "{at}");
                break;
            }
            Some(10 | 13 | 20) => promised!(side == Side::Old && left.is_empty(), "{at}: {left:?}"),
            _ => broken(format_args!("{at}")),
        }
    }
    eprintln!("no room for one more file: ended {ends:?}, 0 violations");
    assert!(ends.len() > 5 && ends.last() == Some(&Some(0)), "{ends:?}");
}

#[test]
fn a_volume_that_is_away_when_a_recovery_comes_is_waited_for() {
    let (world, old, new) = world();
    let Some(mounted) = Mounted::over(&world.home, "10m") else { return };
    world.services.kills("first", "start");
    world.rollback(&["--no-parent"]);
    world.plain(&["status"]).ends(21);
    // What lies below the mount is the tree as it was before the volume came: nobody may take it for the volume's.
    let kept = world.path().join("kept");
    fs::create_dir(&kept).unwrap();
    let (at, kept) = (world.home.to_str().unwrap(), kept.to_str().unwrap());
    assert!(done("mount", &["--bind", at, kept]));
    assert!(done("umount", &["-l", at]));
    let below = world.files();
    world.plain(&["recover"]).ends(21);
    assert_eq!(world.files(), below, "nothing is done there");
    assert!(leftovers(&world.home).is_empty());
    assert!(done("mount", &["--bind", kept, at]));
    let side = settled(&world, &old, &new, "volume away");
    assert_eq!(side, Side::New, "all was swapped");
    let _ = Command::new("umount").args(["-l", kept]).output();
    drop(mounted);
}
