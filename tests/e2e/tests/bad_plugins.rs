//! Plugins that do the worst they can: the run is refused in time, says which plugin it was and what it was doing, and
//! nothing has changed. And plugins that may not be used: none of their code has run.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::refused;
use backout_kit::{Run, World, bad, built, snapshot};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const PLUGIN: &str = r#"plugin: "file-set", config: (from: "home/backup", to: "home/live", consume: true)"#;

/// The small product; its component is the bad plugin's.
fn world(options: &[String]) -> World {
    let world = World::small();
    bad::compile(&library(&world), options);
    world
}

fn library(world: &World) -> PathBuf {
    world.plugins.join("bad.so")
}

/// What the bad plugin is told from now on.
fn told(world: &World, what: &str) {
    let small = World::small();
    let profile = fs::read_to_string(&small.profile).unwrap();
    assert!(profile.contains(PLUGIN));
    fs::write(&world.profile, profile.replace(PLUGIN, &format!("plugin: \"bad\", config: {what:?}")))
        .unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// How many processes have the bad plugin in memory.
fn left(world: &World) -> usize {
    let maps = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("maps")).unwrap_or_default();
    let name = library(world);
    let name = name.to_str().unwrap();
    fs::read_dir("/proc").unwrap().flatten().map(maps).filter(|m| m.contains(name)).count()
}

#[test]
fn whatever_a_plugin_does_while_it_plans_the_run_is_refused_and_nothing_changes() {
    let world = world(&[]);
    for (what, said) in [
        ("segfault", "was ended by SIGSEGV"),
        ("abort-it", "the last it printed: something is wrong"),
        ("overflow", "before it gave an answer"),
        ("exit-zero", "ended with exit code 0 before it gave an answer"),
        ("print-without-end", "printed more than"),
        ("allocate-without-end", "before it gave an answer"),
        ("close-everything", "before it gave an answer"),
        ("forge-garbage", "wrote no answer"),
        ("forge-an-answer", "wrote no answer"),
        ("give-up", "it returned 1"),
        ("answer-garbage", "expected value"),
        ("answer-twice", "trailing characters"),
        ("answer-without-end", "longer than"),
        ("answer-above", "../etc/passwd"),
    ] {
        told(&world, what);
        let run = refused(&world, 10, said, &[]);
        let message = run.json["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("`bad`") && message.contains("it planned component `files`"),
            "{what}: {message}"
        );
        let run = world.verb("plan", &[]).ends(10);
        assert!(run.json["error"].to_string().contains(said), "{what}: {run:?}");
    }
    assert_eq!(left(&world), 0, "nothing of it runs any more");
    world.plain(&["status"]).ends(0);
}

#[test]
fn a_plugin_that_never_answers_is_ended_at_its_deadline() {
    let world = world(&[]);
    for what in ["loop", "close-and-stay"] {
        told(&world, what);
        let begun = Instant::now();
        let said = if what == "loop" { "it gave no answer within 3 s" } else { "closed its answer" };
        refused(&world, 10, said, &["--plugin-timeout", "3"]);
        assert!(begun.elapsed() < Duration::from_secs(60), "not the deadline that nobody has changed");
    }
    assert_eq!(left(&world), 0, "nothing of it runs any more");
}

#[test]
fn a_plugin_that_writes_or_connects_while_it_plans_is_refused_by_the_kernel() {
    let world = world(&[]);
    let file = world.path().join("file");
    fs::write(&file, "untouched").unwrap();
    for (what, said) in [
        (format!("append {} .", file.display()), "nothing can be written"),
        (format!("remove {} .", file.display()), "nothing can be removed"),
        (format!("create {}.new .", file.display()), "nothing can be created"),
        // What is let through is named behind these words: nothing is.
        (format!("what-is-let-through {} .", file.display()), "cannot plan: ; nothing was touched"),
    ] {
        told(&world, &what);
        let run = world.verb("plan", &[]).ends(10);
        let error = run.json["error"]["message"].as_str().unwrap();
        assert!(error.contains(said), "{what}: {error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");
    assert!(!world.path().join("file.new").exists() && !world.path().join("file.other").exists());
}

#[test]
fn what_a_plugin_leaves_behind_is_ended_with_it() {
    let world = world(&[]);
    for what in ["leave-a-child", "daemonise"] {
        told(&world, what);
        world.verb("plan", &[]).ends(0);
        assert_eq!(left(&world), 0, "{what}: nothing of it runs any more");
    }
}

/// `plugin VERB ARGS…`, from the outside.
fn plugin(world: &World, args: &[&str]) -> Run {
    let mut command = world.command(&["plugin"]);
    command.args(args).arg("--json").arg("--plugin-dir").arg(&world.plugins);
    Run::to_its_end(&mut command)
}

#[test]
fn no_code_of_a_plugin_that_may_not_be_used_has_run() {
    let marks = tempfile::tempdir().unwrap();
    let mark = marks.path().join("mark");
    let world = world(&[format!("-DMARK=\"{}\"", mark.display())]);
    let library = library(&world);
    told(&world, "behave");

    mode(&library, 0o666);
    refused(&world, 10, "may be written to by others", &["--in-process"]);
    mode(&library, 0o644);
    mode(&world.plugins, 0o777);
    refused(&world, 10, "may be written to by others", &["--in-process"]);
    mode(&world.plugins, 0o755);

    let would = plugin(&world, &["trust", library.to_str().unwrap(), "--dry-run"]).ends(0).json;
    assert_eq!((&would["outcome"], &would["changed"]), (&"done".into(), &false.into()), "{would}");
    assert!(!world.plugins.join("plugins.lock").exists(), "it is only told");
    let pinned = plugin(&world, &["trust", library.to_str().unwrap()]).ends(0).json;
    assert_eq!(pinned["data"]["now"], would["data"]["now"]);
    let mut changed = fs::read(&library).unwrap();
    changed.extend(b"one more byte");
    fs::write(&library, changed).unwrap();
    refused(&world, 10, "`plugins.lock` pins", &["--in-process"]);
    for verb in [&["list"][..], &["show", "bad"], &["show", library.to_str().unwrap()]] {
        plugin(&world, verb).ends(0);
    }
    assert!(!mark.exists(), "its constructor has not run");

    let would = plugin(&world, &["untrust", "bad", "--dry-run"]).ends(0).json;
    assert_eq!((&would["data"]["before"], &would["data"]["dry_run"]), (&pinned["data"]["now"], &true.into()));
    assert_eq!(plugin(&world, &["untrust", "bad"]).ends(0).json["changed"], true, "it was still pinned");
    assert_eq!(plugin(&world, &["untrust", "bad", "--dry-run"]).ends(0).json["outcome"], "nothing-to-do");
    world.verb("plan", &["--in-process"]).ends(0);
    assert!(mark.exists(), "where it is loaded it does");
}

#[test]
fn where_the_system_lets_nothing_be_written_that_is_said_with_its_own_code() {
    let dir = tempfile::TempDir::new().unwrap();
    let plugin = &built().plugins[0];
    let library = dir.path().join(plugin.file_name().unwrap());
    fs::copy(plugin, &library).unwrap();
    mode(&library, 0o644);
    mode(dir.path(), 0o555);
    let root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0;
    let run = |words: &[&str]| {
        let mut command =
            std::process::Command::new(if root { "setpriv".as_ref() } else { built().backout.as_path() });
        if root {
            // Root may write anywhere, but for this.
            command.arg("--bounding-set=-dac_override").arg(&built().backout);
        }
        Run::to_its_end(command.args(words).arg("--json").current_dir(dir.path()))
    };
    let run_trust = run(&["plugin", "trust", library.to_str().unwrap()]).ends(13);
    assert_eq!((run_trust.error_code(), &run_trust.json["changed"]), ("BKO-1152", &serde_json::json!(false)));
    assert_eq!(run(&["plugin", "new", "demo"]).ends(13).error_code(), "BKO-1164");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    mode(dir.path(), 0o755);
}

#[test]
fn pins_that_are_given_at_the_same_time_are_all_kept() {
    let dir = tempfile::TempDir::new().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    // The folder may also be reached by a link.
    let linked = dir.path().join("linked");
    std::os::unix::fs::symlink(&real, &linked).unwrap();
    let names: Vec<_> = built().plugins.iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    for (name, plugin) in names.iter().zip(&built().plugins) {
        fs::copy(plugin, real.join(name)).unwrap();
        fs::set_permissions(real.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let trust = |name| {
        let mut trust = std::process::Command::new(&built().backout);
        trust.args(["plugin", "trust"]).arg(linked.join(name)).stdout(std::process::Stdio::null());
        trust.spawn().unwrap()
    };
    let children: Vec<_> = names.iter().map(trust).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let lock = fs::read_to_string(real.join("plugins.lock")).unwrap();
    assert_eq!(lock.lines().count(), names.len() + 2, "{lock}");
}

#[test]
fn a_plugin_is_pinned_shown_and_let_go_again() {
    let world = world(&[]);
    let library = library(&world);
    let file = library.to_str().unwrap();
    let lock = world.plugins.join("plugins.lock");

    let shown = plugin(&world, &["show", "bad"]).ends(0).json;
    let data = &shown["data"];
    assert_eq!((data["id"].as_str(), data["about"].as_str()), (Some("bad"), Some("Does as it is told.")));
    assert_eq!(data["spoken"], serde_json::json!([1, 0]));
    assert!(data["pinned"].is_null() && data["problem"].is_null());
    let digest = data["sha256"].as_str().unwrap().to_owned();

    let run = plugin(&world, &["trust", file, "--sha256", &"0".repeat(64)]).ends(10);
    assert_eq!((run.error_code(), &run.json["changed"]), ("BKO-1151", &serde_json::json!(false)));
    plugin(&world, &["trust", file, "--sha256", "short"]).ends(64);
    assert_eq!(plugin(&world, &["trust", world.site.to_str().unwrap()]).ends(10).error_code(), "BKO-1150");
    mode(&library, 0o666);
    assert_eq!(plugin(&world, &["trust", file]).ends(10).error_code(), "BKO-1016");
    mode(&library, 0o644);
    mode(&world.plugins, 0o777);
    assert_eq!(plugin(&world, &["trust", file]).ends(10).error_code(), "BKO-1016");
    mode(&world.plugins, 0o755);
    assert!(!lock.exists(), "whatever was refused wrote nothing");

    let run = plugin(&world, &["trust", file, "--sha256", &digest.to_uppercase()]).ends(0);
    assert_eq!((run.json["changed"].as_bool(), run.json["outcome"].as_str()), (Some(true), Some("done")));
    let before = snapshot(&world.plugins);
    let run = plugin(&world, &["trust", file]).ends(0);
    assert_eq!(run.json["outcome"], "nothing-to-do");
    assert_eq!(snapshot(&world.plugins), before, "and nothing is written for it");
    // Another's pin stays where it is.
    let other = fs::read_dir(&world.plugins).unwrap().flatten().map(|e| e.path());
    let other = other.filter(|p| p.extension().is_some_and(|e| e == "so") && *p != library).min().unwrap();
    plugin(&world, &["trust", other.to_str().unwrap()]).ends(0);
    assert_eq!(plugin(&world, &["show", file]).ends(0).json["data"]["pinned"], digest.as_str());
    told(&world, "behave");
    world.verb("plan", &[]).ends(0);

    mode(&lock, 0o666);
    assert_eq!(plugin(&world, &["untrust", "bad"]).ends(10).error_code(), "BKO-1152");
    mode(&lock, 0o644);
    assert_eq!(plugin(&world, &["untrust", file]).ends(0).json["changed"], true);
    assert_eq!(plugin(&world, &["untrust", "bad"]).ends(0).json["outcome"], "nothing-to-do");
    let text = fs::read_to_string(&lock).unwrap();
    assert!(!text.contains("bad") && text.lines().count() == 3, "{text}");
}
