//! The profile of what a kept installer changed, where one is to be learned: see [`crate::learn`].

use super::Guard;
use crate::{
    learn::{self, Learned, Named, Service, Told, Written, target},
    load::LoadedProfile,
    snapshot::{diff, store},
};
use backout_journal::{Journal, Record, Verdict};
use backout_protocol::{
    HostPath, Notice,
    guard::Learn,
    notice::NotLearned,
    path::encode,
    plan::Origin,
    profile::{Holds, Profile, ServiceNeed},
    snapshot::{SavedService, ServiceWas, Snapshot},
};

impl Guard<'_> {
    /// Writes the profile that is to be learned. What keeps it from that is said, and keeps nothing else from anything.
    pub(super) fn learn(&mut self, verdict: Verdict) {
        let Some(Learn { file, .. }) = self.terms.learn.clone() else { return };
        if verdict == Verdict::Ill {
            return self.nothing_learned();
        }
        match self.learned().and_then(|learned| written(&file, learned)) {
            Ok((written, mut notices)) => {
                self.learned = Some(written);
                self.notices.append(&mut notices);
            }
            Err(why) => self.notices.push(Notice::NotLearned { file, why }),
        }
    }

    /// An installer whose work is not good teaches nothing.
    pub(super) fn nothing_learned(&mut self) {
        if let Some(Learn { file, .. }) = self.terms.learn.clone() {
            self.notices.push(Notice::NotLearned { file, why: NotLearned::NotGood });
        }
    }

    fn learned(&self) -> Result<Learned, NotLearned> {
        let failed = |why: String| NotLearned::Failed { why };
        let unread = |refusal| failed(format!("{refusal:?}"));
        let before = store::open(self.locked.state(), &self.terms.snapshot).map_err(unread)?;
        let after = diff::now(&before, self.faces.cancel).map_err(unread)?;
        let told = self.told(&before);
        learn::learn(&before, &after, &told).map_err(unread)?.ok_or(NotLearned::Nothing)
    }

    fn told(&self, before: &Snapshot) -> Told {
        let plan = &self.tx.plan;
        let text = self.terms.profile.as_ref();
        let guarded = text.and_then(|text| LoadedProfile::from_text(&plan.profile.name, text, None).ok());
        let guarded = guarded.map(|loaded| loaded.profile);
        let learn = self.terms.learn.as_ref();
        let file = learn.and_then(|learn| target::name(&learn.file.0));
        let installer = self.terms.argv.first().and_then(|program| program.0.file_name());
        Told {
            name: file.unwrap_or("learned").to_owned(),
            plugin: learn.map(|learn| learn.plugin.clone()).unwrap_or_default(),
            installer: installer.map(encode).unwrap_or_default(),
            ended: self.ended_at(),
            // Folders that are watched are no product.
            product: guarded.as_ref().filter(|p| !p.components.is_empty()).map(|p| p.product.clone()),
            variables: self.variables(guarded.as_ref()),
            services: before.services.iter().map(|saved| self.service(saved, guarded.as_ref())).collect(),
            timeouts: guarded.map(|p| p.timeouts).unwrap_or_default(),
        }
    }

    fn variables(&self, guarded: Option<&Profile>) -> Vec<Named> {
        let named = |variable: &backout_protocol::profile::Variable| {
            let resolved = self.tx.plan.site.vars.get(&variable.name)?;
            let same_as = match &resolved.origin {
                Origin::SameAs(other) => Some(other.clone()),
                _ => None,
            };
            let (name, value) = (variable.name.clone(), resolved.value.clone());
            Some(Named { name, value, folder: variable.holds == Holds::Folder, same_as })
        };
        guarded.iter().flat_map(|p| &p.variables).filter_map(named).collect()
    }

    fn service(&self, saved: &SavedService, guarded: Option<&Profile>) -> Service {
        let used = guarded.iter().flat_map(|p| &p.components).flat_map(|c| &c.services);
        let need = used.filter(|used| used.name == saved.name).map(|used| used.need).next();
        let absent = saved.state == ServiceWas::NotInstalled;
        Service {
            name: saved.name.clone(),
            need: if absent { ServiceNeed::Optional } else { need.unwrap_or_default() },
            image: self.tx.plan.site.images.get(&saved.name).cloned(),
            unit: saved.unit.clone(),
        }
    }

    /// When it was written down that the installer had ended.
    fn ended_at(&self) -> Option<u64> {
        let reading = Journal::read(&self.tx.folder, &self.tx.run).ok().flatten()?;
        let ended = |record: &Record| matches!(record, Record::InstallerExited { .. });
        reading.lines.iter().find(|line| ended(&line.record)).map(|line| line.at)
    }
}

fn written(file: &HostPath, learned: Learned) -> Result<(Written, Vec<Notice>), NotLearned> {
    target::write(file, &learned.text).map_err(|e| NotLearned::Failed { why: e.to_string() })?;
    let at = || file.clone();
    let mut notices = Vec::new();
    if !learned.unsaid.is_empty() {
        let names = learned.unsaid.iter().map(|one| one.path.clone()).collect();
        notices.push(Notice::LearnedWithout { file: at(), names });
    }
    if learned.counts.without_backup > 0 {
        notices.push(Notice::LearnedNoBackups { file: at(), files: learned.counts.without_backup as u64 });
    }
    if !learned.data.is_empty() {
        notices.push(Notice::LearnedNoData { file: at(), names: learned.data });
    }
    Ok((Written { file: at(), counts: learned.counts }, notices))
}
