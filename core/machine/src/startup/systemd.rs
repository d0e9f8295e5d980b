//! systemd: two units. The drop-ins that hold a run's services back order them behind the first.

use super::{MARK, Recovery, Registered, StartupError, StartupFile, marked};
use crate::{
    command::{self, Ended, Reach},
    patience::Patience,
    service::systemctl_program,
    unit_text::{self, Unwritable},
};
use std::{path::Path, time::Duration};

/// Settles files. What holds services back is ordered behind it by this name.
pub(crate) const FILES_UNIT: &str = "backout-recover-files.service";
/// Starts what ran.
const SERVICES_UNIT: &str = "backout-recover-services.service";
/// Whether what is held back would come free with the units: the drop-ins do not need them.
pub const REMOVAL_FREES: bool = false;
/// Where units of the machine's owner lie.
const UNITS: &str = "/etc/systemd/system";
/// A manager that does not answer in this time is not going to.
const LIMIT: Duration = Duration::from_secs(90);

/// Whether systemd runs this machine.
pub fn is_there() -> bool {
    systemctl_program().is_some()
}

/// The units for the program `exe` and the state folder `state`.
///
/// # Errors
/// [`StartupError`]: a path that no unit file can hold.
pub fn files(exe: &Path, state: &Path) -> Result<Vec<StartupFile>, StartupError> {
    let words = Words::of(exe, state)
        .map_err(|e| StartupError { command: "write the units".to_owned(), why: e.to_string() })?;
    let unit = |name: &str, text: String| StartupFile { path: Path::new(UNITS).join(name), text };
    Ok(vec![unit(FILES_UNIT, files_unit(&words)), unit(SERVICES_UNIT, services_unit(&words))])
}

/// The two paths as each place of a unit wants them.
struct Words {
    mark: String,
    mounts: String,
    transactions: String,
    exe: String,
    state: String,
}

impl Words {
    fn of(exe: &Path, state: &Path) -> Result<Self, Unwritable> {
        Ok(Self {
            mark: marked(state),
            mounts: format!("{} {}", unit_text::listed(state)?, unit_text::listed(exe)?),
            transactions: unit_text::line(&state.join("transactions"))?,
            exe: unit_text::program(exe)?,
            state: unit_text::argument(state)?,
        })
    }
}

/// Runs as early as file systems allow, and before the sockets and services that are held back: they are ordered behind
/// it by their drop-ins. Not behind remote file systems: those wait for the network, which waits for sockets. A product on
/// one is settled by the second part. If this fails, `unsettled` stays, and what it holds back stays down.
fn files_unit(words: &Words) -> String {
    let Words { mark, mounts, transactions, exe, state } = words;
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
    )
}

/// Runs once the machine is up. Without default dependencies, as a target otherwise waits for what it wants: nothing may
/// wait for this one, which itself waits for services to start. Services reached by commands are its children: they must
/// outlive it.
fn services_unit(words: &Words) -> String {
    let Words { mark, mounts, transactions, exe, state } = words;
    format!(
        "{MARK}{mark}\n\
         [Unit]\n\
         Description=backout: start what ran before an unfinished run, and end the run\n\
         DefaultDependencies=no\n\
         After=multi-user.target {FILES_UNIT}\n\
         Conflicts=shutdown.target\n\
         Before=shutdown.target\n\
         RequiresMountsFor={mounts}\n\
         ConditionDirectoryNotEmpty={transactions}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         KillMode=process\n\
         TimeoutStartSec=infinity\n\
         ExecStart={exe} recover --boot=services --state-dir {state}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
    )
}

/// Makes the units part of the boot. Their files, which name program and state folder, are there.
///
/// # Errors
/// [`StartupError`].
pub fn enable(_exe: &Path, _state: &Path) -> Result<(), StartupError> {
    reload()?;
    tell(&["enable", "--quiet", FILES_UNIT, SERVICES_UNIT])
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
    tell(&["disable", "--quiet", FILES_UNIT, SERVICES_UNIT])
}

/// Whether both units are part of the boot. What they are for stands in their files.
///
/// # Errors
/// Never.
pub fn registered(_exe: &Path, _state: &Path) -> Result<Registered, StartupError> {
    let enabled = |unit| tell(&["is-enabled", "--quiet", unit]).is_ok();
    Ok(match enabled(FILES_UNIT) && enabled(SERVICES_UNIT) {
        true => Registered::Ours,
        false => Registered::Broken { why: "it is not enabled".to_owned() },
    })
}

/// Units are plain programs.
///
/// # Errors
/// Always.
pub fn serve(_recovery: Box<dyn Recovery>) -> Result<(), StartupError> {
    let why = "systemd runs plain programs as services".to_owned();
    Err(StartupError { command: "recover --as-service".to_owned(), why })
}

fn tell(arguments: &[&str]) -> Result<(), StartupError> {
    let program = systemctl_program().unwrap_or("systemctl");
    let argv: Vec<String> = std::iter::once(&program).chain(arguments).map(|a| (*a).to_owned()).collect();
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
