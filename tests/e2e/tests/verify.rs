//! Verify, component by component: what counts, and what is only reported.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_demo::{TreeSpec, pe};
use backout_kit::{Run, ServerProtect};
use backout_protocol::MachineType;
use serde_json::Value;
use std::fs;

fn part<'a>(run: &'a Run, id: &str) -> &'a Value {
    run.json["data"]["components"].as_array().unwrap().iter().find(|c| c["id"] == id).unwrap()
}

fn row<'a>(run: &'a Run, component: &str, name: &str) -> &'a Value {
    let files = run.json["data"]["files"].as_array().unwrap();
    files.iter().find(|f| f["component"] == component && f["name"] == name).unwrap()
}

#[test]
fn files_that_nothing_rolls_back_are_reported_and_never_counted_as_not_before() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.rollback(&[]).ends(0);
    let run = sp.world.verb("verify", &["--expect", "before"]).ends(0);
    assert_eq!(run.json["data"]["differs"], false);
    let admin = row(&run, "management-console", "Admin.exe");
    assert_eq!(
        (&admin["verdict"], &admin["judged"], &admin["differs"]),
        (&"patched".into(), &false.into(), &false.into())
    );
    // Two of the console's names are shared with servers, which do go back.
    let console = part(&run, "management-console");
    assert_eq!((&console["files"], &console["judged"], &console["older"]), (&4.into(), &2.into(), &2.into()));
    let server = part(&run, "normal-server");
    assert_eq!((&server["patched"], &server["differ"]), (&0.into(), &0.into()));
    assert_eq!(server["judged"], server["older"]);
}

#[test]
fn a_file_that_should_have_gone_back_counts_for_its_component() {
    let sp = ServerProtect::new(&TreeSpec::default());
    sp.world.rollback(&["--component", "normal-server"]).ends(0);
    let run = sp.world.verb("verify", &["--expect", "before"]).ends(31);
    assert_eq!(run.error_code(), "BKO-5001");
    assert_eq!(part(&run, "normal-server")["differ"], 0);
    assert!(part(&run, "cm-agent")["differ"].as_u64().unwrap() > 0);
    assert_eq!(row(&run, "cm-agent", "mrf.exe")["differs"], true);
    sp.world.verb("verify", &["--expect", "before", "--component", "normal-server"]).ends(0);
}

#[test]
fn what_the_patch_should_have_brought_counts_for_the_console_too() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let old = pe(MachineType::X86, Some("5.80.0.1179".parse().unwrap()), "not patched");
    fs::write(sp.live("Adm_enu.dll"), old).unwrap();
    let run = sp.world.verb("verify", &["--expect", "patched"]).ends(31);
    assert_eq!(part(&run, "management-console")["differ"], 1);
    assert_eq!(part(&run, "normal-server")["differ"], 0);
}

#[test]
fn people_read_a_line_for_each_component() {
    let sp = ServerProtect::new(&TreeSpec::default());
    let mut command = sp.world.command(&["verify", &sp.world.profile, "--expect", "patched"]);
    let run = Run::to_its_end(command.args(sp.world.flags())).ends(0);
    assert!(
        run.stdout.contains("normal-server: 19 of 19 judged files are patched, 0 older; all as expected"),
        "{}",
        run.stdout
    );
}
