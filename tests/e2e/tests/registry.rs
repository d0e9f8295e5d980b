//! Keys of the registry, and how services are configured, in a snapshot and on the way back to it. The registry in memory that other
//! tests use does what the real one does.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_kit::{World, registry::FakeRegistry, registry_link::Link, scm::Installed};
use backout_machine::{
    Services,
    registry::{self, Registry},
    service::Scm,
};
use backout_protocol::{
    Configuration, KeyName, KeyPath,
    configuration::Part,
    profile::Timeouts,
    registry::{Edit, KeyTree, Value, edits},
};
use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

/// A key of a test's own. It goes with this.
struct Own {
    path: KeyPath,
}

impl Own {
    fn new(name: &str) -> Self {
        let path = format!(r"HKLM\SOFTWARE\backout test\{name} {}", std::process::id()).parse().unwrap();
        let own = Self { path };
        own.clear();
        own
    }

    fn view(&self, number: usize) -> KeyName {
        self.path.views()[number].clone()
    }

    fn clear(&self) {
        for key in self.path.views() {
            let there = registry::here().tree(&key).unwrap();
            carry_out(registry::here(), &key, &edits(&there, &KeyTree::default()));
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.clear();
    }
}

fn carry_out(registry: &dyn Registry, key: &KeyName, edits: &[Edit]) {
    for edit in edits {
        match edit {
            Edit::Make { path } => registry.make(key, path).unwrap(),
            Edit::Remove { path } => registry.remove(key, path).unwrap(),
            Edit::Set { path, name, after, .. } => registry.set(key, path, name, after.as_ref()).unwrap(),
        }
    }
    registry.flush(key).unwrap();
}

fn number(value: u32) -> Value {
    Value { kind: 4, bytes: value.to_le_bytes().to_vec() }
}

fn tree(keys: &[(&str, &[(&str, Value)])]) -> KeyTree {
    let values = |all: &[(&str, Value)]| all.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    KeyTree(keys.iter().map(|(path, all)| ((*path).to_owned(), values(all))).collect())
}

fn old() -> KeyTree {
    let bytes = Value { kind: 3, bytes: (0..=255).cycle().take(9000).collect() };
    let text = Value { kind: 1, bytes: "製品\0".encode_utf16().flat_map(u16::to_le_bytes).collect() };
    tree(&[
        ("", &[("Version", number(1)), ("", text), ("Empty", Value { kind: 0, bytes: vec![] })]),
        ("RPC", &[("Bytes", bytes), ("名前", number(2))]),
        (r"RPC\深い", &[]),
    ])
}

fn new() -> KeyTree {
    tree(&[
        ("", &[("Version", number(2))]),
        ("RPC", &[("名前", number(2))]),
        ("Added", &[("One", number(1))]),
    ])
}

#[test]
fn the_registry_in_memory_does_what_the_real_one_does() {
    let (own, fake) = (Own::new("twin"), FakeRegistry::default());
    let key = own.view(0);
    for registry in [registry::here(), &fake as &dyn Registry] {
        assert_eq!(registry.tree(&key).unwrap(), KeyTree::default());
        registry.flush(&key).unwrap();
        registry.remove(&key, "gone").unwrap();
        registry.set(&key, "", "gone", None).unwrap();
        assert!(registry.set(&key, "", "value", Some(&number(1))).is_err(), "there is no key for it");
        registry.make(&key, r"a\b").unwrap();
        registry.make(&key, r"A\b").unwrap();
        assert_eq!(registry.tree(&key).unwrap(), tree(&[("", &[]), ("a", &[]), (r"a\b", &[])]));
        assert!(registry.remove(&key, "a").is_err(), "it holds a key");
        registry.remove(&key, r"a\b").unwrap();
        registry.set(&key, "a", "x", Some(&number(1))).unwrap();
        registry.set(&key, "a", "X", Some(&number(2))).unwrap();
        assert_eq!(registry.tree(&key).unwrap(), tree(&[("", &[]), ("a", &[("x", number(2))])]));
        assert!(registry.remove(&key, "a").is_err(), "it holds a value");
        registry.set(&key, "a", "x", None).unwrap();
        registry.set(&key, "a", "x", None).unwrap();
        registry.remove(&key, "a").unwrap();
        registry.remove(&key, "").unwrap();
        assert_eq!(registry.tree(&key).unwrap(), KeyTree::default());
        for (from, to) in [(KeyTree::default(), old()), (old(), new()), (new(), KeyTree::default())] {
            carry_out(registry, &key, &edits(&from, &to));
            assert_eq!(registry.tree(&key).unwrap(), to);
        }
    }
}

fn put(key: &KeyName, tree: &KeyTree) {
    let there = registry::here().tree(key).unwrap();
    carry_out(registry::here(), key, &edits(&there, tree));
}

/// A product of some files and a key of its own.
struct Product {
    world: World,
    own: Own,
}

impl Product {
    fn new(name: &str) -> Self {
        let (world, own) = (World::without_services(), Own::new(name));
        let text = fs::read_to_string(&world.profile).unwrap();
        let key = format!("registry: [{:?}], components:", own.path.to_string());
        fs::write(&world.profile, text.replacen("components:", &key, 1)).unwrap();
        put(&own.view(0), &old());
        Self { world, own }
    }

    fn trees(&self) -> [KeyTree; 2] {
        [0, 1].map(|n| registry::here().tree(&self.own.view(n)).unwrap())
    }
}

#[test]
fn keys_go_back_to_a_snapshot_and_forth_by_undo_and_a_run_that_is_killed_is_recovered() {
    let product = Product::new("product");
    let Product { world, own } = &product;
    let created =
        world.plain(&["snapshot", "create", &world.profile, "--site", world.site.to_str().unwrap()]).ends(0);
    let id = created.json["data"]["id"].as_str().unwrap().to_owned();
    let first = world.files();
    let installed = || {
        fs::write(world.home.join("live/a.conf"), "new").unwrap();
        put(&own.view(0), &new());
        // A 64-bit Windows keeps it apart; where both are one key it is the same.
        put(&own.view(1), &new());
    };
    let was = product.trees();
    installed();
    let is = product.trees();
    let second = world.files();
    let differs = world.plain(&["snapshot", "diff", &id]).ends(0);
    let told = differs.json["data"]["settings"].as_array().unwrap();
    let about = |what: &str| told.iter().any(|one| one["about"].as_str().unwrap().ends_with(what));
    assert!(about(r"\RPC\深い") && about(r"\Version"), "{}", differs.stdout);
    world.plain(&["snapshot", "verify", &id]).ends(0);

    let from = format!("snapshot:{id}");
    let run = world.rollback(&["--from", &from]).ends(0);
    assert!(run.json["counts"]["settings"].as_u64().unwrap() >= 1, "{}", run.stdout);
    assert!(product.trees() == was && world.files() == first);
    world.plain(&["undo"]).ends(0);
    assert!(product.trees() == is && world.files() == second);

    let begun = Instant::now();
    world.rollback(&["--from", &from, "--no-parent"]).ends(0);
    let whole = u64::try_from(begun.elapsed().as_millis()).unwrap();
    for n in 1..=6 {
        installed();
        // Its time is another each time.
        let second = world.files();
        let mut run = world.verb_command("rollback", &["--from", &from, "--no-parent"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is what is tried here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(whole * n / 6));
        let _ = run.kill();
        run.wait().unwrap();
        let recover = world.plain(&["recover"]);
        assert_eq!(recover.code, Some(0), "{}", recover.stdout);
        let sides = [(&first, &was), (&second, &is)];
        let found = (world.files(), product.trees());
        assert!(
            sides.iter().any(|(files, trees)| **files == found.0 && **trees == found.1),
            "{n} of 6: {found:?}"
        );
    }
}

#[test]
fn keys_of_folders_that_are_named_by_hand_are_kept_and_those_of_everybody_refused() {
    let (world, own) = (World::without_services(), Own::new("by hand"));
    put(&own.view(0), &old());
    let (home, key) = (world.home.to_str().unwrap(), own.path.to_string());
    let taken = world.plain(&["snapshot", "create", "--watch", home, "--registry", &key]).ends(0);
    let id = taken.json["data"]["id"].as_str().unwrap();
    let shown = world.plain(&["snapshot", "show", id]).ends(0);
    assert_eq!(shown.json["data"]["registry"][0]["tree"]["RPC"]["名前"]["bytes"], "02000000");
    for wrong in [r"HKLM\SOFTWARE", r"HKLM\SOFTWARE\Microsoft", r"HKCU\Software\x"] {
        world.plain(&["snapshot", "create", "--watch", home, "--registry", wrong]).ends(64);
    }
}

#[test]
fn a_link_is_named_and_what_it_leads_to_is_neither_kept_nor_changed() {
    let product = Product::new("linked");
    let (Product { world, own }, elsewhere) = (&product, Own::new("elsewhere"));
    put(&elsewhere.view(0), &new());
    let to = elsewhere.view(0);
    let site = world.site.to_str().unwrap();
    let create = || world.plain(&["snapshot", "create", &world.profile, "--site", site]);
    let whole = create().ends(0);
    let id = whole.json["data"]["id"].as_str().unwrap();
    let was = product.trees();
    {
        let at = own.view(0);
        let _link = Link::new(&format!(r"{}\RPC\turned", at.path.as_str()), to.path.as_str());
        let refused = create().ends(10);
        assert_eq!(refused.error_code(), "BKO-1172", "{}", refused.stdout);
        // What came since would go: not what the link leads to.
        fs::write(world.home.join("live/a.conf"), "new").unwrap();
        let back = world.rollback(&["--from", &format!("snapshot:{id}")]).ends(10);
        assert_eq!(back.error_code(), "BKO-1172", "{}", back.stdout);
        assert_eq!(fs::read(world.home.join("live/a.conf")).unwrap(), b"new");
        assert_eq!(registry::here().tree(&to).unwrap(), new());
    }
    assert_eq!(product.trees(), was);
    world.rollback(&["--from", &format!("snapshot:{id}")]).ends(0);
    assert!(product.trees() == was && registry::here().tree(&to).unwrap() == new());
}

#[test]
fn how_services_are_configured_goes_back_to_a_snapshot_and_forth_by_undo() {
    let machine = Installed::new();
    let world = &machine.product.world;
    let site = world.site.to_str().unwrap();
    let created = world.plain(&["snapshot", "create", &world.profile, "--site", site]).ends(0);
    let id = created.json["data"]["id"].as_str().unwrap().to_owned();
    let scm = Scm::new(Timeouts::default());
    let name = "Trend ServerProtect".parse().unwrap();
    let configured = || match scm.configuration(&name, None).unwrap() {
        Some(Configuration::Scm(kept)) => kept,
        other => panic!("{other:?}"),
    };
    let was = configured();
    // An installer's work: another program line, a start at boot, something that it needs.
    let line = format!(r#"{} "C:\windows\system32\kernel32.dll""#, was.image);
    let changed = backout_protocol::configuration::Scm {
        start: 2,
        image: line.clone(),
        needs: vec!["RpcSs".to_owned()],
        ..was.clone()
    };
    let parts = [Part::Start, Part::Image, Part::Needs];
    scm.configure(&name, &Configuration::Scm(changed), &parts).unwrap();
    let is = configured();
    assert_eq!((is.start, &is.image, is.needs.as_slice()), (2, &line, ["RpcSs".to_owned()].as_slice()));
    let differs = world.plain(&["snapshot", "diff", &id]).ends(0);
    assert!(
        differs.stdout.contains("start type") && differs.stdout.contains("dependencies"),
        "{}",
        differs.stdout
    );

    let from = format!("snapshot:{id}");
    let run = world.rollback(&["--from", &from]).ends(0);
    assert_eq!(run.json["counts"]["settings"], 1, "{}", run.stdout);
    assert_eq!(configured(), was);
    assert_eq!(machine.running(), [true; 3]);
    world.plain(&["undo"]).ends(0);
    assert_eq!(configured(), is);
    assert_eq!(machine.running(), [true; 3]);
}
