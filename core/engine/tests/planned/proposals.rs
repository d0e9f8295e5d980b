//! What becomes of proposals.

use crate::world::{World, id, short};
use backout_engine::Refusal;
use backout_protocol::{
    Fingerprint, HostPath, Notice, Place, RelPath,
    message::{Candidate, Expect, LeftReason, Need, Proposal, Proposed, Reject},
    notice::Stays,
    step::Fate,
};
use std::path::PathBuf;

#[test]
fn backups_that_differ_are_a_refusal_and_a_preference_decides_and_names_what_it_passes_over() {
    for (fate, stays) in [(Fate::Consume, true), (Fate::Keep, false)] {
        let world = World::new(&[("a", "new"), ("c/a", "one"), ("d/a", "other")])
            .says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", fate)])])
            .says("d", |w| vec![w.restore("a", Need::Listed, &[("d/a", Fate::Consume)])]);
        let refused = world.plan();
        assert!(
            matches!(&refused, Err(Refusal::BackupsDiffer { backups, .. }) if backups.len() == 2),
            "{refused:?}"
        );
        let world = world.prefer("a", "d");
        assert_eq!(world.steps(), ["a from d/a of d", "consume d/a"]);
        let chosen = Notice::Chosen {
            target: world.at("a"),
            component: id("d"),
            instead_of: vec![id("c")],
            preferred: true,
        };
        assert_eq!(world.notices(), [chosen]);
        // One that has its place for good is no news.
        let named = if stays { vec![("c/a".to_owned(), LeftReason::NotChosen)] } else { Vec::new() };
        assert_eq!(world.left(), named);
    }
}

#[test]
fn backups_that_are_alike_are_one_and_all_that_are_to_go_with_it_go() {
    let world = World::new(&[("a", "new"), ("c/a", "old"), ("d/a", "old")])
        .says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", Fate::Consume)])])
        .says("d", |w| vec![w.restore("a", Need::Listed, &[("d/a", Fate::Consume)])]);
    assert_eq!(world.steps(), ["a from c/a of c", "consume c/a", "consume d/a"]);
    assert_eq!((world.left(), world.notices()), (Vec::new(), Vec::new()));
}

#[test]
fn a_backup_that_is_no_good_is_named_wherever_it_lies_and_who_has_a_good_one_is_taken() {
    for fate in [Fate::Consume, Fate::Keep] {
        let world = World::new(&[("a", "new"), ("c/a", ""), ("d/a", "old")])
            .says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", fate), ("c/none", fate)])])
            .says("d", |w| vec![w.restore("a", Need::Listed, &[("d/a", fate)])]);
        assert_eq!(world.steps()[0], "a from d/a of d");
        assert_eq!(world.left(), [("c/a".to_owned(), LeftReason::Rejected(Reject::Empty))]);
        let target = world.at("a");
        let (component, instead_of) = (id("d"), vec![id("c")]);
        assert_eq!(world.notices(), [Notice::Chosen { target, component, instead_of, preferred: false }]);
    }
}

#[test]
fn a_file_that_is_not_here_and_has_no_backup_is_passed_over_and_one_with_a_backup_comes() {
    let world = World::new(&[("c/b", "old")]).says("c", |w| {
        let restore = |name| w.restore(name, Need::Listed, &[(&format!("c/{name}")[..], Fate::Keep)]);
        vec![restore("a"), restore("b")]
    });
    assert_eq!(world.steps(), ["b from c/b of c"]);
    assert_eq!((world.left(), world.notices()), (Vec::new(), Vec::new()));
}

#[test]
fn a_preference_is_about_files_of_which_its_component_has_a_backup() {
    let world =
        World::new(&[("a", "new"), ("sub/a", "new"), ("c/a", "old"), ("c/sub", "one"), ("d/sub", "other")])
            .says("c", |w| {
                let backups = |name| [(name, Fate::Keep)];
                vec![
                    w.restore("a", Need::Listed, &backups("c/a")),
                    w.restore("sub/a", Need::Listed, &backups("c/sub")),
                ]
            })
            .says("d", |w| vec![w.restore("sub/a", Need::Listed, &[("d/sub", Fate::Keep)])])
            .prefer("a", "d");
    assert_eq!(world.steps(), ["a from c/a of c", "sub/a from d/sub of d"]);
    for (target, component) in [("b", "d"), ("nowhere/a", "d"), ("a", "c"), ("a", "e")] {
        let unused = World::new(&[("a", "new"), ("d/a", "old")])
            .says("d", |w| vec![w.restore("a", Need::Listed, &[("d/a", Fate::Keep)])])
            .prefer(target, component);
        assert!(matches!(unused.plan(), Err(Refusal::PreferUnused { .. })), "{target} {component}");
    }
}

#[test]
fn a_file_that_is_back_already_is_held_and_a_backup_that_would_have_gone_with_it_is_named() {
    for (fate, stays) in [(Fate::Consume, true), (Fate::Keep, false)] {
        let world = World::new(&[("a", "old"), ("c/a", "old")])
            .says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", fate)])]);
        assert_eq!(world.steps(), ["hold a"]);
        let named = if stays { vec![("c/a".to_owned(), LeftReason::TargetHeld)] } else { Vec::new() };
        assert_eq!(world.left(), named);
    }
}

#[test]
fn a_component_may_speak_of_a_file_twice_and_the_stricter_need_counts() {
    let twice = |first, second| {
        World::new(&[("a", "new"), ("c/a", "")]).says("c", |w| {
            let backups = [("c/a", Fate::Keep)];
            vec![w.restore("a", first, &backups), w.restore("a", second, &backups)]
        })
    };
    for (first, second) in [(Need::Unlisted, Need::Listed), (Need::Listed, Need::Unlisted)] {
        let refused = twice(first, second).plan();
        let Err(Refusal::NoGoodBackup { wanting }) = refused else { panic!("{refused:?}") };
        assert_eq!(wanting.len(), 1);
        assert_eq!(wanting[0].rejected.len(), 1, "the same backup is one");
    }
    let unlisted = twice(Need::Unlisted, Need::Unlisted);
    assert_eq!(unlisted.steps(), [] as [String; 0]);
    assert_eq!(unlisted.left(), [("c/a".to_owned(), LeftReason::Rejected(Reject::Empty))]);
    // Another component's need counts too.
    let both = World::new(&[("a", "old"), ("c/a", "old")])
        .says("c", |w| vec![w.restore("a", Need::Unlisted, &[("c/a", Fate::Consume)])])
        .says("d", |w| vec![w.restore("a", Need::Listed, &[])]);
    assert_eq!(both.steps(), ["hold a"]);
}

#[test]
fn who_else_has_a_good_backup_is_said() {
    let backups = [("d/a", "old"), ("d/b", "old")];
    let world = |good: &'static str| {
        let mut world = World::new(&[("a", "new"), ("b", "new")])
            .says("c", |w| vec![w.restore("a", Need::Listed, &[])])
            .says("d", move |w| {
                vec![w.restore(good, Need::Listed, &[(&format!("d/{good}")[..], Fate::Keep)])]
            });
        backups.iter().for_each(|(name, text)| world.write(name, text));
        world.ask.components = vec![id("c")];
        world
    };
    for (good, elsewhere) in [("a", Some(id("d"))), ("b", None)] {
        let refused = world(good).plan();
        let Err(Refusal::NoGoodBackup { wanting }) = refused else { panic!("{refused:?}") };
        assert_eq!(wanting[0].elsewhere, elsewhere, "{good}");
    }
}

#[test]
fn wishes_that_are_alike_are_one_and_others_for_one_name_contradict() {
    let files = [("a", "new"), ("b", "new"), ("dir/x", "x"), ("c/a", "old")];
    let same = World::new(&files);
    let alike = |w: &World| {
        vec![
            w.put("a", "text"),
            w.remove("b", Expect::Anything),
            w.remove("dir/x", Expect::Anything),
            Proposed::RemoveFolder { target: w.at("dir") },
        ]
    };
    let same = same.says("c", alike).says("d", alike);
    assert_eq!(same.steps(), ["a is text", "remove b", "remove dir/x", "unmake dir"]);
    type Wish = fn(&World) -> Proposed;
    let wishes: [(Wish, Wish); 4] = [
        (|w| w.put("a", "one"), |w| w.put("a", "other")),
        (|w| w.remove("a", Expect::Anything), |w| w.remove("a", Expect::Exactly(Fingerprint::Absent))),
        (|w| w.put("a", "one"), |w| w.remove("a", Expect::Anything)),
        (|w| w.put("a", "one"), |w| w.restore("a", Need::Listed, &[("c/a", Fate::Keep)])),
    ];
    for (n, (one, other)) in wishes.into_iter().enumerate() {
        let world = World::new(&files).says("c", |w| vec![one(w)]).says("d", |w| vec![other(w)]);
        assert!(matches!(world.plan(), Err(Refusal::StepsContradict { .. })), "{n}");
    }
}

#[test]
fn a_file_goes_only_if_it_is_what_was_expected() {
    let world = World::new(&[("a", "text"), ("b", "text"), ("c", "text"), ("d", "text")]);
    let exactly = |name| {
        let place = world.at(name);
        Expect::Exactly(backout_disk::fingerprint::fingerprint(&place).unwrap())
    };
    let (a, b) = (exactly("a"), exactly("b"));
    world.write("b", "other");
    let version = Expect::Version("1.2.3.4".parse().unwrap());
    let world = world.says("c", |w| {
        vec![
            w.remove("a", a),
            w.remove("b", b),
            w.remove("c", version),
            w.remove("d", Expect::Anything),
            w.remove("e", Expect::Anything),
        ]
    });
    assert_eq!(world.steps(), ["remove a", "remove d"]);
    let named = |name: &str| (name.to_owned(), LeftReason::NotExpected);
    assert_eq!(world.left(), [named("b"), named("c")]);
}

#[test]
fn a_folder_goes_only_if_everything_in_it_goes() {
    let world = World::new(&[("full/x", ""), ("full/more", ""), ("outer/inner/x", ""), ("used/a", "old")]);
    let world = world.says("c", |w| {
        let folder = |name| Proposed::RemoveFolder { target: w.at(name) };
        vec![
            w.remove("full/x", Expect::Anything),
            folder("full"),
            w.remove("outer/inner/x", Expect::Anything),
            folder("outer/inner"),
            folder("outer"),
            w.restore("a", Need::Listed, &[("used/a", Fate::Consume)]),
            folder("used"),
            folder("none"),
        ]
    });
    let steps = [
        "remove full/x",
        "remove outer/inner/x",
        "unmake outer/inner",
        "unmake outer",
        "a from used/a of c",
        "consume used/a",
        "unmake used",
    ];
    assert_eq!(world.steps(), steps);
    assert_eq!(world.left(), [("full".to_owned(), LeftReason::NotExpected)]);
}

#[test]
fn the_folders_that_new_files_need_are_made_once_each_before_what_lies_in_them() {
    let world = World::new(&[("there/x", "")]).says("c", |w| {
        vec![w.put("there/new/deep/a", "a"), w.put("there/new/b", "b"), w.put("there/new/other/c", "c")]
    });
    let steps = [
        "make there/new",
        "make there/new/deep",
        "there/new/deep/a is a",
        "there/new/b is b",
        "make there/new/other",
        "there/new/other/c is c",
    ];
    assert_eq!(world.steps(), steps);
}

#[test]
fn a_new_folder_is_made_once_however_its_name_is_spelled_where_case_does_not_count() {
    let spelled = |names| {
        let mut world = World::new(&[("There/x", "")])
            .says("c", |w| {
                vec![
                    w.put("there/New/deep/a", "a"),
                    w.put("THERE/NEW/b", "b"),
                    w.put("there/new/Deep/E/c", "c"),
                ]
            })
            .says("d", |w| vec![w.put("there/neW/DEEP/e/d", "d"), w.put("there/new/DEEP/A", "a")]);
        world.names = names;
        world
    };
    let steps = [
        "make There/New",
        "make There/New/deep",
        "There/New/deep/a is a",
        "There/New/b is b",
        "make There/New/deep/E",
        "There/New/deep/E/c is c",
        "There/New/deep/E/d is d",
    ];
    assert_eq!(spelled("Folded").steps(), steps);
    let made = |steps: Vec<String>| steps.iter().filter(|step| step.starts_with("make ")).count();
    assert_eq!(made(spelled("Exact").steps()), 12, "where case counts, each is a folder of its own");
}

#[test]
fn a_new_folder_is_made_once_also_where_two_roots_lead_to_it() {
    let below = |w: &World, name: &str| Place { root: w.data(), rel: RelPath::new(name).unwrap() };
    let world = World::new(&[("data/x", "")]).says("c", |w| {
        let inner = Proposed::WriteFile { target: below(w, "new/deep/b"), bytes: "b".into() };
        vec![w.put("data/new/a", "a"), inner, w.put("data/new/deep/c", "c")]
    });
    let steps = [
        "make data/new",
        "data/new/a is a",
        "make data/new/deep",
        "data/new/deep/b is b",
        "data/new/deep/c is c",
    ];
    assert_eq!(world.steps(), steps);
    let world = World::new(&[("data/x", "")]).says("c", |w| {
        let outer = w.put("data/new/deep/b", "b");
        vec![Proposed::WriteFile { target: below(w, "new/a"), bytes: "a".into() }, outer]
    });
    assert_eq!(world.steps(), ["make new", "new/a is a", "make new/deep", "new/deep/b is b"]);
}

#[test]
fn a_file_that_has_its_text_is_held() {
    let world = World::new(&[("a", "text"), ("b", "texts")])
        .says("c", |w| vec![w.put("a", "text"), w.put("b", "text")]);
    assert_eq!(world.steps(), ["hold a", "b is text"]);
}

#[test]
fn an_action_can_be_shown_and_kept_and_there_are_not_more_than_a_journal_holds() {
    let custom =
        |action: &str, args: usize| Proposed::Custom { action: action.to_owned(), args: "x".repeat(args) };
    let plan = |steps: Vec<Proposed>| World::new(&[]).says("c", |_| steps).plan();
    let (long, most) = ("n".repeat(100), 64 * 1024);
    let kept = plan(vec![custom(&long, most)]).unwrap();
    assert_eq!(kept.steps.iter().map(short).collect::<Vec<_>>(), [format!("{long} of c")]);
    for bad in [custom("", 0), custom(&"n".repeat(101), 0), custom("a\nb", 0), custom("a", most + 1)] {
        let refused = plan(vec![bad]);
        assert!(matches!(refused, Err(Refusal::BadProposal { .. })), "{refused:?}");
    }
    let many = |n| plan((0..n).map(|_| custom("a", 1)).collect());
    assert_eq!(many(64).unwrap().steps.len(), 64);
    assert!(matches!(many(65), Err(Refusal::TooManyActions { wanted: 65, most: 64 })));
}

#[test]
fn what_a_plugin_names_lies_in_the_products_folders_and_is_its_components() {
    let elsewhere = || Place { root: HostPath(PathBuf::from("/elsewhere")), rel: RelPath::new("a").unwrap() };
    let service = || "Not Theirs".parse().unwrap();
    let from_elsewhere = |w: &World| Proposed::RestoreFile {
        target: w.at("a"),
        need: Need::Listed,
        candidates: vec![Candidate { place: elsewhere(), fate: Fate::Keep }],
    };
    let bad: [&dyn Fn(&World) -> Proposed; 4] = [
        &from_elsewhere,
        &|_| Proposed::RemoveFile { target: elsewhere(), expect: Expect::Anything },
        &|_| Proposed::StopService { service: service() },
        &|_| Proposed::StartService { service: service() },
    ];
    let mut worlds: Vec<World> =
        bad.iter().map(|step| World::new(&[("a", "new")]).says("c", |w| vec![step(w)])).collect();
    let mut clear = World::new(&[]);
    clear.says.0.insert("c".to_owned(), Proposal { keep_clear: vec![elsewhere()], ..Proposal::default() });
    worlds.push(clear);
    for world in worlds {
        let refused = world.plan();
        assert!(matches!(refused, Err(Refusal::BadProposal { .. })), "{refused:?}");
    }
}

#[test]
fn what_must_stay_clear_is_named_once() {
    let mut world = World::new(&[("dir/a", "new")]).says("c", |w| vec![w.put("dir/a", "old")]);
    let keep_clear = vec![world.at("dir"), world.at("dir")];
    world.says.0.get_mut("c").unwrap().keep_clear = keep_clear.clone();
    world.says.0.insert("d".to_owned(), Proposal { keep_clear, ..Proposal::default() });
    assert_eq!(world.plan().unwrap().keep_clear, [world.at("dir")]);
}

#[test]
fn what_is_no_file_is_let_be_where_it_is_only_taken_along_and_else_a_refusal() {
    let restore = |need| {
        World::new(&[("a/inside", ""), ("c/a", "old")])
            .says("c", |w| vec![w.restore("a", need, &[("c/a", Fate::Keep)])])
    };
    assert_eq!(restore(Need::Unlisted).left(), [("a".to_owned(), LeftReason::NotAFile)]);
    let refused = restore(Need::Listed).plan();
    assert!(matches!(refused, Err(Refusal::NotAFile { .. })), "{refused:?}");
}

#[test]
fn a_file_that_is_to_stay_stays_and_is_named_and_a_path_of_no_file_is_a_mistake() {
    let world = || {
        World::new(&[("a", "new"), ("b", "new"), ("c/a", "old"), ("c/b", "old")]).says("c", |w| {
            vec![
                w.restore("a", Need::Listed, &[("c/a", Fate::Keep)]),
                w.restore("b", Need::Listed, &[("c/b", Fate::Keep)]),
            ]
        })
    };
    let mut stays = world();
    stays.ask.keep_local = vec!["a".into()];
    assert_eq!(stays.steps(), ["b from c/b of c"]);
    assert_eq!(stays.notices(), [Notice::LeftOut { target: stays.at("a"), why: Stays::KeptLocal }]);
    for unused in ["x", "c/a", "b/a"] {
        for overwrite in [false, true] {
            let mut world = world();
            let list = if overwrite { &mut world.ask.overwrite } else { &mut world.ask.keep_local };
            list.push(unused.into());
            assert!(matches!(world.plan(), Err(Refusal::PathUnused { .. })), "{unused}");
        }
    }
    let mut both = world();
    (both.ask.keep_local, both.ask.overwrite) = (vec!["a".into()], vec!["a".into()]);
    assert!(matches!(both.plan(), Err(Refusal::StepsContradict { .. })));
}

#[test]
fn a_component_of_which_a_file_stays_is_left_without_its_actions() {
    let custom = || Proposed::Custom { action: "act".into(), args: String::new() };
    let steps = |w: &World, own: &str, stays: &str| {
        vec![
            w.restore(own, Need::Listed, &[(&format!("backup/{own}")[..], Fate::Keep)]),
            w.put(stays, "old"),
            custom(),
        ]
    };
    let mut world = World::new(&[("a", "new"), ("b", "new"), ("backup/a", "old"), ("backup/b", "old")])
        .says("c", |w| steps(w, "a", "kept-not"))
        .says("d", |w| steps(w, "b", "kept"));
    world.ask.keep_local = vec!["kept".into()];
    let steps = ["a from backup/a of c", "kept-not is old", "b from backup/b of d", "act of c"];
    assert_eq!(world.steps(), steps);
    let left = Notice::ActionLeftOut { component: id("d"), action: "act".into() };
    assert!(world.notices().contains(&left));
    for stays in ["a", "b"] {
        world.ask.keep_local = vec![stays.into()];
        let of = if stays == "a" { "act of d" } else { "act of c" };
        assert_eq!(world.steps().last().unwrap(), of);
    }
}

#[test]
fn names_that_the_product_takes_for_the_same_are_a_refusal_also_above_backups() {
    let twins = |one: &str, other: &str, names| {
        let mut world = World::new(&[("a", "new"), (one, "old"), (other, "old")])
            .says("c", |w| vec![w.restore("a", Need::Listed, &[(one, Fate::Keep)])]);
        world.names = names;
        world.plan()
    };
    for (one, other) in [("c/a", "C/a"), ("c/x/a", "c/X/b"), ("c/a", "A")] {
        let folded = twins(one, other, "Folded");
        assert!(matches!(&folded, Err(Refusal::NamesFoldAlike { names }) if names.len() == 2), "{folded:?}");
        assert!(twins(one, other, "Exact").is_ok());
    }
}

#[test]
fn a_folder_of_the_product_that_is_gone_is_named() {
    let world = World::new(&[]).says("c", |w| {
        let target = Place { root: w.data(), rel: RelPath::new("a").unwrap() };
        vec![Proposed::WriteFile { target, bytes: Vec::new() }]
    });
    let refused = world.plan();
    assert!(matches!(&refused, Err(Refusal::FolderMissing { path }) if *path == world.data()), "{refused:?}");
}
