//! `backout guard` of an installer that asks for a reboot: its work is judged behind it. And what other exit codes mean.
//!
//! Codes on Linux end at 255, so what Windows' installers have for it has other numbers here.
#![cfg(target_os = "linux")]

use backout_e2e::guards::{GOOD, before, command, is_before, settled};
use backout_kit::{AnotherBoot, Run, Snapshot, World, snapshot};

/// What the installers here end with to ask for a reboot.
const REBOOT: &str = "194";

/// An installer that did this and asks for a reboot; and what was before it.
fn asking(more: &[&str], lines: &str) -> (World, Snapshot, Run) {
    let (world, old) = before();
    let more = [&["--reboot-code", REBOOT], more].concat();
    let run = Run::to_its_end(&mut command(&world, &more, &format!("{lines}\nexit {REBOOT}")));
    let run = run.ends(30);
    assert_eq!(
        (&run.json["outcome"], &run.json["reboot_required"]),
        (&"reboot-pending".into(), &true.into())
    );
    (world, old, run)
}

fn recover(world: &World, boot: &AnotherBoot, more: &[&str]) -> Run {
    let here = world.command(&[&["recover", "--json"], more].concat());
    Run::to_its_end(&mut boot.of(&here))
}

#[test]
fn good_work_is_kept_behind_the_reboot_that_it_asks_for() {
    let Some(boot) = AnotherBoot::begin() else { return };
    let (world, old, run) = asking(&[], GOOD);
    let id = run.json["run_id"].as_str().unwrap();
    let new = world.files();
    // Nothing is judged and nothing else is begun before.
    let early = world.plain(&["recover"]).ends(30);
    assert_eq!((&early.json["outcome"], &early.json["run_id"]), (&"reboot-pending".into(), &id.into()));
    world.rollback(&[]).ends(21);
    let status = world.plain(&["status"]).ends(21);
    let stands = status.json["data"]["open"]["stands"].as_str().unwrap();
    assert!(stands.contains("reboot"), "{stands}");
    assert_eq!((&status.json["run_id"], &status.json["reboot_required"]), (&id.into(), &true.into()));
    assert!(world.files() == new);
    let late = recover(&world, &boot, &[]).ends(0);
    assert_eq!((&late.json["outcome"], &late.json["run_id"]), (&"completed".into(), &id.into()));
    assert!(world.files() == new && new != old);
    settled(&world);
    world.plain(&["undo"]).ends(0);
    let now = world.files();
    assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
}

#[test]
fn bad_work_goes_back_behind_the_reboot() {
    let Some(boot) = AnotherBoot::begin() else { return };
    let (world, old, _) = asking(&["--settle", "1"], &format!("{GOOD}\n\"$ctl\" stop second"));
    let late = recover(&world, &boot, &[]).ends(0);
    assert_eq!(late.json["outcome"], "rolled-back");
    is_before(&world, &old);
}

#[test]
fn what_is_to_be_confirmed_waits_for_it_behind_the_reboot() {
    let Some(boot) = AnotherBoot::begin() else { return };
    let (world, old, run) = asking(&["--confirm-within", "1s"], GOOD);
    let late = recover(&world, &boot, &[]).ends(0);
    assert_eq!((&late.json["outcome"], &late.json["run_id"]), (&"rolled-back".into(), &run.json["run_id"]));
    is_before(&world, &old);
}

#[test]
fn a_code_that_is_called_good_is_good_and_an_unknown_one_is_not() {
    let (world, _) = before();
    let lines = format!("{GOOD}\nexit 3");
    let run = Run::to_its_end(&mut command(&world, &["--good-code", "2", "--good-code", "0x3"], &lines));
    run.ends(0);
    settled(&world);
    let new = world.files();
    Run::to_its_end(&mut command(&world, &["--good-code", "2"], "echo v9 >\"$home/live/a.conf\"\nexit 3"))
        .ends(20);
    is_before(&world, &new);
    for wrong in ["two", "0x", "4294967296", ""] {
        Run::to_its_end(&mut command(&world, &["--reboot-code", wrong], "exit 0")).ends(64);
    }
    is_before(&world, &new);
}
