//! Windows: the Restart Manager knows applications and services; where it names nobody, the table of all open handles is
//! gone through, for which the rights of an administrator are needed.

use super::{Source, restart_manager::RestartManager, table::HandleTable};

pub(super) fn sources() -> &'static [&'static dyn Source] {
    &[&RestartManager, &HandleTable]
}
