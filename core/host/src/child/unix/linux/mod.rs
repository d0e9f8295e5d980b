//! Linux: reading is all that is left. Three walls, as each has gaps that another closes: what may be done with files
//! (Landlock), which calls there are (seccomp), and what root may do (capabilities).

mod calls;
mod capabilities;
mod files;

use std::io;

/// From now on this process and what it starts can read, and talk to nobody else. Before any code of a plugin's runs.
pub(super) fn read_only() -> io::Result<()> {
    capabilities::drop_all()?;
    rustix::thread::set_no_new_privs(true)?;
    let files = files::write_nothing()?;
    calls::read_only(files)
}
