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
    Ask, Component, Frame, Machine, Restore, examples, export_component,
    protocol::{
        message::{BackupSource, Example, Failure, Proposal},
        step::Fate,
    },
    schemars,
};
use serde::Deserialize;

/// ServerProtect's Control Manager agent.
#[derive(Debug, Default)]
pub struct CmAgent;

/// What a profile says of it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The first backups: a variable of the profile, and plain names below it.
    home_backup: String,
    /// Where they go, relative paths kept.
    home: String,
    /// The second backups.
    tmi_backup: String,
    /// Where they go.
    tmi: String,
    /// Processes that must be gone before files are swapped, by the base names of their executables.
    #[serde(default)]
    wait_exit: Vec<String>,
    /// Locations that these executables lie below [default: `tmi` and `home`].
    #[serde(default)]
    wait_under: Vec<String>,
}

impl Component for CmAgent {
    const ID: &'static str = "cm-agent";
    const ABOUT: &'static str =
        "Brings back ServerProtect's Control Manager agent from its two backup folders.";
    type Config = Config;

    fn examples() -> Vec<Example> {
        examples(&[include_str!("../examples/two-folders.ron"), include_str!("../examples/unlisted-too.ron")])
    }

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
