//! Built before the tests, which may run where no cargo is: they lie above the folder of the test's own program.

use super::Built;
use std::path::PathBuf;

pub(super) fn built(plugins: &[&str]) -> Built {
    let library = |package: &&str| folder().join(format!("{}.dll", package.replace('-', "_")));
    let built =
        Built { backout: executable("", "", "backout"), plugins: plugins.iter().map(library).collect() };
    assert!(built.plugins.iter().all(|p| p.is_file()), "built before: {built:?}");
    built
}

pub(super) fn executable(_package: &str, _kind: &str, name: &str) -> PathBuf {
    let program = folder().join(format!("{name}.exe"));
    assert!(program.is_file(), "built before: {}", program.display());
    program
}

fn folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}
