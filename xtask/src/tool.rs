//! Tools that cargo installs.

use crate::build::{cargo, root};
use std::process::Stdio;

/// A tool that cargo installs.
pub(crate) struct Tool {
    /// As in `cargo NAME`.
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    /// The only one that will do, where its answers are read by us.
    pub(crate) version: Option<&'static str>,
}

impl Tool {
    pub(crate) fn is_here(&self) -> bool {
        let mut asked = cargo(&[self.name, "--version"]);
        let Ok(said) = asked.current_dir(root()).stdin(Stdio::null()).output() else { return false };
        let text = String::from_utf8_lossy(&said.stdout);
        said.status.success() && self.version.is_none_or(|v| text.split_whitespace().any(|word| word == v))
    }

    /// Installs it if need be. `Err`: why it cannot be had here.
    pub(crate) fn provide(&self) -> Result<(), String> {
        if self.is_here() {
            return Ok(());
        }
        let wanted = self.wanted();
        println!("installing {wanted}");
        if quietly(&["install", "--quiet", "--locked", &wanted]) && self.is_here() {
            return Ok(());
        }
        Err(self.missing())
    }

    pub(crate) fn missing(&self) -> String {
        format!("`cargo {}` is not here (cargo install --locked {})", self.name, self.wanted())
    }

    /// As cargo installs it.
    fn wanted(&self) -> String {
        self.version.map_or_else(|| self.package.to_owned(), |version| format!("{}@{version}", self.package))
    }
}

/// A call of cargo that says nothing.
pub(crate) fn quietly(args: &[&str]) -> bool {
    let mut call = cargo(args);
    call.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    call.status().is_ok_and(|s| s.success())
}
