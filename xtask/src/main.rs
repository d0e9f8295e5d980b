//! Build chores: `cargo xtask demo`, `cargo xtask test [SUITE…]`, `cargo xtask nightly [SUITE…]`, `cargo xtask dist [PLATFORM…]`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a chore for people who build backout: it makes folders, prints, exits and reads the environment"
)]

mod build;
mod crash;
mod deny;
mod dist;
mod docs;
mod header;
mod memory;
mod mutants;
mod programs;
mod reboot;
mod seed;
mod suite;
mod tool;
mod windows;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("demo") => build::demo(&args[1..]).map(|()| true),
        Some("dist") => dist::run(&args[1..]).map(|()| true),
        Some("header") => header::run(&args[1..]).map(|()| true),
        Some("test") => suite::test(&args[1..]),
        Some("nightly") => suite::nightly(&args[1..]),
        _ => Err("cargo xtask demo [FLAG…] | cargo xtask test [SUITE…] | cargo xtask nightly [SUITE…] | \
                      cargo xtask dist [PLATFORM…] | cargo xtask header [--check]"
            .to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        // What failed has been told.
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}
