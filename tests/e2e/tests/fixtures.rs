//! Machines in files: recorded here, planned on anywhere.
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use backout_e2e::refused;
use backout_kit::{Run, World, snapshot, write};
use std::{env::consts::DLL_SUFFIX, fs, path::PathBuf};

/// `plugin VERB file-set` with what this world's verbs need, and `more`.
fn plugin(world: &World, verb: &str, plugin: &str, more: &[&str]) -> Run {
    let mut command = world.command(&["plugin", verb, plugin, "--json"]);
    Run::to_its_end(command.args(world.flags()).args(more))
}

fn record(world: &World, more: &[&str]) -> Run {
    let of = ["--profile", &world.profile, "--component", "files"];
    plugin(world, "record", "file-set", &[&of[..], more].concat())
}

fn fixture(world: &World) -> PathBuf {
    let file = world.path().join("machine.ron");
    record(world, &["-o", file.to_str().unwrap()]).ends(0);
    file
}

#[test]
fn what_is_recorded_here_gives_the_same_proposal_when_the_machine_is_gone() {
    let world = World::small();
    let before = world.files();
    let file = world.path().join("machine.ron");
    let recorded = record(&world, &["-o", file.to_str().unwrap()]).ends(0);
    assert_eq!(world.files(), before, "nothing is changed");
    let services = &recorded.json["data"]["machine"]["facts"]["services"];
    assert_eq!((services["First"].as_str(), services["Second"].as_str()), (Some("yes"), Some("yes")));
    let proposal = &recorded.json["data"]["planned"]["proposal"];
    assert!(proposal["steps"].as_array().unwrap().len() > 4, "{proposal}");

    fs::remove_dir_all(&world.home).unwrap();
    let machine = ["--machine", file.to_str().unwrap()];
    let of = ["--profile", &world.profile, "--component", "files"];
    let planned = plugin(&world, "plan", "file-set", &[&machine[..], &of[..]].concat()).ends(0);
    assert_eq!(&planned.json["data"]["proposal"], proposal);

    let config = world.path().join("config.ron");
    write(&config, r#"(from: "home/backup", to: "home/live", consume: true)"#);
    let library = world.plugins.join(format!("{}backout_file_set{DLL_SUFFIX}", std::env::consts::DLL_PREFIX));
    let config = ["--config", config.to_str().unwrap()];
    let by_file =
        plugin(&world, "plan", library.to_str().unwrap(), &[&machine[..], &config[..]].concat()).ends(0);
    assert_eq!(&by_file.json["data"]["proposal"], proposal);
}

#[test]
fn a_fixture_is_printed_for_people_and_is_never_written_over_another_file() {
    let world = World::small();
    let mut command = world.command(&["plugin", "record", "file-set", "--component", "files"]);
    let printed = command.args(["--profile", &world.profile]).args(world.flags()).output().unwrap();
    let file = fixture(&world);
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim(), written.trim());
    fs::write(&file, "made by hand").unwrap();
    let run = record(&world, &["-o", file.to_str().unwrap()]).ends(10);
    assert_eq!(run.error_code(), "BKO-1090");
    assert_eq!(fs::read_to_string(&file).unwrap(), "made by hand");
    record(&world, &["-o", world.path().join("no/such/folder/x").to_str().unwrap()]).ends(10);
}

#[test]
fn a_fixture_that_does_not_say_enough_or_says_nonsense_is_refused() {
    let world = World::small();
    let before = snapshot(world.path());
    let file = world.path().join("machine.ron");
    let plan = |text: &str, code: i32, words: &str| {
        write(&file, text);
        let config = world.path().join("config.ron");
        write(&config, r#"(from: "home/backup", to: "home")"#);
        let given = ["--machine", file.to_str().unwrap(), "--config", config.to_str().unwrap()];
        let run = plugin(&world, "plan", "file-set", &given).ends(code);
        assert!(run.json["error"].to_string().contains(words), "{}", run.json["error"]);
        fs::remove_file(&config).unwrap();
    };
    plan(r#"( folders: { "home": "/srv/x" } )"#, 10, "the fixture says nothing of");
    plan("(\n  paths: { \"/a\": gone } )", 10, "machine.ron:2:");
    plan("()", 10, "variable `home` has no value");
    fs::remove_file(&file).unwrap();
    assert_eq!(snapshot(world.path()), before);
}

#[test]
fn a_plugin_or_component_that_is_not_meant_is_named() {
    let world = World::small();
    let of = ["--profile", &world.profile, "--component", "files"];
    let run = plugin(&world, "record", "cm-agent", &of).ends(64);
    assert!(run.json["error"].to_string().contains("`file-set`"), "{}", run.json["error"]);
    plugin(&world, "record", "file-set", &["--profile", &world.profile, "--component", "else"]).ends(10);
    let file = fixture(&world);
    let machine = ["--machine", file.to_str().unwrap()];
    plugin(&world, "plan", "nonsense", &machine).ends(10);
    plugin(&world, "plan", "/no/such/library.so", &machine).ends(10);
    refused(&world, 10, "nonsense", &["--component", "nonsense"]);
}

#[test]
fn what_a_plugin_logs_comes_out_under_its_id() {
    let world = World::small();
    let file = fixture(&world);
    let of = ["--profile", &world.profile, "--component", "files"];
    let machine = ["--machine", file.to_str().unwrap(), "-vv"];
    let run = plugin(&world, "plan", "file-set", &[&machine[..], &of[..]].concat()).ends(0);
    assert!(run.stderr.contains("the plugin file-set: "), "{}", run.stderr);
}
