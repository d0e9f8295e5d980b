//! The main job as it is done on a server: below `C:\Program Files`, with services of the system's own manager that have
//! their libraries loaded. And services that are hard to handle.
#![cfg(windows)]

use backout_kit::{
    Run, Snapshot, process,
    scm::{self, Installed},
    snapshot::{differences, leftovers},
};

#[track_caller]
fn same(found: &Snapshot, wanted: &Snapshot) {
    assert!(found == wanted, "{}", differences(wanted, found).join("\n"));
}

fn all_run(machine: &Installed) -> bool {
    machine.running() == [true; 3]
}

#[test]
fn everything_goes_back_and_forth_under_the_service_manager() {
    let machine = Installed::new();
    let world = &machine.product.world;
    let before = world.files();
    let processes = |m: &Installed| m.services.iter().map(scm::Registered::process).collect::<Vec<_>>();

    let ran = processes(&machine);
    let first = world.rollback(&[]).ends(0);
    assert_eq!((&first.json["outcome"], &first.json["changed"]), (&"done".into(), &true.into()));
    assert_eq!(first.json["counts"]["services"], 3);
    for file in machine.product.tree.files.iter().filter(|f| f.backup.is_some()) {
        let back = std::fs::read(&file.live);
        assert!(back.is_ok_and(|b| b == file.before), "{} is not as before", file.live.display());
    }
    assert!(all_run(&machine));
    assert!(ran.iter().all(|pid| !process::is_there(*pid)), "each was stopped and started");
    let rolled = world.files();

    let ran = processes(&machine);
    let second = world.rollback(&[]).ends(0);
    assert_eq!((&second.json["outcome"], &second.json["changed"]), (&"nothing-to-do".into(), &false.into()));
    same(&world.files(), &rolled);
    assert_eq!(processes(&machine), ran, "no service is touched");

    world.plain(&["undo"]).ends(0);
    same(&world.files(), &before);
    assert!(all_run(&machine));
    world.rollback(&[]).ends(0);
    same(&world.files(), &rolled);
    assert!(all_run(&machine));
}

/// The run ends so with the old files; whatever was staged is gone.
#[track_caller]
fn ends_old(machine: &Installed, before: &Snapshot, code: i32, name: &str) -> Run {
    let world = &machine.product.world;
    let run = world.rollback(&[]).ends(code);
    same(&world.files(), before);
    assert!(run.json["error"].to_string().contains(name), "{}", run.json);
    run
}

#[track_caller]
fn settled(machine: &Installed) {
    let world = &machine.product.world;
    assert!(all_run(machine), "{:?}", machine.running());
    assert_eq!(leftovers(&world.home), Vec::<String>::new());
    world.plain(&["status"]).ends(0);
}

#[test]
fn a_service_that_refuses_to_stop_is_left_running_and_the_others_are_started_again() {
    let machine = Installed::new();
    let before = machine.product.world.files();
    machine.services[2].restart("refuses");
    let held = machine.services[2].process();
    ends_old(&machine, &before, 20, "Trend Micro Management Infrastructure");
    assert_eq!(machine.services[2].process(), held);
    settled(&machine);
}

#[test]
fn a_service_that_never_stops_needs_a_person_and_recover_closes_the_run() {
    let machine = Installed::new();
    let world = &machine.product.world;
    let before = world.files();
    machine.services[1].restart("hangs");
    let run = ends_old(&machine, &before, 22, "Trend ServerProtect Agent");
    assert_eq!(run.json["outcome"], "stuck");
    assert!(machine.services[1].is_stopping());
    world.plain(&["status"]).ends(21);
    world.plain(&["recover"]).ends(22);
    same(&world.files(), &before);

    machine.services[1].behaves("");
    process::kill(machine.services[1].process());
    let run = world.plain(&["recover"]).ends(0);
    assert_eq!(run.json["outcome"], "rolled-back");
    same(&world.files(), &before);
    settled(&machine);
}

#[test]
fn a_process_that_outlives_its_service_is_named_and_left_alone() {
    let machine = Installed::new();
    let before = machine.product.world.files();
    machine.services[1].restart("lingers");
    let left = machine.services[1].process();
    let run = ends_old(&machine, &before, 20, "Trend ServerProtect Agent");
    let error = run.json["error"].to_string();
    assert!(error.contains(&left.to_string()) && error.contains("--end-lingering"), "{error}");
    assert!(process::is_there(left));
    settled(&machine);
    process::kill(left);
}

#[test]
fn a_process_that_outlives_its_service_is_ended_where_that_is_wished() {
    let machine = Installed::new();
    machine.services[1].restart("lingers");
    let left = machine.services[1].process();
    machine.product.world.rollback(&["--end-lingering"]).ends(0);
    assert!(!process::is_there(left));
    assert!(all_run(&machine), "{:?}", machine.running());
}

#[test]
fn a_service_that_fails_on_the_new_files_gets_the_old_ones_back() {
    let machine = Installed::new();
    let before = machine.product.world.files();
    machine.services[2].behaves("fails-once");
    ends_old(&machine, &before, 20, "Trend Micro Management Infrastructure");
    settled(&machine);
}

#[test]
fn a_service_that_fails_at_every_start_needs_a_person_and_recover_closes_the_run() {
    let machine = Installed::new();
    let world = &machine.product.world;
    let before = world.files();
    machine.services[0].behaves("fails");
    let run = ends_old(&machine, &before, 22, "Trend ServerProtect");
    assert_eq!(run.json["outcome"], "stuck");
    assert!(!machine.services[0].runs());
    world.plain(&["recover"]).ends(22);
    machine.services[0].behaves("");
    world.plain(&["recover"]).ends(0);
    same(&world.files(), &before);
    settled(&machine);
}
