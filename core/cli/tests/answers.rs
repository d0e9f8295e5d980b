//! The binary as a caller sees it: exit code, one JSON object, nothing on standard output beside it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// Calls the binary without a terminal, with a state folder that is not there.
fn call(words: &[&str]) -> Output {
    let state = std::env::temp_dir().join(format!("backout-no-state-{}", std::process::id()));
    let mut backout = Command::new(env!("CARGO_BIN_EXE_backout"));
    backout.args(words).env("BACKOUT_STATE_DIR", &state).env_remove("RUST_LOG").stdin(Stdio::null());
    let output = backout.output().unwrap();
    assert!(!state.exists(), "{words:?} made a state folder");
    output
}

/// The one object on standard output.
#[track_caller]
fn object(words: &[&str], code: i32) -> Value {
    let output = call(words);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.is_ascii() && text.lines().count() == 1, "{words:?}: {text}");
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["schema"], "backout.result/v1", "{words:?}");
    assert_eq!(
        (output.status.code(), object["exit_code"].as_i64()),
        (Some(code), Some(code.into())),
        "{object}"
    );
    object
}

#[test]
fn what_is_not_in_this_version_says_so_in_text_and_in_json_wherever_the_flag_stands() {
    for later in ["report ID -o file.html", "explain BKO-1001", "plan P --format html", "status --lang ja"] {
        let words: Vec<&str> = later.split(' ').collect();
        let output = call(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{later}: {said}");
        assert!(said.contains("BKO-9002") && said.contains("not in this version"), "{later}: {said}");
        assert!(output.stdout.is_empty(), "{later}");
        let before = [&["--json"][..], &words].concat();
        assert_eq!(object(&before, 64)["error"]["code"], "BKO-9002", "{later}");
        let after = [&words[..], &["--json"]].concat();
        assert_eq!(object(&after, 64)["error"]["code"], "BKO-9002", "{later}");
    }
}

#[test]
fn usage_errors_help_and_version_are_one_object_too() {
    for words in [
        &["--json"][..],
        &["--json=stream"],
        &["--json", "plugin"],
        &["--json=stream", "profile"],
        &["snapshot", "--json"],
        &["boot", "--json=stream"],
        &["nonsense", "--json"],
        &["--json", "help", "nonsense"],
        &["help", "status", "--json"],
        &["status", "--json=nonsense"],
        &["plan", "--json"],
        &["plan", "P", "--set", "nonsense", "--json"],
        &["plan", "P", "--from", "nonsense", "--json"],
        &["verify", "P", "--watch", "soon", "--json"],
        &["plan", "P", "--prefer", "f.dll=a", "--prefer", "f.dll=b", "--json"],
        &["plan", "P", "--prefer", "d\\f.dll=a", "--prefer", "d/f.dll=b", "--json"],
    ] {
        assert_eq!(object(words, 64)["error"]["code"], "BKO-9001", "{words:?}");
    }
    assert!(object(&["--version", "--json"], 0)["data"]["help"].as_str().unwrap().starts_with("backout "));
    assert!(
        object(&["--json", "help", "plugin"], 0)["data"]["help"].as_str().unwrap().contains("untrust"),
        "a verb's own help"
    );
    assert!(
        object(&["plan", "--help", "--json"], 0)["data"]["help"].as_str().unwrap().contains("--component")
    );
}

#[test]
fn a_changing_verb_without_terminal_and_without_yes_is_refused_at_once() {
    assert_eq!(object(&["rollback", "P", "--json"], 10)["error"]["code"], "BKO-1067");
    assert_eq!(object(&["undo", "--json"], 10)["error"]["code"], "BKO-1067");
}

#[test]
fn times_beyond_all_clocks_are_no_bug() {
    let longest = u64::MAX.to_string();
    for flag in ["--timeout", "--lock-timeout", "--plugin-timeout"] {
        assert_eq!(object(&["status", flag, &longest, "--json"], 0)["outcome"], "done", "{flag}");
    }
    object(&["verify", "nonsense", "--watch", &longest, "--json"], 10);
}

#[test]
fn reading_verbs_find_nothing_open_and_make_no_state_folder() {
    assert_eq!(object(&["status", "--json"], 0)["data"]["open"], Value::Null);
    assert_eq!(object(&["recover", "--json"], 0)["outcome"], "nothing-to-do");
    assert_eq!(object(&["undo", "--yes", "--json"], 10)["error"]["code"], "BKO-1062");
    let listed = object(&["profile", "list", "--json"], 0);
    assert_eq!(listed["data"]["profiles"][0]["name"], "serverprotect-5.8-patch3");
    object(&["profile", "show", "serverprotect-5.8-patch3", "--json"], 0);
    object(&["profile", "show", "nonsense", "--json"], 10);
}

#[test]
fn a_dry_run_makes_no_state_folder_and_refuses_as_the_verb_does() {
    let code =
        |verb: &[&str]| object(&[verb, &["--dry-run", "--json"]].concat(), 10)["error"]["code"].clone();
    assert_eq!(code(&["confirm"]), "BKO-5181");
    assert_eq!(code(&["confirm", "nosuch"]), "BKO-5182");
    for verb in ["pin", "unpin", "drop"] {
        assert_eq!(code(&["snapshot", verb, "nosuch"]), "BKO-1120", "{verb}");
    }
    assert_eq!(code(&["plugin", "trust", "nosuch"]), "BKO-1150");
    // Whether it could be installed here is this machine's to say.
    for verb in ["install", "remove"] {
        call(&["boot", verb, "--dry-run"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_or_full_terminal_changes_nothing() {
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let mut backout = Command::new(env!("CARGO_BIN_EXE_backout"));
    let status =
        backout.args(["profile", "list"]).stdin(Stdio::null()).stdout(full()).stderr(full()).status();
    assert_eq!(status.unwrap().code(), Some(0));
}
