//! A guard while Windows Installer is at work. Alone in its program: there is one of that mutex, and all guards look at it.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_e2e::guards::{before, command, is_before, pid, script, settled, setup};
use backout_kit::{Running, World, process};
use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

fn journal(world: &World) -> String {
    let open = fs::read_dir(world.state.join("transactions")).ok().and_then(|mut d| d.next());
    open.and_then(|d| fs::read_to_string(d.ok()?.path().join("journal")).ok()).unwrap_or_default()
}

/// Somebody else's package that is being installed.
struct Installing {
    process: Child,
    go: PathBuf,
}

impl Installing {
    fn begin(world: &World) -> Self {
        let lines = "holds Global\\_MSIExecute\npid $here\\installing\nuntil $here\\installed";
        for done in ["installing", "installed"] {
            let _ = fs::remove_file(world.path().join(done));
        }
        let script = script(world, "msi.txt", lines);
        let process = Command::new(setup()).arg(script).stdin(Stdio::null()).spawn().unwrap();
        pid(&world.path().join("installing"));
        Self { process, go: world.path().join("installed") }
    }

    fn end(&mut self) {
        fs::write(&self.go, "").unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Installing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_windows_installer_does_is_waited_for() {
    let (world, old) = before();
    for (code, outcome) in [("1603", "rolled-back"), ("0", "completed")] {
        let mut installing = Installing::begin(&world);
        let more = ["--no-parent", "--settle", "0"];
        let mut run = Running::start(&mut command(
            &world,
            &more,
            &format!("write $home\\live\\a.conf v3\nexit {code}"),
        ));
        run.until(|| journal(&world).contains("InstallerExited"));
        process::kill(run.child.id());
        let busy = world.plain(&["recover", "--timeout", "0"]).ends(21);
        assert!(busy.json["error"]["message"].as_str().unwrap().contains("Windows Installer"), "{busy:?}");
        assert_eq!(fs::read_to_string(world.home.join("live/a.conf")).unwrap(), "v3\n");
        installing.end();
        assert_eq!(world.plain(&["recover"]).ends(0).json["outcome"], outcome);
        if code == "0" {
            settled(&world);
        } else {
            is_before(&world, &old);
        }
    }
}
