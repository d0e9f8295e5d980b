//! What a child of its own costs a plugin's call, beside a call in this process: `cargo bench -p backout-host`. The numbers
//! are medians as multiples of the call in this process, which depend less on the machine than times do.
#![cfg_attr(
    unix,
    expect(
        clippy::print_stdout,
        clippy::unwrap_used,
        reason = "a bench prints what it measured and stops at the first surprise"
    )
)]

#[cfg(unix)]
fn main() {
    if std::env::args().any(|word| word == "serve") {
        let Err(e) = backout_host::serve();
        panic!("{e}");
    }
    bench::run();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
#[path = "../tests/common/mod.rs"]
mod common;

#[cfg(unix)]
mod bench {
    use super::common::request;
    use backout_host::{Hosting, Pinning, Plugins, Spawner};
    use backout_kit::bad;
    use backout_protocol::HostPath;
    use std::{
        hint::black_box,
        time::{Duration, Instant},
    };

    /// The median of many calls.
    fn median(calls: usize, mut call: impl FnMut()) -> Duration {
        let mut times: Vec<Duration> = (0..calls)
            .map(|_| {
                let begun = Instant::now();
                call();
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[calls / 2]
    }

    pub(super) fn run() {
        let dir = tempfile::tempdir().unwrap();
        bad::compile(&dir.path().join("bad.so"), &[]);
        let spawner = Spawner {
            program: std::env::current_exe().unwrap(),
            arguments: vec!["serve".to_owned()],
            deadline: Duration::from_secs(60),
        };
        let plugins = |hosting| Plugins::new([dir.path().to_owned()], Pinning::WhereListed, hosting);
        let (here, child) = (plugins(Hosting::Here), plugins(Hosting::Child(spawner)));
        let found = here.find("bad").unwrap();
        let request = request("()");
        // The first call loads it.
        here.plan(&found, &request).unwrap();
        let call = median(2000, || drop(black_box(here.plan(&found, &request).unwrap())));
        let mut nowhere = found.clone();
        nowhere.file = HostPath(dir.path().join("nothing.so"));
        // Such a child starts, is confined, finds no plugin, and ends.
        let start = median(100, || drop(black_box(child.plan(&nowhere, &request).unwrap_err())));
        let whole = median(100, || drop(black_box(child.plan(&found, &request).unwrap())));
        let ratio = |time: Duration| (time.as_secs_f64() / call.as_secs_f64()).round();
        println!("a plan's call in this process                       1  ({call:?})");
        println!("a child's start and end                       {:>7}  ({start:?})", ratio(start));
        println!("a child's start, check, load, call and end    {:>7}  ({whole:?})", ratio(whole));
    }
}
