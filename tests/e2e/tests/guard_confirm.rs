//! `backout guard --confirm-within`: the installer's work stays if somebody confirms it in time, and goes back if nobody does,
//! whatever became of the terminal, of the guard and of its parent.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::{
    guards::{GOOD, Mounted, before, command, is_before, pid, settled},
    transaction,
};
use backout_kit::{Run, Running, Snapshot, World, process, snapshot};
use std::{fs, path::PathBuf, process::Stdio};

/// A time that no test lives to see the end of.
const LONG: &str = "1h";

/// A guard whose work is done and waits to be confirmed, with its flags; and what was before it.
fn waiting(within: &str, more: &[&str], lines: &str) -> (World, Snapshot, Running) {
    let (world, old) = before();
    let more = [&["--confirm-within", within], more].concat();
    let mut run = Running::start(&mut command(&world, &more, lines));
    until_it_waits(&world, &mut run);
    (world, old, run)
}

#[track_caller]
fn until_it_waits(world: &World, run: &mut Running) {
    run.until(|| journal(world).contains("AwaitingConfirm"));
}

/// The journal of the open run, if there is one.
fn journal(world: &World) -> String {
    let open = fs::read_dir(world.state.join("transactions")).ok().and_then(|mut d| d.next());
    open.and_then(|d| fs::read_to_string(d.ok()?.path().join("journal")).ok()).unwrap_or_default()
}

/// The open run's id.
fn id(world: &World) -> String {
    transaction(world).file_name().unwrap().to_str().unwrap().to_owned()
}

/// The process that the guard started to wait in its place.
fn waiter(world: &World) -> u32 {
    pid(&transaction(world).join("waiter"))
}

/// Waits until no run is open.
fn until_over(world: &World) {
    while fs::read_dir(world.state.join("transactions")).unwrap().count() > 0 {
        std::thread::yield_now();
    }
}

/// The records of a run, by `show`.
fn records(world: &World, run: &str) -> Vec<String> {
    let shown = world.plain(&["show", run]).ends(0);
    let records = shown.json["data"]["records"].as_array().unwrap().iter();
    records.map(|r| r["record"].as_str().unwrap().to_owned()).filter(|r| r != "Recovering").collect()
}

#[track_caller]
fn is_new(world: &World) {
    assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "v3\n");
    settled(world);
}

const BEGUN: [&str; 5] = ["Begin", "GuardOpen", "LetGo", "InstallerExited", "AwaitingConfirm"];

#[test]
fn what_is_confirmed_stays_and_whoever_asks_meanwhile_is_told() {
    let (world, old, run) = waiting(LONG, &[], GOOD);
    let id = id(&world);
    let status = world.plain(&["status"]).ends(11);
    let confirm = &status.json["data"]["under_way"]["confirm"];
    let left = confirm["left_s"].as_u64().unwrap();
    assert!((3500..=3600).contains(&left), "{status:?}");
    assert_eq!((&confirm["decided"], &confirm["attended"]), (&false.into(), &true.into()));
    let said = Run::to_its_end(&mut world.command(&["status"])).ends(11);
    assert!(
        said.stdout.contains(&format!("`backout confirm {id}`"))
            && said.stdout.contains("waits to be confirmed for "),
        "{said:?}"
    );
    let shown = Run::to_its_end(&mut world.command(&["show", &id])).ends(0);
    assert!(shown.stdout.contains("waits to be confirmed for "), "{shown:?}");
    let history = Run::to_its_end(&mut world.command(&["history"])).ends(0);
    assert!(history.stdout.contains("waits to be confirmed for "), "{history:?}");
    world.plain(&["recover"]).ends(11);
    world.rollback(&[]).ends(11);
    assert_eq!(world.plain(&["confirm", "nosuch"]).ends(10).error_code(), "BKO-5182");
    assert_eq!(world.plain(&["confirm", "nosuch", "--dry-run"]).ends(10).error_code(), "BKO-5182");
    let would = world.plain(&["confirm", "--dry-run"]).ends(0).json;
    assert_eq!((&would["run_id"], &would["changed"]), (&id.as_str().into(), &false.into()), "{would}");
    assert_eq!(would["data"]["dry_run"], true);
    assert_eq!(world.plain(&["status"]).ends(11).json["data"]["under_way"]["confirm"]["decided"], false);
    let confirmed = world.plain(&["confirm", &id[..20]]).ends(0);
    assert_eq!(confirmed.json["run_id"], id.as_str());
    let run = run.to_its_end().ends(0);
    assert_eq!((&run.json["outcome"], &run.json["run_id"]), (&"done".into(), &id.as_str().into()));
    assert!(run.stderr.contains(&format!("`backout confirm {id}`")), "{}", run.stderr);
    is_new(&world);
    assert_eq!(records(&world, &id), [&BEGUN[..], &["Kept", "Clean"]].concat());
    let before = fs::read_to_string(world.state.join("history").join(&id).join("journal")).unwrap();
    assert!(before.contains("format:(1,2)"), "an older backout refuses it");
    // Once more changes nothing; without an id there is nothing that it could be about.
    assert_eq!(world.plain(&["confirm", &id]).ends(0).json["outcome"], "nothing-to-do");
    assert_eq!(world.plain(&["confirm"]).ends(10).error_code(), "BKO-5181");
    assert_eq!(world.plain(&["confirm", &id, "--dry-run"]).ends(0).json["outcome"], "nothing-to-do");
    assert_eq!(world.plain(&["confirm", "--dry-run"]).ends(10).error_code(), "BKO-5181");
    world.plain(&["undo"]).ends(0);
    assert!(world.files() == old);
}

#[test]
fn what_nobody_confirms_in_time_goes_back() {
    for more in [&[][..], &["--on-failure", "keep"], &["--on-failure", "ask"]] {
        let end = if more.is_empty() { "" } else { "exit 3" };
        let (world, old) = before();
        let more = [&["--confirm-within", "1s", "--settle", "0"], more].concat();
        let run = Run::to_its_end(&mut command(&world, &more, &format!("{GOOD}\n{end}"))).ends(20);
        assert_eq!((run.error_code(), &run.json["outcome"]), ("BKO-5186", &"rolled-back".into()));
        is_before(&world, &old);
        let id = run.json["run_id"].as_str().unwrap();
        assert_eq!(records(&world, id), [&BEGUN[..], &["GoingBack", "Undone", "Clean"]].concat());
        assert_eq!(world.plain(&["confirm", id]).ends(10).error_code(), "BKO-5184");
        assert_eq!(world.plain(&["confirm"]).ends(10).error_code(), "BKO-5181");
        is_before(&world, &old);
    }
}

#[test]
fn what_is_kept_in_spite_of_a_failure_is_to_be_confirmed_too() {
    let (world, _, run) = waiting(LONG, &["--on-failure", "keep"], &format!("{GOOD}\nexit 3"));
    // Also where the guard does not live to hear it: what is wrong is on record.
    let confirmed = world.plain(&["confirm"]).ends(0);
    assert!(confirmed.json["warnings"].to_string().contains("BKO-5120"), "{confirmed:?}");
    assert_eq!(run.to_its_end().ends(31).error_code(), "BKO-5130");
    is_new(&world);
}

#[test]
fn a_run_that_awaits_nothing_is_not_confirmed() {
    let (world, _) = before();
    assert_eq!(world.plain(&["confirm"]).ends(10).error_code(), "BKO-5181");
    assert_eq!(world.plain(&["confirm", "01"]).ends(10).error_code(), "BKO-5182");
    let run = Run::to_its_end(&mut command(&world, &[], GOOD)).ends(0);
    let id = run.json["run_id"].as_str().unwrap();
    assert_eq!(world.plain(&["confirm", id]).ends(10).error_code(), "BKO-5183");
    for wrong in ["0", "8d", "soon", "10 m"] {
        Run::to_its_end(&mut command(&world, &["--confirm-within", wrong], GOOD)).ends(64);
    }
}

/// Puts a run back to where it was between its outcome and its end.
fn before_its_end(world: &World, run: &str) {
    let open = world.state.join("transactions").join(run);
    fs::rename(world.state.join("history").join(run), &open).unwrap();
    let text = fs::read_to_string(open.join("journal")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').filter(|line| *line != "\n").collect();
    assert!(lines.last().unwrap().contains("Clean"));
    fs::write(open.join("journal"), lines[..lines.len() - 1].concat()).unwrap();
}

#[test]
fn a_run_that_is_kept_and_not_yet_over_was_confirmed_before_or_never_waited() {
    let (world, _, run) = waiting(LONG, &[], GOOD);
    world.plain(&["confirm"]).ends(0);
    let waited = run.to_its_end().ends(0).json["run_id"].as_str().unwrap().to_owned();
    let again = Run::to_its_end(&mut command(&world, &[], "echo v4 >\"$home/live/a.conf\"")).ends(0);
    let kept = again.json["run_id"].as_str().unwrap().to_owned();
    before_its_end(&world, &waited);
    assert_eq!(world.plain(&["confirm", &waited]).ends(0).json["outcome"], "nothing-to-do");
    world.plain(&["recover"]).ends(0);
    before_its_end(&world, &kept);
    assert_eq!(world.plain(&["confirm", &kept]).ends(10).error_code(), "BKO-5183");
}

#[test]
fn what_is_late_with_nobody_there_to_say_so_is_late_and_would_be() {
    let (world, old, run) = waiting("2s", &[], GOOD);
    let id = id(&world);
    killed(&world, &run);
    process::kill(waiter(&world));
    let left = || world.plain(&["status"]).json["data"]["open"]["confirm"]["left_s"].as_u64().unwrap();
    while left() > 0 {}
    for call in [&["confirm", &id, "--dry-run"][..], &["confirm", &id]] {
        assert_eq!(world.plain(call).ends(10).error_code(), "BKO-5184");
    }
    world.plain(&["recover"]).ends(0);
    is_before(&world, &old);
}

#[test]
fn ctrl_c_takes_it_back_at_once() {
    for parent in [&[][..], &["--no-parent"]] {
        let (world, old, run) = waiting(LONG, parent, GOOD);
        process::signal(run.child.id(), "-INT");
        assert_eq!(run.to_its_end().ends(20).error_code(), "BKO-2009");
        is_before(&world, &old);
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_nothing() {
    let (world, _) = before();
    let mut call = command(&world, &["--confirm-within", LONG], GOOD);
    // A reader that is gone, as a terminal is that was cut off.
    call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = call.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    while !journal(&world).contains("AwaitingConfirm") {
        std::thread::yield_now();
    }
    let worker = backout_e2e::worker(&world);
    for one in [child.id(), worker, waiter(&world)] {
        process::signal(one, "-HUP");
    }
    world.plain(&["confirm"]).ends(0);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    is_new(&world);
}

#[test]
fn a_guard_that_is_ended_by_the_system_leaves_the_wait_to_others() {
    let (world, _, run) = waiting(LONG, &[], GOOD);
    process::signal(run.child.id(), "-TERM");
    let run = run.to_its_end().ends(21);
    assert_eq!(run.error_code(), "BKO-5187");
    let id = run.json["run_id"].as_str().unwrap();
    let status = world.plain(&["status"]).ends(21);
    assert_eq!(status.error_code(), "BKO-5180");
    assert_eq!(status.json["data"]["open"]["confirm"]["attended"], true);
    assert_eq!(world.plain(&["undo"]).ends(21).error_code(), "BKO-5180");
    let recovered = world.plain(&["recover", "--timeout", "0"]).ends(21);
    assert_eq!(recovered.error_code(), "BKO-5187");
    assert!(recovered.json["error"]["help"].as_str().unwrap().contains(&format!("`backout confirm {id}`")));
    // Without an id: the one that waits. Nobody has the lock: it is settled by the confirmation itself.
    world.plain(&["confirm"]).ends(0);
    is_new(&world);
}

/// Kills a guard that waits, and its parent before it: nobody is left but the waiter.
fn killed(world: &World, run: &Running) {
    let worker = backout_e2e::worker(world);
    if run.child.id() != worker {
        process::kill(run.child.id());
    }
    process::kill(worker);
}

#[test]
fn a_guard_that_is_killed_is_backed_out_at_the_deadline_with_nobody_at_the_keyboard() {
    let (world, old, run) = waiting("4s", &[], GOOD);
    let id = id(&world);
    killed(&world, &run);
    assert!(journal(&world).contains("AwaitingConfirm"), "the test was too slow");
    until_over(&world);
    is_before(&world, &old);
    assert_eq!(records(&world, &id), [&BEGUN[..], &["GoingBack", "Undone", "Clean"]].concat());
    assert_eq!(world.plain(&["confirm", &id]).ends(10).error_code(), "BKO-5184");
}

#[test]
fn a_way_back_that_is_stuck_with_nobody_at_the_keyboard_is_tried_again() {
    let (world, old, run) = waiting("4s", &[], GOOD);
    killed(&world, &run);
    let copies = fs::read_dir(world.state.join("snapshots")).unwrap().next().unwrap().unwrap().path();
    let (copy, aside) = (copies.join("files/0/live/a.conf"), world.path().join("aside"));
    fs::rename(&copy, &aside).unwrap();
    assert!(journal(&world).contains("AwaitingConfirm"), "the test was too slow");
    let log = transaction(&world).join("log");
    while !fs::read_to_string(&log).unwrap_or_default().contains("it is tried again in 10 s") {
        std::thread::yield_now();
    }
    assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "v3\n");
    fs::rename(&aside, &copy).unwrap();
    until_over(&world);
    is_before(&world, &old);
}

#[test]
fn a_way_back_that_services_stop_for_in_vain_is_tried_once_more_with_nobody_there() {
    let (world, old, run) = waiting("4s", &[], GOOD);
    killed(&world, &run);
    let Some(mounted) = Mounted::at(&world.home.join("live/sub"), &["-t", "tmpfs", "tmpfs"]) else { return };
    assert!(journal(&world).contains("AwaitingConfirm"), "the test was too slow");
    let waiter = waiter(&world);
    while process::is_there(waiter) {
        std::thread::yield_now();
    }
    let log = fs::read_to_string(transaction(&world).join("log")).unwrap();
    assert!(log.contains("a person is needed; it is not tried any more"), "{log}");
    let stops = world.services.log().into_iter().filter(|line| line == "stop second").count();
    assert_eq!(stops, 2);
    drop(mounted);
    world.plain(&["recover"]).ends(0);
    is_before(&world, &old);
}

#[test]
fn a_guard_that_is_killed_with_its_installer_under_way_is_judged_and_waits() {
    let (world, _) = before();
    let lines = format!("echo $$ >\"$here/installer\"\nwhile [ ! -e \"$here/go\" ]; do :; done\n{GOOD}");
    let run = Running::start(&mut command(&world, &["--confirm-within", LONG], &lines));
    pid(&world.path().join("installer"));
    killed(&world, &run);
    assert_eq!(world.plain(&["confirm"]).ends(10).error_code(), "BKO-5181");
    assert_eq!(world.plain(&["confirm", &id(&world)]).ends(10).error_code(), "BKO-5183");
    fs::write(world.path().join("go"), "").unwrap();
    while !journal(&world).contains("AwaitingConfirm") {
        std::thread::yield_now();
    }
    world.plain(&["confirm"]).ends(0);
    is_new(&world);
}

#[test]
fn a_guard_whose_worker_is_killed_is_settled_by_its_parent() {
    let (world, old, run) = waiting("3s", &[], GOOD);
    process::kill(backout_e2e::worker(&world));
    run.to_its_end().ends(20);
    is_before(&world, &old);
}

#[test]
fn a_guard_that_is_killed_and_then_confirmed_stays() {
    for waits in [true, false] {
        let (world, _, run) = waiting(LONG, &[], GOOD);
        killed(&world, &run);
        if !waits {
            process::kill(waiter(&world));
            let status = world.plain(&["status"]).ends(21);
            assert_eq!(status.json["data"]["open"]["confirm"]["attended"], false);
        }
        world.plain(&["confirm"]).ends(0);
        is_new(&world);
    }
}

#[test]
fn a_recovery_waits_in_the_place_of_a_guard_that_is_gone() {
    for confirmed in [true, false] {
        let (world, old, run) = waiting(if confirmed { LONG } else { "4s" }, &[], GOOD);
        killed(&world, &run);
        process::kill(waiter(&world));
        let call = Running::start(world.command(&["recover", "--json"]).arg("--no-parent"));
        if confirmed {
            // What it waits for is told to whoever asks.
            while world.plain(&["status"]).code != Some(11) {}
            world.plain(&["confirm"]).ends(0);
            assert_eq!(call.to_its_end().ends(0).json["outcome"], "completed");
            is_new(&world);
        } else {
            assert_eq!(call.to_its_end().ends(0).json["outcome"], "rolled-back");
            is_before(&world, &old);
        }
    }
}

/// Damages the last line of the open run's journal, which holds `record`.
fn damage(journal: &PathBuf, record: &str) {
    let mut bytes = fs::read(journal).unwrap();
    let at = bytes.windows(record.len()).rposition(|w| w == record.as_bytes()).unwrap();
    bytes[at] ^= 1;
    fs::write(journal, bytes).unwrap();
}

#[test]
fn a_damaged_record_neither_begins_the_wait_anew_nor_loses_what_was_decided() {
    // The record itself: the ticket has the deadline.
    let (world, old, run) = waiting("4s", &["--settle", "0"], GOOD);
    killed(&world, &run);
    process::kill(waiter(&world));
    damage(&transaction(&world).join("journal"), "AwaitingConfirm");
    // Judged anew it would not be good.
    assert_eq!(world.services.ctl("stop", "first"), 0);
    let recovered = world.plain(&["recover"]).ends(0);
    assert!(recovered.json["outcome"] == "rolled-back", "{recovered:?}");
    let back = fs::read_dir(world.state.join("history")).unwrap().map(|d| d.unwrap().path().join("journal"));
    let back: String = back.map(|journal| fs::read_to_string(journal).unwrap()).collect();
    assert!(back.contains("it was not confirmed within 4 s"), "{back}");
    is_before(&world, &old);

    // Confirmed, and the guard dies before it has written that down; or its line is damaged behind it.
    let (world, _, run) = waiting(LONG, &[], GOOD);
    killed(&world, &run);
    process::kill(waiter(&world));
    let at = transaction(&world);
    fs::rename(at.join("ticket"), at.join("ticket.confirmed")).unwrap();
    damage(&at.join("journal"), "AwaitingConfirm");
    let status = world.plain(&["status"]).ends(21);
    assert!(status.json["data"]["open"]["run"].is_string(), "{status:?}");
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "completed");
    is_new(&world);

    // A ticket that is gone tells that nobody has confirmed.
    let (world, old, run) = waiting(LONG, &[], GOOD);
    killed(&world, &run);
    process::kill(waiter(&world));
    fs::remove_file(transaction(&world).join("ticket")).unwrap();
    assert_eq!(world.plain(&["confirm"]).ends(10).error_code(), "BKO-5184");
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    is_before(&world, &old);
}

#[test]
fn of_a_confirmation_and_the_deadline_exactly_one_wins_and_both_tell_the_truth() {
    let (mut kept, mut back) = (0, 0);
    for n in 0..12 {
        let (world, old, run) = waiting("1s", &[], "echo v3 >\"$home/live/a.conf\"");
        let id = id(&world);
        // About the deadline, now before and now behind it.
        let moment = std::time::Duration::from_millis(880 + n * 20);
        let begun = std::time::Instant::now();
        while begun.elapsed() < moment {
            std::hint::spin_loop();
        }
        let confirmed = world.plain(&["confirm", &id]);
        let run = run.to_its_end();
        match (confirmed.code, run.code) {
            (Some(0), Some(0)) => {
                kept += 1;
                is_new(&world);
            }
            (Some(10), Some(20)) => {
                back += 1;
                assert_eq!(confirmed.error_code(), "BKO-5184");
                is_before(&world, &old);
            }
            other => panic!("{other:?}: {confirmed:?}\n{run:?}"),
        }
    }
    assert!(kept + back == 12, "{kept} kept, {back} back");
}

#[test]
fn a_wait_that_is_given_up_ends_the_process_that_waits() {
    let (world, _, run) = waiting(LONG, &["--no-parent"], GOOD);
    let waiter = waiter(&world);
    process::kill(run.child.id());
    world.plain(&["recover", "--abandon"]).ends(0);
    process::gone(waiter);
    is_new(&world);
    assert_eq!(snapshot::leftovers(&world.home), Vec::<String>::new());
}

#[test]
fn time_that_is_left_is_an_event_of_the_stream() {
    let (world, _) = before();
    let given = command(&world, &["--confirm-within", LONG], GOOD);
    let stream =
        |word: &std::ffi::OsStr| if word == "--json" { "--json=stream".into() } else { word.to_owned() };
    let mut call = std::process::Command::new(given.get_program());
    let mut run = Running::start(call.args(given.get_args().map(stream)));
    until_it_waits(&world, &mut run);
    let id = id(&world);
    world.plain(&["confirm"]).ends(0);
    let run = run.to_its_end().ends(0);
    let events = run.stdout.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let waits = events.into_iter().find(|e| e["event"] == "awaiting-confirm").unwrap();
    assert_eq!((&waits["run"], &waits["left_s"]), (&id.into(), &3600.into()));
}
