//! `backout guard`: an installer's work stays if it is good, and goes back whole if it is not, whoever dies meanwhile.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::TreeSpec;
use backout_e2e::{
    guards::{
        GOOD, Small, before, command, guard, holds_no_space, is_before, nested, pid, settled, text,
        with_open_files,
    },
    prune, runs, snapshots,
};
use backout_journal::{Record, format};
use backout_kit::{
    Run, Running, ServerProtect, World,
    call::have_parts,
    place::{can_be_immutable, chattr},
    process, snapshot,
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn a_good_installer_is_kept_with_what_it_pushes_late_and_undo_takes_it_back() {
    let (world, old) = before();
    let late = format!(
        "{GOOD}\n( while [ ! -e \"$here/exited\" ]; do :; done; echo late >\"$home/live/late.conf\" ) &\n"
    );
    let mut run = Running::start(&mut command(&world, &["--settle", "30"], &late));
    // The push waits until the installer itself is on record as ended.
    run.until(|| {
        let open = fs::read_dir(world.state.join("transactions")).ok().and_then(|mut d| d.next());
        let journal = open.and_then(|d| fs::read_to_string(d.unwrap().path().join("journal")).ok());
        journal.is_some_and(|j| j.contains("InstallerExited"))
    });
    fs::write(world.path().join("exited"), "").unwrap();
    let run = run.to_its_end().ends(0);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"done".into(), &true.into()));
    assert_eq!(text(&world, "live/late.conf"), "late\n");
    assert_eq!(text(&world, "live/a.conf"), "v3\n");
    settled(&world);
    let new = world.files();
    let id = run.json["run_id"].as_str().unwrap();
    let over = &runs(&world)[0];
    assert_eq!(
        (&over["run"], &over["kind"], &over["fate"]),
        (&id.into(), &"guard".into(), &"committed".into())
    );
    let shown = world.plain(&["show", id]).ends(0);
    let names: Vec<_> = shown.json["data"]["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["record"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Begin", "GuardOpen", "LetGo", "InstallerExited", "Kept", "Clean"]);
    let output = fs::read_to_string(run.json["data"]["output"].as_str().unwrap()).unwrap();
    assert!(output.contains("installed"), "{output}");
    // Its snapshot stays as long as the run that could be undone by it.
    let taken = run.json["data"]["snapshot"].as_str().unwrap();
    snapshots::taken(&world, &[]);
    let kept = snapshots::call(&world, &["drop", taken]).ends(10);
    assert_eq!(kept.error_code(), "BKO-1124");
    let undone = world.plain(&["undo"]).ends(0);
    assert_eq!(undone.json["outcome"], "done");
    let now = world.files();
    assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
    assert!(new != old && world.running().iter().all(|r| *r));
    assert_eq!(world.plain(&["undo", id]).ends(10).error_code(), "BKO-1064");
    prune(&world, 0, &["--yes"]).ends(0);
    snapshots::call(&world, &["show", taken]).ends(10);
}

#[test]
fn an_installer_that_fails_half_way_is_backed_out() {
    let (world, old) = before();
    let run = guard(&world, &[], &format!("{GOOD}\n\"$ctl\" stop second\nexit 1"));
    let run = run.ends(20);
    assert_eq!((&run.json["outcome"], &run.json["changed"]), (&"rolled-back".into(), &false.into()));
    assert_eq!(run.error_code(), "BKO-2040");
    is_before(&world, &old);
    let all = runs(&world);
    assert_eq!((&all[1]["run"], &all[1]["fate"]), (&run.json["run_id"], &"put-back".into()));
    assert_eq!((&all[0]["guard"], &all[0]["kind"]), (&run.json["run_id"], &"rollback".into()));
    // An older backout refuses both, and reads all others.
    let format = |run: &serde_json::Value| {
        let journal = world.state.join("history").join(run["run"].as_str().unwrap()).join("journal");
        fs::read_to_string(journal).unwrap().split("format:").nth(1).unwrap()[..5].to_owned()
    };
    assert_eq!([format(&all[0]), format(&all[1])], ["(1,1)", "(1,1)"]);
    // Neither of them is anything to undo.
    assert_eq!(world.plain(&["undo"]).ends(10).error_code(), "BKO-1062");
    world.rollback(&[]).ends(0);
    assert_eq!(format(&runs(&world)[0]), "(1,0)");
}

#[test]
fn each_service_is_what_it_was_before_the_installer() {
    for stopped in ["first", "second"] {
        let (world, old) = before();
        assert_eq!(world.services.ctl("stop", stopped), 0);
        let running = world.running();
        let other = if stopped == "first" { "second" } else { "first" };
        let lines = format!("{GOOD}\n\"$ctl\" stop {other}\nsetsid \"$ctl\" start {stopped}\nexit 1");
        guard(&world, &[], &lines).ends(20);
        assert_eq!((world.running(), world.files() == old), (running, true));
    }
}

#[test]
fn a_file_with_further_names_goes_back_whatever_the_installer_wrote_into_it() {
    let (world, _) = before();
    let outside = world.path().join("outside.conf");
    for (name, other) in
        [("live/a.conf", world.home.join("live/same.conf")), ("live/b.conf", outside.clone())]
    {
        fs::hard_link(world.home.join(name), other).unwrap();
    }
    let old = world.files();
    let lines = r#"
echo v3 >"$home/live/a.conf"
echo v3 >"$home/live/b.conf"
chmod 600 "$home/live/b.conf"
ln "$home/live/sub/c.conf" "$home/live/kept-by-the-installer"
ln "$home/live/sub/c.conf" "$here/more.conf"
echo v3 >"$home/live/sub/c.conf"
exit 1
"#;
    let run = guard(&world, &[], lines).ends(20);
    let told: Vec<_> = run.json["warnings"].as_array().unwrap().iter().collect();
    let parted: Vec<_> = told.iter().filter(|w| w["code"] == "BKO-5147").collect();
    assert!(parted.len() == 1 && parted[0]["message"].as_str().unwrap().starts_with("3 files"), "{told:?}");
    is_before(&world, &old);
    // Names elsewhere are nobody's to change.
    assert_eq!(fs::read_to_string(outside).unwrap(), "v3\n");
    // Where nothing was written into them they keep their names.
    fs::hard_link(world.home.join("live/a.conf"), world.path().join("third.conf")).unwrap();
    let run = guard(&world, &[], "echo v3 >\"$home/live/b.conf\"\nexit 1").ends(20);
    assert!(!run.stdout.contains("BKO-5147"));
    is_before(&world, &old);
    assert_eq!(fs::metadata(world.home.join("live/a.conf")).unwrap().nlink(), 2);
}

#[test]
fn what_the_installer_made_immutable_is_no_hindrance() {
    let (world, _) = before();
    let b = world.home.join("live/b.conf");
    if !can_be_immutable(&b) {
        return;
    }
    // What is immutable and not changed is not touched, whatever lies in it.
    let held = world.home.join("live/held");
    fs::create_dir_all(held.join("below")).unwrap();
    fs::write(held.join("file"), "held").unwrap();
    symlink("file", held.join("link")).unwrap();
    assert!(Command::new("mkfifo").arg(held.join("pipe")).status().unwrap().success());
    assert!(chattr("+i", &b) && chattr("+i", &held));
    // One name less is a change, whatever is left.
    fs::create_dir(world.home.join("live/less")).unwrap();
    fs::write(world.home.join("live/less/file"), "less").unwrap();
    let old = world.files();
    let lines = r#"
echo v3 >"$home/live/a.conf"
mkdir -p "$home/live/added/deep" "$home/live/sub/new"
rm "$home/live/sub/c.conf" "$home/live/less/file"
mkdir "$home/live/sub/c.conf"
echo new | tee "$home/live/added/n.conf" "$home/live/added/deep/n.conf" "$home/live/sub/c.conf/n.conf" >/dev/null
chattr +a "$home/live/a.conf"
chattr -R +i "$home/live/added" "$home/live/sub" "$home/live/less" "$home/live/a.conf" "$home"
exit 1
"#;
    let run = guard(&world, &[], lines).ends(20);
    assert!(run.stdout.contains("BKO-5148"), "{}", run.stdout);
    assert!(!run.stdout.contains("BKO-5147"), "what has one name has it still: {}", run.stdout);
    for (left, of) in [(&b, &b), (&held.join("file"), &held)] {
        let stays = !Command::new("rm").arg(left).output().unwrap().status.success();
        assert!(stays && chattr("-i", of), "what was so before and was not to change still is");
    }
    is_before(&world, &old);
}

#[test]
fn a_folder_above_the_products_is_made_again() {
    let world = World::small();
    let above = world.home.join("live");
    let watched = above.join("sub");
    let old = snapshot(&watched);
    let mut call = world.command(&["guard"]);
    call.arg("--watch")
        .arg(&watched)
        .args(["--yes", "--json", "--", "/bin/sh", "-c"])
        .arg(format!("rm -r '{}'; exit 1", above.display()));
    let run = Run::to_its_end(&mut call).ends(20);
    assert!(run.stdout.contains("BKO-5149"), "{}", run.stdout);
    assert!(snapshot(&watched) == old);
    assert_eq!(fs::metadata(above).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn folders_and_files_that_come_and_go_are_put_back() {
    let (world, old) = before();
    let lines = r#"
rm -r "$home/live/sub" "$home/backup"
mkdir -p "$home/more/deep/deeper" "$home/live/sub/other"
echo x >"$home/more/deep/x"
echo y >"$home/live/sub/other/y"
chmod 600 "$home/live/a.conf"
echo changed >"$home/live/a.conf"
touch "$home/live/empty"
exit 7
"#;
    guard(&world, &[], lines).ends(20);
    is_before(&world, &old);
}

#[test]
fn the_products_folder_is_made_again_where_the_installer_removed_it_or_put_something_in_its_place() {
    for work in [
        r#"rm -r "$home""#,
        r#"mv "$home" "$home.old" && ln -s "$home.old" "$home""#,
        r#"rm -r "$home" && echo file >"$home""#,
        r#"rm -r "$home" && mkdir "$home" && echo v4 >"$home/only""#,
    ] {
        let (world, _) = before();
        fs::set_permissions(&world.home, fs::Permissions::from_mode(0o750)).unwrap();
        let old = world.files();
        guard(&world, &[], &format!("{work}\nexit 7")).ends(20);
        is_before(&world, &old);
        let home = world.home.symlink_metadata().unwrap();
        assert!(home.is_dir() && home.permissions().mode() & 0o7777 == 0o750, "{work}");
    }
}

#[test]
fn folders_that_the_installer_nested_however_deep_are_removed() {
    for levels in [257, 2000] {
        let Some(small) = Small::of("64m") else { return };
        let world = World::without_services_in(small.path());
        let old = world.files();
        // Also where something of the product's was.
        let lines = format!(
            "echo new >\"$home/live/b.conf\"\nrm \"$home/live/a.conf\"\nmkdir \"$home/live/a.conf\"\n{}{}exit 1",
            nested("live", levels),
            nested("live/a.conf", levels)
        );
        let mut call = with_open_files(&command(&world, &[], &lines), 1024, 1024);
        Run::to_its_end(&mut call).ends(20);
        is_before(&world, &old);
        drop(world);
    }
}

#[test]
fn folders_that_are_nested_too_deep_are_refused_where_nothing_was_begun() {
    let (world, _) = before();
    let good = guard(&world, &["--settle", "1"], &nested("live", 300)).ends(0);
    assert_eq!(good.json["outcome"], "done");
    for call in [world.plain(&["undo"]), guard(&world, &[], "touch \"$here/ran\"")] {
        let said = call.ends(10);
        let message = said.json["error"]["message"].as_str().unwrap();
        let named = message.contains(&vec!["d"; 256].join("/")) && message.contains("nothing was touched");
        assert!(said.error_code() == "BKO-5194" && named, "{message}");
    }
    assert!(!world.path().join("ran").exists());
    fs::remove_dir_all(world.home.join("live/d")).unwrap();
    settled(&world);
}

#[test]
fn folders_whose_path_is_longer_than_the_system_takes_are_taken_away() {
    let Some(small) = Small::of("64m") else { return };
    let world = World::without_services_in(small.path());
    let old = world.files();
    let piece = vec!["n".repeat(60); 20].join("/");
    let lines = format!(
        "cd \"$home/live\"\nmkdir all\necho x >all/f\nfor n in 1 2 3 4 5 6 7 8 9 10\ndo\nmkdir -p next/{piece}\nmv all next/{piece}/\n\
         mv next all\ndone\nexit 1"
    );
    guard(&world, &[], &lines).ends(20);
    is_before(&world, &old);
    drop(world);
}

#[test]
fn whoever_is_started_may_have_as_many_files_open_as_whoever_started_us() {
    let (world, _) = before();
    let lines = "ulimit -Sn >\"$here/own\"\ngrep 'open files' /proc/$PPID/limits >\"$here/above\"\nexit 1";
    let mut call = with_open_files(&command(&world, &[], lines), 512, 1024);
    Run::to_its_end(&mut call).ends(20);
    let said = |name| fs::read_to_string(world.path().join(name)).unwrap();
    assert_eq!(said("own"), "512\n");
    let above = said("above");
    assert_eq!(above.split_whitespace().nth(3), Some("1024"), "{above}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_of_any_bytes_that_the_installer_made_go_away() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let (world, old) = before();
    let mut lines = "mkdir \"$home/live/odd\"\ncd \"$home/live/odd\"\n".to_owned();
    let mut bytes: Vec<u8> = (1..=255).filter(|b| *b != b'/').collect();
    bytes.truncate(255);
    fs::write(world.path().join("all"), &bytes).unwrap();
    lines.push_str("for name in 'a\\b' 'x.' nul.txt 'a:b' \"$(cat \"$here/all\")\"\ndo\nmkdir \"$name\"\ntouch \"$name/$name\"\ndone\n");
    guard(&world, &[], &format!("{lines}ls | wc -l >\"$here/made\"\nexit 1")).ends(20);
    assert!(
        OsStr::from_bytes(&bytes).len() == 254
            && fs::read_to_string(world.path().join("made")).unwrap().trim() != "0"
    );
    is_before(&world, &old);
}

#[test]
fn links_rights_and_times_and_names_of_another_kind_are_put_back() {
    let (world, _) = before();
    let live = world.home.join("live");
    let links = [("cur", "a.conf"), ("sub/up", "../b.conf"), ("same", "sub")];
    for (name, to) in links {
        symlink(to, live.join(name)).unwrap();
    }
    let old = world.files();
    let lines = r#"
cd "$home"
rm -r live/sub live/cur live/b.conf
echo file >live/cur
mkdir live/b.conf && echo x >live/b.conf/x
ln -s /etc live/new-link
ln -sfn /tmp live/same
mv backup moved && ln -s moved backup
chmod 600 live/a.conf && touch live/a.conf && chmod 700 live
exit 1
"#;
    guard(&world, &[], lines).ends(20);
    for (name, to) in links {
        assert_eq!(fs::read_link(live.join(name)).unwrap(), Path::new(to), "{name}");
    }
    is_before(&world, &old);
}

#[test]
fn undo_of_a_kept_guard_takes_links_and_rights_back_too() {
    let (world, old) = before();
    let lines = "ln -s /etc \"$home/live/new-link\"; chmod 600 \"$home/live/a.conf\"; ln -sf /tmp \"$home/live/b.conf\"";
    guard(&world, &[], lines).ends(0);
    assert!(world.files() != old);
    world.plain(&["undo"]).ends(0);
    let now = world.files();
    assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
}

#[test]
fn a_service_that_the_installer_breaks_runs_again_on_the_old_files() {
    let (world, old) = before();
    let conf = world.home.join("live/a.conf");
    world.services.hook(
        "first",
        "start",
        &format!("grep -q broken '{}' && {{ echo no; exit 1; }}", conf.display()),
    );
    let lines = r#"
"$ctl" stop first
echo broken >"$home/live/a.conf"
setsid "$ctl" start first
exit 0
"#;
    let run = guard(&world, &["--settle", "1"], lines).ends(20);
    assert_eq!(run.error_code(), "BKO-2002");
    is_before(&world, &old);
}

#[test]
fn an_installer_that_hangs_is_ended_with_all_that_it_started() {
    let (world, old) = before();
    let lines = r#"
echo half >"$home/live/a.conf"
setsid sh -c 'trap "" TERM; echo $$ >"$0/deaf"; while :; do sleep 0.05; echo again >"$1/live/b.conf"; done' "$here" "$home" &
while [ ! -s "$here/deaf" ]; do :; done
sleep 100000
"#;
    let run = guard(&world, &["--timeout", "1"], lines).ends(20);
    assert_eq!(run.error_code(), "BKO-2040");
    assert!(!process::is_there(pid(&world.path().join("deaf"))));
    is_before(&world, &old);
}

#[test]
fn a_limit_beyond_all_clocks_is_none_and_the_way_back_is_gone_all_the_same() {
    let (world, old) = before();
    let (ever, longest) = (u64::MAX.to_string(), u32::MAX.to_string());
    let all = format!("stop: {longest}, start: {longest}, status: {longest}, exit: {longest}, settle: 0");
    world.write_site(&[("First", "first"), ("Second", "second")], &format!("timeouts: ({all}),"));
    let limits = ["--timeout", &ever, "--settle", &longest];
    let run = guard(&world, &limits, &format!("{GOOD}\nexit 3")).ends(20);
    assert_eq!((run.error_code(), &run.json["outcome"]), ("BKO-2040", &"rolled-back".into()), "{run:?}");
    is_before(&world, &old);
    world.verb("plan", &["--plugin-timeout", &ever]).ends(0);
    assert_eq!(guard(&world, &["--confirm-within", &ever], GOOD).ends(64).error_code(), "BKO-9001");
}

#[test]
fn what_is_kept_in_spite_of_a_failure_is_said_and_can_be_undone() {
    for policy in ["keep", "ask"] {
        let (world, old) = before();
        let run = guard(&world, &["--on-failure", policy], &format!("{GOOD}\nexit 3")).ends(31);
        assert_eq!((run.error_code(), &run.json["changed"]), ("BKO-5130", &true.into()));
        assert_eq!(text(&world, "live/a.conf"), "v3\n");
        settled(&world);
        world.plain(&["undo", run.json["run_id"].as_str().unwrap()]).ends(0);
        let now = world.files();
        assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
    }
}

/// A guard that nobody settles, whose installer has begun and goes on once `$here/go` is there.
fn on_its_way(world: &World, more: &[&str], end: &str) -> Running {
    let lines = format!(
        "echo half >\"$home/live/a.conf\"\necho $$ >\"$here/installer\"\nwhile [ ! -e \"$here/go\" ]; do :; done\n{end}"
    );
    let mut run = Running::start(&mut command(world, more, &lines));
    run.until(|| world.path().join("installer").exists());
    pid(&world.path().join("installer"));
    run
}

#[test]
fn a_guard_that_dies_with_its_installer_is_backed_out_by_recover() {
    for whole_group in [false, true] {
        let (world, old) = before();
        let run = on_its_way(&world, &["--no-parent"], GOOD);
        let installer = pid(&world.path().join("installer"));
        let open = world.plain(&["status"]).ends(11);
        assert!(open.stdout.contains("the installer was let go"), "{}", open.stdout);
        let holder = pid(&backout_e2e::transaction(&world).join("holder"));
        process::kill(run.child.id());
        if whole_group {
            process::kill(holder);
        }
        process::kill(installer);
        world.plain(&["rollback", &world.profile, "--yes"]).ends(21);
        world.plain(&["status"]).ends(21);
        let recovered = world.plain(&["recover"]).ends(0);
        assert_eq!(recovered.json["outcome"], "rolled-back");
        is_before(&world, &old);
        world.plain(&["recover"]).ends(0);
        is_before(&world, &old);
    }
}

#[test]
fn an_installer_that_outlives_its_holder_is_still_at_work() {
    let (world, old) = before();
    let run = on_its_way(&world, &["--no-parent", "--timeout", "3"], GOOD);
    process::kill(pid(&backout_e2e::transaction(&world).join("holder")));
    let run = run.to_its_end().ends(20);
    // It was not taken for ended when its holder was.
    assert!(run.json["error"]["message"].as_str().unwrap().contains("took longer than it may"), "{run:?}");
    is_before(&world, &old);
}

/// The control group of the only open run, where one could be made. In CI it can.
fn control_group(world: &World) -> Option<PathBuf> {
    let run = backout_e2e::transaction(world).file_name().unwrap().to_str().unwrap().to_owned();
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
    let folders = places.iter().map(|place| Path::new(place).join(format!("backout-guard-{run}")));
    let found = folders.into_iter().find(|folder| folder.exists());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "CI makes control groups");
    found
}

#[test]
fn what_hides_from_its_guard_is_found_by_its_control_group_behind_the_death_of_both() {
    let (world, old) = before();
    // Nobody's child, in a session of its own, with nothing in its environment.
    let hidden = r#"
setsid env -i "$(command -v sh)" -c 'echo $$ >"$0/hidden"; while :; do echo again >"$1/live/b.conf"; sleep 0.05; done' "$here" "$home" &
while [ ! -s "$here/hidden" ]; do :; done
"#;
    let lines = format!("{hidden}\necho $$ >\"$here/installer\"\nexec sleep 100000");
    let mut run = Running::start(&mut command(&world, &["--no-parent"], &lines));
    run.until(|| world.path().join("installer").exists());
    let installer = pid(&world.path().join("installer"));
    let hidden = pid(&world.path().join("hidden"));
    let Some(group) = control_group(&world) else {
        process::kill(hidden);
        return;
    };
    let holder = pid(&backout_e2e::transaction(&world).join("holder"));
    for pid in [run.child.id(), holder, installer] {
        process::kill(pid);
    }
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    assert!(!process::is_there(hidden));
    is_before(&world, &old);
    assert!(!group.exists(), "{}", group.display());
}

#[test]
fn an_installer_that_outlives_its_guard_is_waited_for_and_judged() {
    for (end, kept) in [(GOOD.to_owned(), true), (format!("{GOOD}\nexit 1"), false)] {
        let (world, old) = before();
        let run = on_its_way(&world, &["--no-parent"], &end);
        process::kill(run.child.id());
        let busy = world.plain(&["recover", "--timeout", "0"]).ends(21);
        assert!(
            busy.json["error"]["message"].as_str().unwrap().contains("the installer goes on"),
            "{busy:?}"
        );
        assert_eq!(text(&world, "live/a.conf"), "half\n");
        fs::write(world.path().join("go"), "").unwrap();
        let recovered = world.plain(&["recover"]).ends(0);
        if kept {
            assert_eq!(recovered.json["outcome"], "completed");
            assert_eq!(text(&world, "live/a.conf"), "v3\n");
            settled(&world);
            world.plain(&["undo"]).ends(0);
            let now = world.files();
            assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
        } else {
            assert_eq!(recovered.json["outcome"], "rolled-back");
            is_before(&world, &old);
        }
    }
}

#[test]
fn a_clock_that_is_set_ends_no_installer_early() {
    let (world, _) = before();
    let run = on_its_way(&world, &["--no-parent", "--timeout", "3600"], GOOD);
    process::kill(run.child.id());
    // As if the clock were set forward by two hours since.
    let journal = backout_e2e::transaction(&world).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    let written = bytes.iter().rposition(|b| *b != b'\n').unwrap() + 1;
    let begin = bytes[..written].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    let (mut line, _) = format::decode(&bytes[begin..written]).unwrap();
    assert_eq!(line.record, Record::LetGo);
    line.at -= 2 * 3600 * 1000;
    let (earlier, _) = format::encode(&line).unwrap();
    bytes[begin..begin + earlier.len()].copy_from_slice(&earlier);
    fs::write(&journal, bytes).unwrap();
    let busy = world.plain(&["recover", "--timeout", "0"]).ends(21);
    assert!(busy.json["error"]["message"].as_str().unwrap().contains("the installer goes on"), "{busy:?}");
    assert_eq!(text(&world, "live/a.conf"), "half\n");
    fs::write(world.path().join("go"), "").unwrap();
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "completed");
    settled(&world);
}

#[test]
fn the_parent_of_a_guard_that_dies_waits_for_the_installer_and_tells_the_end() {
    for (end, code) in [(GOOD.to_owned(), 0), (format!("{GOOD}\nexit 1"), 20)] {
        let (world, old) = before();
        let run = on_its_way(&world, &[], &end);
        process::kill(backout_e2e::worker(&world));
        fs::write(world.path().join("go"), "").unwrap();
        let run = run.to_its_end().ends(code);
        assert!(!run.json["run_id"].is_null());
        if code == 0 {
            assert_eq!(text(&world, "live/a.conf"), "v3\n");
            settled(&world);
        } else {
            is_before(&world, &old);
        }
    }
}

#[test]
fn the_parent_of_a_guard_that_dies_on_its_way_back_settles_both() {
    let (world, old) = before();
    // The way back is the first that stops it.
    world.services.kills("first", "stop");
    let run = guard(&world, &[], "echo half >\"$home/live/a.conf\"\nexit 1").ends(20);
    // The way back that was cut off was put back, and another one was gone.
    let kinds: Vec<_> = runs(&world).iter().map(|r| (r["kind"].clone(), r["fate"].clone())).collect();
    let kind = |kind: &str, fate: &str| (kind.into(), fate.into());
    assert_eq!(
        kinds,
        [kind("rollback", "committed"), kind("rollback", "put-back"), kind("guard", "put-back")]
    );
    assert_eq!(run.json["run_id"], runs(&world)[2]["run"]);
    is_before(&world, &old);
}

#[test]
fn a_way_back_that_cannot_be_gone_is_tried_again_by_recover() {
    let (world, old) = before();
    let lines = r#"
echo half >"$home/live/a.conf"
copy=$(echo "$here"/state/snapshots/*/files/0/live/a.conf)
mv "$copy" "$here/aside"
echo spoilt >"$copy"
exit 1
"#;
    let run = guard(&world, &[], lines).ends(22);
    assert_eq!(run.error_code(), "BKO-5110");
    assert_eq!(text(&world, "live/a.conf"), "half\n");
    world.plain(&["status"]).ends(21);
    world.plain(&["recover"]).ends(22);
    let copies = fs::read_dir(world.state.join("snapshots")).unwrap().next().unwrap().unwrap().path();
    fs::rename(world.path().join("aside"), copies.join("files/0/live/a.conf")).unwrap();
    let recovered = world.plain(&["recover"]).ends(0);
    assert_eq!(
        (&recovered.json["outcome"], &recovered.json["run_id"]),
        (&"rolled-back".into(), &run.json["run_id"])
    );
    is_before(&world, &old);
}

#[test]
fn a_damaged_copy_is_seen_before_anything_is_removed() {
    // Names with others, and folders and files in each other's place, are what goes before the run back.
    let lines = r#"
ln "$home/live/a.conf" "$here/more.conf"
echo v3 >"$home/live/a.conf"
rm "$home/live/b.conf"
mkdir "$home/live/b.conf"
echo v3 >"$home/live/b.conf/file"
"#;
    let as_installed = |world: &World| {
        assert_eq!(text(world, "live/a.conf"), "v3\n");
        assert_eq!(fs::metadata(world.home.join("live/a.conf")).unwrap().nlink(), 2);
        assert_eq!(text(world, "live/b.conf/file"), "v3\n");
    };
    let (bytes, gone, kind) = ("echo spoilt >\"$copy\"", "rm \"$copy\"", "rm \"$copy\"; mkdir \"$copy\"");
    for (copy, damage, more) in [
        ("a.conf", bytes, ""),
        ("b.conf", gone, ""),
        ("sub/c.conf", bytes, "echo v3 >\"$home/live/sub/c.conf\""),
        ("sub/c.conf", kind, "rm -r \"$home/live/sub\""),
        ("sub/c.conf", bytes, "rm -r \"$home/live/sub\"; ln -s .. \"$home/live/sub\""),
        ("sub/c.conf", gone, "mv \"$home/live/sub/c.conf\" \"$home/live/sub/C\""),
    ] {
        let (world, old) = before();
        let spoil = format!(
            "copy=$(echo \"$here\"/state/snapshots/*/files/0/live/{copy})\ncp -p \"$copy\" \"$here/aside\"\n{damage}\nexit 1\n"
        );
        let run = guard(&world, &[], &format!("{lines}{more}\n{spoil}")).ends(22);
        assert!(run.json["error"]["message"].as_str().unwrap().contains(copy), "{run:?}");
        as_installed(&world);
        world.plain(&["recover"]).ends(22);
        as_installed(&world);
        let copies = fs::read_dir(world.state.join("snapshots")).unwrap().next().unwrap().unwrap().path();
        let copy = copies.join("files/0/live").join(copy);
        let _ = fs::remove_dir(&copy);
        fs::rename(world.path().join("aside"), copy).unwrap();
        assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
        is_before(&world, &old);
    }
    // One that nothing is taken from is no hindrance.
    let (world, old) = before();
    let spoil = "echo spoilt >\"$(echo \"$here\"/state/snapshots/*/files/0/live/sub/c.conf)\"\nexit 1";
    guard(&world, &[], &format!("{lines}{spoil}")).ends(20);
    is_before(&world, &old);
}

#[test]
fn a_guard_that_is_given_up_leaves_what_is_there_and_holds_no_space() {
    let (world, _) = before();
    let run = on_its_way(&world, &["--no-parent"], "");
    process::kill(run.child.id());
    process::kill(pid(&world.path().join("installer")));
    let run = backout_e2e::transaction(&world);
    assert!(run.join("space").exists() && run.join("reserve").exists());
    world.plain(&["recover", "--abandon"]).ends(0);
    assert_eq!(text(&world, "live/a.conf"), "half\n");
    holds_no_space(&world);
    settled(&world);
}

/// Damages the last line of the open run's journal, which holds `record`.
fn damage(world: &World, record: &str) {
    let journal = backout_e2e::transaction(world).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(record.len()).rposition(|w| w == record.as_bytes()).unwrap();
    bytes[at] ^= 1;
    fs::write(journal, bytes).unwrap();
}

#[test]
fn what_the_holder_wrote_is_never_taken_for_nothing() {
    for damaged in ["line", "word", "both", "journal"] {
        let (world, old) = before();
        let run = on_its_way(&world, &["--no-parent"], GOOD);
        let installer = pid(&world.path().join("installer"));
        let holder = pid(&backout_e2e::transaction(&world).join("holder"));
        for one in [run.child.id(), holder, installer] {
            process::kill(one);
        }
        if damaged == "journal" {
            fs::write(backout_e2e::transaction(&world).join("journal"), "").unwrap();
            world.plain(&["recover"]).ends(22);
            world.plain(&["recover", "--abandon"]).ends(0);
            settled(&world);
            continue;
        }
        if damaged != "word" {
            damage(&world, "LetGo");
        }
        if damaged != "line" {
            fs::remove_file(backout_e2e::transaction(&world).join("let-go")).unwrap();
        }
        assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
        is_before(&world, &old);
    }
}

#[test]
fn a_way_back_that_may_have_begun_is_gone_to_its_end() {
    let (world, old) = before();
    // What was set aside of it is no more what it was.
    let lines = r#"
echo half >"$home/live/a.conf"
cp -al "$home/live" "$home/copy"
aside=$(echo "$here"/state/snapshots/*/files/0/live/a.conf)
cp -p "$aside" "$here/saved"
echo damaged >"$aside"
"$ctl" stop first
exit 0
"#;
    let run = guard(&world, &["--settle", "0"], lines).ends(22);
    assert_eq!(run.error_code(), "BKO-5110");
    // It is well again, and its work would be kept if it were judged anew.
    assert_eq!(world.services.ctl("start", "first"), 0);
    let again = "cp -p \"$1/saved\" \"$1\"/state/snapshots/*/files/0/live/a.conf";
    let again = Command::new("sh").args(["-c", again, "sh"]).arg(world.path()).status();
    assert!(again.unwrap().success());
    damage(&world, "GoingBack");
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    is_before(&world, &old);
}

#[test]
fn a_recovery_that_may_not_wait_backs_nothing_out() {
    let (world, _) = before();
    let run = on_its_way(&world, &["--no-parent", "--settle", "60"], "\"$ctl\" stop first");
    process::kill(run.child.id());
    fs::write(world.path().join("go"), "").unwrap();
    let holder = pid(&backout_e2e::transaction(&world).join("holder"));
    while process::is_there(holder) {
        std::thread::yield_now();
    }
    world.plain(&["recover", "--timeout", "0"]).ends(21);
    assert_eq!(text(&world, "live/a.conf"), "half\n");
    assert_eq!(world.services.ctl("start", "first"), 0);
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "completed");
    settled(&world);
}

#[test]
fn many_long_words_do_not_fill_the_journal() {
    let (world, _) = before();
    let mut call = command(&world, &[], "exit 0");
    call.args(vec!["\u{1F600}".repeat(200); 40]);
    Run::to_its_end(&mut call).ends(0);
    settled(&world);
}

#[test]
fn the_profile_tells_whether_an_installer_that_ended_well_did_its_work() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let world = &sp.world;
    let payload = world.path().join("payload");
    fs::create_dir(&payload).unwrap();
    let mut lines = String::new();
    for (n, file) in sp.tree.files.iter().enumerate() {
        fs::write(&file.live, &file.before).unwrap();
        fs::write(payload.join(n.to_string()), &file.patched).unwrap();
        lines.push_str(&format!("cp '{}/{n}' '{}'\n", payload.display(), file.live.display()));
    }
    // The patch is put in where HotFix is empty alone.
    fs::remove_dir_all(sp.tree.home.join("HotFix")).unwrap();
    let confirm = ["--confirm", "all-servers-5.8"];
    let old = world.files();
    // Two of them are never written.
    let judged = ["SpntSvc.exe", "EarthAgent.exe"].map(|name| sp.live(name));
    let left: String = lines
        .lines()
        .filter(|l| !judged.iter().any(|f| l.contains(&format!("'{}'", f.display()))))
        .map(|l| format!("{l}\n"))
        .collect();
    let run = guard(world, &[&["--settle", "1"], &confirm[..]].concat(), &left).ends(20);
    assert_eq!(run.error_code(), "BKO-2041");
    let message = run.json["error"]["message"].as_str().unwrap();
    for file in &judged {
        assert!(message.contains(file.to_str().unwrap()), "{message}");
    }
    is_before(world, &old);
    let run = guard(world, &[&["--settle", "30"], &confirm[..]].concat(), &lines).ends(0);
    assert_eq!(run.json["outcome"], "done");
    world.verb("verify", &["--expect", "patched"]).ends(0);
    world.plain(&["undo"]).ends(0);
    let now = world.files();
    assert!(now == old, "{}", snapshot::differences(&now, &old).join("\n"));
}

#[test]
fn a_disk_that_the_installer_fills_keeps_nobody_from_going_back() {
    let Some(small) = Small::of("192m") else { return };
    let world = World::without_services_in(small.path());
    let old = world.files();
    let lines = r#"
rm "$home/live/b.conf"
echo changed >"$home/live/a.conf"
cat /dev/zero >"$home/live/fill"
cat /dev/zero >"$home/rest"
echo full >"$home/live/sub/c.conf"
exit 1
"#;
    let run = guard(&world, &[], lines).ends(20);
    assert!(fs::read_to_string(run.json["data"]["output"].as_str().unwrap()).is_ok());
    is_before(&world, &old);
    drop(world);
}

#[test]
fn a_way_back_for_which_there_is_no_space_is_told_before_the_installer_runs() {
    let Some(small) = Small::of("192m") else { return };
    let world = World::without_services_in(small.path());
    fs::write(world.home.join("big"), vec![7; 40 << 20]).unwrap();
    let available = free(small.path());
    // Room for the snapshot, and not for its files once more.
    fs::write(small.path().join("ballast"), vec![7; usize::try_from(available).unwrap() - (60 << 20)])
        .unwrap();
    let old = world.files();
    let run = guard(&world, &[], "touch \"$here/ran\"").ends(10);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("nothing was touched"), "{run:?}");
    assert!(!world.path().join("ran").exists());
    assert_eq!(fs::read_dir(world.state.join("snapshots")).unwrap().count(), 0, "nor does its snapshot stay");
    is_before(&world, &old);
    drop(world);
}

/// Bytes that are free, as `df` says.
fn free(at: &Path) -> u64 {
    let said = Command::new("df").args(["--output=avail", "-B1"]).arg(at).output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap()
}

#[test]
fn what_cannot_be_guarded_is_refused_before_anything_is_begun() {
    let (world, old) = before();
    let refused = |args: &[&str], code: i32, error: &str| {
        let mut command = world.command(args);
        let run =
            Run::to_its_end(command.args(world.flags()).args(["--json", "--", "/no/such/setup"])).ends(code);
        assert_eq!(run.error_code(), error, "{args:?}");
        assert!(!world.state.exists(), "{args:?}");
    };
    refused(&["guard", &world.profile], 10, "BKO-1067");
    refused(&["guard", &world.profile, "--yes"], 10, "BKO-5100");
    refused(&["guard", "nonsense", "--yes"], 10, "BKO-1001");
    let said = guard(&world, &["--dry-run"], "exit 1").ends(0);
    assert_eq!(said.json["data"]["covers"]["services"], serde_json::json!(["First", "Second"]));
    assert!(!world.state.exists());
    let now = world.files();
    assert!(now == old);
}

#[test]
fn what_a_service_writes_as_it_stops_keeps_nobody_from_going_back() {
    let (world, old) = before();
    let home = world.home.display();
    // As it stops it writes one file of the product, removes another, and makes one.
    let lines =
        format!("echo stopped >>'{home}/live/b.conf'; rm -f '{home}/live/pid'; echo $$ >'{home}/live/last'");
    world.services.hook("second", "stop", &lines);
    let lines = format!("{GOOD}\necho 1 >\"$home/live/pid\"\nexit 1");
    guard(&world, &[], &lines).ends(20);
    is_before(&world, &old);
}

#[test]
fn the_snapshot_of_an_installer_that_was_taken_back_may_go() {
    let (world, old) = before();
    let run = guard(&world, &[], &format!("{GOOD}\nexit 1")).ends(20);
    is_before(&world, &old);
    snapshots::taken(&world, &[]);
    snapshots::call(&world, &["drop", run.json["data"]["snapshot"].as_str().unwrap()]).ends(0);
}

#[test]
fn what_the_installer_mounted_is_not_the_products_and_nothing_in_it_goes() {
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        }
    }
    if !have_parts() {
        return;
    }
    let (world, old) = before();
    let outside = world.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "nobody has another").unwrap();
    fs::hard_link(outside.join("precious"), outside.join("twice")).unwrap();
    let sub = world.home.join("live/sub");
    let lines = format!("{GOOD}\nmount --bind '{}' \"$home/live/sub\"\nexit 1", outside.display());
    let mounted = Mounted(sub.clone());
    let run = guard(&world, &[], &lines).ends(22);
    assert!(run.json["error"]["message"].as_str().unwrap().contains("live/sub"), "{run:?}");
    assert_eq!(world.plain(&["recover"]).ends(22).error_code(), "BKO-5110");
    for name in ["precious", "twice"] {
        assert_eq!(fs::read_to_string(outside.join(name)).unwrap(), "nobody has another");
    }
    drop(mounted);
    assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], "rolled-back");
    is_before(&world, &old);
    assert_eq!(fs::metadata(outside.join("precious")).unwrap().nlink(), 2);
}
