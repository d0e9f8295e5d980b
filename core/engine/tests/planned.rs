//! Which components a plan is about, and what becomes of their proposals: their plugin says what a test has it say, on
//! real files.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_engine::{
    Cancel, Faces, HostError, Job, Listed, LoadedProfile, Observer, PluginHost, Refusal, planner,
};
use backout_protocol::{
    ComponentId, Digest, Event, Fingerprint, HostPath, Notice, Place, Plan, RelPath, Step,
    message::{Candidate, Expect, LeftReason, Need, PlanRequest, Proposal, Proposed, Reject},
    notice::Stays,
    plan::{Ask, PluginRef},
    step::{Fate, Source},
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Components of one product: `c` and `d`, and the rows of a list of `c`; one that is not here, two that nothing rolls back,
/// and one of which nobody can say whether it is here.
const PROFILE: &str = r#"(name: "t", title: (en: "t"), product: (name: "t", version: "1", patch: "1"), names: NAMES,
    variables: [(name: "home", about: (en: "home")), (name: "data", about: (en: "data")), (name: "unset", about: (en: "unset"))],
    components: [
      (id: "c", title: (en: "c"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/here"), lists: [(list: "l")]),
      (id: "d", title: (en: "d"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/here")),
      (id: "absent", title: (en: "a"), role: Restore(plugin: "p", config: ()), presence: (marker: "home/gone")),
      (id: "verified", title: (en: "v"), role: VerifyOnly(why: (en: "why")), presence: (marker: "home/here")),
      (id: "reported", title: (en: "r"), role: ReportOnly, presence: (marker: "home/here")),
      (id: "unknown", title: (en: "u"), role: Restore(plugin: "p", config: ()), presence: (marker: "unset/here")),
    ],
    lists: [(id: "l", folder: "home", files: [ROWS])])"#;

/// A plugin that says what it is told to say, of each component.
#[derive(Default)]
struct Says(BTreeMap<String, Proposal>);

impl PluginHost for Says {
    fn find(&self, id: &str) -> Result<PluginRef, HostError> {
        let (version, file) = ("1".into(), PathBuf::from("/p").into());
        Ok(PluginRef { id: id.into(), version, sha256: Digest([1; 32]), file })
    }
    fn plan(&self, _: &PluginRef, request: &PlanRequest) -> Result<Proposal, HostError> {
        Ok(self.0.get(request.component.as_str()).cloned().unwrap_or_default())
    }
    fn list(&self) -> Vec<Listed> {
        Vec::new()
    }
}

impl Observer for Says {
    fn event(&self, _: &Event) {}
}

struct World {
    dir: tempfile::TempDir,
    says: Says,
    ask: Ask,
    /// Of the list, as a profile says them.
    rows: String,
    /// How the product compares names, as a profile says it.
    names: &'static str,
}

impl World {
    /// A product with these files and their texts.
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world =
            Self { dir, says: Says::default(), ask: Ask::default(), rows: String::new(), names: "Exact" };
        world.write("here", "");
        files.iter().for_each(|(name, text)| world.write(name, text));
        world
    }

    fn home(&self) -> HostPath {
        HostPath(self.dir.path().canonicalize().unwrap())
    }

    /// A folder of the product that is not there.
    fn data(&self) -> HostPath {
        HostPath(self.home().0.join("data"))
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home().0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn at(&self, name: &str) -> Place {
        Place { root: self.home(), rel: RelPath::new(name).unwrap() }
    }

    fn restore(&self, target: &str, need: Need, backups: &[(&str, Fate)]) -> Proposed {
        let candidate = |(name, fate): &(&str, Fate)| Candidate { place: self.at(name), fate: *fate };
        Proposed::RestoreFile {
            target: self.at(target),
            need,
            candidates: backups.iter().map(candidate).collect(),
        }
    }

    fn remove(&self, target: &str, expect: Expect) -> Proposed {
        Proposed::RemoveFile { target: self.at(target), expect }
    }

    fn put(&self, target: &str, text: &str) -> Proposed {
        Proposed::WriteFile { target: self.at(target), bytes: text.into() }
    }

    /// What a component's plugin proposes.
    fn says(mut self, component: &str, steps: impl FnOnce(&Self) -> Vec<Proposed>) -> Self {
        let proposal = Proposal { steps: steps(&self), ..Proposal::default() };
        self.says.0.insert(component.to_owned(), proposal);
        self
    }

    fn prefer(mut self, target: &str, component: &str) -> Self {
        self.ask.prefer.push((target.to_owned(), id(component)));
        self
    }

    fn rows(mut self, rows: &str) -> Self {
        rows.clone_into(&mut self.rows);
        self
    }

    fn plan(&self) -> Result<Plan, Refusal> {
        let profile = PROFILE.replace("ROWS", &self.rows).replace("NAMES", self.names);
        let profile = LoadedProfile::from_text("t.ron", &profile, None).unwrap();
        let mut set = self.ask.set.clone();
        set.extend([("home".to_owned(), self.home()), ("data".to_owned(), self.data())]);
        let job = Job { profile, site: Default::default(), ask: Ask { set, ..self.ask.clone() } };
        let (cancel, registry) = (Cancel::default(), backout_machine::registry::here());
        planner::plan(
            &job,
            None,
            &Faces { host: &self.says, observer: &self.says, cancel: &cancel, registry },
        )
    }

    /// The steps of the plan in short.
    #[track_caller]
    fn steps(&self) -> Vec<String> {
        self.plan().unwrap().steps.iter().map(short).collect()
    }

    /// What is left alone, and why.
    #[track_caller]
    fn left(&self) -> Vec<(String, LeftReason)> {
        let left = self.plan().unwrap().left_alone.into_iter();
        left.map(|one| (one.place.rel.to_string(), one.reason)).collect()
    }

    fn notices(&self) -> Vec<Notice> {
        self.plan().unwrap().notices
    }
}

fn id(component: &str) -> ComponentId {
    component.parse().unwrap()
}

fn short(step: &Step) -> String {
    match step {
        Step::ReplaceFile { target, source: Source::File(from), component, .. } => {
            format!("{} from {} of {component}", target.rel, from.rel)
        }
        Step::ReplaceFile { target, source: Source::Inline(bytes), .. } => {
            format!("{} is {}", target.rel, String::from_utf8_lossy(bytes))
        }
        Step::ConsumeBackup { backup, .. } => format!("consume {}", backup.rel),
        Step::RemoveFile { target, .. } => format!("remove {}", target.rel),
        Step::CreateFolder { target, .. } => format!("make {}", target.rel),
        Step::RemoveFolder { target } => format!("unmake {}", target.rel),
        Step::Hold { target, .. } => format!("hold {}", target.rel),
        Step::Custom { action, component, .. } => format!("{action} of {component}"),
        other => format!("{other:?}"),
    }
}

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
    assert!(restore(Need::Listed).plan().is_err());
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

/// As a row of a list gives it.
fn digest(text: &str) -> String {
    format!("{:?}", backout_disk::fingerprint::digest_bytes(text.as_bytes()).to_string())
}

/// `a`, which holds `live` and has a backup, and the rows.
fn listed(live: &str, rows: &str) -> World {
    World::new(&[("a", live), ("c/a", "old")])
        .says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", Fate::Keep)])])
        .rows(rows)
}

#[test]
fn a_file_with_the_bytes_from_before_the_patch_is_back_also_without_its_backup() {
    let before = format!("(name: \"a\", before: {})", digest("was"));
    assert_eq!(listed("was", &before).steps(), ["hold a"]);
    assert_eq!(listed("was", "").steps(), ["a from c/a of c"]);
    assert_eq!(listed("is", &before).steps(), ["a from c/a of c"]);
    // A row of another file tells nothing.
    assert_eq!(listed("was", &before.replace("\"a\"", "\"b\"")).steps(), ["a from c/a of c"]);
}

#[test]
fn a_file_that_the_patch_took_away_wants_its_backup() {
    let world = |rows| {
        World::new(&[]).says("c", |w| vec![w.restore("a", Need::Listed, &[("c/a", Fate::Keep)])]).rows(rows)
    };
    assert_eq!(world("").steps(), [] as [String; 0]);
    assert_eq!(world("(name: \"b\", removed: true)").steps(), [] as [String; 0]);
    let refused = world("(name: \"a\", removed: true)").plan();
    assert!(
        matches!(&refused, Err(Refusal::NoGoodBackup { wanting }) if wanting[0].rejected[0].1 == Reject::Missing),
        "{refused:?}"
    );
}

#[test]
fn a_file_that_is_neither_patched_nor_as_before_was_edited() {
    let rows = format!("(name: \"a\", sha256: {})", digest("patched"));
    assert_eq!(listed("patched", &rows).steps(), ["a from c/a of c"]);
    assert_eq!(listed("old", &rows).steps(), ["hold a"]);
    assert!(matches!(listed("mine", &rows).plan(), Err(Refusal::Drifted { targets }) if targets.len() == 1));
    let mut over = listed("mine", &rows);
    over.ask.overwrite = vec!["a".into()];
    assert_eq!(over.steps(), ["a from c/a of c"]);
    assert_eq!(over.notices(), [Notice::LocalSetAside { target: over.at("a") }]);
    let mut safe = listed("mine", &rows);
    safe.ask.only_safe = true;
    assert_eq!(safe.steps(), [] as [String; 0]);
    assert_eq!(safe.notices(), [Notice::LeftOut { target: safe.at("a"), why: Stays::Drifted }]);
    // A list presumes a folder: what has the name elsewhere counts where nothing is presumed here, and only there.
    let elsewhere = format!("(name: \"sub/a\", sha256: {})", digest("patched"));
    assert!(listed("mine", &elsewhere).plan().is_err());
    let both = format!("{elsewhere}, (name: \"a\", sha256: {})", digest("mine"));
    assert_eq!(listed("mine", &both).steps(), ["a from c/a of c"]);
    assert!(listed("patched", &both).plan().is_err());
    let alias = rows.replace("(name: \"a\"", "(name: \"b\", aliases: [\"a\"]");
    assert!(listed("mine", &alias).plan().is_err());
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
