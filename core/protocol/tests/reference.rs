//! The author's guide names every message, every variant of it and every field.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use backout_protocol::{
    NameRule, Place,
    message::{
        ActionRequest, ActionState, Answer, BackupSource, Candidate, Example, Expect, Expected, Failure,
        Fixture, Known, KnownFile, KnownKind, KnownPe, LeftAlone, LeftReason, Manifest, Need, Planned,
        Prepared, Proposal, Proposed, Recorded, Reject, Request, Running,
    },
    step::Fate,
    text::Text,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/src/plugins/messages.md");

/// The names that a type says it knows, when it is given one that it does not.
fn known<T: DeserializeOwned>(wrong: &str) -> BTreeSet<String> {
    let Err(error) = serde_json::from_str::<T>(wrong) else { panic!("{wrong} is read") };
    let error = error.to_string();
    let (_, names) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
    let names: BTreeSet<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!names.is_empty(), "{error}");
    names
}

fn variants<T: DeserializeOwned>() -> BTreeSet<String> {
    known::<T>("\"?\"")
}

fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
    known::<T>(r#"{"?":1}"#)
}

/// The fields of something as it goes over the wire.
fn written(json: &serde_json::Value) -> BTreeSet<String> {
    json.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_reference_names_every_variant_and_every_field() {
    let machine = Fixture::default();
    let request = machine.request("c".parse().unwrap(), String::new());
    let action = r#"{"component":"c","action":"a","args":"","folders":{},"names":"Exact","memo":"m"}"#;
    let action: ActionRequest = serde_json::from_str(action).unwrap();
    let facts = r#"{"image":"i","path":"/p"}"#;
    let all = [
        variants::<Request>(),
        variants::<Answer>(),
        variants::<Proposed>(),
        variants::<Need>(),
        variants::<Expect>(),
        variants::<LeftReason>(),
        variants::<Reject>(),
        variants::<BackupSource>(),
        variants::<Planned>(),
        variants::<Expected>(),
        variants::<Known>(),
        variants::<KnownKind>(),
        variants::<KnownPe>(),
        variants::<Running>(),
        variants::<ActionState>(),
        variants::<Fate>(),
        variants::<NameRule>(),
        fields::<Proposal>(),
        fields::<Candidate>(),
        fields::<LeftAlone>(),
        fields::<Failure>(),
        fields::<Recorded>(),
        fields::<Example>(),
        fields::<Fixture>(),
        fields::<KnownFile>(),
        fields::<Prepared>(),
        fields::<Place>(),
        fields::<Text>(),
        written(&serde_json::to_value(&request).unwrap()),
        written(&serde_json::to_value(&machine.facts).unwrap()),
        written(&serde_json::to_value(&action).unwrap()),
        written(&serde_json::from_str(facts).unwrap()),
        // Fields of variants.
        [
            "service",
            "images",
            "under",
            "target",
            "need",
            "candidates",
            "bytes",
            "expect",
            "action",
            "args",
            "record",
        ]
        .map(str::to_owned)
        .into(),
        ["name", "aliases", "folder", "patched", "before", "added", "removed", "machine", "version"]
            .map(str::to_owned)
            .into(),
    ];
    let manifest: Manifest =
        serde_json::from_str(r#"{"id":"i","version":"1","api":[[1,0],[1,1]],"about":""}"#).unwrap();
    let manifest = written(&serde_json::to_value(manifest).unwrap());
    let missing: BTreeSet<String> = all
        .into_iter()
        .chain([manifest])
        .flatten()
        .filter(|name| !PAGE.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/src/plugins/messages.md does not name {missing:?}");
}
