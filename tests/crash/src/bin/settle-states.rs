//! Settles a part of the states of a recorded run, in a mount namespace where the run's folder is its own.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test support: stops at the first surprise")]

use backout_crash::power::settle::Recorded;

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let enough = args[0] == "--until-violated";
    args.drain(..usize::from(enough));
    let recorded: Recorded = serde_json::from_str(&args[0]).unwrap();
    let found = recorded.settle(args[1].parse().unwrap(), args[2].parse().unwrap(), enough);
    println!("{}", serde_json::to_string(&found).unwrap());
}
