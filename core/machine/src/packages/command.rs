//! Package managers as commands: which one a command line runs, also behind `sudo`, `env` and the like.

use crate::runner;
use backout_protocol::{HostPath, path::encode};
use std::path::Path;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manager {
    /// Its family's name.
    pub name: &'static str,
    /// How one goes back with it.
    pub back: &'static str,
}

/// Its names as a command, its family, its way back.
const MANAGERS: &[(&[&str], &str, &str)] = &[
    (
        &["apt", "apt-get", "aptitude", "nala", "unattended-upgrade", "unattended-upgrades"],
        "apt",
        "`apt-get install --allow-downgrades PACKAGE=OLDVERSION`; `/var/log/apt/history.log` has the old versions",
    ),
    (
        &["dpkg", "gdebi"],
        "dpkg",
        "`dpkg -i OLD.deb`, or `apt-get install --allow-downgrades PACKAGE=OLDVERSION`",
    ),
    (
        &["dnf", "dnf-3", "dnf4", "dnf5", "microdnf", "yum", "tdnf"],
        "dnf",
        "`dnf history undo last`, or `dnf downgrade PACKAGE` (`yum` where there is no `dnf`)",
    ),
    (&["rpm"], "rpm", "`rpm -Uvh --oldpackage OLD.rpm`"),
    (&["zypper"], "zypper", "`zypper install --oldpackage PACKAGE=OLDVERSION`, or `snapper rollback`"),
    (&["rpm-ostree"], "rpm-ostree", "`rpm-ostree rollback`"),
    (&["transactional-update"], "transactional-update", "`transactional-update rollback`"),
    (&["pacman"], "pacman", "`pacman -U /var/cache/pacman/pkg/PACKAGE-OLDVERSION…`"),
    (&["apk"], "apk", "`apk add PACKAGE=OLDVERSION`"),
    (&["emerge"], "emerge", "`emerge =CATEGORY/PACKAGE-OLDVERSION`"),
    (&["pkcon"], "PackageKit", "the way back of the package manager behind it (`apt-get`, `dnf`, `zypper`)"),
    (&["snap"], "snap", "`snap revert SNAP`"),
    (
        &["flatpak"],
        "flatpak",
        "`flatpak update --commit=OLDCOMMIT APP`; `flatpak remote-info --log` has the commits",
    ),
];

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// The package manager that a program is, by its name or by that of the file it is a link to.
pub fn manager_of(program: &Path) -> Option<Manager> {
    let by_name = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        let known = MANAGERS.iter().find(|(names, ..)| names.contains(&name))?;
        Some(Manager { name: known.1, back: known.2 })
    };
    by_name(program).or_else(|| by_name(&program.canonicalize().ok()?))
}

/// The program that a command line is about: what `sudo`, `env`, `timeout` and the like run; of a shell's `-c`, the first
/// package manager in its text, else the shell. What a script does is not looked into.
pub fn program_of(argv: &[HostPath]) -> HostPath {
    let words: Vec<String> = argv.iter().map(|word| encode(word.0.as_os_str())).collect();
    let mut at = 0;
    for _ in 0..runner::DEEPEST {
        let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) else { break };
        let name = base(&rest[0]);
        if SHELLS.contains(&name) {
            return in_shell(rest).unwrap_or_else(|| word(argv, at));
        }
        let behind = runner::of(rest[0].as_ref()).map(|runner| runner.behind(rest).at);
        let Some(skip) = behind.filter(|skip| *skip < rest.len()) else { break };
        at += skip;
    }
    word(argv, at)
}

fn word(argv: &[HostPath], at: usize) -> HostPath {
    argv.get(at).or_else(|| argv.first()).cloned().unwrap_or_else(|| HostPath("".into()))
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The package manager that a shell's `-c` text runs: at its beginning or behind `;`, `&&`, `||`, `|`.
fn in_shell(words: &[String]) -> Option<HostPath> {
    // Behind the first word that is no option nor an option's value stands the script's own.
    let is_option = |at: usize| words[at].starts_with('-') || ["-o", "-O"].contains(&words[at - 1].as_str());
    let options = (1..words.len()).take_while(|at| is_option(*at));
    let mut options = options.filter(|at| words[*at].starts_with('-') && !words[*at].starts_with("--"));
    let at = options.find(|at| words[*at].ends_with('c'))?;
    let commands = words.get(at + 1)?.split([';', '&', '|', '\n', '(', ')']);
    commands.into_iter().find_map(|command| {
        let argv: Vec<HostPath> = command.split_whitespace().map(|word| HostPath(word.into())).collect();
        let assigned = |word: &&HostPath| word.0.to_str().is_some_and(|text| text.contains('='));
        let argv = &argv[argv.iter().take_while(assigned).count()..];
        let program = if argv.is_empty() { return None } else { program_of(argv) };
        manager_of(&program.0).map(|_| program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &[&str]) -> Option<&'static str> {
        let argv: Vec<HostPath> = line.iter().map(|word| HostPath((*word).into())).collect();
        manager_of(&program_of(&argv).0).map(|manager| manager.name)
    }

    #[test]
    fn a_package_manager_is_known_also_behind_what_runs_it() {
        for (line, name) in [
            (&["/usr/bin/apt-get", "install", "x"][..], "apt"),
            (&["sudo", "-u", "root", "--", "dpkg", "-i", "x.deb"], "dpkg"),
            (&["sudo", "-E", "DEBIAN_FRONTEND=noninteractive", "apt", "upgrade"], "apt"),
            (&["/usr/bin/env", "-u", "HOME", "LANG=C", "dnf", "upgrade"], "dnf"),
            (&["nice", "-n", "5", "timeout", "-k", "5", "600", "zypper", "up"], "zypper"),
            (&["nice", "-n5", "rpm", "-U", "x.rpm"], "rpm"),
            (&["/bin/sh", "-c", "cd /tmp && LANG=C apt-get -y install x"], "apt"),
            (&["bash", "-ec", "sudo snap refresh"], "snap"),
            (&["flatpak", "update"], "flatpak"),
        ] {
            assert_eq!(found(line), Some(name), "{line:?}");
        }
    }

    #[test]
    fn other_programs_are_none_whatever_they_are_told() {
        for line in [
            &["/srv/setup.sh", "apt-get"][..],
            &["sudo", "-u", "apt", "/srv/setup.sh", "dpkg"],
            &["timeout", "10", "/srv/setup.sh", "rpm"],
            &["sh", "-c", "echo apt-get; /srv/setup.sh"],
            &["bash", "/srv/setup.sh", "-c", "dnf"],
            &["sh", "/srv/setup.sh"],
            &["sudo"],
            &["env", "A=b"],
            &[],
        ] {
            assert_eq!(found(line), None, "{line:?}");
        }
    }
}
