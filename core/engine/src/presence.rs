//! Which components are on this machine.

use crate::{
    look::{self, location},
    refusal::Refusal,
};
use backout_disk::{ErrorKind, locate::locate};
use backout_machine::service::{ServiceState, Services};
use backout_protocol::{
    HostPath, MachineType, Place, Profile,
    profile::{Component, Role, ServiceNeed},
};
use std::collections::BTreeMap;

/// What is found of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is here.
    Present {
        /// Its marker file, if it is there.
        marker: Option<Place>,
        /// The marker's machine type, if it is a PE file.
        machine: Option<MachineType>,
    },
    /// A service of it is here, but neither its marker nor a backup.
    NotPatchedHere,
    /// It is not here.
    Absent,
    /// A variable that would tell has no value.
    Unknown {
        /// Which.
        variable: String,
    },
}

/// Looks for `component`.
///
/// # Errors
/// [`Refusal::Symlink`], [`Refusal::NamesFoldAlike`], [`Refusal::Look`].
pub fn find(
    profile: &Profile,
    component: &Component,
    folders: &BTreeMap<String, HostPath>,
    services: &dyn Services,
) -> Result<Presence, Refusal> {
    let installed = component.services.iter().any(|s| {
        !matches!(services.state(&s.name), Ok(ServiceState::NotInstalled)) && s.need == ServiceNeed::Required
    });
    let Some(marker) = &component.presence.marker else {
        let restores = matches!(component.role, Role::Restore { .. });
        // Without a marker a component is where its backups are; one that is only shown is always there.
        let here = !restores || any_backup(profile, component, folders)?;
        return Ok(if here { Presence::Present { marker: None, machine: None } } else { Presence::Absent });
    };
    let Some((root, Some(rel))) = location(folders, marker) else {
        let variable = marker.split('/').next().unwrap_or(marker).to_owned();
        return Ok(Presence::Unknown { variable });
    };
    if let Some(place) = existing(profile, &root, &rel)? {
        let image = look::image(&place).map_err(look::refusal)?;
        // A failed patch may have left a broken marker; its backups tell what it was made for.
        let machine = match image.machine {
            Some(machine) => Some(machine),
            None => machine_of_backups(profile, component, folders)?,
        };
        return Ok(Presence::Present { marker: Some(place), machine });
    }
    Ok(match (installed, any_backup(profile, component, folders)?) {
        // A failed patch may have taken the marker away; its service and its backups are still here.
        (true, true) => {
            Presence::Present { marker: None, machine: machine_of_backups(profile, component, folders)? }
        }
        (true, false) => Presence::NotPatchedHere,
        (false, _) => Presence::Absent,
    })
}

/// The machine type of the first presence backup that is a PE file.
fn machine_of_backups(
    profile: &Profile,
    component: &Component,
    folders: &BTreeMap<String, HostPath>,
) -> Result<Option<MachineType>, Refusal> {
    for backup in &component.presence.backups {
        if let Some((root, Some(rel))) = location(folders, backup)
            && let Some(place) = existing(profile, &root, &rel)?
            && let Ok(image) = look::candidate(&place)
            && image.machine.is_some()
        {
            return Ok(image.machine);
        }
    }
    Ok(None)
}

fn any_backup(
    profile: &Profile,
    component: &Component,
    folders: &BTreeMap<String, HostPath>,
) -> Result<bool, Refusal> {
    for backup in &component.presence.backups {
        if let Some((root, Some(rel))) = location(folders, backup)
            && existing(profile, &root, &rel)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The live spelling of a name below `root`, if it is there.
pub(crate) fn existing(
    profile: &Profile,
    root: &HostPath,
    rel: &backout_protocol::RelPath,
) -> Result<Option<Place>, Refusal> {
    match locate(&root.0, rel, profile.names) {
        Ok(found) if !found.twins.is_empty() => Err(Refusal::NamesFoldAlike { names: found.twins }),
        Ok(found) => Ok(found.kind.is_some().then_some(found.place)),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(look::refusal(e)),
    }
}
