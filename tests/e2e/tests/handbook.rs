//! The handbook's examples and tables are true.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use backout_kit::World;
use backout_protocol::{Profile, Site, profile::contradiction, text::from_ron};
use std::fs;

fn page(name: &str) -> String {
    fs::read_to_string(format!("{}/../../docs/src/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_profile_and_the_site_of_the_handbook_are_read() {
    let text = page("profile.md");
    let blocks: Vec<&str> = text.split("```ron\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    let profile: Profile = from_ron("profile.md", blocks[0]).unwrap();
    assert_eq!(contradiction(&profile), None);
    let _: Site = from_ron("profile.md", blocks[1]).unwrap();
}

#[test]
fn every_command_that_the_handbook_names_exists() {
    let world = World::small();
    let mut seen = std::collections::BTreeSet::new();
    for name in [
        "page.md",
        "commands.md",
        "boot.md",
        "install.md",
        "by-hand.md",
        "staged.md",
        "state.md",
        "guard.md",
        "learn.md",
        "trouble.md",
        "serverprotect.md",
        "exit-codes.md",
        "introduction.md",
    ] {
        let text = page(name);
        for part in text.split("`backout ").skip(1) {
            let command = part.split('`').next().unwrap();
            let verb = command.split_whitespace().next().unwrap();
            if verb.starts_with('-') || verb.chars().any(char::is_uppercase) || !seen.insert(verb.to_owned())
            {
                continue;
            }
            let help = std::process::Command::new(&backout_kit::built().backout)
                .args([verb, "--help"])
                .output()
                .unwrap();
            assert!(help.status.success(), "{name}: `backout {verb}`");
        }
        for flag in text.split("`--").skip(1) {
            let is_name = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
            let flag: String = flag.chars().take_while(is_name).collect();
            if seen.insert(format!("--{flag}")) && flag != "help" {
                let verbs = [
                    "rollback",
                    "verify",
                    "plan",
                    "recover",
                    "status",
                    "history prune",
                    "install",
                    "guard",
                    "snapshot create",
                    "undo",
                    "plugin check",
                    "plugin new",
                    "plugin plan",
                    "plugin record",
                    "plugin schema",
                    "plugin trust",
                    "profile new",
                ];
                let known = verbs.iter().any(|verb| {
                    let help = std::process::Command::new(&backout_kit::built().backout)
                        .args(verb.split(' '))
                        .arg("--help")
                        .output()
                        .unwrap();
                    String::from_utf8_lossy(&help.stdout).contains(&format!("--{flag}"))
                });
                assert!(known, "{name}: `--{flag}`");
            }
        }
    }
    drop(world);
}
