//! The services of this machine by hand: `services VERB NAME…`. For the tests, and for a look at a strange machine.
//!
//! `state`, `stop`, `start`, `companions`, `hint`, `configuration`, `enable`, `disable` take a service; `hold` and `release` take the file that holds and
//! services; `reload` takes nothing. `SERVICES_UNITS` holds `service=unit` pairs, divided by `;`, and
//! `SERVICES_LIMIT` the waiting time in seconds.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it prints, and writes the holds that the engine writes otherwise"
)]

use backout_machine::{Patience, service};
use backout_protocol::{
    Configuration, ServiceName,
    configuration::{Part, Unit},
    profile::Timeouts,
    site::ServiceAccess,
};
use std::{collections::BTreeMap, env, error::Error, fs, path::Path, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let units = env::var("SERVICES_UNITS").unwrap_or_default();
    let pairs = units.split(';').filter_map(|pair| pair.split_once('='));
    let units: BTreeMap<ServiceName, String> = pairs
        .map(|(name, unit)| Ok((name.parse()?, unit.to_owned())))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let seconds: u32 = env::var("SERVICES_LIMIT").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    let timeouts = Timeouts { status: seconds.min(10), ..Timeouts::default() };
    let patience = Patience::firm(Duration::from_secs(seconds.into()));
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (verb, rest) = arguments.split_first().ok_or("which verb?")?;
    let names =
        |from: &[String]| from.iter().map(|name| name.parse()).collect::<Result<Vec<ServiceName>, _>>();
    let result = service::open(&ServiceAccess::System, &units, &timeouts).and_then(|services| {
        let first = || names(rest).ok().and_then(|names| names.first().cloned());
        match (verb.as_str(), first()) {
            ("state", Some(name)) => Ok(format!("{:?}", services.state(&name)?)),
            ("stop", Some(name)) => services.stop(&name, &patience).map(|()| "done".to_owned()),
            ("start", Some(name)) => services.start(&name, &patience).map(|()| "done".to_owned()),
            ("hint", Some(name)) => Ok(services.start_hint(&name)),
            ("companions", Some(name)) => {
                let all = services.companions(&name)?;
                Ok(all.iter().map(|c| format!("{:?} {}", c.tie, c.name)).collect::<Vec<_>>().join("\n"))
            }
            ("hold" | "release", Some(file)) => {
                for hold in
                    services.holds(&names(&rest[1..]).unwrap_or_default(), Path::new(file.as_str()))?
                {
                    if verb == "hold" {
                        fs::create_dir_all(hold.path.parent().unwrap_or(Path::new("/"))).ok();
                        fs::write(&hold.path, &hold.text).ok();
                    } else {
                        fs::remove_file(&hold.path).ok();
                    }
                }
                services.reload().map(|()| "done".to_owned())
            }
            ("configuration", Some(name)) => Ok(match services.configuration(&name, None)? {
                Some(kept) => kept
                    .parts()
                    .iter()
                    .map(|(part, is)| format!("{part}={is}"))
                    .collect::<Vec<_>>()
                    .join("\n"),
                None => "none".to_owned(),
            }),
            ("enable" | "disable", Some(name)) => match services.configuration(&name, None)? {
                Some(Configuration::Unit(unit)) => {
                    let to = Configuration::Unit(Unit { enabled: format!("{verb}d"), ..unit });
                    services.configure(&name, &to, &[Part::Enabled]).map(|()| "done".to_owned())
                }
                _ => Ok("no unit".to_owned()),
            },
            ("reload", _) => services.reload().map(|()| "done".to_owned()),
            _ => Ok("which verb?".to_owned()),
        }
    });
    match result {
        Ok(text) => println!("{text}"),
        Err(error) => println!("error: {error}"),
    }
    Ok(())
}
