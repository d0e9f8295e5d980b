//! systemd: two units. The drop-ins that hold a run's services back order them behind the first.

use super::{MARK, StartupError, StartupFile, marked};
use crate::{
    command::{self, Ended, Reach},
    patience::Patience,
};
use std::{os::unix::ffi::OsStrExt, path::Path, time::Duration};

/// Settles files. What holds services back is ordered behind it by this name.
const FILES: &str = "backout-recover-files.service";
/// Starts what ran.
const SERVICES: &str = "backout-recover-services.service";
/// Where units of the machine's owner lie.
const UNITS: &str = "/etc/systemd/system";
/// A manager that does not answer in this time is not going to.
const LIMIT: Duration = Duration::from_secs(90);

/// Whether systemd runs this machine.
pub fn is_there() -> bool {
    Path::new("/run/systemd/system").is_dir() && super::super::service::systemctl().is_some()
}

/// The units for the program `exe` and the state folder `state`.
pub fn files(exe: &Path, state: &Path) -> Vec<StartupFile> {
    let unit = |name: &str, text: String| StartupFile { path: Path::new(UNITS).join(name), text };
    vec![unit(FILES, files_unit(exe, state)), unit(SERVICES, services_unit(exe, state))]
}

/// Runs as early as file systems allow, and before the sockets and services that are held back: they are ordered behind
/// it by their drop-ins. Not behind remote file systems: those wait for the network, which waits for sockets. A product on
/// one is settled by the second part. If this fails, `unsettled` stays, and what it holds back stays down.
fn files_unit(exe: &Path, state: &Path) -> String {
    format!(
        "{MARK}{mark}\n\
         [Unit]\n\
         Description=backout: settle the files of an unfinished run before its services start\n\
         DefaultDependencies=no\n\
         After=local-fs.target\n\
         Conflicts=shutdown.target\n\
         Before=shutdown.target\n\
         RequiresMountsFor={mounts}\n\
         ConditionDirectoryNotEmpty={transactions}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         TimeoutStartSec=infinity\n\
         ExecStart={exe} recover --boot=files --state-dir {state}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        mark = marked(state),
        mounts = quoted(state),
        transactions = specified(&state.join("transactions")),
        exe = command_word(exe),
        state = command_word(state),
    )
}

/// Runs once the machine is up. Without default dependencies, as a target otherwise waits for what it wants: nothing may
/// wait for this one, which itself waits for services to start.
fn services_unit(exe: &Path, state: &Path) -> String {
    format!(
        "{MARK}{mark}\n\
         [Unit]\n\
         Description=backout: start what ran before an unfinished run, and end the run\n\
         DefaultDependencies=no\n\
         After=multi-user.target {FILES}\n\
         Conflicts=shutdown.target\n\
         Before=shutdown.target\n\
         RequiresMountsFor={mounts}\n\
         ConditionDirectoryNotEmpty={transactions}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         TimeoutStartSec=infinity\n\
         ExecStart={exe} recover --boot=services --state-dir {state}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        mark = marked(state),
        mounts = quoted(state),
        transactions = specified(&state.join("transactions")),
        exe = command_word(exe),
        state = command_word(state),
    )
}

/// What keeps a unit from being started while `unsettled` exists. A state folder whose volume is not there yet is waited
/// for: without it, `unsettled` would seem not to exist.
pub(crate) fn hold_text(unsettled: &Path) -> String {
    format!(
        "# Written by backout: while `unsettled` exists, files are neither all old nor all new.\n\
         # It goes by itself with the run; `backout status` says how that stands.\n\
         [Unit]\n\
         ConditionPathExists=!{unsettled}\n\
         RequiresMountsFor={folder}\n\
         After={FILES}\n",
        unsettled = specified(unsettled),
        folder = quoted(unsettled.parent().unwrap_or(unsettled)),
    )
}

/// A path where systemd expands specifiers and takes the rest of the line.
pub(crate) fn specified(path: &Path) -> String {
    text(path).replace('%', "%%")
}

/// A path as one quoted word where systemd expands specifiers.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", text(path).replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%"))
}

/// A path as one word of a command line, where `$` is special too.
fn command_word(path: &Path) -> String {
    quoted(path).replace('$', "$$")
}

/// Unit files are UTF-8. A path that is not is written byte by byte where quoting knows escapes.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}

/// Makes the units part of the boot. Their files are there.
///
/// # Errors
/// [`StartupError`].
pub fn enable() -> Result<(), StartupError> {
    reload()?;
    tell(&["enable", "--quiet", FILES, SERVICES])
}

/// Makes the manager read its files again.
///
/// # Errors
/// [`StartupError`].
pub fn reload() -> Result<(), StartupError> {
    tell(&["daemon-reload"])
}

/// Takes the units out of the boot. Their files are still there.
///
/// # Errors
/// [`StartupError`].
pub fn disable() -> Result<(), StartupError> {
    tell(&["disable", "--quiet", FILES, SERVICES])
}

/// Whether both units are part of the boot.
pub fn is_enabled() -> bool {
    tell(&["is-enabled", "--quiet", FILES]).is_ok() && tell(&["is-enabled", "--quiet", SERVICES]).is_ok()
}

fn tell(arguments: &[&str]) -> Result<(), StartupError> {
    let program = super::super::service::systemctl();
    let program = program.map_or_else(|| "systemctl".to_owned(), |p| p.display().to_string());
    let argv: Vec<String> =
        std::iter::once(program).chain(arguments.iter().map(|a| (*a).to_owned())).collect();
    let fail = |why: String| Err(StartupError { command: command::typed(&argv), why });
    match command::run(&argv, &Patience::firm(LIMIT), Reach::Group) {
        Ok(Ended::Exited { code: Some(0), .. }) => Ok(()),
        Ok(Ended::Exited { code, said }) => fail(format!("{}{}", command::exit(code), command::quote(&said))),
        Ok(Ended::TimedOut { said } | Ended::Cancelled { said }) => {
            fail(format!("no answer within {} s{}", LIMIT.as_secs(), command::quote(&said)))
        }
        Err(e) => fail(e.to_string()),
    }
}
