//! What systemd reads to know its units, so that it must read again what has changed.
//!
//! Unit files, drop-ins and the links that enable units are known by their names, wherever they lie: a unit may be linked from
//! the product's own folder (`systemctl link`), and where systemd looks can be set. To make it read them once too often costs
//! a moment; once too few, and it starts what was there before.

use std::path::Path;

/// Folders of units, also those that generators fill, and what else is read from there.
const FOLDERS: [&str; 22] = [
    "/etc/systemd/system",
    "/etc/systemd/system.control",
    "/etc/systemd/system.attached",
    "/etc/systemd/system-generators",
    "/etc/systemd/system.conf.d",
    "/run/systemd/system",
    "/run/systemd/system.control",
    "/run/systemd/system.attached",
    "/run/systemd/system-generators",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/run/systemd/generator.early",
    "/run/systemd/generator.late",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system-generators",
    "/lib/systemd/system",
    // What generators make units of: scripts of System V, and containers.
    "/etc/init.d",
    "/etc/rc.d",
    "/etc/containers/systemd",
    "/usr/share/containers/systemd",
    "/etc/systemd/system-preset",
];
/// Files that generators make units of, and the manager's own.
const FILES: [&str; 5] =
    ["/etc/systemd/system.conf", "/etc/fstab", "/etc/crypttab", "/etc/rc.local", "/etc/inittab"];
const UNITS: [&str; 9] =
    [".service", ".socket", ".timer", ".path", ".target", ".mount", ".automount", ".swap", ".slice"];
/// What the folders of drop-ins, and of links that enable, have behind their unit's name.
const BESIDE: [&str; 4] = [".d", ".wants", ".requires", ".upholds"];

/// Whether systemd reads what is at this path.
pub(super) fn is(path: &Path) -> bool {
    let below = |folder: &&str| path.strip_prefix(folder).is_ok_and(|rest| rest != Path::new(""));
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str().map(str::to_owned));
    let is_unit = |name: &str| UNITS.iter().any(|end| name.len() > end.len() && name.ends_with(end));
    // Of a type as a whole (`service.d`), or of units by the beginning of their names (`app-.service.d`).
    let is_type = |name: &str| UNITS.iter().any(|end| &end[1..] == name);
    let is_beside = |name: &str| {
        BESIDE.iter().any(|end| name.strip_suffix(end).is_some_and(|unit| is_unit(unit) || is_type(unit)))
    };
    FOLDERS.iter().any(below)
        || FILES.iter().any(|file| path == Path::new(file))
        || is_runlevel(path)
        || name(path).is_some_and(|name| is_unit(&name) || is_beside(&name))
        || path.parent().and_then(name).is_some_and(|folder| is_beside(&folder))
}

/// Whether this is a folder of links that enable units.
pub(super) fn is_links(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    BESIDE[1..].iter().any(|end| name.ends_with(end))
}

/// Links that enable a script of System V: `/etc/rc3.d/S20x`.
fn is_runlevel(path: &Path) -> bool {
    let mut names =
        path.strip_prefix("/etc").into_iter().flat_map(Path::iter).filter_map(|name| name.to_str());
    let level = names.next().and_then(|name| name.strip_prefix("rc")?.strip_suffix(".d"));
    level.is_some_and(|level| level.len() == 1) && names.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_files_drop_ins_and_links_that_enable_are_read_wherever_they_lie() {
        for path in [
            "/etc/systemd/system/spnt.service",
            "/etc/systemd/system/spnt.service.d/x.conf",
            "/etc/systemd/system/spnt.service.d",
            "/etc/systemd/system/multi-user.target.wants/spnt.service",
            "/etc/systemd/system/x",
            "/etc/systemd/system.control/spnt.service.d/50-x.conf",
            "/etc/systemd/system.conf.d/x.conf",
            "/run/systemd/transient/x.service",
            "/run/systemd/generator.late/x.service",
            "/lib/systemd/system/spnt.service",
            "/usr/lib/systemd/system/spnt@.service",
            "/usr/local/lib/systemd/system/spnt.service",
            "/opt/product/etc/spnt.timer",
            "/opt/product/units/spnt-.service.d/a.conf",
            "/opt/product/units/service.d/a.conf",
            "/opt/product/units/multi-user.target.wants",
            "/etc/init.d/splx",
            "/etc/rc3.d/S20splx",
            "/etc/fstab",
            "/etc/systemd/system.conf",
        ] {
            assert!(is(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn other_files_are_not() {
        for path in [
            "/etc/systemd/system",
            "/etc/systemd/journald.conf",
            "/etc/systemd/user.conf",
            "/etc/rc3.d",
            "/etc/rcs/x",
            "/opt/product/.service",
            "/opt/product/service",
            "/opt/product/conf.d/a.conf",
            "/opt/product/a.conf",
            "/",
        ] {
            assert!(!is(Path::new(path)), "{path}");
        }
    }
}
