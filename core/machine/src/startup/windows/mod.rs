//! Windows: one service that starts by itself. It settles files before it is called running, so the services that
//! depend on it meanwhile start behind that; then it starts what ran, and ends.

mod serve;

pub use serve::serve;

use super::{Registered, StartupError, StartupFile};
use crate::{
    event_log,
    service::scm::{
        handle::{Manager, Service},
        needs,
        settings::{self, KEPT},
    },
};
use std::{io, path::Path};
use windows_sys::Win32::System::Services::{
    SC_MANAGER_CONNECT, SC_MANAGER_CREATE_SERVICE, SERVICE_CHANGE_CONFIG, SERVICE_QUERY_CONFIG,
};
use winreg::{RegKey, enums::HKEY_LOCAL_MACHINE};

/// The service's name. What is held back depends on it.
pub(crate) const SERVICE: &str = "backout-recovery";
/// What people call it.
const SHOWN: &str = "backout recovery";
const ABOUT: &str = "Settles the files of an unfinished run before its services start, then starts what ran.";
/// The right to take a service away.
const DELETE: u32 = 0x0001_0000;
/// What a program is told to be this service; the state folder stands behind it.
const ARGUMENTS: &str = "recover --boot --as-service --state-dir ";

/// What depends on a service that is taken away could not start any more, and must be freed.
pub const REMOVAL_FREES: bool = true;

/// Every Windows has a service manager.
pub fn is_there() -> bool {
    true
}

/// None: the manager keeps it all.
///
/// # Errors
/// Never.
pub fn files(_exe: &Path, _state: &Path) -> Result<Vec<StartupFile>, StartupError> {
    Ok(Vec::new())
}

/// The line that the manager runs.
fn command(exe: &Path, state: &Path) -> Result<String, StartupError> {
    Ok(format!("{} {ARGUMENTS}{}", quoted(exe)?, quoted(state)?))
}

/// A path in quotation marks, in the form that people use.
fn quoted(path: &Path) -> Result<String, StartupError> {
    let Some(text) = path.to_str() else {
        let why = format!("`{}` is no Unicode", path.display());
        return Err(StartupError { command: "install the service".to_owned(), why });
    };
    let plain = match text.strip_prefix(r"\\?\") {
        Some(rest) if rest.as_bytes().get(1) == Some(&b':') => rest,
        _ => text,
    };
    // A backslash before the quotation mark would make it part of the path.
    let end = if plain.ends_with('\\') { "\\" } else { "" };
    Ok(format!("\"{plain}{end}\""))
}

/// Makes the service, or makes the one that is there ours; also the source of the event log.
///
/// # Errors
/// [`StartupError`].
pub fn enable(exe: &Path, state: &Path) -> Result<(), StartupError> {
    let command = command(exe, state)?;
    let made = Manager::open_for(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE).and_then(|manager| {
        let service = match manager.by_key(SERVICE, SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG)? {
            Some(service) => {
                service.set_program(&command)?;
                service
            }
            None => manager.create(SERVICE, SHOWN, &command)?,
        };
        service.describe(ABOUT)?;
        event_log::register()?;
        settings::flush()
    });
    made.map_err(|e| failed("sc create", &e))
}

/// Takes the service away, and frees what depends on it.
///
/// # Errors
/// [`StartupError`].
pub fn disable() -> Result<(), StartupError> {
    let gone = dependents().and_then(|all| {
        // A service that depends on one that is not there cannot be started at all.
        all.iter().try_for_each(|key| needs::free(key))?;
        if let Some(service) = open(DELETE)? {
            service.delete()?;
        }
        settings::flush()
    });
    gone.map_err(|e| failed("sc delete", &e))
}

/// Every service that needs ours, by the name of its key. Read where the manager keeps it: not every manager tells.
fn dependents() -> io::Result<Vec<String>> {
    let kept = RegKey::predef(HKEY_LOCAL_MACHINE).open_subkey(KEPT)?;
    let depends = |key: &String| {
        let needs = kept.open_subkey(key).and_then(|k| k.get_value::<Vec<String>, _>("DependOnService"));
        needs.is_ok_and(|all| all.iter().any(|one| one.eq_ignore_ascii_case(SERVICE)))
    };
    Ok(kept.enum_keys().filter_map(Result::ok).filter(depends).collect())
}

fn open(access: u32) -> io::Result<Option<Service>> {
    Manager::open()?.by_key(SERVICE, access)
}

/// Nothing is to be read again.
///
/// # Errors
/// Never.
pub fn reload() -> Result<(), StartupError> {
    Ok(())
}

/// What the service is for, if it is there.
///
/// # Errors
/// [`StartupError`].
pub fn registered(exe: &Path, state: &Path) -> Result<Registered, StartupError> {
    let wanted = command(exe, state)?;
    let settings = open(SERVICE_QUERY_CONFIG).and_then(|s| s.map(|s| s.settings()).transpose());
    let Some(settings) = settings.map_err(|e| failed("sc qc", &e))? else { return Ok(Registered::Missing) };
    Ok(match state_of(&settings.command) {
        Some(other) if !other.eq_ignore_ascii_case(&quoted(state)?) => {
            Registered::Elsewhere { state: other.trim_matches('"').to_owned() }
        }
        _ if !settings.starts_at_boot() => broken("it does not start by itself".to_owned()),
        _ if settings.command == wanted => Registered::Ours,
        _ => broken(format!("it is for another program: {}", settings.command)),
    })
}

fn broken(why: String) -> Registered {
    Registered::Broken { why }
}

/// The state folder in a line of ours, in its quotation marks.
fn state_of(command: &str) -> Option<&str> {
    command.split_once(ARGUMENTS).map(|(_, state)| state)
}

fn failed(command: &str, error: &io::Error) -> StartupError {
    StartupError { command: format!("{command} {SERVICE}"), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_people_and_the_manager_read_them() {
        let line = |exe: &str, state: &str| command(Path::new(exe), Path::new(state)).unwrap();
        let ours = line(r"\\?\C:\Program Files\backout\backout.exe", r"\\?\D:\");
        let state = r#""D:\\""#;
        let wanted = format!(
            r#""C:\Program Files\backout\backout.exe" recover --boot --as-service --state-dir {state}"#
        );
        assert_eq!(ours, wanted);
        assert_eq!(state_of(&ours), Some(state));
    }
}
