//! Drift before a rollback: a live file that is neither what the patch put there nor what was there before it, where
//! both can be told. A version tells by itself, as older, patched or newer; bytes tell where the profile gives the
//! digest of the patched file, or where an earlier rollback of ours has seen the file patched.
//!
//! Where nothing is known nothing is drift: a rollback of what a failed patch left must not be refused for a file that
//! merely looks odd.

use crate::{
    claims::names,
    history,
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
    /// The digests that the lists give, by component and key of the name.
    listed: BTreeMap<(ComponentId, String), Digest>,
    /// The committed rollbacks of this profile, newest first; read once, and only if they are asked for.
    runs: OnceCell<Vec<Transaction>>,
}

impl<'a> Known<'a> {
    pub(crate) fn of(profile: &'a Profile, survey: &Survey, state: Option<&'a State>) -> Self {
        let mut listed = BTreeMap::new();
        for component in &profile.components {
            for row in lists(profile, survey, component).into_iter().flat_map(|l| &l.files) {
                let Some(sha256) = row.sha256 else { continue };
                for name in std::iter::once(&row.name).chain(&row.aliases) {
                    listed.insert((component.id.clone(), profile.names.key(name.as_ref())), sha256);
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
        let key = self.names.key(target.rel.name());
        let listed: Vec<Digest> =
            components.filter_map(|c| self.listed.get(&(c.clone(), key.clone())).copied()).collect();
        let seen = self.seen(target);
        let known = !listed.is_empty() || seen.is_some();
        let seen = seen.is_some_and(|(patched, before)| [patched, before].contains(&live.fingerprint));
        known && !seen && !listed.contains(&bytes)
    }

    /// Whether the digest that a list gives says that `live` is patched.
    pub(crate) fn is_patched(&self, component: &ComponentId, target: &Place, live: &Image) -> bool {
        let key = (component.clone(), self.names.key(target.rel.name()));
        let listed = self.listed.get(&key).copied();
        let seen = self.seen(target).map(|(patched, _)| patched);
        matches!(live.fingerprint, Fingerprint::File { sha256, .. } if listed == Some(sha256))
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
