//! Refused with a clear error and nothing touched: links, pipes, rights, mounts and full disks.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::refused;
use backout_kit::{
    Run, World,
    place::{can_be_immutable, chattr},
    write,
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

#[test]
fn files_that_are_none_are_refused_at_once() {
    let mut world = World::small();
    let pipe = world.path().join("pipe.ron");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let plan = pipe.to_str().unwrap().to_owned();
    let mut saved = world.command(&["rollback", "--plan", &plan, "--yes", "--json", "--timeout", "60"]);
    let run = Run::of(&saved.args(world.flags()).output().unwrap()).ends(10);
    assert!(run.json["error"].to_string().contains("not a regular file"), "{run:?}");
    for none in [pipe, "/dev/null".into(), "/dev/zero".into(), world.home.clone()] {
        let site = std::mem::replace(&mut world.site, none.clone());
        refused(&world, 10, "not a regular file", &[]);
        world.site = site;
    }
    let profile = std::mem::replace(&mut world.profile, plan);
    refused(&world, 10, "not a regular file", &[]);
    world.profile = profile;
}

#[test]
fn backups_that_are_none() {
    let world = World::small();
    let backup = world.home.join("backup/a.conf");
    fs::write(&backup, "").unwrap();
    refused(&world, 10, "a.conf", &[]);
    fs::remove_file(&backup).unwrap();
    symlink("/etc/hostname", &backup).unwrap();
    refused(&world, 10, "a.conf", &[]);
}

#[test]
fn targets_that_are_no_plain_files() {
    let world = World::small();
    let live = world.home.join("live");
    fs::hard_link(live.join("a.conf"), live.join("other")).unwrap();
    refused(&world, 10, "a.conf", &[]);
    fs::remove_file(live.join("other")).unwrap();
    fs::rename(live.join("b.conf"), live.join("elsewhere")).unwrap();
    symlink("elsewhere", live.join("b.conf")).unwrap();
    refused(&world, 10, "b.conf", &[]);
    fs::remove_file(live.join("b.conf")).unwrap();
    fs::create_dir(live.join("b.conf")).unwrap();
    refused(&world, 10, "b.conf", &[]);
    fs::remove_dir(live.join("b.conf")).unwrap();
    fs::rename(live.join("elsewhere"), live.join("b.conf")).unwrap();
    fs::rename(live.join("sub"), live.join("real")).unwrap();
    symlink("real", live.join("sub")).unwrap();
    refused(&world, 10, "sub", &[]);
}

#[test]
fn an_immutable_target_or_folder() {
    let world = World::small();
    let target = world.home.join("live/a.conf");
    if !can_be_immutable(&target) {
        return;
    }
    chattr("+i", &target);
    let run = std::panic::catch_unwind(|| refused(&world, 10, "a.conf", &[]));
    chattr("-i", &target);
    run.unwrap();
    let folder = world.home.join("live/sub");
    chattr("+i", &folder);
    let run = std::panic::catch_unwind(|| refused(&world, 10, "sub", &[]));
    chattr("-i", &folder);
    run.unwrap();
}

/// Runs `work` with `folder` on a file system of its own, if this machine lets us mount one.
fn mounted(options: &[&str], folder: &std::path::Path, work: impl FnOnce() + std::panic::UnwindSafe) {
    let mount = Command::new("mount").args(options).arg(folder).output();
    if !mount.is_ok_and(|o| o.status.success()) {
        return;
    }
    let done = std::panic::catch_unwind(work);
    let _ = Command::new("umount").args(["-l"]).arg(folder).status();
    done.unwrap();
}

#[test]
fn a_read_only_mount() {
    let world = World::small();
    let live = world.home.join("live");
    let files = world.path().join("files");
    fs::rename(&live, &files).unwrap();
    fs::create_dir(&live).unwrap();
    let source = files.to_str().unwrap().to_owned();
    let world = std::panic::AssertUnwindSafe(&world);
    mounted(&["--bind", &source], &live, move || {
        assert!(
            Command::new("mount")
                .args(["-o", "remount,bind,ro"])
                .arg(world.home.join("live"))
                .status()
                .unwrap()
                .success()
        );
        refused(&world, 10, "read-only", &[]);
    });
}

#[test]
fn a_bind_mounted_file() {
    let world = World::small();
    let source = world.path().join("mounted");
    fs::write(&source, "patched a").unwrap();
    let target = world.home.join("live/a.conf");
    let (source, world) = (source.to_str().unwrap().to_owned(), std::panic::AssertUnwindSafe(&world));
    mounted(&["--bind", &source], &target, move || {
        refused(&world, 10, "a.conf", &[]);
    });
}

#[test]
fn a_full_disk() {
    let world = World::small();
    let live = world.home.join("live");
    let files = world.path().join("files");
    fs::rename(&live, &files).unwrap();
    fs::create_dir(&live).unwrap();
    let world = std::panic::AssertUnwindSafe(&world);
    mounted(&["-t", "tmpfs", "-o", "size=128k", "tmpfs"], &live, move || {
        let copied =
            Command::new("cp").arg("-a").arg(files.join(".")).arg(world.home.join("live")).status().unwrap();
        assert!(copied.success());
        fs::write(world.home.join("backup/a.conf"), vec![b'x'; 300_000]).unwrap();
        refused(&world, 10, "space", &[]);
    });
}

#[test]
fn whoever_could_have_changed_what_we_run() {
    let world = World::small();
    let open = |path: &std::path::Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    for path in [&world.site, &world.profile.clone().into(), &world.services.dir().join("ctl")] {
        let mode = path.metadata().unwrap().permissions().mode();
        open(path, 0o777);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        refused(&world, 10, &name, &[]);
        open(path, mode);
    }
    open(&world.plugins, 0o777);
    refused(&world, 10, "plugins", &[]);
    open(&world.plugins, 0o755);
    for entry in fs::read_dir(&world.plugins).unwrap() {
        open(&entry.unwrap().path(), 0o666);
    }
    refused(&world, 10, "file_set", &[]);
}

/// A site whose probe runs this.
fn probing(world: &World, run: &[&str]) {
    let health = format!("health: [(name: \"answers\", run: {run:?})]");
    world.write_site(&[("First", "first"), ("Second", "second")], &health);
}

#[test]
fn whoever_could_have_changed_the_script_of_a_probe() {
    let world = World::small();
    let script = world.path().join("answers.sh");
    write(&script, "exit 0");
    let theirs = world.path().join("theirs");
    write(&theirs, "data");
    chown(&theirs, Some(12345), None).unwrap();
    let (script, theirs) = (script.to_str().unwrap(), theirs.to_str().unwrap());
    let split = format!("sh {script}");
    let ways: [&[&str]; 7] = [
        &["/bin/sh", script],
        &["/bin/sh", "-eu", script, theirs],
        &["/usr/bin/env", "-i", "A=b", "sh", script, theirs],
        &["/usr/bin/nice", "-n", "1", script],
        &["/usr/bin/timeout", "-k", "5", "60", "/bin/sh", script, theirs],
        &["/usr/bin/env", "-S", &split],
        &["/usr/bin/setsid", "--wait", "/bin/sh", script],
    ];
    for run in ways {
        chown(script, Some(12345), None).unwrap();
        probing(&world, run);
        let answer = refused(&world, 10, "answers.sh", &[]);
        assert_eq!(answer.error_code(), "BKO-1005", "{run:?}: {answer:?}");
        chown(script, Some(0), None).unwrap();
        world.verb("plan", &[]).ends(0);
    }
    probing(&world, &["/bin/bash", "--rcfile", theirs, script]);
    assert_eq!(refused(&world, 10, "theirs", &[]).error_code(), "BKO-1005");
    // One that is not there yet may be what a patch brings; each is looked at again when it is run.
    probing(&world, &["/bin/sh", "/nowhere/answers.sh"]);
    world.verb("plan", &[]).ends(0);
    probing(&world, &["/bin/sh", script]);
    world.services.hook("second", "start", &format!("chown 12345 '{script}'"));
    let run = world.rollback(&[]).ends(20);
    assert!(run.json["error"]["message"].to_string().contains("answers.sh"), "{run:?}");
}

#[test]
fn whoever_could_have_put_something_among_the_backups_that_were_set_aside() {
    let world = World::small();
    let aside = world.path().join("aside");
    fs::rename(world.home.join("backup"), &aside).unwrap();
    let from = format!("dir:{}", aside.display());
    let plan = || world.verb("plan", &["--from", &from]);
    let is_refused = |culprit: &Path| {
        let run = refused(&world, 10, culprit.to_str().unwrap(), &["--from", &from]);
        assert_eq!(run.error_code(), "BKO-1005", "{run:?}");
        assert!(run.json["error"].to_string().contains("the folder of backups"), "{run:?}");
        assert_eq!(plan().ends(10).error_code(), "BKO-1005");
    };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&aside, 0o755);
    plan().ends(0);
    let file = aside.join("a.conf");
    chown(&file, Some(12345), None).unwrap();
    is_refused(&file);
    // As `cp -a` leaves it, where nobody else gets in.
    mode(&aside, 0o700);
    plan().ends(0);
    let second = world.path().join("second");
    fs::hard_link(&file, &second).unwrap();
    is_refused(&file);
    fs::remove_file(second).unwrap();
    mode(&aside, 0o755);
    chown(&file, Some(0), None).unwrap();
    mode(&file, 0o666);
    is_refused(&file);
    mode(&file, 0o644);
    let folder = aside.join("sub");
    mode(&folder, 0o777);
    is_refused(&folder);
    mode(&folder, 0o755);
    chown(&folder, Some(12345), None).unwrap();
    is_refused(&folder);
    chown(&folder, Some(0), None).unwrap();
    world.rollback(&["--from", &from]).ends(0);
    assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"old a");
}

#[test]
fn a_second_run_while_one_runs() {
    let world = World::small();
    let (reached, go) = (world.path().join("reached"), world.path().join("go"));
    let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.05; done", reached.display(), go.display());
    world.services.hook("first", "stop", &wait);
    let mut first = world.verb_command("rollback", &[]).stdout(std::process::Stdio::null()).spawn().unwrap();
    while !reached.exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended early");
        std::thread::yield_now();
    }
    let second = world.rollback(&[]);
    let recover = world.plain(&["recover"]);
    fs::write(&go, "").unwrap();
    assert!(first.wait().unwrap().success());
    second.ends(11);
    recover.ends(11);
}

#[test]
fn a_plan_is_written_over_nothing_but_a_plan() {
    let world = World::small();
    let before = world.files();
    let inside = |name: &str| world.home.join(name);
    let other = world.path().join("other");
    fs::write(&other, "somebody's").unwrap();
    symlink("nowhere", world.path().join("link")).unwrap();
    for file in [
        inside("live/a.conf"),
        inside("backup/a.conf"),
        inside("live/gone.conf"),
        inside("backup/new.ron"),
        inside("backup/new/plan.ron"),
        other.clone(),
        world.site.clone(),
        world.path().join("link"),
        world.path().join("home"),
    ] {
        let run = world.verb("plan", &["-o", file.to_str().unwrap()]).ends(10);
        assert_eq!(run.error_code(), "BKO-1069", "{}", file.display());
        assert!(run.json["error"].to_string().contains(file.to_str().unwrap()), "{run:?}");
        assert_eq!(world.files(), before);
    }
    assert_eq!(fs::read(&other).unwrap(), b"somebody's");
    assert!(world.path().join("link").is_symlink());
    let plan = world.path().join("plan.ron");
    for _ in 0..2 {
        world.verb("plan", &["-o", plan.to_str().unwrap()]).ends(0);
    }
    assert_eq!(world.files(), before);
}

#[test]
fn a_state_folder_among_the_product_or_its_backups() {
    let mut world = World::small();
    let aside = world.path().join("aside");
    fs::create_dir(&aside).unwrap();
    for inside in ["home/backup/state", "home/live/sub/state", "home/state", "home"] {
        world.state = world.path().join(inside);
        let home = world.home.to_str().unwrap().to_owned();
        let run = refused(&world, 10, &home, &[]);
        assert!(run.json["error"].to_string().contains(inside), "{run:?}");
        assert_eq!(world.verb("plan", &[]).ends(10).error_code(), "BKO-1080");
    }
    world.state = aside.join("state");
    refused(&world, 10, "aside/state", &["--from", &format!("dir:{}", aside.display())]);
    symlink(&world.home, world.path().join("link")).unwrap();
    world.state = world.path().join("link/state");
    refused(&world, 10, "home/state", &[]);
}

#[test]
fn a_site_profile_or_plugin_that_would_be_a_target() {
    let mut world = World::small();
    let live = world.home.join("live");
    let backup = |name: &str| write(&world.home.join("backup").join(name), "old");
    fs::copy(&world.site, live.join("site.ron")).unwrap();
    backup("site.ron");
    let away = std::mem::replace(&mut world.site, live.join("site.ron"));
    refused(&world, 10, "live/site.ron", &[]);
    world.site = away;
    fs::copy(&world.profile, live.join("small.ron")).unwrap();
    write(&world.home.join("backup/small.ron"), "old");
    let away = std::mem::replace(&mut world.profile, live.join("small.ron").to_str().unwrap().to_owned());
    refused(&world, 10, "live/small.ron", &[]);
    world.profile = away;
    let plugins = live.join("plugins");
    fs::create_dir(&plugins).unwrap();
    for entry in fs::read_dir(&world.plugins).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, plugins.join(from.file_name().unwrap())).unwrap();
    }
    write(&world.home.join("backup/plugins/more"), "old");
    world.plugins = plugins;
    refused(&world, 10, "live/plugins/more", &[]);
}
