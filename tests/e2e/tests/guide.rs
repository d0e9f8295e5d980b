//! The plugin in C of the author's guide, made and tried as the guide says.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{Run, World, bad::repository, write};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

#[test]
fn the_guides_plugin_in_c_compiles_without_a_warning_and_plans_what_its_rust_twin_does() {
    let world = World::without_services();
    let library = world.path().join("libhello.so");
    let folder = world.path().to_str().unwrap();
    let mut cc = Command::new("gcc");
    cc.args([
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "-fvisibility=hidden",
        "-shared",
        "-fPIC",
    ]);
    cc.arg("-I").arg(repository("plugins/sdk/include"));
    let made = cc.arg("-o").arg(&library).arg(repository("docs/src/plugins/hello.c")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::set_permissions(&library, fs::Permissions::from_mode(0o644)).unwrap();
    Run::to_its_end(world.command(&["plugin", "check", "--json"]).arg(&library)).ends(0);

    let machine = world.path().join("machine.ron");
    let plan = |home: &str, code: i32| {
        write(&machine, format!(r#"( folders: {{ "a": "/x", "{home}": "/srv/a \"b\" \\,}}" }} )"#));
        let mut command = world.command(&["plugin", "plan", library.to_str().unwrap(), "--json"]);
        Run::to_its_end(command.arg("--machine").arg(&machine)).ends(code)
    };
    let root = r#"/srv/a "b" \,}"#;
    let candidate = json!({ "place": { "root": root, "rel": "app.conf.orig" }, "fate": "Keep" });
    let target = json!({ "root": root, "rel": "app.conf" });
    let step = json!({ "restore-file": { "target": target, "need": "listed", "candidates": [candidate] } });
    assert_eq!(plan("home", 0).json["data"]["proposal"]["steps"], json!([step]));
    let record = ["--profile", &profile(&world), "--component", "files", "--plugin-dir", folder];
    let mut command = world.command(&["plugin", "record", "hello-c", "--json"]);
    let recorded = Run::to_its_end(command.arg("--site").arg(&world.site).args(record)).ends(0);
    let data = &recorded.json["data"];
    assert_eq!(data["machine"]["folders"]["home"], json!(world.home));
    assert_eq!(data["planned"]["proposal"]["steps"][0]["restore-file"]["target"]["root"], json!(world.home));
    let refused = plan("hose", 10);
    assert!(refused.json["error"].to_string().contains("variable `home` has no value here"));
}

/// The world's profile, its component planned by the guide's plugin.
fn profile(world: &World) -> String {
    let text = fs::read_to_string(&world.profile).unwrap();
    let (head, tail) = text.split_once("Restore(plugin: ").unwrap();
    let (_, tail) = tail.split_once(")),").unwrap();
    let file = world.path().join("hello.ron");
    write(&file, format!("{head}Restore(plugin: \"hello-c\", config: ()),{tail}"));
    file.to_str().unwrap().to_owned()
}
