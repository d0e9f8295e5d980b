//! What is asked and pruned while somebody works here or dies of it.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::{every_leftover_has_its_journal, prune, runs};
use backout_kit::{Run, World, snapshot, strace};
use std::fs;

#[test]
fn a_prune_that_is_killed_leaves_nothing_that_cannot_be_read_and_the_next_verb_sweeps() {
    let mut swept = 0;
    for n in 1.. {
        let world = World::small();
        world.rollback(&[]).ends(0);
        let call = world.command(&["history", "prune", "--keep", "0", "--days", "0", "--yes", "--json"]);
        let (calls, kill) = ("unlinkat,renameat", strace::injection("unlinkat,renameat", "signal=KILL", n));
        let options = ["-f", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &kill];
        let whole = Run::of(&strace::under(&call, &options).output().unwrap()).code == Some(0);
        assert!(runs(&world).iter().all(|run| run["fate"] == "committed"), "killed at {n}");
        every_leftover_has_its_journal(&world);
        prune(&world, 0, &["--yes"]).ends(0);
        assert!(runs(&world).is_empty() && snapshot::leftovers(&world.home).is_empty(), "killed at {n}");
        assert_eq!(fs::read_dir(world.state.join("history")).unwrap().count(), 0, "killed at {n}");
        swept += 1;
        if whole {
            break;
        }
    }
    assert!(swept > 5, "it makes more such calls than {swept}");
}

#[test]
fn following_while_somebody_merely_holds_the_lock_shows_no_old_run() {
    let world = World::small();
    world.rollback(&[]).ends(0);
    let mut holder = std::process::Command::new("flock");
    let held = world.path().join("held");
    holder.arg(world.state.join("lock")).args(["sh", "-c"]);
    holder.arg(format!("touch '{0}'; while [ -e '{0}' ]; do sleep 0.05; done", held.display()));
    let mut holder = holder.spawn().unwrap();
    while !held.exists() {
        std::thread::yield_now();
    }
    let mut command = world.command(&["status", "--follow"]);
    let mut follow = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(follow.stderr.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut said, &mut first).unwrap();
    assert!(first.contains("has begun no run yet"), "{first}");
    fs::remove_file(held).unwrap();
    holder.wait().unwrap();
    follow.wait().unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert!(!rest.contains("stopping"), "{rest}");
}
