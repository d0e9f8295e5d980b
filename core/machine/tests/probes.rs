//! Health probes: real programs that say that all is well, or do not.
#![cfg(unix)]

use backout_machine::{ProbeError, probe};
use backout_protocol::profile::Probe;
use std::time::Duration;

fn run(argv: &[&str], limit: Duration) -> Result<(), ProbeError> {
    let run = argv.iter().map(|a| (*a).to_owned()).collect();
    probe(&Probe { name: "console answers".to_owned(), service: None, run }, limit)
}

#[test]
fn only_exit_code_0_in_time_is_health() {
    let long = Duration::from_secs(60);
    run(&["/bin/sh", "-c", "exit 0"], long).unwrap();
    let error = run(&["/bin/sh", "-c", "echo no answer; exit 3"], long).unwrap_err();
    assert_eq!(error.to_string(), "the probe `console answers` failed (exit code 3), it said: no answer");
    let error = run(&["/bin/sh", "-c", "kill -9 $$"], long).unwrap_err();
    assert_eq!(error.to_string(), "the probe `console answers` failed (ended by a signal)");
    assert!(matches!(run(&["/bin/sleep", "1000"], Duration::ZERO), Err(ProbeError::TimedOut { .. })));
    assert!(matches!(run(&["/nowhere/probe"], long), Err(ProbeError::Spawn { .. })));
    assert!(matches!(run(&["probe"], long), Err(ProbeError::NotAbsolute { .. })));
}
