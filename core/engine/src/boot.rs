//! The recovery at boot: installing it, taking it away, and whether it is there.

use crate::{
    load::check_trust,
    refusal::{Refusal, Trusted},
    state::{State, unusable},
};
use backout_disk::{Error, ErrorKind, Folder, durable};
use backout_machine::{
    delayed,
    startup::{self, Registered, StartupFile},
};
use backout_protocol::{HostPath, Notice, Plan, site::ServiceAccess};
use std::path::{Path, PathBuf};

/// Longer than any file of ours.
const CAP: u64 = 64 * 1024;

/// How the recovery at boot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootRecovery {
    /// It runs at the next boot, for this state folder and this program.
    Installed,
    /// It is not there.
    Missing,
    /// Something of it is there, and it would not do: for another program, not enabled, or changed by hand.
    Broken {
        /// What is wrong.
        why: String,
    },
    /// It is installed for another state folder.
    Elsewhere {
        /// Which.
        state: String,
    },
    /// Nothing that this version knows boots this machine.
    NoManager,
}

/// Looks whether the program `exe` settles the state folder `state` at boot.
///
/// # Errors
/// [`Refusal::Look`].
pub fn status(exe: &Path, state: &Path) -> Result<BootRecovery, Refusal> {
    if !startup::is_there() {
        return Ok(BootRecovery::NoManager);
    }
    let state = crate::hold::real(state);
    let files = files(exe, &state)?;
    let mut there = 0;
    for file in &files {
        let Some(text) = read(&file.path)? else { continue };
        there += 1;
        match startup::written_for(&text) {
            Some(other) if other != startup::marked(&state) => {
                return Ok(BootRecovery::Elsewhere { state: other.to_owned() });
            }
            Some(_) if text == file.text => {}
            Some(_) | None => {
                let why = format!("`{}` is for another program, or was changed", HostPath(file.path.clone()));
                return Ok(BootRecovery::Broken { why });
            }
        }
    }
    Ok(match there {
        0 if !files.is_empty() => BootRecovery::Missing,
        n if n < files.len() => BootRecovery::Broken { why: "a part of it is missing".to_owned() },
        _ => match startup::registered(exe, &state).map_err(manager)? {
            Registered::Ours => BootRecovery::Installed,
            Registered::Missing => BootRecovery::Missing,
            Registered::Broken { why } => BootRecovery::Broken { why },
            Registered::Elsewhere { state } => BootRecovery::Elsewhere { state },
        },
    })
}

/// Makes the program `exe` settle the state folder at `state` at boot. Says whether anything was changed.
///
/// # Errors
/// [`Refusal::BootManager`], [`Refusal::BootElsewhere`], [`Refusal::Distrusted`], [`Refusal::State`],
/// [`Refusal::NoRights`].
pub fn install(exe: &Path, state: &Path) -> Result<bool, Refusal> {
    // The units name it, and its folder must be there for them to see that there is nothing to do.
    drop(State::lock(state)?);
    if !may_install(exe, state)? {
        return Ok(false);
    }
    let state = crate::hold::real(state);
    for file in files(exe, &state)? {
        write(&file)?;
    }
    startup::enable(exe, &state).map_err(manager)?;
    Ok(true)
}

/// Whether [`install`] would change anything.
///
/// # Errors
/// As [`install`], but for what only writing meets.
pub fn may_install(exe: &Path, state: &Path) -> Result<bool, Refusal> {
    State::look(state)?;
    check_trust(exe, Trusted::Program)?;
    match status(exe, state)? {
        BootRecovery::NoManager => Err(no_manager()),
        BootRecovery::Elsewhere { state } => Err(Refusal::BootElsewhere { state }),
        BootRecovery::Installed => Ok(false),
        BootRecovery::Missing | BootRecovery::Broken { .. } => Ok(true),
    }
}

/// Takes the recovery at boot away. Says whether it was there.
///
/// # Errors
/// As [`install`]; [`Refusal::Unfinished`] where that would free what a run holds back.
pub fn remove(exe: &Path, state: &Path) -> Result<bool, Refusal> {
    if !may_remove(exe, state)? {
        return Ok(false);
    }
    let files = files(exe, &crate::hold::real(state))?;
    match startup::disable() {
        // What cannot be disabled is not there to the manager; its file goes all the same.
        Err(e) if !files.is_empty() => log::warn!("{e}"),
        disabled => disabled.map_err(manager)?,
    }
    for file in files {
        let (folder, name) = place(&file.path)?;
        durable::remove_tree(&folder, name.as_os_str()).map_err(|e| unusable(&file.path, &e))?;
    }
    startup::reload().map_err(manager)?;
    Ok(true)
}

/// Whether [`remove`] would change anything.
///
/// # Errors
/// As [`remove`], but for what only writing meets.
pub fn may_remove(exe: &Path, state: &Path) -> Result<bool, Refusal> {
    match status(exe, state)? {
        BootRecovery::NoManager => return Err(no_manager()),
        BootRecovery::Elsewhere { state } => return Err(Refusal::BootElsewhere { state }),
        BootRecovery::Missing => return Ok(false),
        BootRecovery::Installed | BootRecovery::Broken { .. } => {}
    }
    if startup::REMOVAL_FREES
        && let Some(open) = State::look(state)?.map(|s| s.unfinished()).transpose()?.flatten()
        // What is held back would come free on files of both states. A run that waits for its commit holds nothing back.
        && !open.waits_for_its_commit()
    {
        return Err(Refusal::Unfinished { run: open.run });
    }
    Ok(true)
}

/// Whether a run may leave files to the next reboot: the system must make such moves, and whatever it leaves half-done
/// must be settled before the services start.
///
/// # Errors
/// [`Refusal::NoDelayedMoves`], [`Refusal::RebootNotSettled`], [`Refusal::Look`].
pub fn may_defer(exe: &Path, state: &Path) -> Result<(), Refusal> {
    if !delayed::is_there() {
        return Err(Refusal::NoDelayedMoves);
    }
    match status(exe, state)? {
        BootRecovery::Installed => Ok(()),
        BootRecovery::Missing
        | BootRecovery::Broken { .. }
        | BootRecovery::Elsewhere { .. }
        | BootRecovery::NoManager => Err(Refusal::RebootNotSettled),
    }
}

fn files(exe: &Path, state: &Path) -> Result<Vec<StartupFile>, Refusal> {
    startup::files(exe, state).map_err(manager)
}

fn manager(error: startup::StartupError) -> Refusal {
    Refusal::BootManager { why: error.to_string() }
}

fn no_manager() -> Refusal {
    Refusal::BootManager { why: "nothing that this version knows (systemd) boots this machine".to_owned() }
}

fn write(file: &StartupFile) -> Result<(), Refusal> {
    let (folder, name) = place(&file.path)?;
    durable::write(&folder, name.as_os_str(), file.text.as_bytes(), 0o644)
        .map_err(|e| unusable(&file.path, &e))
}

fn read(path: &Path) -> Result<Option<String>, Refusal> {
    let (folder, name) = match place(path) {
        Err(Refusal::Look(e)) if e.kind == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let bytes = durable::read(&folder, name.as_os_str(), CAP).map_err(Refusal::Look)?;
    Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
}

fn place(path: &Path) -> Result<(Folder, PathBuf), Refusal> {
    let nowhere = || Refusal::Look(Error::unsupported("open", path, "it has no folder"));
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(nowhere()) };
    let folder = Folder::open_root(&crate::hold::real(parent)).map_err(Refusal::Look)?;
    Ok((folder, name.into()))
}

/// What a plan is warned of: that nothing settles its run at boot, if a power cut should end it. The services of a run
/// are held back all the same, and then stay down until somebody recovers.
///
/// # Errors
/// [`Refusal::Look`].
pub fn warning(plan: &Plan, exe: &Path, state: &Path) -> Result<Option<Notice>, Refusal> {
    let managed = matches!(plan.site.services, ServiceAccess::System) && !plan.services.is_empty();
    if plan.is_empty() || !managed {
        return Ok(None);
    }
    let standing = match status(exe, state) {
        // Nothing can be installed for such a path, so nothing is.
        Err(Refusal::BootManager { .. }) => BootRecovery::Missing,
        standing => standing?,
    };
    Ok(match standing {
        BootRecovery::Installed => None,
        BootRecovery::Missing
        | BootRecovery::Broken { .. }
        | BootRecovery::Elsewhere { .. }
        | BootRecovery::NoManager => Some(Notice::NotSettledAtBoot),
    })
}
