//! What most plugins share: which backup belongs to which listed file.
//!
//! Nothing is judged here. Every listed file gets a step that names all backups of it, also if there are none; whether
//! it needs one, and which is good, is the engine's to decide.

mod folders;
mod rows;

use crate::{Ask, Kind, Machine, failure};
use backout_protocol::{
    HostPath, NameRule, Place, RelPath,
    message::{Candidate, Expect, Failure, LeftAlone, LeftReason, Need, Proposal, Proposed},
    path::encode,
    step::Fate,
};
use rows::{Found, Rows};
use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// Collects backups and gives each to the file it is a backup of.
#[derive(Debug)]
pub struct Restore<'a, C> {
    ask: &'a Ask<C>,
    machine: &'a Machine,
    rows: Rows,
    elsewhere: Vec<Claim>,
    left_alone: Vec<LeftAlone>,
    /// Whether a listed file is only where its list says.
    exact: bool,
}

/// A file that is to be restored, and the backups that claim it.
#[derive(Debug)]
struct Claim {
    target: Place,
    need: Need,
    candidates: Vec<Candidate>,
}

/// A folder below a root.
#[derive(Debug, Clone)]
struct Folder {
    root: HostPath,
    inner: Option<RelPath>,
}

impl Folder {
    fn place(&self, rel: &RelPath) -> Place {
        let rel = self.inner.as_ref().map_or_else(|| rel.clone(), |inner| inner.join(rel));
        Place { root: self.root.clone(), rel }
    }

    /// Itself, where it is none of the product's own folders.
    fn itself(&self) -> Option<Place> {
        Some(Place { root: self.root.clone(), rel: self.inner.clone()? })
    }

    fn path(&self) -> std::path::PathBuf {
        self.inner.as_ref().map_or_else(|| self.root.0.clone(), |inner| self.root.0.join(inner.as_path()))
    }
}

impl<'a, C> Restore<'a, C> {
    /// Begins with the files of the component's lists, none of which has a backup yet.
    ///
    /// # Errors
    /// A listed file lies in none of the product's folders, or a folder cannot be read.
    pub fn new(ask: &'a Ask<C>, machine: &'a Machine) -> Result<Self, Failure> {
        let rows = Rows::new(ask, machine)?;
        Ok(Self { ask, machine, rows, elsewhere: Vec::new(), left_alone: Vec::new(), exact: false })
    }

    /// From here on the list names each file by its very place: a backup of a file of the same name elsewhere is none of
    /// the list's.
    pub fn only_where_listed(&mut self) {
        self.exact = true;
    }

    /// Every file in the folder `from` and below is a backup of the file of the same relative path below `to`. With a
    /// `suffix` only files that end so count, and the suffix is no part of the file's own name. Where the component
    /// has no list every file counts as listed.
    ///
    /// # Errors
    /// A location names no folder, or a folder cannot be read.
    pub fn mirror(&mut self, from: &str, to: &str, suffix: Option<&str>, fate: Fate) -> Result<(), Failure> {
        let from = self.folder(from)?;
        self.mirror_folder(&from, to, suffix, fate)
    }

    /// [`Self::mirror`] from a folder that somebody set aside. What is in it stays there. A file in it has its own
    /// name or one that ends in `suffix`; without one, in `.bak`, unless a file of just that name is live.
    ///
    /// # Errors
    /// There is no such folder, it cannot be read, or `to` names no folder.
    pub fn mirror_set_aside(
        &mut self,
        dir: &HostPath,
        to: &str,
        suffix: Option<&str>,
    ) -> Result<(), Failure> {
        let from = self.set_aside_folder(dir)?;
        let to = self.folder(to)?;
        for backup in self.files(&from)? {
            let candidate = Candidate { place: from.place(&backup), fate: Fate::Keep };
            let original = match (without_suffix(self.names(), &backup, suffix.unwrap_or(".bak")), suffix) {
                (Some(original), Some(_)) => original,
                (Some(original), None) if self.is_live(&to, &original)? || !self.is_live(&to, &backup)? => {
                    original
                }
                _ => backup,
            };
            self.claim_mirrored(&to, &original, candidate)?;
        }
        Ok(())
    }

    fn mirror_folder(
        &mut self,
        from: &Folder,
        to: &str,
        suffix: Option<&str>,
        fate: Fate,
    ) -> Result<(), Failure> {
        let to = self.folder(to)?;
        for backup in self.files(from)? {
            let original = match suffix {
                None => Some(backup.clone()),
                Some(suffix) => without_suffix(self.names(), &backup, suffix),
            };
            let Some(original) = original else { continue };
            let candidate = Candidate { place: from.place(&backup), fate };
            self.claim_mirrored(&to, &original, candidate)?;
        }
        Ok(())
    }

    fn claim_mirrored(
        &mut self,
        to: &Folder,
        original: &RelPath,
        candidate: Candidate,
    ) -> Result<(), Failure> {
        let target = self.target(to, original)?;
        match self.rows.at(&target) {
            Some(found) => self.claim_row(found, candidate),
            None => self.claim_elsewhere(target, original, candidate),
        }
        Ok(())
    }

    fn is_live(&self, folder: &Folder, rel: &RelPath) -> Result<bool, Failure> {
        Ok(self.machine.exists(&self.target(folder, rel)?.path())?)
    }

    /// Every file directly in the folder `folder` that ends in `.EXTENSION` is a backup of a file beside it: `NAME.bak`
    /// of `NAME`, or `STEM.bak` of the one listed file with that stem.
    ///
    /// # Errors
    /// The location names no folder, or the folder cannot be read.
    pub fn beside(&mut self, folder: &str, extension: &str, fate: Fate) -> Result<(), Failure> {
        let folder = self.folder(folder)?;
        let suffix = format!(".{extension}");
        let here: Vec<RelPath> = self.machine.list(&folder.path())?.into_iter().map(|e| e.rel).collect();
        for backup in &here {
            let Some(original) = without_suffix(self.names(), backup, &suffix) else { continue };
            let candidate = Candidate { place: folder.place(backup), fate };
            let target = self.target(&folder, &original)?;
            if let Some(found) = self.rows.at(&target) {
                self.claim_row(found, candidate);
            } else if self.rows.named(original.as_path()).is_some() {
                self.claim_elsewhere(target, &original, candidate);
            } else {
                match self.rows.with_stem(original.name()) {
                    Found::One(row) => {
                        let beside = self.target(&folder, &row.name)?;
                        match self.rows.at(&beside) {
                            Some(found) => self.claim_row(found, candidate),
                            None => self.claim_elsewhere(beside, &row.name, candidate),
                        }
                    }
                    Found::Several(names) => self.leave(candidate.place, LeftReason::Ambiguous(names)),
                    Found::None => self.unlisted_beside(target, &original, candidate, &here),
                }
            }
        }
        Ok(())
    }

    /// Only the list tells what a `STEM.bak` is of. Without it such a backup is not guessed to its file.
    fn unlisted_beside(&mut self, target: Place, original: &RelPath, candidate: Candidate, here: &[RelPath]) {
        let names = self.names();
        let has_stem = |r: &&RelPath| {
            Path::new(r.name()).file_stem().is_some_and(|s| names.same(s, original.name()))
                && !names.same(r.name(), candidate.place.rel.name())
        };
        let live = here.iter().any(|r| names.same(r.name(), original.name()));
        let could_be: Vec<String> = here.iter().filter(has_stem).map(|r| encode(r.name())).collect();
        if self.ask.includes_unlisted() && !live && !could_be.is_empty() {
            self.leave(candidate.place, LeftReason::Ambiguous(could_be));
        } else {
            self.claim_unlisted(target, candidate);
        }
    }

    /// Every file in `dir` and below that has the name of a listed file, `NAME.EXTENSION` or `STEM.EXTENSION` is a
    /// backup of it and stays where it is. Files of other names are none of this component's business.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be read.
    pub fn set_aside(&mut self, dir: &HostPath, extension: &str) -> Result<(), Failure> {
        let folder = self.set_aside_folder(dir)?;
        let suffix = format!(".{extension}");
        for backup in self.files(&folder)? {
            let candidate = Candidate { place: folder.place(&backup), fate: Fate::Keep };
            let original = without_suffix(self.names(), &backup, &suffix);
            let found = match (self.rows.named(backup.as_path()), &original) {
                (Some(found), _) => found,
                (None, Some(original)) => self
                    .rows
                    .named(original.as_path())
                    .unwrap_or_else(|| self.rows.with_stem(original.name())),
                (None, None) => Found::None,
            };
            match found {
                Found::One(row) => self.claim_row(row.spelling, candidate),
                Found::Several(names) => self.leave(candidate.place, LeftReason::Ambiguous(names)),
                Found::None => {}
            }
        }
        Ok(())
    }

    /// [`Self::finish`], and then takes away each of these folders, which the patch made, in which nothing stays.
    ///
    /// # Errors
    /// A location names no folder or one of the product's own; a folder cannot be read.
    pub fn finish_without(self, made: &[String]) -> Result<Proposal, Failure> {
        let own =
            |location: &str| format!("`{location}` is one of the product's folders, which no patch makes");
        let mut folders = Vec::new();
        for location in made {
            let folder = self.folder(location)?;
            folders.push((folder.path(), folder.itself().ok_or_else(|| failure(own(location)))?));
        }
        let (machine, names) = (self.machine, self.names());
        let mut proposal = self.finish();
        folders::take_away(folders, machine, names, &mut proposal)?;
        Ok(proposal)
    }

    /// The steps for every listed file, in the list's order, then for what was found elsewhere.
    pub fn finish(self) -> Proposal {
        let mut proposal = Proposal { left_alone: self.left_alone, ..Proposal::default() };
        let restore = |claim: Claim| Proposed::RestoreFile {
            target: claim.target,
            need: claim.need,
            candidates: claim.candidates,
        };
        for row in self.rows.into_rows() {
            match (row.added, row.need) {
                (false, need) => {
                    let claims =
                        row.claims.into_iter().map(|(target, candidates)| Claim { target, need, candidates });
                    proposal.steps.extend(claims.map(restore));
                }
                (true, need) => {
                    // There can be no backup of a file that the patch brought along: the rollback is to take it away.
                    for (target, candidates) in row.claims {
                        let exactly = row.exactly.clone().filter(|(place, _)| *place == target);
                        let left = |c: Candidate| LeftAlone { place: c.place, reason: LeftReason::Unlisted };
                        proposal.left_alone.extend(candidates.into_iter().map(left));
                        match (exactly, need) {
                            (Some((_, bytes)), _) => {
                                let expect = Expect::Exactly(bytes);
                                proposal.steps.push(Proposed::RemoveFile { target, expect });
                            }
                            (None, Need::Patched(version)) => {
                                let expect = Expect::Version(version);
                                proposal.steps.push(Proposed::RemoveFile { target, expect });
                            }
                            // Nothing tells whether it still is what the patch put there.
                            (None, Need::Listed | Need::Unlisted) => {
                                proposal
                                    .left_alone
                                    .push(LeftAlone { place: target, reason: LeftReason::NotExpected });
                            }
                        }
                    }
                }
            }
        }
        proposal.steps.extend(self.elsewhere.into_iter().map(restore));
        proposal
    }

    fn names(&self) -> NameRule {
        self.ask.request.names
    }

    /// The folder of a location, in the spelling it has here.
    fn folder(&self, location: &str) -> Result<Folder, Failure> {
        let (variable, inner) = location.split_once('/').map_or((location, None), |(v, i)| (v, Some(i)));
        let root = self.ask.folder(variable)?;
        // Checks the names too.
        self.ask.folder(location)?;
        let inner = inner.and_then(|i| RelPath::new(i).ok());
        let inner = inner.map(|i| self.machine.spelled(&root.0, &i)).transpose()?;
        Ok(Folder { root, inner })
    }

    fn set_aside_folder(&self, dir: &HostPath) -> Result<Folder, Failure> {
        if self.machine.exists(&dir.0)? {
            return Ok(Folder { root: dir.clone(), inner: None });
        }
        Err(failure(format!("there is no folder `{dir}` to take backups from")))
    }

    /// Everything in a folder and below that is no folder itself. Symbolic links count: the engine says what is wrong
    /// with them.
    fn files(&self, folder: &Folder) -> Result<Vec<RelPath>, Failure> {
        let all = self.machine.walk(&folder.path())?;
        Ok(all.into_iter().filter(|e| e.kind != Kind::Folder).map(|e| e.rel).collect())
    }

    /// The file `rel` below `folder`, in the spelling it has here.
    fn target(&self, folder: &Folder, rel: &RelPath) -> Result<Place, Failure> {
        let place = self.ask.place(&folder.place(rel).path())?;
        let rel = self.machine.spelled(&place.root.0, &place.rel)?;
        Ok(Place { rel, ..place })
    }

    fn claim_row(&mut self, spelling: rows::Spelling, candidate: Candidate) {
        self.rows.claim(spelling, candidate);
    }

    /// A backup of a file that is not where the list presumes one. It is listed all the same if its name is.
    fn claim_elsewhere(&mut self, target: Place, original: &RelPath, candidate: Candidate) {
        if self.rows.is_empty() {
            return self.claim(target, Need::Listed, candidate);
        }
        if self.exact {
            return self.claim_unlisted(target, candidate);
        }
        match self.rows.named(original.as_path()) {
            Some(Found::One(row)) => {
                let need = self.rows.need(row.spelling);
                self.claim(target, need, candidate);
            }
            Some(Found::Several(names)) => self.leave(candidate.place, LeftReason::Ambiguous(names)),
            Some(Found::None) | None => self.claim_unlisted(target, candidate),
        }
    }

    fn claim_unlisted(&mut self, target: Place, candidate: Candidate) {
        if self.ask.includes_unlisted() {
            self.claim(target, Need::Unlisted, candidate);
        } else {
            self.leave(candidate.place, LeftReason::Unlisted);
        }
    }

    fn claim(&mut self, target: Place, need: Need, candidate: Candidate) {
        let key = |place: &Place| self.ask.request.names.path_key(&place.path());
        let wanted = key(&target);
        match self.elsewhere.iter_mut().find(|c| key(&c.target) == wanted) {
            Some(claim) => claim.candidates.push(candidate),
            None => self.elsewhere.push(Claim { target, need, candidates: vec![candidate] }),
        }
    }

    fn leave(&mut self, place: Place, reason: LeftReason) {
        self.left_alone.push(LeftAlone { place, reason });
    }
}

/// `rel` without `suffix` at the end of its name; `None` if it does not end so or nothing would be left.
fn without_suffix(names: NameRule, rel: &RelPath, suffix: &str) -> Option<RelPath> {
    let name = rel.name().as_encoded_bytes();
    let cut = name.len().checked_sub(suffix.len()).filter(|cut| *cut > 0)?;
    let tail = os(&name[cut..])?;
    if !names.same(&tail, OsStr::new(suffix)) {
        return None;
    }
    rel.with_name(&os(&name[..cut])?).ok()
}

/// A part of a name. On Unix any bytes are a name; elsewhere only whole characters are cut.
fn os(bytes: &[u8]) -> Option<OsString> {
    #[cfg(unix)]
    {
        Some(std::os::unix::ffi::OsStrExt::from_bytes(bytes)).map(|name: &OsStr| name.to_owned())
    }
    #[cfg(not(unix))]
    {
        std::str::from_utf8(bytes).ok().map(OsString::from)
    }
}
