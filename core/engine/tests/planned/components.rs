//! Which components a plan is about.

use crate::world::{World, id};
use backout_engine::Refusal;
use backout_protocol::Plan;
use std::{collections::BTreeMap, fs};

#[test]
fn without_a_choice_the_components_that_are_here_are_planned_and_with_one_those_alone() {
    let mut world = World::new(&[("a", "new"), ("b", "new")])
        .says("c", |w| vec![w.put("a", "old")])
        .says("d", |w| vec![w.put("b", "old")])
        .says("absent", |w| vec![w.put("x", "old")])
        .says("unknown", |w| vec![w.put("x", "old")])
        .says("verified", |w| vec![w.put("x", "old")])
        .says("reported", |w| vec![w.put("x", "old")]);
    assert_eq!(world.steps(), ["a is old", "b is old"]);
    let states = |plan: Plan| -> Vec<String> {
        plan.components.into_iter().map(|one| format!("{} {:?}", one.id, one.state)).collect()
    };
    let all = ["c Selected", "d Selected", "absent Absent", "verified VerifyOnly", "unknown Absent"];
    assert_eq!(states(world.plan().unwrap()), all);
    world.ask.components = vec![id("d")];
    assert_eq!(world.steps(), ["b is old"]);
    let one = ["c NotSelected", "d Selected", "absent Absent", "verified VerifyOnly", "unknown Absent"];
    assert_eq!(states(world.plan().unwrap()), one);
    world.ask.components = vec![id("c"), id("d")];
    assert_eq!(world.steps(), ["a is old", "b is old"]);
}

#[test]
fn a_component_that_is_named_and_cannot_go_back_is_a_refusal_that_says_why() {
    let refused = |component: &str| {
        let mut world = World::new(&[]);
        world.ask.components = vec![id("c"), id(component)];
        world.plan()
    };
    for (component, has_why) in [("verified", true), ("reported", false)] {
        let found = refused(component);
        assert!(
            matches!(&found, Err(Refusal::ComponentNotRestorable { why, .. }) if why.is_some() == has_why),
            "{found:?}"
        );
    }
    let found = refused("absent");
    assert!(matches!(&found, Err(Refusal::ComponentAbsent { marker: Some(_), .. })), "{found:?}");
    let found = refused("unknown");
    assert!(
        matches!(&found, Err(Refusal::VariableMissing { variable, .. }) if variable == "unset"),
        "{found:?}"
    );
    let found = refused("nobody");
    assert!(matches!(&found, Err(Refusal::ComponentUnknown { known, .. }) if known.len() == 6), "{found:?}");
}

#[test]
fn where_nothing_is_here_that_is_said_or_what_would_tell() {
    let world = World::new(&[]);
    fs::remove_file(world.home().0.join("here")).unwrap();
    let found = world.plan();
    assert!(
        matches!(&found, Err(Refusal::VariableMissing { variable, .. }) if variable == "unset"),
        "{found:?}"
    );
    let mut world = world;
    world.ask.set = BTreeMap::from([("unset".to_owned(), world.home())]);
    let found = world.plan();
    assert!(matches!(&found, Err(Refusal::NothingPresent { .. })), "{found:?}");
}
