//! Who holds a file: the processes that have it open, for messages. Nothing is decided by it; one that cannot be found
//! out is not named.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

#[cfg(windows)]
mod restart_manager;
#[cfg(windows)]
pub(crate) mod table;

use crate::process;
use std::{collections::BTreeSet, path::Path};

/// A process that has a file open or runs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// The base name of its program; empty where the system does not tell.
    pub image: String,
}

impl Holder {
    /// The process of this number.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, image: process::image_of(pid).unwrap_or_default() }
    }
}

/// One way to find out.
trait Source {
    /// The numbers of the processes that hold `path`, as far as this way can tell.
    fn holders(&self, path: &Path) -> BTreeSet<u32>;
}

/// The processes, other than this one, that hold the file at `path`, by number. Takes a few seconds at most.
pub fn of(path: &Path) -> Vec<Holder> {
    first(os::sources(), path).into_iter().map(Holder::of).collect()
}

/// What the first way says that names anybody.
fn first(sources: &[&dyn Source], path: &Path) -> BTreeSet<u32> {
    for source in sources {
        let mut found = source.holders(path);
        found.remove(&std::process::id());
        if !found.is_empty() {
            return found;
        }
    }
    BTreeSet::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(&'static [u32]);

    impl Source for Says {
        fn holders(&self, _: &Path) -> BTreeSet<u32> {
            self.0.iter().copied().collect()
        }
    }

    #[test]
    fn where_one_way_names_nobody_the_next_is_asked() {
        let of = |sources: &[&dyn Source]| first(sources, Path::new("f")).into_iter().collect::<Vec<_>>();
        assert_eq!(of(&[&Says(&[9, 4]), &Says(&[5])]), [4, 9]);
        assert_eq!(of(&[&Says(&[]), &Says(&[5])]), [5]);
        assert_eq!(of(&[&Says(&[]), &Says(&[])]), [] as [u32; 0]);
    }
}
