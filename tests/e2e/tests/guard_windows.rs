//! `backout guard` where there is no shell: an installer's work stays if it is good and goes back whole if it is not, whoever
//! dies meanwhile. What is not about processes the tests for Linux show. Two of these are roles of `cargo xtask test windows`, which
//! reboots between them.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::{
    guards::{GOOD, before, command, guard, is_before, pid, script, settled, setup, text},
    transaction, worker,
};
use backout_kit::{Run, Running, Snapshot, World, built, process, snapshot};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

#[track_caller]
fn is(world: &World, wanted: &Snapshot) {
    let now = world.files();
    assert!(now == *wanted, "{}", snapshot::differences(&now, wanted).join("\n"));
}

/// Ends what a test's installer left running, where it still does.
fn end(file: &Path) {
    let pid = pid(file);
    assert!(process::is_there(pid));
    process::kill(pid);
}

#[test]
fn a_good_installer_is_kept_with_what_it_leaves_running_and_undo_takes_it_back() {
    let (world, old) = before();
    let script =
        script(&world, "setup.txt", &format!("{GOOD}\nstart {} $here\\agent.txt", setup().display()));
    fs::write(
        world.path().join("agent.txt"),
        format!("pid {0}\\agent\nuntil {0}\\never", world.path().display()),
    )
    .unwrap();
    // A command file, named without what it ends in.
    let line = format!("@\"{}\" \"{}\"\r\n@exit /b %ERRORLEVEL%\r\n", setup().display(), script.display());
    fs::write(world.path().join("install.cmd"), line).unwrap();
    let mut call = world.verb_command("guard", &["--yes", "--settle", "1", "--"]);
    call.arg(world.path().join("install"));
    // Whoever reads what a guard prints is not kept by what its installer has left.
    let run = Run::of(&call.stdin(Stdio::null()).output().unwrap()).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"done".into(), &true.into()));
    assert!(run.json["warnings"].to_string().contains("setup.exe"), "{run:?}");
    end(&world.path().join("agent"));
    assert_eq!(text(&world, "live/a.conf"), "v3\n");
    settled(&world);
    let output = fs::read_to_string(run.json["data"]["output"].as_str().unwrap()).unwrap();
    assert!(output.contains("installed"), "{output}");
    world.plain(&["undo"]).ends(0);
    is(&world, &old);
}

#[test]
fn an_installer_that_fails_half_way_is_backed_out_and_its_code_is_told() {
    let (world, old) = before();
    for (code, told) in [("5", "the code 5"), ("-1073741819", "the code 0xC0000005")] {
        let lines = "run $ctl stop first\nwrite $home\\live\\a.conf half\nremove $home\\backup\nmkdir $home\\live\\more";
        let run = guard(&world, &[], &format!("{lines}\nexit {code}")).ends(20);
        assert_eq!((run.error_code(), &run.json["outcome"]), ("BKO-2040", &"rolled-back".into()));
        assert!(run.json["error"]["message"].as_str().unwrap().contains(told), "{run:?}");
        is_before(&world, &old);
    }
}

#[test]
fn an_installer_that_hangs_is_ended_with_all_that_it_started() {
    let (world, old) = before();
    let other = script(&world, "other.txt", "pid $here\\other\nuntil $here\\never");
    let lines = format!(
        "write $home\\live\\a.conf half\nstart {} {}\nuntil $here\\other\nuntil $here\\never",
        setup().display(),
        other.display()
    );
    let run = guard(&world, &["--timeout", "2"], &lines).ends(20);
    assert_eq!(run.error_code(), "BKO-2040");
    assert!(!process::is_there(pid(&world.path().join("other"))));
    is_before(&world, &old);
}

/// A guard that nobody settles, whose installer has begun and goes on once `go` is there.
fn on_its_way(world: &World, more: &[&str], end: &str) -> Running {
    let lines = format!("write $home\\live\\a.conf half\npid $here\\installer\nuntil $here\\go\n{end}");
    let mut run = Running::start(&mut command(world, more, &lines));
    run.until(|| world.path().join("installer").exists());
    run
}

fn go_on(world: &World) {
    fs::write(world.path().join("go"), "").unwrap();
}

#[test]
fn an_installer_that_outlives_its_guard_is_waited_for_and_judged() {
    let (world, old) = before();
    let run = on_its_way(&world, &["--no-parent", "--settle", "1"], GOOD);
    process::kill(run.child.id());
    let busy = world.plain(&["recover", "--timeout", "0"]).ends(21);
    assert!(busy.json["error"]["message"].as_str().unwrap().contains("the installer goes on: `setup.exe`"));
    assert_eq!(text(&world, "live/a.conf"), "half\n");
    go_on(&world);
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "completed");
    assert_eq!(text(&world, "live/a.conf"), "v3\n");
    settled(&world);
    world.plain(&["undo"]).ends(0);
    is(&world, &old);
}

#[test]
fn the_parent_of_a_guard_that_dies_waits_for_the_installer_and_tells_the_end() {
    let (world, old) = before();
    let run = on_its_way(&world, &[], "exit 1");
    process::kill(worker(&world));
    go_on(&world);
    run.to_its_end().ends(20);
    is_before(&world, &old);
}

#[test]
fn an_installer_that_outlives_guard_and_holder_is_waited_for_and_then_taken_back() {
    let (world, old) = before();
    let run = on_its_way(&world, &["--no-parent"], "exit 0");
    let holder = pid(&transaction(&world).join("holder"));
    process::kill(run.child.id());
    process::kill(holder);
    world.plain(&["recover", "--timeout", "0"]).ends(21);
    assert_eq!(text(&world, "live/a.conf"), "half\n");
    go_on(&world);
    // Nobody is left who could tell how it ended.
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    is_before(&world, &old);
}

#[test]
fn an_installer_that_asks_for_a_reboot_is_not_judged_before_it() {
    let (world, _) = before();
    for (code, flags, ends) in [("3010", &[][..], 30), ("1641", &["--msi-codes"][..], 3010)] {
        let run = guard(&world, flags, &format!("write $home\\live\\a.conf v3\nexit {code}")).ends(ends);
        assert_eq!(
            (&run.json["outcome"], &run.json["reboot_required"]),
            (&"reboot-pending".into(), &true.into())
        );
        assert_eq!(world.plain(&["recover"]).ends(30).json["outcome"], "reboot-pending");
        world.plain(&["status"]).ends(21);
        assert_eq!(text(&world, "live/a.conf"), "v3\n");
        world.plain(&["recover", "--abandon"]).ends(0);
    }
}

#[test]
fn watched_folders_go_back_without_a_profile() {
    let (world, old) = before();
    let lines = r"
write $home\live\a.conf v3
remove $home\live\b.conf
rename $home\live\sub $home\live\moved
mkdir $home\live\b.conf
write $home\live\b.conf\n.conf new
write $home\LIVE\Sub file
exit 1
";
    let watch = |folder: &Path, lines: &str| {
        let script = script(&world, "setup.txt", lines);
        let mut call = world.command(&["guard", "--yes", "--json"]);
        call.arg("--site").arg(&world.site).args(["--service", "First", "Second", "--watch"]).arg(folder);
        Run::to_its_end(call.arg("--").arg(setup()).arg(script))
    };
    watch(&world.home, lines).ends(20);
    is_before(&world, &old);
    // Open for reading is nobody's business; for writing it is named.
    let live = world.home.join(r"live\a.conf");
    let open = fs::File::open(&live).unwrap();
    watch(&world.home, "exit 1").ends(20);
    drop(open);
    let open = fs::File::options().append(true).open(&live).unwrap();
    let run = watch(&world.home, "exit 1").ends(10);
    assert_eq!(run.error_code(), "BKO-5161", "{run:?}");
    assert!(run.json["error"].to_string().contains("a.conf"), "{run:?}");
    drop(open);
    watch(&world.home, "exit 1").ends(20);
    is_before(&world, &old);
    fs::create_dir(world.home.join("pg")).unwrap();
    fs::write(world.home.join("pg/pg_version"), "15").unwrap();
    assert_eq!(watch(&world.home, "exit 0").ends(10).error_code(), "BKO-5160");
    for folder in [r"C:\", r"C:\Windows", r"C:\Program Files\Common Files"] {
        let run = watch(Path::new(folder), "exit 0").ends(10);
        assert_eq!(run.error_code(), "BKO-5143", "{run:?}");
    }
}

fn journal(world: &World) -> String {
    let open = fs::read_dir(world.state.join("transactions")).ok().and_then(|mut d| d.next());
    open.and_then(|d| fs::read_to_string(d.ok()?.path().join("journal")).ok()).unwrap_or_default()
}

fn until_it_waits(world: &World, run: &mut Running) {
    run.until(|| journal(world).contains("AwaitingConfirm"));
}

#[test]
fn what_is_confirmed_stays_and_else_goes_back_with_nobody_left_but_the_waiter() {
    let work = "write $home\\live\\a.conf v3";
    let (world, _) = before();
    let mut run = Running::start(&mut command(&world, &["--confirm-within", "1h"], work));
    until_it_waits(&world, &mut run);
    world.plain(&["confirm"]).ends(0);
    run.to_its_end().ends(0);
    assert_eq!(text(&world, "live/a.conf"), "v3\n");
    settled(&world);

    let (old, work) = (world.files(), "write $home\\live\\a.conf v4\nremove $home\\live\\b.conf");
    let mut run = Running::start(&mut command(&world, &["--confirm-within", "5s"], work));
    until_it_waits(&world, &mut run);
    let worker = worker(&world);
    process::kill(run.child.id());
    process::kill(worker);
    while fs::read_dir(world.state.join("transactions")).unwrap().count() > 0 {
        std::thread::yield_now();
    }
    is_before(&world, &old);
}

#[test]
fn a_package_is_no_program_and_how_it_is_installed_is_told() {
    let (world, old) = before();
    let package = world.path().join("patch.msi");
    fs::write(&package, "").unwrap();
    let mut call = world.verb_command("guard", &["--yes", "--"]);
    let run = Run::to_its_end(call.arg(&package)).ends(10);
    let message = run.json["error"]["message"].as_str().unwrap();
    assert!(run.error_code() == "BKO-5100" && message.contains("`msiexec /i \""), "{message}");
    is(&world, &old);
}

/// Where a guard was left to the reboot: its state folder and the product's.
const LEFT: &str = r"C:\backout-guard-left";

#[test]
#[ignore = "a role"]
fn leave_to_the_reboot() {
    // Services of commands do not come up by themselves.
    let world = World::without_services();
    guard(&world, &[], "write $home\\live\\a.conf v3\nexit 3010").ends(30);
    fs::write(LEFT, format!("{}\n{}", world.state.display(), world.home.display())).unwrap();
    std::mem::forget(world);
}

#[test]
#[ignore = "a role"]
fn settled_behind_the_reboot() {
    let left = fs::read_to_string(LEFT).unwrap();
    let (state, home) = left.split_once('\n').unwrap();
    let call = |verb: &str| {
        let mut call = Command::new(&built().backout);
        Run::to_its_end(call.args([verb, "--json", "--state-dir", state]))
    };
    assert_eq!(call("recover").ends(0).json["outcome"], "completed");
    call("status").ends(0);
    let home = Path::new(home);
    assert_eq!(fs::read_to_string(home.join("live/a.conf")).unwrap(), "v3\n");
    assert_eq!(snapshot::leftovers(home), Vec::<String>::new());
    fs::remove_dir_all(home.parent().unwrap()).unwrap();
    fs::remove_file(LEFT).unwrap();
}
