//! Control groups, as the kernel shows them: which processes are in one, and in those below it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the one hierarchy is, or the one that systemd keeps beside those of old.
const PLACES: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
/// The file of a group that lists its processes, and takes one that is written into it.
pub(crate) const PROCESSES: &str = "cgroup.procs";

/// The folder of a group, by its path from the hierarchy's root; `None`: there is no such group.
pub(crate) fn folder(group: &str) -> Option<PathBuf> {
    let below = group.trim_start_matches('/');
    PLACES.iter().map(|place| Path::new(place).join(below)).find(|folder| folder.join(PROCESSES).exists())
}

/// The processes in the group at `folder` and in those below it, as far as they can be seen from here.
pub(crate) fn processes(folder: PathBuf) -> Vec<u32> {
    let mut pids = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        let listed = fs::read_to_string(folder.join(PROCESSES)).unwrap_or_default();
        // Those of another namespace are listed as 0.
        pids.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let inner = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        folders.extend(inner.map(|e| e.path()));
    }
    pids
}
