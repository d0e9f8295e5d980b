//! The table of the vendor's page: each row says where, and names a command that exists.

use std::{collections::BTreeMap, fs, process::Command};

/// The verbs and flags of a command such as `backout verify --watch 5m`, and the rest of its words.
fn words(command: &str) -> (Vec<&str>, Vec<&str>) {
    let all: Vec<&str> = command.split_whitespace().skip(1).collect();
    let verbs = all.iter().take_while(|w| w.chars().all(|c| c.is_ascii_lowercase())).copied().collect();
    (verbs, all.into_iter().filter(|w| w.starts_with("--")).collect())
}

#[test]
fn every_row_says_where_and_each_command_in_it_exists() {
    let path = format!("{}/../../docs/src/page.md", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> =
        text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| the page |")).collect();
    assert!(rows.len() > 25, "{} rows", rows.len());
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let place = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let parts: Vec<&str> = place.split('`').skip(1).step_by(2).collect();
        let commands: Vec<&str> = parts.iter().filter(|p| p.starts_with("backout ")).copied().collect();
        assert!(!commands.is_empty() || place.contains("not in this version"), "no command: {row}");
        let mut last = String::new();
        for part in parts.iter().filter(|p| p.starts_with("backout ") || p.starts_with("--")) {
            let line =
                if part.starts_with("--") { format!("backout {last} {part}") } else { (*part).to_owned() };
            let (verbs, flags) = words(&line);
            // A verb's own word may be a name, as in `profile show NAME`.
            let key = verbs.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            let help = helps.entry(key.clone()).or_insert_with(|| {
                let output = Command::new(&backout_kit::built().backout)
                    .args(key.split(' '))
                    .arg("--help")
                    .output()
                    .unwrap();
                assert!(output.status.success(), "`backout {key}` does not exist: {row}");
                String::from_utf8_lossy(&output.stdout).into_owned()
            });
            for flag in flags {
                assert!(help.contains(flag), "`backout {key}` has no {flag}: {row}");
            }
            last = key;
        }
    }
}
