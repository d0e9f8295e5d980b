//! Brings one file back from the `.orig` beside it.

use backout_plugin::protocol::message::{Candidate, Example, Failure, Need, Proposal, Proposed};
use backout_plugin::{Ask, Component, Machine, examples, export_component, protocol::step::Fate, schemars};

/// The plugin.
#[derive(Default)]
pub struct Hello;

/// What a profile says to it.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file: a variable of the profile, and plain names below it.
    file: String,
}

impl Component for Hello {
    const ID: &'static str = "hello";
    const ABOUT: &'static str = "Brings one file back from the `.orig` beside it.";
    type Config = Config;

    fn examples() -> Vec<Example> {
        examples(&[include_str!("hello.ron")])
    }

    fn plan(&self, ask: &Ask<Config>, machine: &Machine) -> Result<Proposal, Failure> {
        let target = ask.place(&ask.folder(&ask.config.file)?.0)?;
        let backup = ask.place(&ask.folder(&format!("{}.orig", ask.config.file))?.0)?;
        let mut candidates = Vec::new();
        if machine.exists(&backup.path())? {
            candidates.push(Candidate { place: backup, fate: Fate::Keep });
        }
        let step = Proposed::RestoreFile { target, need: Need::Listed, candidates };
        Ok(Proposal { steps: vec![step], ..Proposal::default() })
    }
}

export_component!(Hello);
