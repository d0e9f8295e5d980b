//! The plugin `information-server`: ServerProtect's Information Server.
//!
//! ```ron
//! ( backup: "home/is_backup/filegroup10",   // every file in it and below goes …
//!   to: "is_home",                          // … here, relative paths kept
//!   hotfix: "home/HotFix",                  // what it may deploy again: shown, and taken away with `clear-hotfix`
//!   wait_exit: ["EarthAgent.exe"],          // may survive its stopped service
//!   wait_under: ["is_home"], )              // else: `to`
//! ```
//!
//! The backups are copied, so they stay where they are.

mod hotfix;

use backout_plugin::{
    Ask, Component, Frame, Machine, Restore, examples, export_component,
    protocol::{
        HostPath,
        message::{BackupSource, Example, Failure, Proposal},
        step::Fate,
    },
    schemars,
};
use serde::Deserialize;
use std::path::Path;

/// ServerProtect's Information Server.
#[derive(Debug, Default)]
pub struct InformationServer;

/// What a profile says of it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the backups lie: a variable of the profile, and plain names below it.
    backup: String,
    /// Where they go, relative paths kept: as `backup`.
    to: String,
    /// What may be deployed again: shown, and taken away with the switch `clear-hotfix`.
    #[serde(default)]
    hotfix: Option<String>,
    /// Processes that must be gone before files are swapped, by the base names of their executables.
    #[serde(default)]
    wait_exit: Vec<String>,
    /// Locations that these executables lie below [default: `to`].
    #[serde(default)]
    wait_under: Vec<String>,
}

impl Component for InformationServer {
    const ID: &'static str = "information-server";
    const ABOUT: &'static str =
        "Brings back ServerProtect's Information Server and shows what it may deploy again.";
    type Config = Config;

    fn examples() -> Vec<Example> {
        let native = |text: &str| text.replace("`/srv/sp/HotFix`", &format!("`{}`", native_hotfix()));
        examples(&[
            &native(include_str!("../examples/hotfix-shown.ron")),
            &native(include_str!("../examples/hotfix-cleared.ron")),
        ])
    }

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let Config { backup, to, hotfix, wait_exit, wait_under } = &ask.config;
        let mut restore = Restore::new(ask, machine)?;
        match &ask.request.source {
            BackupSource::Vendor => restore.mirror(backup, to, None, Fate::Keep)?,
            BackupSource::Dir(dir) => restore.set_aside(dir, "bak")?,
        }
        let mut files = restore.finish();
        if let Some(hotfix) = hotfix {
            hotfix::plan(ask, machine, hotfix, &mut files)?;
        }
        Ok(Frame::new(ask, wait_exit, wait_under, &[to])?.around(files))
    }
}

/// The examples' folder as this system writes it, which notes to people do; inside a RON string.
fn native_hotfix() -> String {
    HostPath(Path::new("/srv/sp").join("HotFix")).to_string().replace('\\', "\\\\")
}

export_component!(InformationServer);
