//! The listed files of a component, each with its spellings and the backups that claim it.

use crate::{Ask, Machine};
use backout_protocol::{
    Fingerprint, NameRule, Place, RelPath,
    message::{Candidate, Failure, Need},
};
use std::{ffi::OsStr, path::Path};

/// The listed files.
#[derive(Debug)]
pub(super) struct Rows {
    names: NameRule,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    need: Need,
    added: bool,
    /// Where an added file is here, and what it is if it still is what the patch put there, as far as the list tells.
    exactly: Option<(Place, Fingerprint)>,
    /// The row's own name first.
    spelled: Vec<Spelled>,
    claims: Vec<(Place, Vec<Candidate>)>,
}

#[derive(Debug)]
struct Spelled {
    name: RelPath,
    place: Place,
    live: bool,
}

/// One spelling of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling {
    row: usize,
    spelling: usize,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// No listed file.
    None,
    /// This one.
    One(Named),
    /// Any of these.
    Several(Vec<String>),
}

/// A listed file under one of its spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Which.
    pub(super) spelling: Spelling,
    /// The spelling.
    pub(super) name: RelPath,
}

/// A row when all backups are known.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) need: Need,
    pub(super) added: bool,
    /// What the file at this place is if it still is what the patch put there.
    pub(super) exactly: Option<(Place, Fingerprint)>,
    /// Its files here, each with its backups.
    pub(super) claims: Vec<(Place, Vec<Candidate>)>,
}

impl Rows {
    pub(super) fn new<C>(ask: &Ask<C>, machine: &Machine) -> Result<Self, Failure> {
        let mut rows = Vec::new();
        for file in &ask.request.listed {
            let mut spelled = Vec::new();
            for name in std::iter::once(&file.name).chain(&file.aliases) {
                let name = RelPath::new(name).map_err(|e| crate::failure(e.to_string()))?;
                let place = ask.place(&file.folder.0.join(name.as_path()))?;
                let found = machine.find(&place.root.0, &place.rel)?;
                let live = found.is_some();
                let rel = found.map_or_else(|| machine.spelled(&place.root.0, &place.rel), Ok)?;
                spelled.push(Spelled { name, place: Place { rel, ..place }, live });
            }
            let need = file.patched.map_or(Need::Listed, Need::Patched);
            let claims = spelled.iter().filter(|s| s.live).map(|s| (s.place.clone(), Vec::new())).collect();
            let exactly = match (file.added, file.sha256, spelled.iter().find(|s| s.live)) {
                (true, Some(sha256), Some(live)) => {
                    // Its length says nothing by itself: with the digest it is a state to be compared with.
                    let stat = machine.stat(&live.place.path())?;
                    let len = stat.map(|stat| stat.len);
                    len.map(|len| (live.place.clone(), Fingerprint::File { len, sha256 }))
                }
                _ => None,
            };
            rows.push(Row { need, added: file.added, exactly, spelled, claims });
        }
        Ok(Self { names: ask.request.names, rows })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn need(&self, of: Spelling) -> Need {
        self.rows[of.row].need
    }

    /// The row whose presumed file, under any spelling, is `place`.
    pub(super) fn at(&self, place: &Place) -> Option<Spelling> {
        let wanted = self.names.path_key(&place.path());
        self.all().find(|(_, s)| self.names.path_key(&s.place.path()) == wanted).map(|(at, _)| at)
    }

    /// The row that has the name `path`, or a name that `path` ends in, or, if none, that has its last name.
    pub(super) fn named(&self, path: &Path) -> Option<Found> {
        let key = self.names.path_key(path);
        let ends = |s: &Spelled| {
            let name = self.names.path_key(s.name.as_path());
            (key == name || key.ends_with(&format!("/{name}"))).then_some(name.len())
        };
        if let Some(most) = self.all().filter_map(|(_, s)| ends(s)).max() {
            return Some(self.one_of(|s| ends(s) == Some(most)));
        }
        let last = path.file_name()?;
        match self.one_of(|s| self.names.same(s.name.name(), last)) {
            Found::None => None,
            found => Some(found),
        }
    }

    /// The row whose file name without its extension is `stem`.
    pub(super) fn with_stem(&self, stem: &OsStr) -> Found {
        let same =
            |s: &Spelled| Path::new(s.name.name()).file_stem().is_some_and(|own| self.names.same(own, stem));
        self.one_of(same)
    }

    /// The one row that fits, under its first spelling that does.
    fn one_of(&self, fits: impl Fn(&Spelled) -> bool) -> Found {
        let mut found: Vec<(Spelling, &Spelled)> = Vec::new();
        for (at, spelled) in self.all().filter(|(_, s)| fits(s)) {
            if found.last().is_none_or(|(last, _)| last.row != at.row) {
                found.push((at, spelled));
            }
        }
        match &found[..] {
            [] => Found::None,
            [(spelling, spelled)] => Found::One(Named { spelling: *spelling, name: spelled.name.clone() }),
            several => Found::Several(several.iter().map(|(_, s)| s.name.to_string()).collect()),
        }
    }

    fn all(&self) -> impl Iterator<Item = (Spelling, &Spelled)> {
        self.rows.iter().enumerate().flat_map(|(row, r)| {
            r.spelled.iter().enumerate().map(move |(spelling, s)| (Spelling { row, spelling }, s))
        })
    }

    /// Gives a backup to the row. The file is the one of the backup's own spelling if that is live, else the spelling
    /// that is, else the backup's own.
    pub(super) fn claim(&mut self, of: Spelling, candidate: Candidate) {
        let row = &mut self.rows[of.row];
        let own = &row.spelled[of.spelling];
        let target = if own.live { own } else { row.spelled.iter().find(|s| s.live).unwrap_or(own) };
        match row.claims.iter_mut().find(|(place, _)| *place == target.place) {
            Some((_, candidates)) => candidates.push(candidate),
            None => row.claims.push((target.place.clone(), vec![candidate])),
        }
    }

    /// Every row with at least one file: where there is neither a live file nor a backup, the presumed one.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Finished> {
        self.rows.into_iter().map(|row| {
            let Row { need, added, exactly, spelled, mut claims } = row;
            if claims.is_empty() && !added {
                claims.extend(spelled.into_iter().next().map(|s| (s.place, Vec::new())));
            }
            Finished { need, added, exactly, claims }
        })
    }
}
