//! The plugin `file-set`: a component whose backups are a folder of files.
//!
//! ```ron
//! ( from: "home/backup",          // where the backups lie: a variable, and plain names below it
//!   to: "home",                   // where they go; relative paths are kept
//!   suffix: ".bak",               // only backups that end so count; the suffix is no part of the file's own name
//!   consume: true,                // a backup that went back is taken away, as a rename would have done
//!   exact: true,                  // the list names each file by its very place: no other of the same name is meant
//!   made: ["home/new"],           // folders that the patch made: taken away where nothing stays in them
//!   wait_exit: ["programd"],      // processes that must be gone before files are swapped
//!   wait_under: ["home/bin"], )   // where their executables lie; else: `to`
//! ```
//!
//! Only `from` and `to` must be given. Where the component has a list of files only those go back; others are named,
//! and taken along with the switch `include-unlisted`. Where it has none, every file in the folder does.

use backout_plugin::{
    Ask, Component, Frame, Machine, Restore, examples, export_component,
    protocol::{
        message::{BackupSource, Example, Failure, Proposal},
        step::Fate,
    },
    schemars,
};
use serde::Deserialize;

/// A component whose backups are a folder of files.
#[derive(Debug, Default)]
pub struct FileSet;

/// What a profile says of it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the backups lie: a variable of the profile, and plain names below it.
    from: String,
    /// Where they go, relative paths kept: as `from`.
    to: String,
    /// Only backups that end so count; the suffix is no part of the file's own name.
    #[serde(default)]
    suffix: Option<String>,
    /// A backup that went back is taken away, as a rename would have done.
    #[serde(default)]
    consume: bool,
    /// The list names each file by its very place: a file of the same name elsewhere is none of it.
    #[serde(default)]
    exact: bool,
    /// Folders that the patch made: each is taken away where nothing stays in it.
    #[serde(default)]
    made: Vec<String>,
    /// Processes that must be gone before files are swapped, by the base names of their executables.
    #[serde(default)]
    wait_exit: Vec<String>,
    /// Locations that these executables lie below [default: `to`].
    #[serde(default)]
    wait_under: Vec<String>,
}

impl Component for FileSet {
    const ID: &'static str = "file-set";
    const ABOUT: &'static str = "Brings back every file of a backup folder, relative paths kept.";
    type Config = Config;

    fn examples() -> Vec<Example> {
        examples(&[
            include_str!("../examples/every-file.ron"),
            include_str!("../examples/only-listed.ron"),
            include_str!("../examples/added-files.ron"),
            include_str!("../examples/missing-folder.ron"),
        ])
    }

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let Config { from, to, suffix, consume, exact, made, wait_exit, wait_under } = &ask.config;
        let suffix = suffix.as_deref();
        let fate = if *consume { Fate::Consume } else { Fate::Keep };
        let mut restore = Restore::new(ask, machine)?;
        if *exact {
            restore.only_where_listed();
        }
        match &ask.request.source {
            BackupSource::Vendor => restore.mirror(from, to, suffix, fate)?,
            BackupSource::Dir(dir) if ask.request.listed.is_empty() => {
                restore.mirror_set_aside(dir, to, suffix)?
            }
            BackupSource::Dir(dir) => {
                let extension = suffix.and_then(|s| s.strip_prefix('.')).unwrap_or("bak");
                restore.set_aside(dir, extension)?;
            }
        }
        Ok(Frame::new(ask, wait_exit, wait_under, &[to])?.around(restore.finish_without(made)?))
    }
}

export_component!(FileSet);
