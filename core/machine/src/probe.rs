//! Health probes: a program that exits 0 if all is well.

use crate::{
    Patience,
    command::{self, Ended, Reach},
};
use backout_protocol::profile::Probe;
use std::{io, time::Duration};

/// A probe that did not say that all is well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Its program is not named by an absolute path.
    #[error("the probe `{name}` names its program `{program}`, which is no absolute path")]
    NotAbsolute {
        /// The probe.
        name: String,
        /// As it stands in the profile or site.
        program: String,
    },
    /// It could not be run.
    #[error("the probe `{name}` cannot be run: {argv}")]
    Spawn {
        /// The probe.
        name: String,
        /// Program and arguments as a person types them.
        argv: String,
        /// Why.
        source: io::Error,
    },
    /// It says that something is wrong.
    #[error("the probe `{name}` failed ({}){}", command::exit(*.code), command::quote(.said))]
    Failed {
        /// The probe.
        name: String,
        /// Its exit code; `None`: ended by a signal.
        code: Option<i32>,
        /// The end of what it printed.
        said: String,
    },
    /// It did not end in time.
    #[error("the probe `{name}` did not end within {seconds} s{}", command::quote(.said))]
    TimedOut {
        /// The probe.
        name: String,
        /// How long it had.
        seconds: u64,
        /// The end of what it printed.
        said: String,
    },
}

/// Runs a probe and takes exit code 0 for health. At the limit it is killed with all it started.
pub fn probe(probe: &Probe, limit: Duration) -> Result<(), ProbeError> {
    let name = probe.name.clone();
    if let Err(program) = command::absolute(&probe.run) {
        return Err(ProbeError::NotAbsolute { name, program });
    }
    match command::run(&probe.run, &Patience::firm(limit), Reach::Group) {
        Ok(Ended::Exited { code: Some(0), .. }) => Ok(()),
        Ok(Ended::Exited { code, said }) => Err(ProbeError::Failed { name, code, said }),
        Ok(Ended::TimedOut { said } | Ended::Cancelled { said }) => {
            Err(ProbeError::TimedOut { name, seconds: limit.as_secs(), said })
        }
        Err(source) => Err(ProbeError::Spawn { name, argv: command::typed(&probe.run), source }),
    }
}
