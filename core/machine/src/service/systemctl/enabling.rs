//! How systemd keeps a unit: its files, what it needs, and whether it is enabled. Files go back as files; what enables a unit is
//! put back here, where the folder that it lies in is not covered.

use super::{Systemctl, ask, configuration};
use crate::{
    Patience,
    command::{self, Ended},
    service::ServiceError,
};
use backout_protocol::{
    Configuration, HostPath, ServiceName,
    configuration::{Part, Unit},
};
use std::{collections::BTreeMap, io, path::Path, time::Duration};

/// Where `systemctl enable` makes its links.
const LINKS: &str = "/etc/systemd/system";
/// It reads all units again.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a unit needs. What it is ordered behind is told by units of others too, and changes with what is loaded.
const NEEDS: [&str; 5] = ["Requires", "Requisite", "Wants", "BindsTo", "PartOf"];
const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";

impl Systemctl {
    fn failed(&self, service: &ServiceName, why: String) -> ServiceError {
        ServiceError::Configuration { service: service.clone(), source: io::Error::other(why) }
    }

    /// Asks, or tells; what it prints.
    fn told(
        &self,
        service: &ServiceName,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<String, ServiceError> {
        let argv = self.argv(arguments);
        let fail = |why: String| self.failed(service, format!("`{}`: {why}", command::typed(&argv)));
        match ask::ask(None, &argv, &Patience::firm(limit)) {
            Ok((Ended::Exited { code: Some(0), .. }, answer)) => {
                String::from_utf8(answer).map_err(|e| fail(e.to_string()))
            }
            Ok((Ended::Exited { said, .. }, _)) => Err(fail(said)),
            Ok((Ended::TimedOut { .. } | Ended::Cancelled { .. }, _)) => {
                Err(fail(format!("no answer within {} s", limit.as_secs())))
            }
            Err(e) => Err(fail(e.to_string())),
        }
    }

    /// `None`: there is no such unit.
    pub(super) fn kept(&self, service: &ServiceName) -> Result<Option<Configuration>, ServiceError> {
        let Some(unit) = self.unit(service) else { return Ok(None) };
        let wanted = format!("Id,LoadState,UnitFileState,FragmentPath,DropInPaths,{}", NEEDS.join(","));
        let arguments = ["show", "-p", &wanted, "--", unit.as_str()];
        let answer = self.told(service, &arguments, self.status_limit)?;
        Ok(read(&answer))
    }

    /// Enables or disables it, and reads it again: that it prints nothing is no sign that it was done.
    pub(super) fn enable(&self, service: &ServiceName, to: &Unit) -> Result<(), ServiceError> {
        let Some(unit) = self.unit(service) else {
            return Err(ServiceError::NotInstalled { service: service.clone() });
        };
        let verb = if to.enabled == ENABLED { "enable" } else { "disable" };
        self.told(service, &["--quiet", verb, "--", unit.as_str()], PATIENCE)?;
        // Links are no files that anybody has synced.
        synced(Path::new(LINKS)).map_err(|e| self.failed(service, format!("`{LINKS}`: {e}")))?;
        match self.kept(service)? {
            Some(Configuration::Unit(now)) if now.enabled == to.enabled => Ok(()),
            Some(Configuration::Unit(now)) => {
                Err(self.failed(service, format!("told to {verb} it, systemd calls it {}", now.enabled)))
            }
            _ => Err(ServiceError::NotInstalled { service: service.clone() }),
        }
    }
}

/// Whether it can be put back by a word to systemd: from enabled to disabled or the other way round, where no file does it.
pub(super) fn settable(part: Part, now: &Configuration, then: &Configuration, roots: &[HostPath]) -> bool {
    let (Configuration::Unit(now), Configuration::Unit(then)) = (now, then) else { return false };
    let either = |unit: &Unit| [ENABLED, DISABLED].contains(&unit.enabled.as_str());
    part == Part::Enabled && either(now) && either(then) && !roots.iter().any(|root| holds_links(&root.0))
}

/// Where unit files lie that are enabled by their names.
const FILES: [&str; 5] = [
    LINKS,
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Whether a word about the unit is about it alone: its file lies where systemd looks, and takes along no other unit or name.
pub(super) fn is_told_alone(unit: &Configuration) -> bool {
    let Configuration::Unit(unit) = unit else { return false };
    let file = Path::new(&unit.file);
    // One that is gone tells nothing any more, and what is to come back in its place was looked at when it was there.
    let text = match std::fs::read(file) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => return false,
    };
    let takes_along = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        ["Also", "Alias"].contains(&name)
    };
    file.parent().is_some_and(|folder| FILES.iter().any(|known| Path::new(known) == folder))
        && !text.lines().any(takes_along)
}

/// Whether it comes back with files that lie in these folders.
pub(super) fn is_of_files(part: Part, now: &Configuration, then: &Configuration, roots: &[HostPath]) -> bool {
    let (Configuration::Unit(now), Configuration::Unit(then)) = (now, then) else { return false };
    let covered =
        |file: &String| file.is_empty() || roots.iter().any(|root| Path::new(file).starts_with(&root.0));
    match part {
        Part::Enabled => roots.iter().any(|root| holds_links(&root.0)),
        _ => [now, then].into_iter().all(|unit| covered(&unit.file) && unit.drop_ins.iter().all(covered)),
    }
}

/// Whether the links that enable units lie in this folder.
fn holds_links(folder: &Path) -> bool {
    Path::new(LINKS).starts_with(folder) || (folder.starts_with(LINKS) && configuration::is_links(folder))
}

/// Brings everything on the file system of this folder onto the medium.
fn synced(folder: &Path) -> io::Result<()> {
    let folder = std::fs::File::open(folder)?;
    Ok(rustix::fs::syncfs(&folder)?)
}

fn read(answer: &str) -> Option<Configuration> {
    let fields: BTreeMap<&str, &str> = answer.lines().filter_map(|line| line.split_once('=')).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    if field("LoadState") == "not-found" || field("Id").is_empty() {
        return None;
    }
    let list = |name: &str| -> Vec<String> {
        let mut all: Vec<String> = field(name).split_whitespace().map(str::to_owned).collect();
        all.sort();
        all
    };
    let needs = NEEDS.iter().map(|kind| (kind, list(kind))).filter(|(_, units)| !units.is_empty());
    Some(Configuration::Unit(Unit {
        name: field("Id").to_owned(),
        enabled: field("UnitFileState").to_owned(),
        file: field("FragmentPath").to_owned(),
        drop_ins: list("DropInPaths"),
        needs: needs.map(|(kind, units)| format!("{kind}={}", units.join(" "))).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(enabled: &str) -> Configuration {
        let answer = format!(
            "Id=spnt.service\nLoadState=loaded\nUnitFileState={enabled}\nFragmentPath=/etc/systemd/system/spnt.service\n\
             DropInPaths=/b.conf /a.conf\nPartOf=\nWants=b.service a.service\n"
        );
        read(&answer).unwrap()
    }

    #[test]
    fn what_systemd_tells_is_read_in_one_order_and_an_absent_unit_is_none() {
        let Configuration::Unit(read) = unit("enabled") else { panic!("a unit") };
        assert_eq!((read.name.as_str(), read.enabled.as_str()), ("spnt.service", "enabled"));
        assert_eq!(
            (read.drop_ins, read.needs),
            (vec!["/a.conf".to_owned(), "/b.conf".to_owned()], vec!["Wants=a.service b.service".to_owned()])
        );
        assert_eq!(super::read("Id=x.service\nLoadState=not-found\nUnitFileState=\n"), None);
        assert_eq!(super::read(""), None);
    }

    #[test]
    fn only_enabling_is_put_back_and_only_where_no_files_do_it() {
        let settable = |from: &str, to: &str, root: &str| {
            super::settable(Part::Enabled, &unit(from), &unit(to), &[HostPath(root.into())])
        };
        assert!(settable("enabled", "disabled", "/opt/product"));
        assert!(settable("disabled", "enabled", "/etc/systemd/system/spnt.service.d"));
        assert!(!settable("masked", "enabled", "/opt/product"));
        for covered in ["/etc/systemd/system", "/etc", "/", "/etc/systemd/system/multi-user.target.wants"] {
            assert!(!settable("enabled", "disabled", covered), "{covered}");
        }
        let of_files = |part, root: &str| {
            is_of_files(
                part,
                &unit("enabled"),
                &unit("masked"),
                &[HostPath(root.into()), HostPath("/b.conf".into())],
            )
        };
        assert!(!of_files(Part::Enabled, "/opt") && of_files(Part::Enabled, "/etc"));
        assert!(
            !of_files(Part::DropIns, "/etc") && !of_files(Part::DropIns, "/opt"),
            "/a.conf is not covered"
        );
        assert!(of_files(Part::DropIns, "/") && of_files(Part::Needs, "/"));
        assert!(!super::settable(Part::File, &unit("enabled"), &unit("disabled"), &[]));
    }
}
