//! Health: whether what was started is well. Every service runs and stays up for the settle time, a process of the
//! image that the profile or site expects of it runs from the product's folders, and every probe is content.
//!
//! A process that runs from what was set aside is none of them: it was started from the old file and never ended.

use crate::{failure::Failure, preflight::is_ours, quiesce::Quiesce};
use backout_machine::{executed, process, service::ServiceState};
use backout_protocol::{Event, ServiceName, profile::Probe, report::Phase};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How often a state that is waited for is looked at.
const POLL: Duration = Duration::from_millis(50);

impl Quiesce<'_> {
    /// Every wanted service is running, is still running after the settle time, runs what it is expected to, and every
    /// probe is content.
    pub(crate) fn health(&self, wanted: impl Fn(&ServiceName) -> bool) -> Result<(), Failure> {
        self.images_come(&wanted)?;
        self.runs(&wanted)?;
        self.images(&wanted)?;
        self.probes()
    }

    /// Every wanted service is running and is still running after the settle time.
    pub(crate) fn runs(&self, wanted: impl Fn(&ServiceName) -> bool) -> Result<(), Failure> {
        self.faces.observer.event(&Event::Phase { phase: Phase::Health });
        let watched: Vec<&ServiceName> =
            self.plan.services.iter().map(|s| &s.name).filter(|n| wanted(n)).collect();
        let until = Instant::now() + Duration::from_secs(self.plan.site.timeouts.settle.into());
        while !watched.is_empty() {
            for name in &watched {
                self.is_up(name)?;
            }
            self.not_called_off()?;
            let now = Instant::now();
            if now >= until {
                break;
            }
            std::thread::sleep(POLL.min(until - now));
        }
        Ok(())
    }

    /// Every probe of this run is content: those of the whole product, and those of services that run.
    pub(crate) fn probes(&self) -> Result<(), Failure> {
        let limit = Duration::from_secs(self.plan.site.timeouts.start.into());
        let concerns = |probe: &&Probe| {
            probe.service.as_ref().is_none_or(|service| {
                self.plan.services.iter().any(|s| s.name == *service)
                    && matches!(self.services.state(service), Ok(ServiceState::Running))
            })
        };
        for probe in self.plan.site.health.iter().filter(concerns) {
            let ill = |why: String| Failure::Probe { name: probe.name.clone(), why };
            for file in executed(&probe.run) {
                backout_disk::trust::check(&file).map_err(|e| ill(e.to_string()))?;
            }
            backout_machine::probe(probe, limit).map_err(|e| ill(e.to_string()))?;
        }
        Ok(())
    }

    fn is_up(&self, service: &ServiceName) -> Result<(), Failure> {
        match self.services.state(service) {
            Ok(ServiceState::Running) => Ok(()),
            Ok(state) if self.went_with_its_unit(service, state) => Ok(()),
            Ok(_) => Err(Failure::Died { service: service.clone() }),
            Err(e) => Err(Failure::Service(e)),
        }
    }

    fn not_called_off(&self) -> Result<(), Failure> {
        match self.faces.cancel.requested().filter(|_| self.cancellable) {
            Some(why) => Err(Failure::Cancelled(why)),
            None => Ok(()),
        }
    }

    /// Waits until the expected images run: what starts a service may become it only a moment later.
    fn images_come(&self, wanted: &impl Fn(&ServiceName) -> bool) -> Result<(), Failure> {
        let until = Instant::now() + Duration::from_secs(self.plan.site.timeouts.start.into());
        while let Err(failure) = self.images(wanted) {
            if Instant::now() >= until || !matches!(failure, Failure::WrongImage { .. }) {
                return Err(failure);
            }
            for service in self.plan.services.iter().filter(|s| wanted(&s.name)) {
                self.is_up(&service.name)?;
            }
            self.not_called_off()?;
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// A process of each wanted service's expected image runs from the product's folders.
    fn images(&self, wanted: &impl Fn(&ServiceName) -> bool) -> Result<(), Failure> {
        let under: Vec<PathBuf> = self.plan.site.vars.values().map(|v| v.value.0.clone()).collect();
        let expected = self.plan.site.images.iter();
        for (service, image) in
            expected.filter(|(s, _)| wanted(s) && self.plan.services.iter().any(|p| p.name == **s))
        {
            let running = process::running(std::slice::from_ref(image), &under)
                .map_err(|e| Failure::Process { why: e.to_string() })?;
            if running.iter().all(|process| set_aside(&process.path)) {
                return Err(Failure::WrongImage { service: service.clone(), image: image.clone() });
            }
        }
        Ok(())
    }
}

fn set_aside(path: &Path) -> bool {
    path.iter().any(is_ours)
}
