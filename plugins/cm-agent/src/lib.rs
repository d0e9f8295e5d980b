//! The plugin `cm-agent`: ServerProtect's Control Manager agent, which has files and backups in two folders.
//!
//! ```ron
//! ( home_backup: "home/is_backup/filegroup100", home: "home",   // first these
//!   tmi_backup: "tmi/Backup", tmi: "tmi",                       // then these
//!   wait_exit: ["cm.exe", "LWDMServer.exe", "mrf.exe", "EntityMain.exe"],
//!   wait_under: ["tmi", "home"], )                              // else: both
//! ```
//!
//! Relative paths are kept. The backups are copied, so they stay where they are.

use backout_plugin::{
    Ask, Component, Frame, Machine, Restore, export_component,
    protocol::{
        message::{BackupSource, Failure, Proposal},
        step::Fate,
    },
};
use serde::Deserialize;

/// ServerProtect's Control Manager agent.
#[derive(Debug, Default)]
pub struct CmAgent;

/// What a profile says of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    home_backup: String,
    home: String,
    tmi_backup: String,
    tmi: String,
    #[serde(default)]
    wait_exit: Vec<String>,
    #[serde(default)]
    wait_under: Vec<String>,
}

impl Component for CmAgent {
    const ID: &'static str = "cm-agent";
    const ABOUT: &'static str =
        "Brings back ServerProtect's Control Manager agent from its two backup folders.";
    type Config = Config;

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let Config { home_backup, home, tmi_backup, tmi, wait_exit, wait_under } = &ask.config;
        let mut restore = Restore::new(ask, machine)?;
        match &ask.request.source {
            BackupSource::Vendor => {
                restore.mirror(home_backup, home, None, Fate::Keep)?;
                restore.mirror(tmi_backup, tmi, None, Fate::Keep)?;
            }
            BackupSource::Dir(dir) => restore.set_aside(dir, "bak")?,
        }
        Ok(Frame::new(ask, wait_exit, wait_under, &[tmi, home])?.around(restore.finish()))
    }
}

export_component!(CmAgent);
