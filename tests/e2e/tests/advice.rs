//! The questions that people have about a patch: seen where their reason can be seen, told as advice elsewhere.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::TreeSpec;
use backout_kit::{Run, ServerProtect};
use serde_json::Value;

fn told<'a>(run: &'a Run, id: &str) -> Option<&'a Value> {
    run.json["data"]["advice"].as_array().unwrap().iter().find(|t| t["id"] == id)
}

#[test]
fn builds_and_folders_tell_which_questions_concern_a_machine() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let patched = sp.world.verb("doctor", &[]).ends(0);
    assert!(told(&patched, "q2").is_none() && told(&patched, "q1").is_none());
    let hotfix = told(&patched, "hotfix").unwrap();
    assert!(hotfix["seen"].as_str().unwrap().contains("HotFix"), "{hotfix}");
    assert!(hotfix["help"].as_str().unwrap().contains("--clear-hotfix"), "{hotfix}");
    assert!(told(&patched, "not-suitable").unwrap()["seen"].is_null(), "this cannot be seen");

    sp.world.rollback(&["--clear-hotfix"]).ends(0);
    let back = sp.world.verb("doctor", &[]).ends(0);
    assert!(told(&back, "q2").unwrap()["seen"].as_str().unwrap().contains("5.80.0.1179"));
    assert!(told(&back, "hotfix").is_none());
    let mut command = sp.world.command(&["doctor", &sp.world.profile]);
    let text = Run::to_its_end(command.args(sp.world.flags())).ends(0).stdout;
    assert!(text.contains("Seen: below Patch 2") && text.contains("Advice: the installer stops"), "{text}");
}

#[test]
fn advice_for_a_component_that_is_not_here_is_not_given() {
    let sp = ServerProtect::new(&TreeSpec { information_server: false, ..TreeSpec::default() });
    let run = sp.world.verb("doctor", &[]).ends(0);
    assert!(told(&run, "new-servers").is_none() && told(&run, "not-suitable").is_some());
}

#[cfg(unix)]
#[test]
fn a_process_that_outlived_its_service_is_seen() {
    struct Left(std::process::Child);
    impl Drop for Left {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let sp = ServerProtect::new(&TreeSpec::default());
    let image = sp.tree.home.join("elsewhere").join("EARTHAGENT.EXE");
    std::fs::create_dir(image.parent().unwrap()).unwrap();
    backout_kit::place::program(std::path::Path::new("/bin/sleep"), &image);
    let left = Left(std::process::Command::new(&image).arg("1000").spawn().unwrap());
    assert!(told(&sp.world.verb("doctor", &[]), "q1").is_none(), "its service runs");
    sp.world.services.ctl("stop", "agent");
    let seen = told(&sp.world.verb("doctor", &[]), "q1").unwrap().clone();
    assert!(seen["seen"].as_str().unwrap().contains(&left.0.id().to_string()), "{seen}");
    assert!(seen["help"].as_str().unwrap().contains("--end-lingering"), "{seen}");
    drop(left);
    assert!(told(&sp.world.verb("doctor", &[]), "q1").is_none());
}
