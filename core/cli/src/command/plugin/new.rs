//! `backout plugin new`: a folder with a plugin that works, to begin with.

use crate::{
    answer::Answer,
    exit_code,
    messages::scaffold as words,
    session::{Stop, wrong},
};
use backout_disk::{ErrorKind, Folder, durable};
use backout_protocol::Outcome;
use serde_json::json;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The sources of the SDK, by where they lie in `vendor`.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/vendor.rs"));
/// The versions of what the SDK needs.
const LOCK: &str = include!(concat!(env!("OUT_DIR"), "/lock.rs"));
/// Packages that the SDK is made of.
const TAKEN: &[&str] = include!(concat!(env!("OUT_DIR"), "/taken.rs"));

/// Files of a new plugin, by where they lie; `@NAME@`, `@LIB@` and `@TYPE@` in both stand for its names.
type Template = &'static [(&'static str, &'static str)];

const RUST: Template = &[
    ("Cargo.toml", include_str!("../../templates/rust/manifest.toml")),
    ("src/lib.rs", include_str!("../../templates/rust/lib.rs.txt")),
    ("examples/goes-back.ron", include_str!("../../templates/rust/goes-back.ron")),
    ("examples/no-folder.ron", include_str!("../../templates/rust/no-folder.ron")),
    ("tests/plan.rs", include_str!("../../templates/rust/plan.rs.txt")),
    ("profiles/@NAME@.ron", include_str!("../../templates/profile.ron")),
    ("fixtures/machine.ron", include_str!("../../templates/fixture.ron")),
    (".github/workflows/check.yml", include_str!("../../templates/rust/ci.yml")),
    (".gitignore", include_str!("../../templates/rust/gitignore")),
    ("README.md", include_str!("../../templates/rust/README.md")),
];

const C: Template = &[
    ("@NAME@.c", include_str!("../../templates/c/plugin.c")),
    ("backout_plugin.h", include_str!("../../../../../plugins/sdk/include/backout_plugin.h")),
    ("Makefile", include_str!("../../templates/c/Makefile")),
    ("profiles/@NAME@.ron", include_str!("../../templates/profile.ron")),
    ("fixtures/machine.ron", include_str!("../../templates/fixture.ron")),
    (".github/workflows/check.yml", include_str!("../../templates/c/ci.yml")),
    (".gitignore", include_str!("../../templates/c/gitignore")),
    ("README.md", include_str!("../../templates/c/README.md")),
];

/// No name is longer.
const LONGEST: usize = 40;
/// Who owns them may write, everybody may read, whatever the umask is: a plugin that others may write to is not loaded.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

pub(crate) fn run(name: &str, lang: &str, dir: Option<&Path>) -> Result<Answer, Stop> {
    let (template, next) = match lang {
        "rust" => (RUST, "cargo build --release"),
        "c" => (C, "make"),
        other => return Err(wrong(format!("`--lang {other}` is neither `rust` nor `c`"))),
    };
    if let Some(why) = unfit(name) {
        return Err(wrong(format!("`{name}` cannot be a plugin's name: {why}")));
    }
    let names = Names { name: name.to_owned(), lib: name.replace('-', "_"), kind: kind(name) };
    let parent = dir.unwrap_or(Path::new("."));
    let refused = |said| Box::new(Answer::error(exit_code::REFUSED, Outcome::Refused, said));
    let folder = parent.join(name);
    if folder.symlink_metadata().is_ok() {
        return Err(refused(words::there(&folder)));
    }
    let failed = |path: &Path, why: &dyn std::error::Error, denied: bool| {
        let code = if denied { exit_code::NO_RIGHTS } else { exit_code::REFUSED };
        let said = words::not_made(path, &crate::messages::whole(why));
        Box::new(Answer::error(code, Outcome::Refused, said))
    };
    let not_made = |path: &Path, why: backout_disk::Error| failed(path, &why, why.kind == ErrorKind::Denied);
    // Where a link leads is the person's to say, who named it.
    let whole = std::fs::canonicalize(parent)
        .map_err(|e| failed(&folder, &e, e.kind() == std::io::ErrorKind::PermissionDenied))?;
    let root = Folder::open_root(&whole)
        .and_then(|parent| durable::make_folder(&parent, OsStr::new(name), FOLDER_MODE))
        .map_err(|e| not_made(&folder, e))?;
    let mut files: Vec<(String, String)> =
        template.iter().map(|(path, text)| (names.put_into(path), names.put_into(text))).collect();
    if lang == "rust" {
        files.push(("Cargo.lock".to_owned(), LOCK.to_owned()));
        files.extend(SDK.iter().map(|(path, text)| (format!("vendor/{path}"), (*text).to_owned())));
    }
    for (path, text) in &files {
        lay(&root, path, text).map_err(|e| not_made(&folder.join(path), e))?;
    }
    let library = if lang == "rust" {
        PathBuf::from("target/release").join(library_name(&names.lib))
    } else {
        PathBuf::from(format!("lib{}.so", names.lib))
    };
    let text = format!(
        "`{}` is a plugin that works. Build and check it:\n    cd {}\n    {next}\n    backout plugin check {}\nREADME.md says \
         what each file is.",
        folder.display(),
        super::quoted(&folder),
        library.display()
    );
    let made: Vec<&String> = files.iter().map(|(path, _)| path).collect();
    Ok(Answer::read(text, json!({ "folder": folder, "library": library, "files": made })))
}

fn library_name(lib: &str) -> String {
    format!("{}{lib}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Writes one file with the folders it lies in.
fn lay(root: &Folder, path: &str, text: &str) -> Result<(), backout_disk::Error> {
    let mut folder = root.try_clone()?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return durable::write(&folder, OsStr::new(part), text.as_bytes(), FILE_MODE);
        }
        folder = durable::ensure_folder(&folder, OsStr::new(part), FOLDER_MODE)?;
    }
    Ok(())
}

/// What a new plugin is called.
struct Names {
    /// The package and the plugin's id.
    name: String,
    /// The library.
    lib: String,
    /// The type in Rust.
    kind: String,
}

impl Names {
    fn put_into(&self, text: &str) -> String {
        text.replace("@NAME@", &self.name).replace("@LIB@", &self.lib).replace("@TYPE@", &self.kind)
    }
}

/// `demo-comp` as a type: `DemoCompComponent`. No other type that the template names, nor one of the language's prelude,
/// ends so with something before it.
fn kind(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    name.split('-').map(word).collect::<String>() + "Component"
}

/// Words of the language and names that cargo, Windows or the SDK itself give another meaning.
const RESERVED: [&str; 85] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "con",
    "prn",
    "aux",
    "nul",
    "com1",
    "com2",
    "com3",
    "com4",
    "com5",
    "com6",
    "com7",
    "com8",
    "com9",
    "lpt1",
    "lpt2",
    "lpt3",
    "lpt4",
    "lpt5",
    "lpt6",
    "lpt7",
    "lpt8",
    "lpt9",
    "config",
    "vendor",
];

/// Why a name will not do.
fn unfit(name: &str) -> Option<String> {
    let good = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.len() > LONGEST {
        return Some(format!("it is longer than {LONGEST} characters"));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.split('-').all(good) {
        return Some(
            "it must begin with a letter and have small letters, digits and single hyphens between them"
                .to_owned(),
        );
    }
    let same = |taken: &&str| taken.replace('_', "-") == name;
    if RESERVED.iter().any(same) {
        return Some("that word has another meaning".to_owned());
    }
    if TAKEN.iter().any(same) {
        return Some("a package that the SDK is made of has it".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_not_build_are_refused() {
        for good in ["demo", "demo-comp", "demo-c", "a1", "x-2-y", "candidate", "option", "component"] {
            assert_eq!(unfit(good), None, "{good}");
        }
        let long = "a".repeat(41);
        for bad in [
            "",
            "Demo",
            "demo_comp",
            "1a",
            "-a",
            "a-",
            "a--b",
            "a b",
            "../a",
            "a/b",
            "a.b",
            "ä",
            "fn",
            "con",
            "test",
            "serde",
            "backout-plugin",
            "serde-json",
            "config",
            "proc-macro",
            "com9",
            "lpt5",
            &long,
        ] {
            assert!(unfit(bad).is_some(), "{bad}");
        }
    }

    /// What the template takes from elsewhere, and what is there without being taken.
    #[test]
    fn the_type_of_no_name_is_one_that_the_template_knows() {
        let sources: String =
            RUST.iter().filter(|(path, _)| path.ends_with(".rs")).map(|(_, text)| *text).collect();
        let names = sources.replace("@TYPE@", " ");
        let known = names.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ends_so: Vec<&str> =
            known.filter(|name| name.ends_with("Component") && *name != "Component").collect();
        assert_eq!(ends_so, Vec::<&str>::new());
        for name in ["candidate", "rel-path", "result", "option", "box", "component"] {
            assert!(kind(name).len() > "Component".len() && kind(name).ends_with("Component"), "{name}");
        }
    }

    #[test]
    fn nothing_of_a_template_is_left_to_fill_in() {
        let names = Names { name: "demo-comp".into(), lib: "demo_comp".into(), kind: kind("demo-comp") };
        assert_eq!(names.kind, "DemoCompComponent");
        for (path, text) in RUST.iter().chain(C) {
            let (path, text) = (names.put_into(path), names.put_into(text));
            assert!(
                !path.contains('@')
                    && !text.contains("@NAME")
                    && !text.contains("@LIB")
                    && !text.contains("@TYPE"),
                "{path}"
            );
        }
        assert!(
            SDK.iter().any(|(path, _)| *path == "sdk/src/lib.rs")
                && SDK.iter().any(|(path, _)| *path == "Cargo.toml")
        );
    }
}
