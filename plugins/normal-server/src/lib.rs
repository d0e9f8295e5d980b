//! The plugin `normal-server`: ServerProtect's normal server, whose backups lie beside its files.
//!
//! ```ron
//! ( folder: "ns_home",            // where files and backups lie; folders below it are not looked into
//!   extension: "bak",             // what backups end in; this is the default
//!   wait_exit: ["SpntSvc.exe"],   // processes that must be gone before files are swapped
//!   wait_under: ["ns_home"], )    // where their executables lie; else: `folder`
//! ```
//!
//! The vendor's page calls the backups files "with the extension `bak`", which may mean `StCommon.dll.bak` or
//! `StCommon.bak`: both are understood, the second through the list. They go back under their original names, so the
//! backup's own name goes away.

use backout_plugin::{
    Ask, Component, Frame, Machine, Restore, examples, export_component,
    protocol::{
        message::{BackupSource, Example, Failure, Proposal},
        step::Fate,
    },
    schemars,
};
use serde::Deserialize;

/// ServerProtect's normal server.
#[derive(Debug, Default)]
pub struct NormalServer;

/// What a profile says of it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where files and backups lie: a variable of the profile, and plain names below it. Folders in it are not looked into.
    folder: String,
    /// What backups end in.
    #[serde(default = "bak")]
    extension: String,
    /// Processes that must be gone before files are swapped, by the base names of their executables.
    #[serde(default)]
    wait_exit: Vec<String>,
    /// Locations that these executables lie below [default: `folder`].
    #[serde(default)]
    wait_under: Vec<String>,
}

fn bak() -> String {
    "bak".to_owned()
}

impl Component for NormalServer {
    const ID: &'static str = "normal-server";
    const ABOUT: &'static str =
        "Brings back ServerProtect's normal server from the backups beside its files.";
    type Config = Config;

    fn examples() -> Vec<Example> {
        examples(&[
            include_str!("../examples/both-names.ron"),
            include_str!("../examples/ambiguous.ron"),
            include_str!("../examples/set-aside.ron"),
        ])
    }

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let Config { folder, extension, wait_exit, wait_under } = &ask.config;
        let mut restore = Restore::new(ask, machine)?;
        match &ask.request.source {
            BackupSource::Vendor => restore.beside(folder, extension, Fate::Consume)?,
            BackupSource::Dir(dir) => restore.set_aside(dir, extension)?,
        }
        Ok(Frame::new(ask, wait_exit, wait_under, &[folder])?.around(restore.finish()))
    }
}

export_component!(NormalServer);
