//! The tests are tested: bugs are made in a copy of the sources, one at a time, and the suite that each is named with
//! must fail.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests make files, stop at the first surprise and print their figures"
)]

use backout_crash::{
    have_strace,
    power::shelf::ONE_IS_ENOUGH,
    seeds::{SEEDS, Seed},
    tally,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The file's text without the bug, and with it.
fn both(seed: &Seed) -> (String, String) {
    let text = fs::read_to_string(root().join(seed.file)).unwrap();
    let found = text.matches(seed.right).count();
    assert_eq!(found, 1, "{}: the place for `{}` is there {found} times", seed.file, seed.what);
    let wrong = text.replace(seed.right, seed.wrong);
    (text, wrong)
}

/// A copy of the sources. What has not changed since the last time keeps its time, so that little is built anew.
struct Copy {
    at: PathBuf,
    built: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let copy =
            Self { at: root().join("target/seeded/sources"), built: root().join("target/seeded/built") };
        fs::create_dir_all(&copy.at).unwrap();
        let ours = |e: &walkdir::DirEntry| {
            let name = e.file_name().to_str().unwrap_or_default();
            e.depth() != 1 || !(name == "target" || name.starts_with('.'))
        };
        for entry in walkdir::WalkDir::new(root()).min_depth(1).into_iter().filter_entry(ours) {
            let entry = entry.unwrap();
            let to = copy.at.join(entry.path().strip_prefix(root()).unwrap());
            if entry.file_type().is_dir() {
                fs::create_dir_all(to).unwrap();
            } else if entry.file_type().is_file() {
                put(&to, &fs::read(entry.path()).unwrap());
            }
        }
        // A test that is gone must not run here.
        let gone = |e: &walkdir::DirEntry| !root().join(e.path().strip_prefix(&copy.at).unwrap()).exists();
        let there: Vec<_> = walkdir::WalkDir::new(&copy.at).min_depth(1).into_iter().flatten().collect();
        for entry in there.into_iter().filter(|e| e.file_type().is_file() && gone(e)) {
            fs::remove_file(entry.path()).unwrap();
        }
        copy
    }

    fn test(&self, suite: &[&str], more: &[&str]) -> Output {
        let mut test = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        test.current_dir(&self.at).env("CARGO_TARGET_DIR", &self.built).env_remove("BACKOUT_TALLY");
        test.env(ONE_IS_ENOUGH, "1");
        test.args(["test", "--quiet"]).args(more).args(suite).stdin(Stdio::null()).output().unwrap()
    }

    /// It must build, or nothing is shown.
    fn builds(&self, suite: &[&str], what: &str) {
        let built = self.test(suite, &["--no-run"]);
        assert!(built.status.success(), "{what}: {}", String::from_utf8_lossy(&built.stderr));
    }
}

/// Writes a file unless it holds this already.
fn put(to: &Path, bytes: &[u8]) {
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return;
    }
    fs::write(to, bytes).unwrap();
}

#[test]
fn every_seeded_bug_has_its_place_in_the_code() {
    for seed in &SEEDS {
        let (right, wrong) = both(seed);
        assert_ne!(right, wrong, "{}", seed.what);
    }
}

#[test]
#[ignore = "builds the engine once for each bug; `cargo xtask nightly` runs it"]
fn every_seeded_bug_is_caught_by_its_suite() {
    if !have_strace() {
        return;
    }
    let copy = Copy::new();
    // A suite that fails without a bug would catch everything.
    for suite in SEEDS.iter().map(|seed| seed.caught_by).collect::<BTreeSet<_>>() {
        copy.builds(suite, "without a bug");
        let whole = copy.test(suite, &[]);
        assert!(whole.status.success(), "{suite:?}: {}", String::from_utf8_lossy(&whole.stdout));
    }
    let mut missed = Vec::new();
    for seed in &SEEDS {
        let (right, wrong) = both(seed);
        put(&copy.at.join(seed.file), wrong.as_bytes());
        copy.builds(seed.caught_by, seed.what);
        let caught = !copy.test(seed.caught_by, &[]).status.success();
        put(&copy.at.join(seed.file), right.as_bytes());
        eprintln!(
            "{}: {}: {}",
            if caught { "caught" } else { "MISSED" },
            seed.caught_by.join(" "),
            seed.what
        );
        if !caught {
            missed.push(seed.what);
        }
    }
    tally::add("seeded bugs", SEEDS.len() as u64);
    tally::add("seeded bugs caught", (SEEDS.len() - missed.len()) as u64);
    assert!(missed.is_empty(), "{missed:#?}");
}
