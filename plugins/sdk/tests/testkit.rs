//! The testkit catches what it is there for.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use backout_plugin::{
    Ask, Component, Machine, examples, failure,
    protocol::{
        Place, RelPath,
        message::{Candidate, Example, Expect, Failure, Need, Proposal, Proposed},
        step::Fate,
    },
    schemars,
    testkit::ComponentTest,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {}

const EXAMPLE: &str = r#"(
    about: "a folder with two files",
    config: "()",
    machine: (
        folders: { "home": "/srv/x" },
        services: ["Product"],
        paths: { "/srv/x": folder({ "a": file, "a.bak": file, "sub": folder }), "/srv/x/sub": folder({ "c": file }) },
    ),
    expect: proposal((steps: [])),
)"#;

macro_rules! component {
    ($name:ident, |$ask:ident, $machine:ident| $plan:expr) => {
        #[derive(Default)]
        struct $name;
        impl Component for $name {
            const ID: &'static str = stringify!($name);
            const ABOUT: &'static str = "Is wrong.";
            type Config = Config;
            fn examples() -> Vec<Example> {
                examples(&[EXAMPLE])
            }
            fn plan(&self, $ask: &Ask<Config>, $machine: &Machine) -> Result<Proposal, Failure> {
                $plan
            }
        }
    };
}

fn place(name: &str) -> Place {
    Place { root: std::path::PathBuf::from("/srv/x").into(), rel: RelPath::new(name).unwrap() }
}

fn restore(target: &str, backup: &str) -> Proposed {
    let candidate = Candidate { place: place(backup), fate: Fate::Keep };
    Proposed::RestoreFile { target: place(target), need: Need::Listed, candidates: vec![candidate] }
}

fn remove(target: &str) -> Proposed {
    Proposed::RemoveFile { target: place(target), expect: Expect::Anything }
}

fn steps(steps: Vec<Proposed>) -> Result<Proposal, Failure> {
    Ok(Proposal { steps, ..Proposal::default() })
}

/// What a check that fails says.
fn caught(check: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("nothing was caught");
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn an_example_that_gives_something_else_is_shown_as_it_is() {
    component!(Other, |_ask, _machine| steps(vec![remove("a")]));
    let said = caught(|| drop(ComponentTest::<Other>::new().examples()));
    for words in ["`Other`, example \"a folder with two files\"", "r#remove-file(", "expect: anything"] {
        assert!(said.contains(words), "{said}");
    }
    component!(Refuses, |_ask, _machine| Err(failure("no")));
    let said = caught(|| drop(ComponentTest::<Refuses>::new().examples()));
    assert!(said.contains(r#"failure("no")"#), "{said}");
}

#[test]
fn a_component_that_answers_something_else_each_time_is_caught() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    component!(Fickle, |_ask, _machine| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => steps(Vec::new()),
        _ => steps(vec![remove("a")]),
    });
    assert!(caught(|| drop(ComponentTest::<Fickle>::new().examples())).contains("asked again"));
}

#[test]
fn a_component_that_takes_every_answer_for_granted_is_caught() {
    component!(Brave, |_ask, machine| {
        machine.list(Path::new("/srv/x")).unwrap();
        steps(Vec::new())
    });
    let said = caught(|| drop(ComponentTest::<Brave>::new().examples().faults()));
    assert!(said.contains("with `/srv/x` unreadable it panics"), "{said}");
}

#[test]
fn a_component_that_goes_on_without_the_answer_is_caught() {
    component!(Blind, |_ask, machine| match machine.exists(Path::new("/srv/x/a")) {
        Ok(true) | Err(_) => steps(vec![restore("a", "a.bak")]),
        Ok(false) => steps(Vec::new()),
    });
    let said = caught(|| drop(ComponentTest::<Blind>::new().faults()));
    assert!(said.contains("still proposes a step"), "{said}");
    component!(Careful, |_ask, machine| match machine.exists(Path::new("/srv/x/a")) {
        Ok(true) => steps(vec![restore("a", "a.bak")]),
        Ok(false) | Err(_) => steps(Vec::new()),
    });
    drop(ComponentTest::<Careful>::new().faults().undo());
}

#[test]
fn a_proposal_that_could_not_be_taken_back_is_caught() {
    component!(Twice, |_ask, _machine| steps(vec![remove("a"), restore("a", "a.bak")]));
    component!(NoBackup, |_ask, _machine| steps(vec![restore("a", "b.bak")]));
    component!(Itself, |_ask, _machine| steps(vec![restore("a", "a")]));
    component!(NotEmpty, |_ask, _machine| steps(vec![Proposed::RemoveFolder { target: place("sub") }]));
    component!(Elsewhere, |_ask, _machine| {
        let root = std::path::PathBuf::from("/etc").into();
        let target = Place { root, rel: RelPath::new("passwd").unwrap() };
        steps(vec![Proposed::WriteFile { target, bytes: Vec::new() }])
    });
    component!(StaysDown, |ask, _machine| {
        let service = ask.request.services[0].clone();
        steps(vec![Proposed::StopService { service }])
    });
    component!(OthersService, |_ask, _machine| {
        steps(vec![Proposed::StartService { service: "Else".parse().unwrap() }])
    });
    let cases: [(String, &str); 7] = [
        (caught(|| drop(ComponentTest::<Twice>::new().undo())), "two steps are about"),
        (caught(|| drop(ComponentTest::<NoBackup>::new().undo())), "is not there"),
        (caught(|| drop(ComponentTest::<Itself>::new().undo())), "backup of itself"),
        (caught(|| drop(ComponentTest::<NotEmpty>::new().undo())), "is in it"),
        (caught(|| drop(ComponentTest::<Elsewhere>::new().undo())), "no folder of the request"),
        (caught(|| drop(ComponentTest::<StaysDown>::new().undo())), "does not start it again"),
        (caught(|| drop(ComponentTest::<OthersService>::new().undo())), "none of the component's services"),
    ];
    for (said, words) in cases {
        assert!(said.contains(words), "{said}");
    }
    component!(Empties, |_ask, _machine| {
        steps(vec![remove("sub/c"), Proposed::RemoveFolder { target: place("sub") }])
    });
    drop(ComponentTest::<Empties>::new().undo());
}

#[test]
fn a_component_without_examples_is_no_tested_one() {
    #[derive(Default)]
    struct Silent;
    impl Component for Silent {
        const ID: &'static str = "silent";
        const ABOUT: &'static str = "Says nothing.";
        type Config = Config;
        fn plan(&self, _: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> {
            steps(Vec::new())
        }
    }
    assert!(caught(|| drop(ComponentTest::<Silent>::new())).contains("declares no examples"));
}
