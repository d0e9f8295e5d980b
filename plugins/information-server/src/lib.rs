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
    Ask, Component, Frame, Machine, Restore, export_component,
    protocol::{
        message::{BackupSource, Failure, Proposal},
        step::Fate,
    },
};
use serde::Deserialize;

/// ServerProtect's Information Server.
#[derive(Debug, Default)]
pub struct InformationServer;

/// What a profile says of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    backup: String,
    to: String,
    #[serde(default)]
    hotfix: Option<String>,
    #[serde(default)]
    wait_exit: Vec<String>,
    #[serde(default)]
    wait_under: Vec<String>,
}

impl Component for InformationServer {
    const ID: &'static str = "information-server";
    const ABOUT: &'static str =
        "Brings back ServerProtect's Information Server and shows what it may deploy again.";
    type Config = Config;

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

export_component!(InformationServer);
