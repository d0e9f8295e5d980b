//! What root may do beyond others: all of it goes but to read what belongs to others, without which the files of a
//! service's own user could not be looked at.

use rustix::{
    io::Errno,
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities,
    },
};
use std::io;

/// Reads and lists whatever there is.
const KEPT: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;

/// Drops them, for what is started later too.
pub(super) fn drop_all() -> io::Result<()> {
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if one == KEPT {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // This kernel knows no more of them; or we are not root, and have none to pass on.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(e) => return Err(e.into()),
        }
    }
    match clear_ambient_capability_set() {
        // Before Linux 4.3 there was none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(e) => return Err(e.into()),
    }
    let permitted = rustix::thread::capabilities(None)?.permitted & KEPT;
    let left = CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, left)?)
}
