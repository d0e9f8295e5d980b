//! Tools that cargo installs.

use crate::build::{cargo, root};
use std::process::Stdio;

/// A tool that cargo installs.
pub(crate) struct Tool {
    /// As in `cargo NAME`.
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

impl Tool {
    pub(crate) fn is_here(&self) -> bool {
        quietly(&[self.name, "--version"])
    }

    /// Installs it if need be. `Err`: why it cannot be had here.
    pub(crate) fn provide(&self) -> Result<(), String> {
        if self.is_here() {
            return Ok(());
        }
        println!("installing {}", self.package);
        if quietly(&["install", "--quiet", "--locked", self.package]) && self.is_here() {
            return Ok(());
        }
        Err(self.missing())
    }

    pub(crate) fn missing(&self) -> String {
        format!("`cargo {}` is not here (cargo install --locked {})", self.name, self.package)
    }
}

/// A call of cargo that says nothing.
pub(crate) fn quietly(args: &[&str]) -> bool {
    let mut call = cargo(args);
    call.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    call.status().is_ok_and(|s| s.success())
}
