use super::*;
use crate::blank;
use std::sync::Mutex;

/// A manager that has all its services in one state and notes which it is told to stop.
struct Manager(ServiceState, Mutex<Vec<ServiceName>>);

impl Services for Manager {
    fn state(&self, _: &ServiceName) -> Result<ServiceState, ServiceError> {
        Ok(self.0)
    }
    fn stop(&self, service: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
        self.1.lock().unwrap().push(service.clone());
        Ok(())
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

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

/// The services `named`, which the plan names, and `companion`, which it stops beside it.
fn with<T>(services: &dyn Services, extent: Extent, work: impl FnOnce(&Quiesce<'_>) -> T) -> T {
    let service = |text, tie| PlannedService { name: name(text), was: Was::Running, start: true, tie };
    let services_of = vec![service("named", Tie::Named), service("companion", Tie::Dependent)];
    let plan = Plan { services: services_of, ..blank::plan() };
    let (cancel, issued) = (Cancel::default(), Cell::new(false));
    let registry = backout_machine::registry::here();
    work(&Quiesce {
        plan: &plan,
        services,
        faces: Faces { host: &blank::Nobody, observer: &blank::Nobody, cancel: &cancel, registry },
        extent,
        cancellable: true,
        issued: &issued,
        under_way: None,
    })
}

#[test]
fn what_waits_for_its_start_at_boot_is_not_stopped_and_everywhere_else_it_is() {
    let stopped = |state, extent| {
        let manager = Manager(state, Mutex::default());
        with(&manager, extent, |quiesce| quiesce.stop_running(&mut Vec::new())).unwrap();
        manager.1.into_inner().unwrap()
    };
    let both = [name("named"), name("companion")];
    assert_eq!(stopped(ServiceState::Restarting, Extent::Files), []);
    assert_eq!(stopped(ServiceState::Restarting, Extent::Whole), both);
    assert_eq!(stopped(ServiceState::Running, Extent::Files), both);
    assert_eq!(stopped(ServiceState::Stopped, Extent::Whole), []);
}

#[test]
fn only_a_companion_that_is_not_installed_went_with_its_unit() {
    let manager = Manager(ServiceState::NotInstalled, Mutex::default());
    let went = |text: &str, state| {
        with(&manager, Extent::Whole, |quiesce| quiesce.went_with_its_unit(&name(text), state))
    };
    assert!(went("companion", ServiceState::NotInstalled));
    assert!(!went("companion", ServiceState::Stopped));
    assert!(!went("named", ServiceState::NotInstalled));
    assert!(!went("another", ServiceState::NotInstalled));
}

#[test]
fn services_that_are_only_assumed_can_be_told_nothing() {
    let patience = Patience::firm(Duration::ZERO);
    for services in [none(), assumed()] {
        let not_installed = |told| matches!(told, Err(ServiceError::NotInstalled { .. }));
        assert!(not_installed(services.stop(&name("S"), &patience)));
        assert!(not_installed(services.start(&name("S"), &patience)));
        assert_eq!(services.start_hint(&name("S")), "");
    }
}
