//! The two units with which backout settles an unfinished run at boot.

use crate::unit_text;
pub use crate::unit_text::Unwritable;
use std::path::Path;

/// Settles files, before any service that is held back is started.
pub const FILES_UNIT: &str = "backout-recover-files.service";
/// Starts what ran, when everything else has been started.
pub const SERVICES_UNIT: &str = "backout-recover-services.service";

/// Names and texts of the two units, for `/etc/systemd/system`. To be enabled; the first is to be started once, too,
/// so that no hold starts it later in this boot.
///
/// `exe` is the program, `state` the state folder; `more` are arguments to put behind ours, as `--plugin-dir` and its
/// folder.
///
/// Fails on a path, or on an argument taken for one, that no unit file can hold.
pub fn boot_units(
    exe: &Path,
    state: &Path,
    more: &[String],
) -> Result<[(&'static str, String); 2], Unwritable> {
    if let Some(bad) = more.iter().find(|text| text.chars().any(char::is_control)) {
        return Err(Unwritable(bad.into()));
    }
    let more: String = more.iter().map(|text| format!(" {}", unit_text::word(text))).collect();
    let mounts = format!("{} {}", unit_text::listed(state)?, unit_text::listed(exe)?);
    let (exe, state) = (unit_text::program(exe)?, unit_text::argument(state)?);
    let run = |what: &str| format!("ExecStart={exe} recover --boot={what} --state-dir {state}{more}");
    // Without default dependencies nothing waits for this one but the units that a run holds back: those are ordered
    // behind it by their drop-ins, whatever they are. It must not stand before sysinit.target: a state folder on a
    // network file system would close a circle. There is no condition on it, as it must count as done once it has
    // run: a unit that a condition kept from running would be started again by a hold in the middle of a later run.
    let files = format!(
        "[Unit]\n\
         Description=Settle the files of an unfinished backout run\n\
         DefaultDependencies=no\n\
         RequiresMountsFor={mounts}\n\
         After=local-fs.target\n\
         Conflicts=shutdown.target\n\
         Before=shutdown.target {SERVICES_UNIT}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        run("files")
    );
    // Services reached by commands are children of this one: they must outlive it.
    let services = format!(
        "[Unit]\n\
         Description=Start the services of an unfinished backout run\n\
         RequiresMountsFor={mounts}\n\
         Wants={FILES_UNIT}\n\
         After={FILES_UNIT} multi-user.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         KillMode=process\n\
         {}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        run("services")
    );
    Ok([(FILES_UNIT, files), (SERVICES_UNIT, services)])
}
