//! The power goes while a run writes its journal or swaps names, and a real systemd boots the machine again: one service
//! starts at boot, as early as it can, one only because it ran. No service ever sees files of both states; afterwards
//! both run, on files that are all old or all new.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and prints its figures"
)]

use backout_crash::{drawn, have_strace, promise::broken, promised, tally};
use backout_kit::{Machine, Snapshot, snapshot};
use std::fs;

/// Writes of the journal, syncs of records and folders, swaps.
const CALLS: [&str; 4] = ["pwrite64", "renameat2", "renameat", "fsync"];
/// As many of them as a day's run takes, of each verb.
const CUTS: usize = 24;

/// A machine that runs, patched, with both services up and the recovery at boot installed.
fn run_patched(machine: &mut Machine) {
    machine.power_cut();
    machine.patch();
    machine.boot();
    machine.systemctl(&["start", "second"]);
    machine.backout(&["boot", "install"]).ends(0);
}

/// Whether a run has stopped services and is not over: then what ran is started again, whether or not boot starts it.
fn window_is_open(machine: &Machine) -> bool {
    let Ok(runs) = fs::read_dir(machine.state.join("transactions")) else { return false };
    let journals =
        runs.map(|run| fs::read_to_string(run.unwrap().path().join("journal")).unwrap_or_default());
    let has = |text: &str, record: &str| text.contains(&format!("record:{record}"));
    journals
        .into_iter()
        .any(|text| has(&text, "Opening") && !has(&text, "Committed") && !has(&text, "Undone"))
}

/// What must be true of the machine once it has booted again.
fn settled(machine: &Machine, old: &Snapshot, new: &Snapshot, opened: bool, at: &str) -> &'static str {
    let mixed = machine.seen().iter().any(|s| s.ends_with("mixed") || s.ends_with("nothing"));
    promised!(!mixed, "{at}: a service has run on a mixture: {:?}", machine.seen());
    let files = machine.files();
    let side = match (files == *old, files == *new) {
        (true, _) => "old",
        (_, true) => "new",
        _ => broken(format_args!("{at}: a mixture\n{}", snapshot::differences(&files, old).join("\n"))),
    };
    promised!(machine.runs("first"), "{at}: first does not run, files are {side}");
    promised!(machine.runs("second") == opened, "{at}: second, files are {side}");
    let status = machine.backout(&["status"]);
    promised!(status.code == Some(0), "{at}: {status:?}");
    let again = machine.backout(&["recover"]);
    promised!(again.json["outcome"] == "nothing-to-do", "{at}: {again:?}");
    promised!(!machine.state.join("unsettled").exists(), "{at}");
    let units = fs::read_dir(machine.units()).unwrap();
    let holds = units.filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".d"));
    promised!(holds.count() == 0, "{at}: services are still held back");
    side
}

fn sweep(verb: &str) {
    let Some(mut machine) = Machine::off().filter(|_| have_strace()) else { return };
    let ready = |machine: &mut Machine| {
        run_patched(machine);
        if verb == "undo" {
            machine.backout(&["rollback"]).ends(0);
        }
    };
    let (mut cuts, mut sides) = (0, [0, 0]);
    let counts: Vec<(&str, u64)> = CALLS
        .iter()
        .map(|call| {
            ready(&mut machine);
            (*call, machine.calls(&[verb], call))
        })
        .collect();
    let new = machine.files();
    let points = counts.into_iter().flat_map(|(call, count)| (1..=count).map(move |n| (call, n)));
    // Most syncs lie between two of the other calls: a sixth of them is enough here.
    let points = points.filter(|(call, n)| *call != "fsync" || n % 6 == 0).collect();
    for (call, n) in drawn(points, CUTS) {
        ready(&mut machine);
        let old = machine.files();
        let at = format!("{verb}: power cut at {call} no. {n}");
        machine.killed(&[verb], call, n);
        machine.power_cut();
        let opened = window_is_open(&machine);
        machine.boot();
        cuts += 1;
        sides[usize::from(settled(&machine, &old, &new, opened, &at) == "new")] += 1;
    }
    tally::add("power cuts of a machine that boots again", cuts);
    eprintln!("{verb}: {cuts} power cuts and boots, {} ended old, {} new; 0 violations", sides[0], sides[1]);
    assert!(cuts > 10 && sides[0] > 0 && sides[1] > 0, "{cuts} {sides:?}");
}

#[test]
fn a_rollback_whose_machine_loses_power_is_settled_before_its_services_start() {
    sweep("rollback");
}

#[test]
fn an_undo_whose_machine_loses_power_is_settled_before_its_services_start() {
    sweep("undo");
}
