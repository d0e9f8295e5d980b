//! The sync of `Armed` fails: the record may be seen, and yet a power cut may take it away. The run starts its services on
//! the old files and is left to a recovery; until that has made the journal durable anew it acts on nothing. So it is with
//! the record of a start.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test damages files, stops at the first surprise and prints its figures"
)]

use backout_crash::{Side, Verb, calls, damage::transaction, have_strace, promised, recover, settled};
use backout_kit::{Run, Snapshot, World, strace};
use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Calls between which a recovery can die before and behind its new journal.
const CALLS: [&str; 5] = ["pwrite64", "write", "fsync", "renameat", "renameat2"];

/// Which fsync of a rollback is that of `Armed`, counted from 1.
fn sync_of_armed() -> u64 {
    sync_of("record:Armed", &Verb::Rollback.before().0, 0)
}

/// Which fsync of a rollback in this world, which ends so, is that of the first such record.
fn sync_of(record: &str, world: &World, code: i32) -> u64 {
    let log = world.path().join("strace");
    let options = ["-s", "200", "-o", log.to_str().unwrap(), "-e", "trace=fsync,pwrite64"];
    let run = strace::under(&Verb::Rollback.command(world), &options).output().unwrap();
    assert_eq!(run.status.code(), Some(code));
    let text = fs::read_to_string(log).unwrap();
    let before = text.lines().take_while(|line| !line.contains(record));
    before.filter(|line| line.starts_with("fsync")).count() as u64 + 1
}

/// A rollback whose `Armed` is written and not synced.
fn in_doubt(nth: u64) -> (World, Snapshot) {
    let (world, old) = Verb::Rollback.before();
    let run = Verb::Rollback.injected(&world, "fsync", "error=EIO", nth);
    assert_eq!(run.status.code(), Some(21), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(world.files() == old, "nothing was swapped");
    assert_eq!(world.running(), [true, true], "services run on the old files");
    assert_eq!(Run::of(&run).json["changed"], false);
    assert!(fs::read_to_string(journal(&world)).unwrap().contains("record:Armed"));
    (world, old)
}

fn journal(world: &World) -> std::path::PathBuf {
    transaction(world).unwrap().join("journal")
}

/// The power goes: what `Armed` wrote is lost.
fn lose_armed(journal: &Path) {
    let text = fs::read_to_string(journal).unwrap();
    let lost =
        text.lines().map(|l| if l.contains("record:Armed") { " ".repeat(l.len()) } else { l.to_owned() });
    let lost = lost.collect::<Vec<_>>().join("\n");
    fs::write(journal, format!("{lost}\n")).unwrap();
}

#[test]
fn the_run_is_settled_in_the_same_boot_and_behind_a_cut() {
    if !have_strace() {
        return;
    }
    let (nth, new) = (sync_of_armed(), Verb::Rollback.after());
    let (world, old) = in_doubt(nth);
    assert_eq!(settled(&world, &old, &new, "same boot"), Side::New);
    let (world, old) = in_doubt(nth);
    lose_armed(&journal(&world));
    assert_eq!(settled(&world, &old, &new, "behind a cut"), Side::Old);
}

#[test]
fn a_recovery_that_is_cut_off_has_acted_on_nothing_that_the_cut_takes_away() {
    if !have_strace() {
        return;
    }
    let (nth, new) = (sync_of_armed(), Verb::Rollback.after());
    let made = {
        let (world, _) = in_doubt(nth);
        calls(&recover(&world), world.path())
    };
    let (mut lost, mut durable) = (0, 0);
    for call in CALLS {
        for n in 1..=made.get(call).copied().unwrap_or(0).min(12) {
            let (world, old) = in_doubt(nth);
            let written = fs::metadata(journal(&world)).unwrap().ino();
            strace::injected(&recover(&world), call, "signal=KILL", n).output().unwrap();
            let at = format!("recovery cut at {call} no. {n}");
            let there =
                transaction(&world).map(|folder| folder.join("journal")).filter(|path| path.is_file());
            if let Some(path) = there.filter(|path| fs::metadata(path).unwrap().ino() == written) {
                promised!(world.files() == old, "{at}: acted on a record that may be lost");
                lose_armed(&path);
                assert_eq!(settled(&world, &old, &new, &at), Side::Old, "{at}");
                lost += 1;
            } else {
                settled(&world, &old, &new, &at);
                durable += 1;
            }
        }
    }
    eprintln!(
        "armed in doubt: {lost} cuts took it away, {durable} came behind the new journal, 0 violations"
    );
    assert!(lost > 0 && durable > 0, "{lost} {durable}");
}

#[test]
fn services_come_back_also_where_their_start_cannot_be_recorded() {
    if !have_strace() {
        return;
    }
    // Somebody writes to a target in the window: the run goes back before anything is armed.
    let drifting = || {
        let (world, old) = Verb::Rollback.before();
        let target = world.home.join("live/a.conf");
        let lines = format!("cp -p '{0}' '{0}.kept'; echo more >>'{0}'", target.display());
        world.services.hook("second", "stop", &lines);
        let mend = format!("[ -e '{0}.kept' ] && mv '{0}.kept' '{0}'", target.display());
        world.services.hook("second", "start", &mend);
        (world, old)
    };
    let nth = sync_of("record:Starting", &drifting().0, 20);
    let (world, old) = drifting();
    let run = Verb::Rollback.injected(&world, "fsync", "error=EIO", nth);
    assert_eq!(run.status.code(), Some(21), "{}", String::from_utf8_lossy(&run.stdout));
    assert_eq!(world.running(), [true, true]);
    assert_eq!(settled(&world, &old, &Verb::Rollback.after(), "start not recorded"), Side::Old);
}
