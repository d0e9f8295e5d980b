//! The machine as a plugin sees it: read-only, and every question can be recorded with its answer.
//!
//! With a fixture the same questions are answered from that. One code turns what is known of a path into answers, whether
//! it was seen a moment ago or stands in a fixture, so a plugin plans the same for both.

mod error;
mod real;
mod record;

pub use backout_protocol::message::KnownKind as Kind;
pub use error::{LookError, Question, Why};
pub(crate) use record::Record;

use backout_protocol::{
    Digest, FileVersion, MachineType, NameRule, RelPath, ServiceName,
    message::{Facts, Fixture, Known, KnownFile, KnownPe, PlanRequest, ProcessFact, Running, Seen},
    path::decode,
};
use sha2::{Digest as _, Sha256};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::Cursor,
    path::{Path, PathBuf},
};

/// A read-only view of the machine, or of one in a fixture.
#[derive(Debug)]
pub struct Machine {
    names: NameRule,
    facts: Facts,
    fixture: Option<Fixture>,
    record: Option<RefCell<Record>>,
}

/// A name that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, below the folder that was looked at.
    pub rel: RelPath,
    /// What it is.
    pub kind: Kind,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// A file's length in bytes; of anything else 0.
    pub len: u64,
}

/// What a PE file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pe {
    /// The machine type it is made for.
    pub machine: MachineType,
    /// The file version of its version resource.
    pub version: Option<FileVersion>,
}

/// What is told of a path.
enum Told {
    /// This is known.
    Known(Known),
    /// Only what it is.
    Kind(Kind),
    /// Nothing.
    Nothing,
}

/// What a look into a folder gives.
enum Listing {
    /// What lies in it.
    Folder(Vec<Entry>),
    /// What lies in the folder that this symbolic link leads to; nothing if it leads to none.
    Link(Vec<Entry>),
    /// Nothing has this name.
    Absent,
    /// Something else has it.
    NoFolder,
}

impl Machine {
    /// The machine itself, names compared by `names`, with no services or processes known.
    pub fn new(names: NameRule) -> Self {
        Self { names, facts: Facts::default(), fixture: None, record: None }
    }

    /// The machine that a request is about.
    pub(crate) fn of(request: &PlanRequest) -> Self {
        Self {
            names: request.names,
            facts: request.facts.clone(),
            fixture: request.machine.clone(),
            record: request.record.then(RefCell::default),
        }
    }

    /// What was asked so far, if it is recorded.
    pub(crate) fn recorded(&self) -> Option<Record> {
        self.record.as_ref().map(|record| record.borrow().clone())
    }

    /// What stands under a name; `None`: nothing does. A symbolic link is not followed.
    ///
    /// # Errors
    /// [`LookError`]: it cannot be told.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>, LookError> {
        let question = Question::Stat;
        let plain = |kind| Ok(Some(Stat { kind, len: 0 }));
        match self.ask(path, question) {
            Told::Known(Known::Absent) => Ok(None),
            Told::Known(Known::File(file)) => Ok(Some(Stat { kind: Kind::File, len: len(&file) })),
            Told::Known(Known::Folder(_) | Known::Closed(_)) => plain(Kind::Folder),
            Told::Known(Known::Symlink(_)) => plain(Kind::Symlink),
            Told::Known(Known::Other) => plain(Kind::Other),
            Told::Known(Known::Unreadable(why)) => Err(refused(path, question, why)),
            Told::Kind(kind @ (Kind::Folder | Kind::Symlink | Kind::Other)) => plain(kind),
            Told::Kind(Kind::File) | Told::Nothing => Err(not_in_fixture(path, question)),
        }
    }

    /// Whether something has this name, a dangling symbolic link included.
    ///
    /// # Errors
    /// [`LookError`]: it cannot be told.
    pub fn exists(&self, path: &Path) -> Result<bool, LookError> {
        match self.ask(path, Question::Stat) {
            Told::Known(Known::Absent) => Ok(false),
            Told::Known(Known::Unreadable(why)) => Err(refused(path, Question::Stat, why)),
            Told::Known(_) | Told::Kind(_) => Ok(true),
            Told::Nothing => Err(not_in_fixture(path, Question::Stat)),
        }
    }

    /// What lies directly in `folder`, sorted by name. A folder that is not there has nothing in it.
    ///
    /// # Errors
    /// [`LookError`]: it is there and is no folder, or cannot be read.
    pub fn list(&self, folder: &Path) -> Result<Vec<Entry>, LookError> {
        let none = || refused(folder, Question::List, "it is no folder".to_owned());
        self.entries(folder)?.ok_or_else(none)
    }

    /// What lies in `folder` and below, folders before what is in them, sorted by name. Symbolic links below it are
    /// named, not followed. A folder that is not there has nothing in it.
    ///
    /// # Errors
    /// [`LookError`]: it or a folder below it cannot be read, or one below it goes away while this looks.
    pub fn walk(&self, folder: &Path) -> Result<Vec<Entry>, LookError> {
        let mut found = Vec::new();
        // Backwards, so that the first is the next.
        let mut waiting: Vec<Entry> = self.list(folder)?.into_iter().rev().collect();
        while let Some(entry) = waiting.pop() {
            if entry.kind == Kind::Folder {
                let path = folder.join(entry.rel.as_path());
                // It was there a moment ago: taken for empty, what lay in it would be left out without a word.
                let Listing::Folder(inner) = self.listing(&path)? else {
                    return Err(refused(
                        &path,
                        Question::List,
                        "it is no longer the folder that it was a moment ago".to_owned(),
                    ));
                };
                waiting.extend(inner.into_iter().rev().map(|e| Entry { rel: entry.rel.join(&e.rel), ..e }));
            }
            found.push(entry);
        }
        Ok(found)
    }

    /// What lies directly in `folder`; `None`: it is there and is no folder.
    fn entries(&self, folder: &Path) -> Result<Option<Vec<Entry>>, LookError> {
        Ok(match self.listing(folder)? {
            Listing::Folder(entries) | Listing::Link(entries) => Some(entries),
            Listing::Absent => Some(Vec::new()),
            Listing::NoFolder => None,
        })
    }

    fn listing(&self, folder: &Path) -> Result<Listing, LookError> {
        let question = Question::List;
        match self.ask(folder, question) {
            Told::Known(Known::Folder(Some(names))) => Ok(Listing::Folder(entries(names))),
            Told::Known(Known::Symlink(Some(names))) => Ok(Listing::Link(entries(names))),
            Told::Known(Known::Absent) => Ok(Listing::Absent),
            Told::Known(Known::File(_) | Known::Other) | Told::Kind(Kind::File | Kind::Other) => {
                Ok(Listing::NoFolder)
            }
            Told::Known(Known::Closed(why) | Known::Unreadable(why)) => Err(refused(folder, question, why)),
            Told::Known(Known::Folder(None) | Known::Symlink(None))
            | Told::Kind(Kind::Folder | Kind::Symlink)
            | Told::Nothing => Err(not_in_fixture(folder, question)),
        }
    }

    /// The spelling under which `rel` is there below `folder`, if it is: as given if that is there, else the first
    /// whose names are the same by the machine's rule.
    ///
    /// # Errors
    /// [`LookError`]: a folder on the way cannot be read.
    pub fn find(&self, folder: &Path, rel: &RelPath) -> Result<Option<RelPath>, LookError> {
        if self.exists(&folder.join(rel.as_path()))? {
            return Ok(Some(rel.clone()));
        }
        if self.names == NameRule::Exact {
            return Ok(None);
        }
        let mut found: Option<RelPath> = None;
        for name in rel.as_path() {
            let at = found.as_ref().map_or(folder.to_owned(), |f| folder.join(f.as_path()));
            let Some(entries) = self.entries(&at)? else { return Ok(None) };
            let mut same = entries.into_iter().filter(|e| self.names.same(e.rel.name(), name));
            let Some(entry) = same.next() else { return Ok(None) };
            found = Some(found.map_or(entry.rel.clone(), |f| f.join(&entry.rel)));
        }
        Ok(found)
    }

    /// `path` below `root` in the spelling it has there; the names that are not there stay as given.
    ///
    /// # Errors
    /// [`LookError`]: a folder on the way cannot be read.
    pub fn spelled(&self, root: &Path, rel: &RelPath) -> Result<RelPath, LookError> {
        if let Some(found) = self.find(root, rel)? {
            return Ok(found);
        }
        let parent = rel.parent().map(|p| self.spelled(root, &p)).transpose()?;
        let name = RelPath::new(rel.name()).unwrap_or_else(|_| rel.clone());
        Ok(parent.map_or(name.clone(), |p| p.join(&name)))
    }

    /// All bytes of a file that has at most `limit`.
    ///
    /// # Errors
    /// [`LookError`]: it is not there, is no regular file, is longer, or cannot be read.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, LookError> {
        let question = Question::Read(limit);
        let file = self.file(path, question)?;
        if len(&file) > limit {
            let why = format!("it has {} bytes, more than the {limit} that were asked for", len(&file));
            return Err(refused(path, question, why));
        }
        bytes(&file).ok_or_else(|| not_in_fixture(path, question))
    }

    /// The text of a file that has at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Machine::read`], and where it is no UTF-8.
    pub fn read_text(&self, path: &Path, limit: u64) -> Result<String, LookError> {
        let no_text = |_| refused(path, Question::Read(limit), "it is no UTF-8".to_owned());
        String::from_utf8(self.read(path, limit)?).map_err(no_text)
    }

    /// The SHA-256 of a file's bytes.
    ///
    /// # Errors
    /// [`LookError`]: it is not there, is no regular file, or cannot be read.
    pub fn hash(&self, path: &Path) -> Result<Digest, LookError> {
        let file = self.file(path, Question::Hash)?;
        let known = file.sha256.or_else(|| Some(Digest(Sha256::digest(bytes(&file)?).into())));
        known.ok_or_else(|| not_in_fixture(path, Question::Hash))
    }

    /// What a file's PE headers say; `None`: it is no PE file.
    ///
    /// # Errors
    /// [`LookError`]: it is not there, is no regular file, or cannot be read.
    pub fn version(&self, path: &Path) -> Result<Option<Pe>, LookError> {
        let file = self.file(path, Question::Version)?;
        let of_bytes = |bytes| {
            let info = backout_pe::read(&mut Cursor::new(bytes)).ok().flatten();
            info.map_or(KnownPe::No, |pe| KnownPe::Yes { machine: pe.machine, version: pe.version })
        };
        match file.pe.or_else(|| bytes(&file).map(of_bytes)) {
            Some(KnownPe::No) => Ok(None),
            Some(KnownPe::Yes { machine, version }) => Ok(Some(Pe { machine, version })),
            None => Err(not_in_fixture(path, Question::Version)),
        }
    }

    fn file(&self, path: &Path, question: Question) -> Result<KnownFile, LookError> {
        match self.ask(path, question) {
            Told::Known(Known::File(KnownFile { unreadable: Some(why), .. })) => {
                Err(refused(path, question, why))
            }
            Told::Known(Known::File(file)) => Ok(file),
            Told::Known(Known::Absent) => Err(refused(path, question, "nothing has this name".to_owned())),
            Told::Known(Known::Unreadable(why)) => Err(refused(path, question, why)),
            Told::Known(Known::Folder(_) | Known::Closed(_) | Known::Symlink(_) | Known::Other)
            | Told::Kind(Kind::Folder | Kind::Symlink | Kind::Other) => {
                Err(refused(path, question, "it is no regular file".to_owned()))
            }
            Told::Kind(Kind::File) | Told::Nothing => Err(not_in_fixture(path, question)),
        }
    }

    /// Whether one of the component's services runs, as the host knows it; `None`: it is none of them.
    pub fn service(&self, name: &ServiceName) -> Option<Running> {
        self.facts.services.get(name).copied()
    }

    /// Processes whose executable lies below one of the product's folders, as the host saw them before it asked.
    pub fn processes(&self) -> &[ProcessFact] {
        &self.facts.processes
    }

    fn ask(&self, path: &Path, question: Question) -> Told {
        let Some(fixture) = &self.fixture else {
            let known = real::look(path, question);
            self.note(path, Some((path, &known)));
            return Told::Known(known);
        };
        match fixture.look(path) {
            Some(Seen::Known(known)) => {
                self.note(path, Some((path, known)));
                Told::Known(known.clone())
            }
            Some(Seen::Absent) => {
                self.note(path, Some((path, &Known::Absent)));
                Told::Known(Known::Absent)
            }
            Some(Seen::Kind(kind)) => {
                // What is known of it stands in its folder's listing.
                let folder = path.parent().and_then(|p| match fixture.look(p) {
                    Some(Seen::Known(known)) => Some((p, known)),
                    _ => None,
                });
                self.note(path, folder);
                Told::Kind(kind)
            }
            None => {
                self.note(path, None);
                Told::Nothing
            }
        }
    }

    fn note(&self, asked: &Path, learnt: Option<(&Path, &Known)>) {
        if let Some(record) = &self.record {
            let mut record = record.borrow_mut();
            record.asked.insert(asked.to_owned().into());
            if let Some((path, known)) = learnt {
                record.learn(path, known.clone());
            }
        }
    }
}

/// The names of a folder, sorted. One that no relative path may have (Windows keeps such names behind `\\?\` only) is no
/// backup's.
fn entries(names: BTreeMap<String, Kind>) -> Vec<Entry> {
    let entry = |(name, kind): (String, Kind)| {
        let rel = RelPath::new(PathBuf::from(decode(&name))).ok()?;
        Some(Entry { rel, kind })
    };
    let mut entries: Vec<Entry> = names.into_iter().filter_map(entry).collect();
    entries.sort_by(|a, b| a.rel.name().cmp(b.rel.name()));
    entries
}

/// A length that nobody wrote down follows from the bytes.
fn len(file: &KnownFile) -> u64 {
    bytes(file).map_or(file.len, |bytes| bytes.len() as u64)
}

/// The bytes, if they are known. Hex digits that are none are not.
fn bytes(file: &KnownFile) -> Option<Vec<u8>> {
    if let Some(text) = &file.text {
        return Some(text.clone().into_bytes());
    }
    let hex = file.hex.as_ref()?.as_bytes();
    let digit = |c: u8| char::from(c).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    hex.chunks(2).map(byte).collect()
}

fn refused(path: &Path, question: Question, why: String) -> LookError {
    LookError { path: path.to_owned(), question, why: Why::Refused(why) }
}

fn not_in_fixture(path: &Path, question: Question) -> LookError {
    LookError { path: path.to_owned(), question, why: Why::NotInFixture }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backout_protocol::HostPath;

    #[test]
    fn a_folder_that_goes_away_under_a_walk_is_not_taken_for_empty() {
        let dir = if cfg!(windows) { r"C:\backup" } else { "/backup" };
        let inner = HostPath(Path::new(dir).join("sub"));
        let names = BTreeMap::from([("sub".to_owned(), Kind::Folder)]);
        let elsewhere = BTreeMap::from([("a".to_owned(), Kind::File)]);
        let listed = Known::Folder(Some(names));
        for then in
            [Known::Absent, Known::Other, Known::Symlink(Some(elsewhere)), Known::File(KnownFile::default())]
        {
            let paths =
                BTreeMap::from([(HostPath(dir.into()), listed.clone()), (inner.clone(), then.clone())]);
            let fixture = Fixture { paths, ..Fixture::default() };
            let machine = Machine { fixture: Some(fixture), ..Machine::new(NameRule::Exact) };
            let error = machine.walk(Path::new(dir)).unwrap_err();
            assert_eq!(error.path, inner.0, "{then:?}");
        }
    }
}
