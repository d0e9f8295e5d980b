//! Settles a part of the states of a recorded run, in a mount namespace where the run's folder is its own.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test support: stops at the first surprise")]

use backout_crash::power::settle::{Part, Recorded};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let recorded: Recorded = serde_json::from_str(&args[0]).unwrap();
    let part: Part = serde_json::from_str(&args[1]).unwrap();
    let found = recorded.settle(&part);
    println!("{}", serde_json::to_string(&found).unwrap());
}
