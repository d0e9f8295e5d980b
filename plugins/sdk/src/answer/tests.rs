//! What a plugin answers to each request, as bytes.

use super::*;
use crate::Ask;
use backout_protocol::message::{Known, Planned};
use std::path::Path;

#[derive(Default)]
struct Reader;

/// What a profile says.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The file that is read.
    file: String,
}

impl Component for Reader {
    const ID: &'static str = "reader";
    const ABOUT: &'static str = "Reads a file.";
    type Config = Config;

    fn examples() -> Vec<backout_protocol::message::Example> {
        crate::examples(&[r#"(
            about: "a file that is not there",
            config: "( file: \"/srv/none\" )",
            machine: ( paths: { "/srv/none": absent } ),
            expect: failure("nothing has this name"),
        )"#])
    }

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        machine.read_text(Path::new(&ask.config.file), 10)?;
        Ok(Proposal::default())
    }
}

fn asked(request: &str) -> Answer {
    let bytes = answer::<Reader>(request.as_bytes(), "1.2.3").unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// A request to plan, as a host of messages 1.0 sends it, and more.
fn plan(more: &str) -> String {
    format!(
        r#"{{"plan":{{"component":"c","config":"( file: \"/srv/a\" )","folders":{{}},"names":"Exact","listed":[],
            "services":[],"source":"vendor","options":[]{more}}}}}"#
    )
}

#[test]
fn the_schema_is_that_of_the_configuration() {
    let Answer::Schema(schema) = asked("\"schema\"") else { panic!("no schema") };
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["file"]["description"], "The file that is read.");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_examples_are_those_declared() {
    let Answer::Examples(examples) = asked("\"examples\"") else { panic!("no examples") };
    assert_eq!(examples, Reader::examples());
}

#[test]
fn a_machine_in_the_request_answers_instead_of_the_real_one() {
    let with = |file: &str| asked(&plan(&format!(r#","machine":{{"paths":{{"/srv/a":{file}}}}}"#)));
    assert_eq!(with(r#"{"file":{"text":"short"}}"#), Answer::Proposal(Proposal::default()));
    let failed = |answer: Answer| match answer {
        Answer::Failed(failure) => failure.message,
        other => panic!("{other:?}"),
    };
    assert!(failed(with(r#"{"file":{"text":"much too long"}}"#)).contains("13 bytes"));
    assert!(failed(with(r#"{"file":{"hex":"ff"}}"#)).contains("UTF-8"));
    assert!(failed(with(r#"{"file":{"hex":"f"}}"#)).contains("says nothing of `/srv/a` (its bytes)"));
    assert!(failed(with(r#"{"file":{"len":3}}"#)).contains("says nothing of `/srv/a` (its bytes)"));
    assert!(failed(with(r#"{"unreadable":"no luck"}"#)).contains("no luck"));
    assert!(failed(with(r#"{"folder":null}"#)).contains("no regular file"));
}

#[test]
fn a_recorded_plan_comes_with_every_question_and_without_it_with_none() {
    let request = plan(r#","record":true,"machine":{"paths":{"/srv/a":{"file":{"len":3}}}}"#);
    let Answer::Recorded(recorded) = asked(&request) else { panic!("not recorded") };
    assert!(matches!(&recorded.planned, Planned::Failed(f) if f.message.contains("/srv/a")));
    assert!(matches!(recorded.machine.paths.values().next(), Some(Known::File(f)) if f.len == 3));
    assert!(matches!(asked(&plan("")), Answer::Failed(_)), "the real machine has no /srv/a");
}

#[test]
fn a_request_that_is_not_understood_is_answered_all_the_same() {
    for bad in ["", "{}", "\"sing\"", "{\"plan\":{}}", "[1]"] {
        assert!(matches!(asked(bad), Answer::Failed(_)), "{bad}");
    }
}
