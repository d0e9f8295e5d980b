//! The plugin `settings`: values of the registry and of INI files, changed so that they can be taken back.
//!
//! ```ron
//! ( registry: [(                       // Windows only
//!     key: r"HKLM\SOFTWARE\Example\RPC",
//!     value: "Address",
//!     data: Sz("$server_address"),    // or ExpandSz("…"), Dword(1)
//!   )],
//!   ini: [(
//!     file: "home/EXAMPLE.INI",        // a variable, and plain names below it; made if it is not there
//!     section: "Network", key: "HostName", value: "$own_address",
//!   )], )
//! ```
//!
//! A text that is `$name` stands for the value of that variable. A registry value is an action of this plugin, with what
//! was there before as its memo; an INI value is a planned file like any other. All services of the component are stopped
//! before and started after.

mod config;
pub mod ini;
pub mod registry;

use backout_plugin::{
    Action, Ask, Component, Frame, Machine, export_component,
    protocol::message::{Failure, Proposal},
};
pub use config::{Config, Data, View};

/// A component's settings.
#[derive(Debug, Default)]
pub struct Settings;

impl Component for Settings {
    const ID: &'static str = "settings";
    const ABOUT: &'static str = "Sets values of the registry and of INI files, and takes them back.";
    type Config = Config;

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let mut steps = ini::steps(ask, machine)?;
        steps.extend(registry::steps(ask, &registry::here())?);
        let frame = Frame::new(ask, &[], &[], &[])?;
        Ok(frame.around(Proposal { steps, ..Proposal::default() }))
    }

    fn action(&self, name: &str) -> Option<Box<dyn Action>> {
        (name == registry::ACTION).then(|| Box::new(registry::SetValue(registry::here())) as Box<dyn Action>)
    }
}

export_component!(Settings);
