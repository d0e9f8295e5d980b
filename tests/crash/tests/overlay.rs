//! A product in a container: its files lie in a layer below, and changing one copies it up first. That happens while
//! services run, never while they are stopped.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test makes files, stops at the first surprise and says what it could not do"
)]

use backout_crash::{Side, Verb, promised, settled, tree};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The files of the layer above, by what stays the same when one is renamed.
fn files(layer: &Path) -> BTreeSet<u64> {
    let metadata = tree(layer).into_iter().map(|path| path.symlink_metadata().unwrap());
    metadata.filter(|metadata| metadata.is_file()).map(|metadata| metadata.ino()).collect()
}

#[test]
fn nothing_is_copied_up_while_services_are_stopped() {
    let new = Verb::Rollback.after();
    let (world, old) = Verb::Rollback.before();
    // A layer cannot lie on another overlay, so all of them get a file system of their own.
    let layers = world.path().join("layers");
    fs::create_dir(&layers).unwrap();
    let own = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&layers).output();
    let _own = Mounted(layers.clone());
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| layers.join(name));
    for layer in [&lower, &upper, &work] {
        fs::create_dir_all(layer).unwrap();
    }
    assert!(Command::new("cp").arg("-a").arg(world.home.join(".")).arg(&lower).status().unwrap().success());
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    let mut mount = Command::new("mount");
    mount.args(["-t", "overlay", "overlay", "-o", &options]).arg(&world.home);
    if !own.is_ok_and(|o| o.status.success()) || !mount.output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: no overlay can be mounted here");
        return;
    }
    let _mounted = Mounted(world.home.clone());
    // Once the last service is stopped, and before the first is started again.
    let copy = |name: &str| format!("cp -al '{}' '{}'", upper.display(), layers.join(name).display());
    world.services.hook("second", "stop", &copy("stopped"));
    world.services.hook("first", "start", &copy("started"));
    world.rollback(&[]).ends(0);
    let (stopped, started) = (files(&layers.join("stopped")), files(&layers.join("started")));
    assert!(!stopped.is_empty());
    let copied: Vec<_> = started.difference(&stopped).collect();
    promised!(copied.is_empty(), "{} of {} files came up in the window", copied.len(), started.len());
    assert_eq!(settled(&world, &old, &new, "overlay"), Side::New);
}
