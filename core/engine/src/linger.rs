//! A service that is stopped and whose process lives on: the process still holds its files.

use crate::{failure::Failure, quiesce::Quiesce};
use backout_machine::{
    Patience,
    process::{self, Process, ProcessError},
    service::ServiceError,
};
use backout_protocol::{Notice, ServiceName};
use std::time::Duration;

impl Quiesce<'_> {
    /// Ends the process that a stopped service left, as the operator said. Only if it is still the one that was seen:
    /// that number, that start, that image. One that is gone by now is ended.
    pub(crate) fn end_lingering(
        &self,
        service: &ServiceName,
        seen: Process,
        notices: &mut Vec<Notice>,
    ) -> Result<(), Failure> {
        let fail = |e: ProcessError| Failure::Process { why: e.to_string() };
        let images = std::slice::from_ref(&seen.image);
        let under: Vec<_> = seen.path.parent().map(ToOwned::to_owned).into_iter().collect();
        let found = process::running(images, &under).map_err(fail)?;
        match found.iter().find(|p| (p.pid, p.started) == (seen.pid, seen.started)) {
            Some(same) => {
                let limit = Duration::from_secs(self.plan.site.timeouts.exit.into());
                process::end(same, &Patience::firm(limit)).map_err(fail)?;
                notices.push(Notice::EndedProcess { image: same.image.clone(), pid: same.pid });
                Ok(())
            }
            None if process::is_there(&seen) => {
                Err(Failure::Service(ServiceError::Lingers { service: service.clone(), process: seen }))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::{
        blank,
        faces::{Cancel, Faces},
        window::Extent,
    };
    use backout_machine::service::{ServiceState, Services};
    use backout_protocol::{
        Plan,
        plan::{Ask, PlannedService, Tie, Was},
    };
    use std::{
        cell::Cell,
        path::PathBuf,
        process::{Child, Command},
    };

    /// A manager that calls its service stopped while this process lives.
    struct Leaves(Process);

    impl Services for Leaves {
        fn state(&self, _: &ServiceName) -> Result<ServiceState, ServiceError> {
            Ok(ServiceState::Running)
        }
        fn stop(&self, service: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
            Err(ServiceError::Lingers { service: service.clone(), process: self.0.clone() })
        }
        fn start(&self, _: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
            Ok(())
        }
        fn start_hint(&self, _: &ServiceName) -> String {
            String::new()
        }
        fn programs(&self) -> Vec<PathBuf> {
            Vec::new()
        }
    }

    fn plan(end_lingering: bool) -> Plan {
        let service = PlannedService {
            name: "A Service".parse().unwrap(),
            was: Was::Running,
            start: true,
            tie: Tie::Named,
        };
        let request = Ask { end_lingering, ..Ask::default() };
        Plan { request, services: vec![service], ..blank::plan() }
    }

    /// A process that does not outlive its test, and how it is seen.
    struct Left(Child, Process);

    impl Left {
        fn new() -> Self {
            let child = Command::new("/bin/sleep").arg("600").spawn().unwrap();
            let under = [PathBuf::from("/bin")];
            // A child that has not yet become its program is not seen as one.
            let seen = loop {
                let running = process::running(&["sleep".to_owned()], &under).unwrap();
                if let Some(seen) = running.into_iter().find(|p| p.pid == child.id()) {
                    break seen;
                }
                std::thread::yield_now();
            };
            Self(child, seen)
        }
        fn lives(&mut self) -> bool {
            self.0.try_wait().unwrap().is_none()
        }
    }

    impl Drop for Left {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn stop_all(process: &Process, end_lingering: bool) -> (Result<(), Failure>, Vec<Notice>) {
        let (plan, services, cancel) = (plan(end_lingering), Leaves(process.clone()), Cancel::default());
        let (issued, mut notices) = (Cell::new(false), Vec::new());
        let quiesce = Quiesce {
            plan: &plan,
            services: &services,
            faces: Faces {
                host: &blank::Nobody,
                observer: &blank::Nobody,
                cancel: &cancel,
                registry: backout_machine::registry::here(),
            },
            extent: Extent::Whole,
            cancellable: true,
            issued: &issued,
            under_way: None,
        };
        let stopped = quiesce.stop_all(&mut notices);
        (stopped, notices)
    }

    #[test]
    fn a_process_that_its_service_left_is_ended_where_the_operator_said_so() {
        let mut left = Left::new();
        let (stopped, notices) = stop_all(&left.1, true);
        assert!(stopped.is_ok(), "{stopped:?}");
        assert!(!left.lives());
        assert_eq!(notices, [Notice::EndedProcess { image: "sleep".into(), pid: left.1.pid }]);
        assert!(stop_all(&left.1, true).0.is_ok(), "one that is gone is ended");
    }

    #[test]
    fn without_that_it_is_a_failed_step() {
        let mut left = Left::new();
        let (stopped, notices) = stop_all(&left.1, false);
        assert!(matches!(stopped, Err(Failure::Service(ServiceError::Lingers { .. }))), "{stopped:?}");
        assert!(left.lives() && notices.is_empty());
    }

    #[test]
    fn one_that_runs_something_else_is_left_alone() {
        let mut left = Left::new();
        let other =
            Process { image: "SpntSvc.exe".into(), path: "/nowhere/SpntSvc.exe".into(), ..left.1.clone() };
        let (stopped, _) = stop_all(&other, true);
        assert!(matches!(stopped, Err(Failure::Service(ServiceError::Lingers { .. }))), "{stopped:?}");
        assert!(left.lives());
    }
}
