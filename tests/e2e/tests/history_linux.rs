//! What is asked and pruned while somebody works here or dies of it.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, World, snapshot};
use serde_json::Value;
use std::{fs, path::Path};

fn runs(world: &World) -> Vec<Value> {
    world.plain(&["history"]).ends(0).json["data"]["runs"].as_array().unwrap().clone()
}

fn prune(world: &World, keep: usize, more: &[&str]) -> Run {
    let keep = keep.to_string();
    let mut command = world.command(&["history", "prune", "--keep", &keep, "--days", "0", "--json"]);
    Run::of(&command.args(more).output().unwrap())
}

/// Every folder beside a target belongs to a run whose journal is there.
fn every_leftover_has_its_journal(world: &World) {
    for folder in snapshot::leftovers(&world.home) {
        let name = Path::new(&folder).file_name().unwrap().to_str().unwrap().to_owned();
        let run = name.trim_start_matches(".backout-");
        let over = world.state.join("history").join(run).join("journal").is_file();
        let open = world.state.join("transactions").join(run).join("journal").is_file();
        assert!(over || open, "{folder} without its journal");
    }
}

#[test]
fn a_prune_that_is_killed_leaves_nothing_that_cannot_be_read_and_the_next_verb_sweeps() {
    let mut swept = 0;
    for n in 1.. {
        let world = World::small();
        world.rollback(&[]).ends(0);
        let strace = ["-qq", "-f", "-o", "/dev/null", "-e", "trace=unlinkat,renameat", "-e"];
        let mut prune_killed = std::process::Command::new("strace");
        prune_killed.args(strace).arg(format!("inject=unlinkat,renameat:signal=KILL:when={n}"));
        let call = world.command(&["history", "prune", "--keep", "0", "--days", "0", "--yes", "--json"]);
        prune_killed.arg(call.get_program()).args(call.get_args());
        let whole = Run::of(&prune_killed.output().unwrap()).code == Some(0);
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
