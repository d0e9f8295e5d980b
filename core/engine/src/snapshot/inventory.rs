//! Walks folders name by name, beneath their roots and through no link, and writes down what is there; and copies it, if
//! somebody wants it set aside.

use super::{exclude::Exclude, store::is_ours};
use crate::{faces::Cancel, look, refusal::Refusal};
use backout_disk::{
    Error, ErrorKind, Folder,
    aside::{self, Taken},
    folder::Kind,
};
use backout_protocol::{
    HostPath, Image, Notice, Place, RelPath,
    snapshot::{Entry, Facts, Root, What},
};

/// What is found below a number of roots.
pub(crate) struct Inventory<'a> {
    exclude: &'a Exclude,
    cancel: &'a Cancel,
    /// Which names are known already: they are not looked at, and folders among them only walked. Of a file
    /// that changes while it is read only the name is written down then.
    known: Option<&'a Known<'a>>,
    /// Whether what nothing of ours speaks of or walks to is passed over, instead of refused.
    passes: bool,
    /// Everything found, a folder before what lies in it.
    pub entries: Vec<Entry>,
    /// Names that were not looked at.
    pub hidden: Vec<(usize, RelPath)>,
    /// Folders that hold a name which nothing of ours speaks of.
    pub odd: Vec<(usize, RelPath)>,
    /// What was passed over.
    passed: Vec<HostPath>,
    /// Folders on another file system than the folder above, or with something mounted on them.
    pub elsewhere: Vec<(usize, RelPath)>,
    /// What is mounted on these, roots among them.
    pub mounts: Vec<HostPath>,
    /// Names of which nothing is kept.
    pub contentless: Vec<Place>,
    /// Copies that do not have all that their originals have: the first, what it is, and how many there are.
    pub poorer: Option<(Place, String, u64)>,
}

/// Whether the name at this path below the root of this number is known as what it is.
type Known<'a> = dyn Fn(usize, &RelPath, Kind) -> bool + 'a;

/// The root that is walked.
struct At<'a> {
    number: usize,
    /// The file system of the folder above the one that is walked; of a root its own.
    dev: u64,
    path: &'a HostPath,
}

impl<'a> Inventory<'a> {
    pub(crate) fn new(exclude: &'a Exclude, cancel: &'a Cancel) -> Self {
        Self {
            exclude,
            cancel,
            known: None,
            passes: false,
            entries: Vec::new(),
            hidden: Vec::new(),
            odd: Vec::new(),
            passed: Vec::new(),
            elsewhere: Vec::new(),
            mounts: Vec::new(),
            contentless: Vec::new(),
            poorer: None,
        }
    }

    /// Of what is not known already. It passes over what no snapshot can have; a folder that is too deep to be walked to is
    /// written down without what lies in it.
    pub(crate) fn of_new(exclude: &'a Exclude, cancel: &'a Cancel, known: &'a Known<'a>) -> Self {
        Self { known: Some(known), ..Self::passing(exclude, cancel) }
    }

    /// Of what is there, without what nothing of ours speaks of or walks to: where there is no other way than on.
    pub(crate) fn passing(exclude: &'a Exclude, cancel: &'a Cancel) -> Self {
        Self { passes: true, ..Self::new(exclude, cancel) }
    }

    fn knows(&self, at: &At<'_>, path: &RelPath, kind: Kind) -> bool {
        self.known.is_some_and(|known| known(at.number, path, kind))
    }

    /// Writes down the tree of `path`; `to`: the empty folder that a copy of it is made in.
    ///
    /// # Errors
    /// A root that is not there or leads through a link; whatever cannot be read.
    pub(crate) fn take(
        &mut self,
        number: usize,
        path: &HostPath,
        to: Option<&Folder>,
    ) -> Result<Root, Refusal> {
        let folder = Folder::open_root(&path.0).map_err(|e| match e.kind {
            ErrorKind::NotFound => Refusal::FolderMissing { path: path.clone() },
            _ => look::refusal(e),
        })?;
        let dev = folder.stat_self().map_err(look::refusal)?.identity.0;
        let facts = self.tree(&At { number, dev, path }, &folder, None, to)?;
        Ok(Root { path: path.clone(), facts })
    }

    fn tree(
        &mut self,
        at: &At<'_>,
        folder: &Folder,
        rel: Option<&RelPath>,
        to: Option<&Folder>,
    ) -> Result<Facts, Refusal> {
        let facts = aside::facts(folder).map_err(look::refusal)?;
        let stat = folder.stat_self().map_err(look::refusal)?;
        let dev = stat.identity.0;
        if stat.mount_root {
            self.mounts.push(HostPath(folder.path().to_owned()));
        }
        if let Some(rel) = rel.filter(|_| stat.mount_root || dev != at.dev) {
            self.elsewhere.push((at.number, rel.clone()));
        }
        let at = &At { dev, ..*at };
        for entry in folder.entries().map_err(look::refusal)? {
            if let Some(why) = self.cancel.requested() {
                return Err(Refusal::Cancelled(why));
            }
            let name = match RelPath::new(&entry.name) {
                Ok(name) => name,
                Err(_) if self.passes => {
                    self.odd.extend(rel.map(|rel| (at.number, rel.clone())));
                    self.passed.push(HostPath(folder.path().join(&entry.name)));
                    continue;
                }
                Err(e) => {
                    let path = folder.path().join(&entry.name);
                    return Err(look::refusal(Error::unsupported("read", &path, &e.to_string())));
                }
            };
            let path = rel.map_or_else(|| name.clone(), |rel| rel.join(&name));
            if is_ours(&entry.name) || self.exclude.leaves_out(&path) {
                self.hidden.push((at.number, path));
                continue;
            }
            match entry.kind {
                kind if kind != Kind::Folder && self.knows(at, &path, kind) => {}
                Kind::Folder => self.folder(at, folder, &path, to)?,
                Kind::File => self.file(at, folder, path, to)?,
                Kind::Symlink => self.link(at, folder, path, to)?,
                Kind::Other => {
                    self.contentless.push(Place { root: at.path.clone(), rel: path.clone() });
                    self.note(at, path, What::Other, None);
                }
            }
        }
        if let Some(to) = to {
            let notes = aside::dress(to, folder).map_err(Refusal::SnapshotFailed)?;
            if let Some(rel) = rel {
                self.poor(at, rel, notes);
            }
        }
        Ok(facts)
    }

    fn folder(
        &mut self,
        at: &At<'_>,
        above: &Folder,
        path: &RelPath,
        to: Option<&Folder>,
    ) -> Result<(), Refusal> {
        let name = crate::state::plain(path.name());
        let folder = match above.open_below(&name) {
            Ok(folder) => folder,
            Err(e) => {
                match e.kind {
                    // What is gone again was not there.
                    ErrorKind::NotFound => {}
                    ErrorKind::TooDeep if self.known.is_some() => {
                        self.note(at, path.clone(), What::Folder, None);
                    }
                    ErrorKind::TooDeep if self.passes => {
                        self.hidden.push((at.number, path.clone()));
                        self.passed.push(HostPath(e.path));
                    }
                    _ => return Err(look::refusal(e)),
                }
                return Ok(());
            }
        };
        let copy = to.map(|to| aside::make_folder(to, path.name())).transpose();
        let copy = copy.map_err(Refusal::SnapshotFailed)?;
        // Before what lies in it; its facts are known once that is done.
        let index = self.entries.len();
        let known = self.knows(at, path, Kind::Folder);
        if !known {
            self.note(at, path.clone(), What::Folder, None);
        }
        let facts = self.tree(at, &folder, Some(path), copy.as_ref())?;
        if let Some(entry) = self.entries.get_mut(index).filter(|_| !known) {
            entry.facts = Some(facts);
        }
        Ok(())
    }

    fn file(
        &mut self,
        at: &At<'_>,
        folder: &Folder,
        path: RelPath,
        to: Option<&Folder>,
    ) -> Result<(), Refusal> {
        let taken = match to {
            Some(to) => aside::copy(folder, path.name(), to),
            None => aside::look(folder, path.name()),
        };
        let here = folder.path().join(path.name());
        let mut taken: Taken = match taken {
            Ok(taken) => taken,
            Err(e) if e.path != here => return Err(Refusal::SnapshotFailed(e)),
            Err(e) => {
                match e.kind {
                    // What is gone again was not there.
                    ErrorKind::NotFound => {}
                    ErrorKind::Busy if self.known.is_some() => self.note(at, path, What::Other, None),
                    ErrorKind::Busy => return Err(Refusal::Changing { path: HostPath(here) }),
                    _ => return Err(look::refusal(e)),
                }
                return Ok(());
            }
        };
        let pe = backout_machine::version::read(&mut taken.file);
        let pe = pe.map_err(|e| Refusal::Look(Error::unsupported("read", &here, &e.to_string())))?;
        let image = Image {
            fingerprint: taken.fingerprint,
            version: pe.and_then(|p| p.version),
            machine: pe.map(|p| p.machine),
        };
        self.poor(at, &path, taken.notes);
        self.note(at, path, What::File(image), Some(taken.facts));
        Ok(())
    }

    fn link(
        &mut self,
        at: &At<'_>,
        folder: &Folder,
        path: RelPath,
        to: Option<&Folder>,
    ) -> Result<(), Refusal> {
        let target = match folder.read_link(path.name()) {
            Ok(target) => target,
            Err(e) => {
                return match e.kind {
                    // What is gone again was not there.
                    ErrorKind::NotFound => Ok(()),
                    _ => Err(look::refusal(e)),
                };
            }
        };
        if let Some(to) = to {
            let made = aside::link(to, path.name(), &target).map_err(Refusal::SnapshotFailed)?;
            if made {
                aside::dress_link(to, path.name(), folder).map_err(Refusal::SnapshotFailed)?;
            }
        }
        self.note(at, path, What::Link(HostPath(target.into())), None);
        Ok(())
    }

    fn note(&mut self, at: &At<'_>, path: RelPath, what: What, facts: Option<Facts>) {
        self.entries.push(Entry { root: at.number, path, what, facts });
    }

    fn poor(&mut self, at: &At<'_>, path: &RelPath, notes: Vec<String>) {
        let Some(what) = notes.into_iter().next() else { return };
        match &mut self.poorer {
            Some((.., count)) => *count += 1,
            none => *none = Some((Place { root: at.path.clone(), rel: path.clone() }, what, 1)),
        }
    }

    /// What a person should know of it.
    pub(crate) fn notices(&mut self) -> Vec<Notice> {
        let nothing = (!self.contentless.is_empty())
            .then(|| Notice::NothingKept { places: std::mem::take(&mut self.contentless) });
        let poorer = self.poorer.take();
        let poorer = poorer.map(|(first, what, files)| Notice::KeptWithout { first, what, files });
        nothing.into_iter().chain(poorer).collect()
    }

    /// Names what was passed over.
    pub(crate) fn passed_over(&mut self) -> Option<Notice> {
        (!self.passed.is_empty()).then(|| Notice::NotLookedAt { places: std::mem::take(&mut self.passed) })
    }
}

#[cfg(all(test, windows))]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]
mod tests {
    use super::*;
    use backout_protocol::NameRule;

    #[test]
    fn a_name_that_programs_take_for_another_is_refused_or_on_a_way_back_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        // By a path that nothing rewrites.
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("new")).unwrap();
        for name in ["new/f", "new/x."] {
            std::fs::write(root.join(name.replace('/', r"\")), "x").unwrap();
        }
        let (exclude, cancel) = (Exclude::new(&[], NameRule::Folded).unwrap(), Cancel::default());
        let root = HostPath(root);
        assert!(Inventory::new(&exclude, &cancel).take(0, &root, None).is_err());
        let mut passing = Inventory::passing(&exclude, &cancel);
        passing.take(0, &root, None).unwrap();
        assert_eq!(passing.entries.len(), 2);
        assert_eq!(passing.odd, [(0, RelPath::new("new").unwrap())]);
        let named = Notice::NotLookedAt { places: vec![HostPath(root.0.join(r"new\x."))] };
        assert_eq!(passing.passed_over(), Some(named));
        std::fs::remove_file(root.0.join(r"new\x.")).unwrap();
    }
}
