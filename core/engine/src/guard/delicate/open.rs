//! Files that somebody has open for writing: a copy of one is of no moment, and what is put in its place its writer never sees.

use super::{
    Leave, OpenFile,
    walk::{Listed, Named, Tree, glob},
};
use crate::refusal::Refusal;
use backout_disk::{Error, folder::Kind};
use backout_machine::writers;
use backout_protocol::Notice;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub(super) fn check(tree: &Tree, leave: Leave, notices: &mut Vec<Notice>) -> Result<(), Refusal> {
    // Of a file with several names the first is told.
    let mut files: BTreeMap<(u64, u64), (&Listed, &Named)> = BTreeMap::new();
    for folder in &tree.folders {
        for name in folder.names.iter().filter(|n| n.kind == Kind::File) {
            files.entry(name.identity).or_insert((folder, name));
        }
    }
    let wanted: BTreeSet<(u64, u64)> = files.keys().copied().collect();
    let seen = writers::of(&wanted).map_err(|e| {
        Refusal::Look(Error::unsupported("list the processes of", Path::new("/proc"), &e.to_string()))
    })?;
    if seen.unseen > 0 {
        notices.push(Notice::WritersUnseen { processes: seen.unseen as u64 });
    }
    let mut holders: BTreeMap<(u64, u64), Vec<(String, u32)>> = BTreeMap::new();
    for (file, holder) in seen.found {
        holders.entry(file).or_default().push((holder.image, holder.pid));
    }
    let open = |(file, holders): ((u64, u64), Vec<(String, u32)>)| {
        let (folder, name) = files.get(&file)?;
        Some(OpenFile { path: folder.path(&name.name), glob: glob(&folder.below(&name.name)), holders })
    };
    let mut open: Vec<OpenFile> = holders.into_iter().filter_map(open).collect();
    open.sort_by(|a, b| a.path.cmp(&b.path));
    let Some(first) = open.first() else { return Ok(()) };
    if !leave.include_data {
        return Err(Refusal::OpenForWriting { files: open });
    }
    let (path, holders, count) = (first.path.clone(), first.holders.clone(), open.len() as u64);
    notices.push(Notice::OpenIncluded { first: path, holders, count });
    Ok(())
}
