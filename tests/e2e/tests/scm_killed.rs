//! The process of a run is ended at random moments, on a server with services of the system's own manager. `recover` gives
//! one of two trees, and the services run.
#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use backout_kit::{scm::Installed, snapshot::differences};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

/// How many runs are killed.
const KILLS: usize = 8;

/// Numbers that look like chance and come again with their seed.
struct Chance(u64);

impl Chance {
    /// The next number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_recovered_to_one_of_two_trees() {
    let seed = backout_kit::seed();
    println!("BACKOUT_SEED={seed}");
    let mut chance = Chance((seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let machine = Installed::new();
    let world = &machine.product.world;
    let old = world.files();
    let begun = Instant::now();
    world.rollback(&["--no-parent"]).ends(0);
    let whole = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let new = world.files();
    world.plain(&["undo"]).ends(0);

    let (mut killed, mut finished) = (0, 0);
    for n in 0..KILLS {
        // The first one at once: it is killed for certain.
        let after = if n == 0 { 0 } else { chance.below(whole) };
        let mut run = world.verb_command("rollback", &["--no-parent"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is what is tried here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(after));
        killed += usize::from(run.try_wait().unwrap().is_none());
        let _ = run.kill();
        run.wait().unwrap();

        let moment = format!("seed {seed}, kill {n}, {after} ms of {whole} ms");
        let recover = world.plain(&["recover"]);
        assert_eq!(recover.code, Some(0), "{moment}: {}", recover.stdout);
        assert_eq!(machine.running(), [true; 3], "{moment}: {}", recover.stdout);
        let found = world.files();
        if found == new {
            finished += 1;
            world.plain(&["undo"]).ends(0);
        }
        let found = world.files();
        assert!(found == old, "{moment}: {}", differences(&old, &found).join("\n"));
    }
    // How many depends on how busy the machine is now and was when the first run was timed.
    println!("{killed} of {KILLS} runs were killed; {finished} runs came out new, the others old");
}
