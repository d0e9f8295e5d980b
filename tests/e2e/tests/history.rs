//! What was done can be asked for, and old before-images go away by rule.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::TreeSpec;
use backout_e2e::{every_leftover_has_its_journal, prune, runs};
use backout_kit::{Run, ServerProtect, World, snapshot};
use serde_json::Value;
use std::{fs, path::Path};

fn id(run: &Run) -> String {
    run.json["run_id"].as_str().unwrap().to_owned()
}

fn undo(world: &World, more: &[&str]) -> Run {
    world.plain(&[&["undo"], more].concat())
}

#[test]
fn an_undo_never_passes_over_a_run_whose_records_are_damaged() {
    let world = World::small();
    let first = id(&world.rollback(&[]).ends(0));
    let undone = id(&undo(&world, &[]).ends(0));
    let second = id(&world.rollback(&[]).ends(0));
    let files = world.files();
    let folder = world.state.join("history").join(&second);
    for (file, spoilt) in [("journal", "no journal\n"), ("plan.ron", "("), ("staged.ron", "(")] {
        let whole = fs::read(folder.join(file)).unwrap();
        fs::write(folder.join(file), spoilt).unwrap();
        let refused = undo(&world, &[]).ends(10);
        let message = refused.json["error"]["message"].to_string();
        assert!(message.contains(&second) && message.contains("cannot be read"), "{file}: {message}");
        assert_eq!(undo(&world, &[&second]).ends(10).error_code(), "BKO-1064", "{file}");
        assert_eq!(world.files(), files);
        fs::write(folder.join(file), whole).unwrap();
    }
    // The others are what they are.
    let why = |run: &str| undo(&world, &[run]).ends(10).json["error"]["message"].to_string();
    assert!(why(&first).contains(&undone), "{}", why(&first));
    assert!(why(&undone).contains("is an undo"), "{}", why(&undone));
    undo(&world, &[]).ends(0);
}

#[test]
fn a_run_is_on_record_step_by_step_whether_it_is_done_or_put_back() {
    let world = World::small();
    let records = |run: &Run| -> Vec<String> {
        let shown = world.plain(&["show", &id(run)]).ends(0);
        let records = shown.json["data"]["records"].as_array().unwrap().iter();
        records.map(|r| r["record"].as_str().unwrap().to_owned()).collect()
    };
    let opening = ["Begin", "Staged", "Opening"];
    let swapped = [&opening[..], &["Armed", "Swapped"]].concat();
    let started = ["Starting", "Started", "Starting", "Started"];
    let done = [&swapped[..], &started, &["Health", "Committed", "Clean"]].concat();
    assert_eq!(records(&world.rollback(&[]).ends(0)), done);
    assert_eq!(records(&undo(&world, &[]).ends(0)), done);
    world.services.fault("second", "refuse-stop");
    let never_armed = [&opening[..], &["Starting", "Started", "Undone", "Clean"]].concat();
    assert_eq!(
        records(&world.rollback(&[]).ends(20)),
        never_armed,
        "`First` was stopped before `Second` refused"
    );
    world.services.mend("second", "refuse-stop");
    let status = world.services.command("status", "nobody");
    let probe = format!("health: [(name: \"answers\", run: {status})],");
    world.write_site(&[("First", "first"), ("Second", "second")], &probe);
    let ill = [&swapped[..], &started, &["Health", "Undo", "Unswapped"], &started, &["Undone", "Clean"]];
    assert_eq!(records(&world.rollback(&[]).ends(20)), ill.concat());
}

#[test]
fn a_run_can_be_shown_with_who_when_what_and_every_file() {
    let world = World::small();
    let run = world.rollback(&["--request-id", "r1"]).ends(0);
    let shown = world.plain(&["show", &id(&run)]).ends(0).json["data"].clone();
    assert_eq!(shown["run"], id(&run).as_str());
    assert_eq!(shown["kind"], "rollback");
    assert_eq!(shown["fate"], "committed");
    assert_eq!(shown["request_id"], "r1");
    assert!(!shown["by"]["user"].as_str().unwrap().is_empty());
    assert!(shown["begun"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown["tool"], env!("CARGO_PKG_VERSION"));
    assert_eq!(shown["plugins"][0]["id"], "file-set");
    assert_eq!(shown["plugins"][0]["sha256"].as_str().unwrap().len(), 64);
    assert!(shown["window_ms"].is_u64());
    let files = shown["files"].as_array().unwrap();
    let name = Path::new("live").join("a.conf");
    let is_a = |f: &&Value| f["target"]["rel"] == name.to_str().unwrap();
    let a = files.iter().find(is_a).unwrap();
    assert_eq!(a["what"], "replaced");
    assert_eq!(a["before"]["bytes"], "patched a".len());
    assert_eq!(a["after"]["bytes"], "old a".len());
    assert_ne!(a["before"]["sha256"], a["after"]["sha256"]);
    assert_eq!(a["after"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(shown["result"]["exit_code"], 0);
    let records: Vec<&str> =
        shown["records"].as_array().unwrap().iter().map(|r| r["record"].as_str().unwrap()).collect();
    assert_eq!((records[0], records[records.len() - 1]), ("Begin", "Clean"));
    let log = fs::read_to_string(Path::new(shown["folder"].as_str().unwrap()).join("log")).unwrap();
    assert!(log.contains("stopping First") && log.contains("swapped"), "{log}");

    let undone = undo(&world, &[]).ends(0);
    let runs = runs(&world);
    assert_eq!(runs.len(), 2);
    assert_eq!((&runs[0]["kind"], &runs[0]["undoes"]), (&"undo".into(), &id(&run).into()));
    assert_eq!(runs[1]["undone_by"], id(&undone).as_str());
    let text = Run::to_its_end(&mut world.command(&["show", &id(&run)[..20]])).stdout;
    assert!(text.contains(name.to_str().unwrap()) && text.contains("undone by"), "{text}");
    world.plain(&["show", "zz"]).ends(10);
}

#[test]
#[cfg_attr(windows, ignore = "eighty programs, and each that is started under Wine takes its time")]
fn twenty_runs_and_undos_in_a_row_keep_what_retention_promises() {
    let world = World::small();
    let patched = world.files();
    let mut rolled = Vec::new();
    for _ in 0..10 {
        rolled.push(id(&world.rollback(&[]).ends(0)));
        let old = world.files();
        undo(&world, &[]).ends(0);
        assert_eq!(world.files(), patched);
        assert_ne!(old, patched);
        every_leftover_has_its_journal(&world);
    }
    assert_eq!(runs(&world).len(), 20, "all of them are young");
    assert_eq!(world.plain(&["history", "prune"]).ends(0).json["outcome"], "nothing-to-do");

    // A stricter rule gives up what was promised, so it has to be confirmed.
    prune(&world, 4, &[]).ends(10);
    let dry = prune(&world, 4, &["--dry-run"]).ends(0);
    assert_eq!(dry.json["data"]["runs"].as_array().unwrap().len(), 16);
    assert_eq!(runs(&world).len(), 20);
    let pruned = prune(&world, 4, &["--yes"]).ends(0);
    assert_eq!(pruned.json["data"]["runs"], dry.json["data"]["runs"]);
    let kept = runs(&world);
    assert_eq!(kept.len(), 4);
    every_leftover_has_its_journal(&world);
    assert_eq!(world.files(), patched);

    // Each run: undone, works, or refuses with names.
    world.rollback(&[]).ends(0);
    for run in &rolled {
        let refused = undo(&world, &[run]).ends(10);
        let why = refused.json["error"]["message"].as_str().unwrap();
        let known = kept.iter().any(|k| k["run"] == run.as_str());
        assert!(
            if known { why.contains("undone by") || why.contains("undo") } else { why.contains(run) },
            "{why}"
        );
    }
    undo(&world, &[]).ends(0);
    assert_eq!(world.files(), patched);
}

#[test]
fn a_pruned_run_leaves_nothing_and_the_newest_can_still_be_undone() {
    let world = World::small();
    let patched = world.files();
    world.rollback(&[]).ends(0);
    undo(&world, &[]).ends(0);
    let last = id(&world.rollback(&[]).ends(0));
    prune(&world, 1, &["--yes"]).ends(0);
    let left = runs(&world);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["run"], last.as_str());
    assert!(snapshot::leftovers(&world.home).iter().all(|f| f.contains(&last)));
    undo(&world, &[]).ends(0);
    assert_eq!(world.files(), patched);
}

#[test]
fn a_run_whose_volume_is_away_stays_until_it_is_back() {
    let world = World::small();
    world.rollback(&[]).ends(0);
    undo(&world, &[]).ends(0);
    let (live, aside) = (world.home.join("live"), world.home.join("unplugged"));
    fs::rename(&live, &aside).unwrap();
    assert!(prune(&world, 0, &["--yes"]).ends(0).json["warnings"].to_string().contains("BKO-4031"));
    fs::create_dir(&live).unwrap();
    let pruned = prune(&world, 0, &["--yes"]).ends(0);
    assert!(pruned.json["warnings"].to_string().contains("BKO-4031"), "{pruned:?}");
    assert_eq!(runs(&world).len(), 2);
    fs::remove_dir(&live).unwrap();
    fs::rename(&aside, &live).unwrap();
    prune(&world, 0, &["--yes"]).ends(0);
    assert!(runs(&world).is_empty());
    assert!(snapshot::leftovers(&world.home).is_empty());
}

#[test]
fn the_inventory_names_the_product_its_builds_and_the_ways_back() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let take = || {
        let run = Run::to_its_end(sp.world.command(&["inventory", "--json"]).args(sp.world.flags()));
        run.ends(0).json["data"].clone()
    };
    let seen = take();
    let products = seen["products"].as_array().unwrap();
    assert_eq!(products.len(), 1, "{seen}");
    let product = &products[0];
    assert_eq!(product["profile"], "serverprotect-5.8-patch3");
    let server =
        product["components"].as_array().unwrap().iter().find(|c| c["id"] == "normal-server").unwrap();
    assert_eq!(server["builds"], serde_json::json!(["5.80.0.1297"]));
    assert_eq!(product["from"]["vendor"]["possible"], true);
    assert!(product["from"]["vendor"]["counts"]["replaced"].as_u64().unwrap() > 20);
    assert_eq!(product["from"]["undo"], serde_json::json!([]));

    let mut people = sp.world.command(&["inventory"]);
    let shown = Run::to_its_end(people.args(sp.world.flags())).ends(0).stdout;
    let state = sp.world.state.display().to_string();
    assert!(shown.lines().any(|l| l.contains("`backout rollback") && l.contains(&state)), "{shown}");

    let run = sp.world.rollback(&[]).ends(0);
    let after = take();
    assert_eq!(after["products"][0]["from"]["undo"][0], run.json["run_id"]);
    assert_eq!(after["products"][0]["from"]["vendor"]["counts"]["replaced"], 0);
    assert_eq!(after["kept"][0]["run"], run.json["run_id"]);
}

#[test]
fn a_damaged_entry_is_shown_as_one_and_hides_nothing() {
    let world = World::small();
    let good = id(&world.rollback(&[]).ends(0));
    let history = world.state.join("history");
    let (file, blank, empty) =
        ("01jd0000000000000000000000", "01jd0000000000000000000001", "01jd0000000000000000000002");
    fs::write(history.join(file), "x").unwrap();
    for (run, journal) in [(blank, Some(vec![0; 64 * 1024])), (empty, None)] {
        fs::create_dir(history.join(run)).unwrap();
        if let Some(journal) = journal {
            fs::write(history.join(run).join("journal"), journal).unwrap();
        }
    }
    fs::write(history.join("notes.txt"), "x").unwrap();
    let all = runs(&world);
    let fates: Vec<(&str, &str)> =
        all.iter().map(|r| (r["run"].as_str().unwrap(), r["fate"].as_str().unwrap())).collect();
    let bad = "unreadable";
    assert_eq!(fates, [(good.as_str(), "committed"), (empty, bad), (blank, bad), (file, bad)]);
    for verb in [&["status"][..], &["inventory"], &["recover"], &["show", file], &["history", "prune"]] {
        world.plain(verb).ends(0);
    }
    world.verb("plan", &[]).ends(0);
    undo(&world, &[]).ends(0);
    assert!(history.join(file).is_file() && history.join(blank).is_dir(), "nobody's to remove");
}

#[test]
fn a_request_whose_worker_died_is_answered_as_it_was_then() {
    let world = World::small();
    world.services.kills("second", "start");
    let first = world.rollback(&["--request-id", "k"]).ends(0);
    let again = world.rollback(&["--request-id", "k"]).ends(0);
    for field in ["run_id", "outcome", "changed", "warnings", "window_ms", "error"] {
        assert_eq!(again.json[field], first.json[field], "{field}");
    }
    assert!(again.json["warnings"].to_string().contains("BKO-4030"));
}

#[test]
fn doctor_says_that_the_state_folder_lies_in_the_product() {
    let world = World::small();
    let mut command = std::process::Command::new(&backout_kit::built().backout);
    command.args(["doctor", &world.profile]).args(world.flags()).args(["--json", "--state-dir"]);
    let state = world.home.join("live").join("state");
    let run = Run::to_its_end(command.arg(&state)).ends(31);
    assert!(run.json["data"]["problems"][0].as_str().unwrap().contains(state.to_str().unwrap()), "{run:?}");
}
