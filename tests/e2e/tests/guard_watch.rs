//! `backout guard --watch`: an installer of a product that no profile knows. What it did goes back whole; what anybody else
//! made since stays.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::{
    guards::{Small, installer, is_before, nested, pid, settled},
    runs, snapshots, transaction,
};
use backout_kit::{Machine, Run, Running, Snapshot, World, place, process, snapshot, strace};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::Duration,
};

/// `guard` on the world's folder with these flags, and no installer yet.
fn watching(world: &World, more: &[&str]) -> Command {
    let mut command = world.command(&["guard"]);
    command
        .arg("--watch")
        .arg(&world.home)
        .arg("--site")
        .arg(&world.site)
        .args(["--yes", "--json"])
        .args(more);
    command
}

/// The same on both services, with this installer.
fn command(world: &World, more: &[&str], lines: &str) -> Command {
    let setup = installer(world, lines);
    let mut command = watching(world, &["--service", "First", "Second"]);
    command.args(more).arg("--").arg(setup);
    command
}

fn guard(world: &World, more: &[&str], lines: &str) -> Run {
    Run::to_its_end(&mut command(world, more, lines))
}

/// A world without a profile, whose services are believed at once.
fn before() -> (World, Snapshot) {
    let mut world = World::small();
    world.write_site(&[("First", "first"), ("Second", "second")], "timeouts: (settle: 0),");
    fs::remove_file(&world.profile).unwrap();
    world.profile = String::new();
    let files = world.files();
    (world, files)
}

/// The warning of this code; empty: there is none.
fn warning(run: &Run, code: &str) -> String {
    let all = run.json["warnings"].as_array().unwrap();
    let found = all.iter().find(|w| w["code"] == code);
    found.map(|w| w["message"].as_str().unwrap().to_owned()).unwrap_or_default()
}

const WORK: &str = r#"
"$ctl" stop first
echo v3 >"$home/live/a.conf"
rm "$home/live/b.conf"
mkdir -p "$home/live/added/deep"
echo new >"$home/live/added/deep/n.conf"
echo new >"$home/new.conf"
ln -s a.conf "$home/live/link"
setsid "$ctl" start first
"#;

#[test]
fn a_watched_folder_is_made_again_where_the_installer_removed_it_or_put_something_in_its_place() {
    for work in [r#"rm -r "$home""#, r#"mv "$home" "$home.old" && ln -s "$home.old" "$home""#] {
        let (world, old) = before();
        guard(&world, &[], &format!("{work}\nexit 7")).ends(20);
        is_before(&world, &old);
        assert!(world.home.symlink_metadata().unwrap().is_dir(), "{work}");
    }
}

#[test]
fn a_failing_installer_is_put_back_whole_without_a_profile() {
    let (world, old) = before();
    let run = guard(&world, &[], &format!("{WORK}\n\"$ctl\" stop second\nexit 1")).ends(20);
    assert_eq!((&run.json["outcome"], run.error_code()), (&"rolled-back".into(), "BKO-2040"));
    assert_eq!(run.json["data"]["covers"]["services"], serde_json::json!(["First", "Second"]));
    is_before(&world, &old);
    let all = runs(&world);
    assert_eq!((&all[1]["kind"], &all[1]["fate"]), (&"guard".into(), &"put-back".into()));
    assert_eq!((&all[0]["guard"], &all[0]["kind"]), (&run.json["run_id"], &"rollback".into()));
    let id = run.json["run_id"].as_str().unwrap();
    let home = world.home.to_str().unwrap();
    for verb in [&["history"][..], &["show", id]] {
        let text = Run::to_its_end(&mut world.command(verb)).ends(0).stdout;
        assert!(text.contains(&format!("guard of `{home}`")), "{text}");
    }
    let listed = snapshots::call(&world, &["list"]).ends(0);
    assert_eq!(listed.json["data"]["snapshots"][0]["roots"], serde_json::json!([home]));
    assert_eq!(world.plain(&["undo"]).ends(10).error_code(), "BKO-1062");
}

#[test]
fn folders_that_the_installer_nested_however_deep_go_unless_they_may_hold_what_is_left_out() {
    let Some(small) = Small::of("64m") else { return };
    let world = World::without_services_in(small.path());
    let old = world.files();
    let failing = |more: &[&str], levels| {
        let lines = format!("echo v3 >\"$home/live/a.conf\"\n{}exit 1", nested("live", levels));
        Run::to_its_end(watching(&world, more).arg("--").arg(installer(&world, &lines))).ends(20)
    };
    failing(&[], 2000);
    is_before(&world, &old);
    let warned = warning(&failing(&["--exclude", "*.log"], 300), "BKO-5150");
    let deep = world.home.join("live").join(vec!["d"; 256].join("/"));
    assert!(warned.contains(deep.to_str().unwrap()) && deep.join("d").exists(), "{warned}");
    fs::remove_dir_all(world.home.join("live/d")).unwrap();
    is_before(&world, &old);
    drop(world);
}

#[test]
fn what_somebody_nested_however_deep_while_the_guard_waits_stays() {
    let (world, old) = before();
    let mut run = Running::start(&mut command(&world, &["--confirm-within", "1h"], WORK));
    run.until(|| world.plain(&["status"]).stdout.contains("confirm"));
    let deepest = world.home.join("live").join(vec!["d"; 300].join("/"));
    fs::create_dir_all(&deepest).unwrap();
    fs::write(deepest.join("mine"), "mine").unwrap();
    process::signal(run.child.id(), "-INT");
    run.to_its_end().ends(20);
    assert_eq!(fs::read_to_string(deepest.join("mine")).unwrap(), "mine");
    fs::remove_dir_all(world.home.join("live/d")).unwrap();
    is_before(&world, &old);
}

#[test]
fn a_database_in_a_watched_folder_is_refused_until_it_is_left_out_or_taken_along() {
    let (world, _) = before();
    backout_kit::write(&world.home.join("live/pg/PG_VERSION"), "15\n");
    let ran = world.path().join("ran");
    let work = "echo >\"$here/ran\"";
    for more in [&[][..], &["--dry-run"]] {
        let run = guard(&world, more, work).ends(10);
        assert_eq!(run.error_code(), "BKO-5160");
        let error = run.json["error"].to_string();
        assert!(error.contains("PG_VERSION") && error.contains("--exclude 'live/pg'"), "{error}");
        assert!(!ran.exists() && !world.state.join("snapshots").exists(), "nothing was run or set aside");
    }
    guard(&world, &["--exclude", "live/pg"], work).ends(0);
    assert!(ran.exists());
    assert!(!warning(&guard(&world, &["--include-data"], work).ends(0), "BKO-5170").is_empty());
}

#[test]
fn what_is_in_the_way_and_not_the_installers_moves_aside() {
    // Somebody's file in a folder that the installer put in the place of a file, and of a link.
    let (world, _) = before();
    symlink("sub", world.home.join("live/logs")).unwrap();
    let old = world.files();
    let work = r#"
rm "$home/live/logs" "$home/live/b.conf"
mkdir "$home/live/logs" "$home/live/b.conf"
echo mine >"$home/live/logs/one"
"#;
    let more = ["--exclude", "*.log", "--confirm-within", "1h"];
    let mut run = Running::start(&mut command(&world, &more, work));
    run.until(|| world.plain(&["status"]).stdout.contains("confirm"));
    fs::write(world.home.join("live/logs/theirs"), "theirs").unwrap();
    fs::write(world.home.join("live/b.conf/svc.log"), "precious").unwrap();
    process::signal(run.child.id(), "-INT");
    run.to_its_end().ends(20);
    let live = world.home.join("live");
    let (logs, excluded) = (live.join("logs.in-the-way-0"), live.join("b.conf.in-the-way-0"));
    assert_eq!(fs::read_to_string(logs.join("theirs")).unwrap(), "theirs");
    assert!(logs.join("one").exists(), "it moves whole");
    assert_eq!(fs::read_to_string(excluded.join("svc.log")).unwrap(), "precious");
    fs::remove_dir_all(logs).unwrap();
    fs::remove_dir_all(excluded).unwrap();
    is_before(&world, &old);
}

#[test]
fn a_link_is_no_folder_to_watch() {
    let (world, _) = before();
    let link = world.path().join("cur");
    symlink(&world.home, &link).unwrap();
    for spelling in [link.display().to_string(), format!("{}/", link.display())] {
        let mut guard = world.command(&["guard", "--yes", "--json", "--watch", &spelling, "--"]);
        let run = Run::to_its_end(guard.arg(installer(&world, "exit 0"))).ends(10);
        assert_eq!(run.error_code(), "BKO-5143");
    }
}

#[test]
fn a_profile_is_learned_without_one_and_takes_a_second_machine_back() {
    let patch = r#"cp -p "$home/live/a.conf" "$home/live/a.conf.orig" && echo v3 >"$home/live/a.conf" && echo n >"$home/live/n.conf""#;
    let (first, _) = before();
    let learned = first.path().join("learned.ron");
    guard(&first, &["--settle", "1", "--learn", learned.to_str().unwrap()], patch).ends(0);
    let (mut second, old) = before();
    assert!(Command::new(installer(&second, patch)).status().unwrap().success());
    assert!(second.files() != old);
    let site = fs::read_to_string(&second.site).unwrap();
    assert!(site.contains("home") && fs::read_to_string(&learned).unwrap().contains("name: \"home\""));
    second.profile = learned.to_str().unwrap().to_owned();
    second.verb("verify", &["--expect", "patched"]).ends(0);
    second.rollback(&[]).ends(0);
    // The copy that the patch has made is what it went back by, and is used up.
    assert!(second.files() == old, "{}", snapshot::differences(&second.files(), &old).join("\n"));
    assert!(second.running().iter().all(|r| *r));
    second.verb("verify", &["--expect", "before"]).ends(0);
}

#[test]
fn everything_that_an_installer_does_to_files_and_folders_is_put_back() {
    let (world, _) = before();
    let live = world.home.join("live");
    symlink("a.conf", live.join("cur")).unwrap();
    let old = world.files();
    let lines = r#"
cd "$home"
rm -r live/sub live/b.conf backup/new
mkdir -p more/deep/deeper live/b.conf && echo x >more/deep/x && echo y >live/b.conf/y
echo file >live/sub
chmod 600 live/a.conf && touch live/a.conf && chmod 700 live
ln -sfn /tmp live/cur && ln live/a.conf live/second-name && mkfifo more/pipe && rm more/pipe
exit 7
"#;
    guard(&world, &[], lines).ends(20);
    is_before(&world, &old);
}

#[test]
fn an_installer_that_hangs_is_ended_and_put_back() {
    let (world, old) = before();
    let lines = r#"
echo half >"$home/live/a.conf"
setsid sh -c 'trap "" TERM; echo $$ >"$0/deaf"; n=0; while :; do n=$((n+1)); echo again >"$1/live/$n.conf"; sleep 0.05; done' "$here" "$home" &
while [ ! -s "$here/deaf" ]; do :; done
sleep 100000
"#;
    assert_eq!(guard(&world, &["--timeout", "1"], lines).ends(20).error_code(), "BKO-2040");
    assert!(!process::is_there(pid(&world.path().join("deaf"))));
    is_before(&world, &old);
}

#[test]
fn a_service_that_does_not_start_on_the_new_files_runs_again_on_the_old_ones() {
    let (world, _) = before();
    // What a unit file is to a service of the system's manager.
    let unit = world.home.join("first.unit");
    fs::write(&unit, "start well\n").unwrap();
    fs::set_permissions(&unit, fs::Permissions::from_mode(0o640)).unwrap();
    world.services.hook("first", "start", &format!("grep -q 'start well' '{}' || exit 1", unit.display()));
    let old = world.files();
    let lines = r#"
"$ctl" stop first
echo 'start not at all' >"$home/first.unit"
chmod 644 "$home/first.unit"
setsid "$ctl" start first
exit 0
"#;
    let run = guard(&world, &["--settle", "1"], lines).ends(20);
    assert_eq!(run.error_code(), "BKO-2002");
    is_before(&world, &old);
}

#[test]
fn a_new_file_that_a_service_goes_on_writing_keeps_nothing_else_from_going_back() {
    let (world, old) = before();
    let (log, at) = (world.home.join("live/new.log"), |name: &str| world.path().join(name));
    // Its writer goes with the service, and is no process of the installer.
    let down = format!(
        "touch '{0}'; while [ ! -e '{1}' ]; do sleep 0.01; done",
        at("down").display(),
        at("over").display()
    );
    world.services.hook("first", "stop", &down);
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !at("down").exists() {
                if let Ok(mut log) = fs::OpenOptions::new().append(true).open(&log) {
                    std::io::Write::write_all(&mut log, b"x").unwrap();
                }
            }
            fs::write(at("over"), "").unwrap();
        });
        // Reading it takes a while.
        let lines = r#"truncate -s 64M "$home/live/new.log"; mkdir "$home/added"; echo v3 >"$home/live/a.conf"; exit 7"#;
        let run = guard(&world, &[], lines);
        fs::write(at("down"), "").unwrap();
        run
    });
    assert!(warning(&run.ends(20), "BKO-5140").contains("live/new.log"));
    fs::remove_file(&log).unwrap();
    is_before(&world, &old);
}

#[test]
fn a_guard_that_is_killed_with_its_installer_is_put_back_by_recover() {
    let (world, old) = before();
    let lines = format!("{WORK}\necho $$ >\"$here/installer\"\nwhile :; do :; done");
    let mut run = Running::start(&mut command(&world, &["--no-parent"], &lines));
    let mark = world.path().join("installer");
    run.until(|| mark.exists());
    let installer = pid(&mark);
    let holder = pid(&transaction(&world).join("holder"));
    for one in [run.child.id(), holder, installer] {
        process::kill(one);
    }
    world.plain(&["status"]).ends(21);
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    is_before(&world, &old);
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "nothing-to-do");
}

#[test]
fn a_disk_that_the_installer_fills_is_as_before_again() {
    let Some(small) = Small::of("192m") else { return };
    let world = World::without_services_in(small.path());
    let old = world.files();
    let lines = r#"
rm "$home/live/b.conf"
cat /dev/zero >"$home/live/fill"
cat /dev/zero >"$home/rest"
echo full >"$home/live/sub/c.conf"
exit 1
"#;
    let setup = installer(&world, lines);
    let run = Run::to_its_end(watching(&world, &[]).arg("--").arg(setup)).ends(20);
    assert_eq!(warning(&run, "BKO-5141"), "", "what came was written down all the same");
    is_before(&world, &old);
    drop(world);
}

#[test]
fn undo_takes_away_what_the_installer_left_and_nothing_that_came_since() {
    let (world, old) = before();
    let run = guard(&world, &[], WORK).ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"done".into(), &true.into()));
    settled(&world);
    // Days later: files of a user, in folders old and new, and a file of the installer that somebody went on with.
    let made = ["live/mine", "live/added/mine", "mine/deep/mine"].map(|name| world.home.join(name));
    for file in &made {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "mine\n").unwrap();
    }
    fs::write(world.home.join("new.conf"), "new\nand mine\n").unwrap();
    let undone = world.plain(&["undo"]).ends(0);
    let said = warning(&undone, "BKO-5140");
    for named in ["live/mine", "live/added/mine", "mine", "new.conf"] {
        assert!(said.contains(&format!("`{}`", world.home.join(named).display())), "{named}: {said}");
    }
    assert_eq!(said.matches("\n  `").count(), 4, "{said}");
    for file in &made {
        assert_eq!(fs::read_to_string(file).unwrap(), "mine\n");
        fs::remove_file(file).unwrap();
    }
    assert_eq!(fs::read_to_string(world.home.join("new.conf")).unwrap(), "new\nand mine\n");
    assert!(!world.home.join("live/added/deep").exists() && !world.home.join("live/link").exists());
    fs::remove_file(world.home.join("new.conf")).unwrap();
    fs::remove_dir(world.home.join("live/added")).unwrap();
    fs::remove_dir_all(world.home.join("mine")).unwrap();
    let now = world.files();
    assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
    assert!(world.running().iter().all(|r| *r));
}

#[test]
fn without_the_record_of_what_came_nothing_new_is_taken_away() {
    for damaged in ["gone", "flipped", "blank"] {
        let (world, old) = before();
        let run = guard(&world, &[], WORK).ends(0);
        let record = world.state.join("history").join(run.json["run_id"].as_str().unwrap()).join("came");
        match damaged {
            "gone" => fs::remove_file(&record).unwrap(),
            "blank" => fs::write(&record, "the installer has not ended yet\n").unwrap(),
            _ => {
                let mut bytes = fs::read(&record).unwrap();
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                fs::write(&record, bytes).unwrap();
            }
        }
        let undone = world.plain(&["undo"]).ends(0);
        let said = warning(&undone, "BKO-5141");
        for new in ["live/added", "new.conf", "live/link"].map(|name| world.home.join(name)) {
            assert!(said.contains(&format!("`{}`", new.display())), "{damaged}: {said}");
            match fs::symlink_metadata(&new).unwrap().is_dir() {
                true => fs::remove_dir_all(&new).unwrap(),
                false => fs::remove_file(&new).unwrap(),
            }
        }
        let now = world.files();
        assert!(now == old, "{damaged}: {}", snapshot::differences(&now, &old).join("\n"));
    }
}

#[test]
fn what_comes_once_the_installer_has_ended_stays_on_the_guards_own_way_back_too() {
    let (world, old) = before();
    // Somebody who is not the installer's, and writes as soon as what came is on record.
    let mut other = Command::new("/bin/sh");
    other.args(["-c", r#"until grep -qs entries "$0"/state/transactions/*/came; do :; done; echo mine >"$0/home/live/mine""#]);
    let mut other = other.arg(world.path()).spawn().unwrap();
    // Its work is not good, and may become so for a while.
    let lines = format!("{WORK}\n\"$ctl\" stop second\nexit 0");
    let run = guard(&world, &["--settle", "10"], &lines).ends(20);
    assert!(other.wait().unwrap().success());
    let mine = world.home.join("live/mine");
    let said = warning(&run, "BKO-5140");
    assert_eq!(said.matches("\n  `").count(), 1, "{said}");
    assert!(said.contains(mine.to_str().unwrap()), "{said}");
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine\n");
    fs::remove_file(mine).unwrap();
    is_before(&world, &old);
}

#[test]
fn the_same_request_tells_the_first_result_again() {
    let (world, _) = before();
    let first = guard(&world, &["--request-id", "r1"], WORK).ends(0);
    let again = guard(&world, &["--request-id", "r1"], WORK).ends(0);
    assert_eq!(again.json["run_id"], first.json["run_id"]);
    assert_eq!(again.json["data"]["replayed"], true);
    assert_eq!(runs(&world).len(), 1);
    // On other services it is another request.
    let setup = world.path().join("setup.sh");
    let mut other = watching(&world, &["--service", "First", "--request-id", "r1"]);
    Run::to_its_end(other.arg("--").arg(setup)).ends(64);
}

#[test]
fn what_is_covered_is_said_and_what_makes_no_sense_is_refused() {
    let (world, old) = before();
    let setup = installer(&world, "exit 1");
    let said = |more: &[&str]| {
        Run::to_its_end(watching(&world, more).arg("--dry-run").arg("--").arg(&setup)).ends(0)
    };
    // Twice the same is once, and a folder in another is that other.
    let live = world.home.join("live");
    let run = said(&["--watch", live.to_str().unwrap(), "--service", "First", "--service", "First"]);
    assert_eq!(run.json["data"]["covers"]["services"], serde_json::json!(["First"]));
    assert_eq!(run.json["data"]["covers"]["folders"], serde_json::json!([world.home]));
    let without = said(&[]);
    assert!(without.json["data"]["not_covered"].to_string().contains("none is named"), "{without:?}");
    let wide = said(&["--watch", "/opt"]);
    assert_eq!(warning(&wide, "BKO-5145").is_empty(), !Path::new("/opt").is_dir());
    let refused = |folder: &str, more: &[&str], code: &str| {
        let mut command = world.command(&["guard", "--watch", folder, "--yes", "--json"]);
        let run =
            Run::to_its_end(command.arg("--site").arg(&world.site).args(more).arg("--").arg(&setup)).ends(10);
        assert_eq!(run.error_code(), code, "{folder} {more:?}");
        assert!(!world.state.exists(), "{folder} {more:?}");
    };
    let home = world.home.to_str().unwrap();
    for folder in ["/", "/usr", "/etc", "/proc", setup.to_str().unwrap()] {
        refused(folder, &[], "BKO-5143");
    }
    refused(home, &["--service", "Third"], "BKO-5144");
    refused("/no/such/folder", &[], "BKO-1046");
    refused(world.path().to_str().unwrap(), &[], "BKO-1080");
    let now = world.files();
    assert!(now == old);
}

#[test]
fn units_of_a_real_systemd_are_put_back_with_their_files() {
    let Some(mut machine) = Machine::off() else { return };
    machine.boot();
    machine.systemctl(&["start", "second"]);
    let lines = "#!/bin/sh\ncd /etc/systemd/system || exit 9\nsed -i 's/^ExecStart=.*/ExecStart=\\/bin\\/false/' first.service\n\
         echo '[Service]' >new.service\nsystemctl daemon-reload\nsystemctl restart first\nsystemctl stop second\n\
         echo v3 >\"$1/live/a.conf\"\necho new >\"$1/live/new.conf\"\n";
    let setup = machine.path().join("vendor.run");
    place::script(lines, &setup);
    let before = (machine.files(), snapshot(&machine.units()));
    let exe = machine.path().join("backout");
    let mut call = machine.command(exe.to_str().unwrap(), &["guard", "--watch", "/etc/systemd/system"]);
    call.arg(&machine.home).args(["--service", "first", "first.service", "second", "--settle", "1"]);
    call.args(["--yes", "--json", "--state-dir"])
        .arg(&machine.state)
        .arg("--")
        .arg(&setup)
        .arg(&machine.home);
    let run = Run::of(&call.output().unwrap()).ends(20);
    assert_eq!(run.json["data"]["covers"]["services"], serde_json::json!(["first", "second"]));
    assert!(machine.runs("first") && machine.runs("second"), "{run:?}");
    let now = (machine.files(), snapshot(&machine.units()));
    assert!(now.0 == before.0, "{}", snapshot::differences(&now.0, &before.0).join("\n"));
    assert!(now.1 == before.1, "{}", snapshot::differences(&now.1, &before.1).join("\n"));
    assert_eq!(machine.systemctl(&["show", "--value", "--property", "NeedDaemonReload", "first"]), "no");
}

#[test]
fn what_was_there_before_is_no_installers_whatever_name_it_has_by_now() {
    let (world, _) = before();
    let (home, outside) = (world.home.clone(), world.path().join("outside"));
    for folder in [home.join("data"), outside.clone()] {
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("table"), "nobody has another").unwrap();
    }
    fs::write(home.join("data/second"), "nobody has another").unwrap();
    fs::write(outside.join("store"), "has another name").unwrap();
    let old = world.files();
    let made = fs::metadata(home.join("data/table")).unwrap();
    if made.created().is_err() {
        return;
    }
    // Older than the clocks of any file system are behind.
    while made.modified().unwrap().elapsed().unwrap_or_default() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let lines = format!(
        "mv \"$home/data\" \"$home/data.old\"; mv '{0}/table' \"$home/live/table\"; \
         mv \"$home/live/a.conf\" \"$home/live/a.old\"; echo more >>\"$home/live/a.old\"; echo new >\"$home/live/a.conf\"; \
         mv \"$home/data.old/second\" \"$home/live/b.conf\"; ln '{0}/store' \"$home/live/linked\"; \
         echo new >\"$home/data.old/new\"; exit 1",
        outside.display()
    );
    let run = guard(&world, &["--exclude", "data"], &lines).ends(20);
    let told = warning(&run, "BKO-5196");
    assert!(told.contains("data.old") && told.contains("live/table"), "{run:?}");
    for kept in ["data.old/table", "live/table", "live/b.conf.in-the-way-0"] {
        assert_eq!(fs::read_to_string(home.join(kept)).unwrap(), "nobody has another", "{kept}");
    }
    for gone in ["data.old/new", "live/a.old", "live/linked"] {
        assert!(!home.join(gone).exists(), "{gone}");
    }
    fs::rename(home.join("live/b.conf.in-the-way-0"), home.join("data.old/second")).unwrap();
    fs::rename(home.join("data.old"), home.join("data")).unwrap();
    fs::remove_file(home.join("live/table")).unwrap();
    let now = world.files();
    assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
    assert_eq!(world.running(), [true, true]);
}

#[test]
fn what_services_make_behind_a_way_back_that_is_stuck_on_a_full_disk_is_not_the_installers() {
    if !strace::works() {
        return;
    }
    let world = World::small();
    let lines = r#"
echo v3 >"$home/live/a.conf"
echo new >"$home/live/new.conf"
copy=$(echo "$here"/state/snapshots/*/files/0/live/a.conf)
mv "$copy" "$here/aside"
exit 1
"#;
    let run =
        Run::of(&no_room_for_came(&command(&world, &["--no-parent"], lines)).output().unwrap()).ends(22);
    assert_eq!(run.error_code(), "BKO-5110");
    fs::write(world.home.join("live/later"), "of a service\n").unwrap();
    let copies = fs::read_dir(world.state.join("snapshots")).unwrap().next().unwrap().unwrap().path();
    fs::rename(world.path().join("aside"), copies.join("files/0/live/a.conf")).unwrap();
    let recovered = world.plain(&["recover"]).ends(0);
    assert_eq!(recovered.json["outcome"], "rolled-back");
    assert!(recovered.stdout.contains("BKO-5141"), "{}", recovered.stdout);
    assert_eq!(fs::read_to_string(world.home.join("live/later")).unwrap(), "of a service\n");
    assert_ne!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "v3\n");
    settled(&world);
}

/// The call, with a disk that is full for the record of what came, but for the blank one before the installer.
fn no_room_for_came(call: &Command) -> Command {
    let full = ["-P", ".came.new", "-e", "trace=openat", "-e", "inject=openat:error=ENOSPC:when=2+"];
    strace::under(call, &[&["-o", "/dev/null"], &full[..]].concat())
}

#[test]
fn what_comes_while_a_confirmation_is_waited_for_is_not_the_installers_on_a_full_disk_either() {
    if !strace::works() {
        return;
    }
    for killed in [false, true] {
        let world = World::small();
        let lines = "echo v3 >\"$home/live/a.conf\"\necho new >\"$home/live/new.conf\"";
        let call = command(&world, &["--confirm-within", "3s", "--no-parent"], lines);
        let mut run = Running::start(&mut no_room_for_came(&call));
        let open = || fs::read_dir(world.state.join("transactions")).ok()?.next()?.ok();
        let journal = || fs::read_to_string(open()?.path().join("journal")).ok();
        run.until(|| journal().is_some_and(|journal| journal.contains("AwaitingConfirm")));
        fs::write(world.home.join("live/later"), "of a service\n").unwrap();
        if killed {
            process::kill(backout_e2e::worker(&world));
            while fs::read_dir(world.state.join("transactions")).unwrap().count() > 0 {
                std::thread::yield_now();
            }
        } else {
            run.to_its_end().ends(20);
        }
        assert_eq!(fs::read_to_string(world.home.join("live/later")).unwrap(), "of a service\n");
        // Who knew what came is gone: nothing new goes.
        assert_eq!(world.home.join("live/new.conf").exists(), killed);
        assert_ne!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "v3\n");
        settled(&world);
    }
}
