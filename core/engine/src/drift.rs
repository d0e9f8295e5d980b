//! Drift before a rollback: a live file that is neither what the patch put there nor what was there before it, where
//! both can be told. A version tells by itself, as older, patched or newer; bytes tell where the profile gives the
//! digest of the patched file, or where an earlier rollback of ours has seen the file patched.
//!
//! Where nothing is known nothing is drift: a rollback of what a failed patch left must not be refused for a file that
//! merely looks odd.

use crate::{
    claims::names,
    history, look,
    state::State,
    survey::{Survey, lists},
    transaction::{Swap, Transaction},
};
use backout_protocol::{
    ComponentId, Digest, Fingerprint, Image, NameRule, Place, Profile, message::Reject, plan::PlanKind,
};
use std::{cell::OnceCell, collections::BTreeMap};

/// What is known of the bytes of files before and after the patch.
pub(crate) struct Known<'a> {
    state: Option<&'a State>,
    profile: &'a str,
    names: NameRule,
    /// The digests that the lists give, by component and key of the last name.
    listed: BTreeMap<(ComponentId, String), Vec<Digests>>,
    /// The committed rollbacks of this profile, newest first; read once, and only if they are asked for.
    runs: OnceCell<Vec<Transaction>>,
}

/// What a row says of a file's bytes.
#[derive(Debug, Clone, Copy)]
struct Bytes {
    patched: Option<Digest>,
    before: Option<Digest>,
    /// The patch takes the file away.
    removed: bool,
}

/// The same, and the key of the path that the file is presumed at.
type Digests = (String, Bytes);

impl<'a> Known<'a> {
    pub(crate) fn of(profile: &'a Profile, survey: &Survey, state: Option<&'a State>) -> Self {
        let mut listed: BTreeMap<_, Vec<Digests>> = BTreeMap::new();
        for component in &profile.components {
            for list in lists(profile, survey, component) {
                for row in &list.files {
                    let bytes = Bytes { patched: row.sha256, before: row.before, removed: row.removed };
                    let folder = look::path_of(&survey.folders, row.folder.as_ref().unwrap_or(&list.folder));
                    let tells = row.removed || row.sha256.or(row.before).is_some();
                    let Some(folder) = folder.filter(|_| tells) else {
                        continue;
                    };
                    for name in std::iter::once(&row.name).chain(&row.aliases) {
                        let path = folder.join(name);
                        let last = path.file_name().unwrap_or(name.as_ref());
                        let of = (component.id.clone(), profile.names.key(last));
                        listed.entry(of).or_default().push((profile.names.path_key(&path), bytes));
                    }
                }
            }
        }
        Self { state, profile: &profile.name, names: profile.names, listed, runs: OnceCell::new() }
    }

    /// Whether `live`, which is there and not older than the patch, is known to be neither patched nor as before.
    pub(crate) fn is_drift<'c>(
        &self,
        target: &Place,
        components: impl Iterator<Item = &'c ComponentId>,
        live: &Image,
        backups: &[Result<Image, Reject>],
    ) -> bool {
        let Fingerprint::File { sha256: bytes, .. } = live.fingerprint else { return false };
        if backups.iter().any(|b| b.as_ref().is_ok_and(|b| b.fingerprint == live.fingerprint)) {
            return false;
        }
        let listed: Vec<Digest> =
            components.flat_map(|c| self.rows(c, target)).filter_map(|row| row.patched).collect();
        let seen = self.seen(target);
        let known = !listed.is_empty() || seen.is_some();
        let seen = seen.is_some_and(|(patched, before)| [patched, before].contains(&live.fingerprint));
        known && !seen && !listed.contains(&bytes)
    }

    /// Whether a list says that these are the bytes that the file had before the patch.
    pub(crate) fn is_before<'c>(
        &self,
        target: &Place,
        mut components: impl Iterator<Item = &'c ComponentId>,
        live: &Image,
    ) -> bool {
        let Fingerprint::File { sha256: bytes, .. } = live.fingerprint else { return false };
        components.any(|c| self.rows(c, target).iter().any(|row| row.before == Some(bytes)))
    }

    /// Whether a list says that the patch takes this file away: that it is gone does not mean that it never was here.
    pub(crate) fn is_removed<'c>(
        &self,
        target: &Place,
        mut components: impl Iterator<Item = &'c ComponentId>,
    ) -> bool {
        components.any(|c| self.rows(c, target).iter().any(|row| row.removed))
    }

    /// The rows of a component that are about this file: those that presume it here; else, as a list only presumes, all
    /// that have its name.
    fn rows(&self, component: &ComponentId, target: &Place) -> Vec<Bytes> {
        let named = self.listed.get(&(component.clone(), self.names.key(target.rel.name())));
        let named = named.map(Vec::as_slice).unwrap_or_default();
        let path = self.names.path_key(&target.path());
        let here: Vec<Bytes> = named.iter().filter(|(at, _)| *at == path).map(|(_, row)| *row).collect();
        if here.is_empty() { named.iter().map(|(_, row)| *row).collect() } else { here }
    }

    /// Whether the digest that a list gives says that `live` is patched.
    pub(crate) fn is_patched(&self, component: &ComponentId, target: &Place, live: &Image) -> bool {
        let listed = self.rows(component, target);
        let seen = self.seen(target).map(|(patched, _)| patched);
        matches!(live.fingerprint, Fingerprint::File { sha256, .. }
            if listed.iter().any(|row| row.patched == Some(sha256)))
            || seen == Some(live.fingerprint)
    }

    /// The states after and before the patch that the newest rollback of this file has seen. One that went over a
    /// file that somebody had edited, or made one that was gone, has not seen the patched state.
    fn seen(&self, target: &Place) -> Option<(Fingerprint, Fingerprint)> {
        let runs =
            self.runs.get_or_init(|| self.state.map(|s| rollbacks(s, self.profile)).unwrap_or_default());
        let whole = |s: &&Swap| {
            s.target == *target
                && matches!((s.before, s.after), (Fingerprint::File { .. }, Fingerprint::File { .. }))
        };
        let edited =
            |tx: &Transaction| tx.plan.request.overwrite.iter().any(|text| names(self.names, text, target));
        let mut runs = runs.iter().filter(|tx| !edited(tx));
        runs.find_map(|tx| tx.swaps.iter().find(whole)).map(|s| (s.before, s.after))
    }
}

/// What cannot be read tells nothing.
fn rollbacks(state: &State, profile: &str) -> Vec<Transaction> {
    let ids = state.history_ids().unwrap_or_default().into_iter().rev();
    let read = ids.filter_map(|run| history::read(state, &run).ok().flatten());
    read.filter(|(reading, tx)| {
        // A snapshot has the states of a day, which need not be those before and after the patch.
        reading.status.is_committed()
            && tx.plan.kind == PlanKind::Rollback
            && !tx.plan.restores_a_snapshot()
            && tx.plan.profile.name == profile
    })
    .map(|(_, tx)| tx)
    .collect()
}
