use super::{
    Snapshot, saved,
    settings::{make_startable, restore},
};
use crate::{blank, refusal::Refusal, setting::Settings};
use backout_machine::{
    Patience,
    registry::{Registry, RegistryError},
    service::{ServiceError, ServiceState, Services},
};
use backout_protocol::{
    Configuration, HostPath, KeyName, KeyPath, Notice, ServiceName, Step,
    configuration::{Part, Scm},
    registry::{KeyTree, SavedKey, Value},
    snapshot::{SavedService, ServiceWas},
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// A manager in memory of one service, of which it sets the start type alone; and a registry that nobody may read.
#[derive(Default)]
struct Machine {
    /// `None`: it is not there.
    service: Mutex<Option<Scm>>,
    /// Whether the manager tells nothing of how it is configured, or nothing at all.
    mute: Option<Mute>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mute {
    OfConfigurations,
    Wholly,
}

impl Machine {
    fn with(service: Scm) -> Self {
        Self { service: Mutex::new(Some(service)), mute: None }
    }

    fn mute(how: Mute) -> Self {
        Self { mute: Some(how), ..Self::default() }
    }

    fn service(&self) -> Option<Scm> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn settings(&self) -> Settings<'_> {
        Settings { registry: self, services: self }
    }
}

impl Services for Machine {
    fn state(&self, _: &ServiceName) -> Result<ServiceState, ServiceError> {
        match self.mute {
            Some(Mute::Wholly) => Err(ServiceError::NoManager),
            _ => Ok(ServiceState::Running),
        }
    }
    fn stop(&self, _: &ServiceName, _: &Patience<'_>) -> Result<(), ServiceError> {
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
    fn configuration(
        &self,
        _: &ServiceName,
        _: Option<&Configuration>,
    ) -> Result<Option<Configuration>, ServiceError> {
        match self.mute {
            Some(_) => Err(ServiceError::NoManager),
            None => Ok(self.service().map(Configuration::Scm)),
        }
    }
    fn settable(&self, part: Part, _: &Configuration, _: &Configuration, _: &[HostPath]) -> bool {
        part == Part::Start
    }
    fn configure(&self, _: &ServiceName, to: &Configuration, parts: &[Part]) -> Result<(), ServiceError> {
        let Configuration::Scm(to) = to else { return Err(ServiceError::NoManager) };
        let mut own = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        let own = own.as_mut().unwrap();
        assert!(parts == [Part::Start] && own.start != to.start, "{parts:?} of {own:?}");
        own.start = to.start;
        Ok(())
    }
}

fn closed<T>(key: &KeyName) -> Result<T, RegistryError> {
    let source = std::io::ErrorKind::PermissionDenied.into();
    Err(RegistryError::System { key: key.clone(), verb: "read", source })
}

impl Registry for Machine {
    fn is_here(&self) -> bool {
        true
    }
    fn tree(&self, key: &KeyName) -> Result<KeyTree, RegistryError> {
        closed(key)
    }
    fn make(&self, key: &KeyName, _: &str) -> Result<(), RegistryError> {
        closed(key)
    }
    fn remove(&self, key: &KeyName, _: &str) -> Result<(), RegistryError> {
        closed(key)
    }
    fn set(&self, key: &KeyName, _: &str, _: &str, _: Option<&Value>) -> Result<(), RegistryError> {
        closed(key)
    }
    fn flush(&self, key: &KeyName) -> Result<(), RegistryError> {
        closed(key)
    }
}

fn name() -> ServiceName {
    "A Service".parse().unwrap()
}

fn service(start: u32, account: &str) -> Scm {
    Scm {
        key: "AService".to_owned(),
        shown: "A Service".to_owned(),
        kind: 16,
        start,
        delayed: false,
        error: 1,
        image: "a.exe".to_owned(),
        account: account.to_owned(),
        needs: Vec::new(),
    }
}

/// A snapshot of nothing but this.
fn snapshot(services: &[Scm], keys: &[&str]) -> Snapshot {
    let services = services.iter().map(|scm| SavedService {
        name: name(),
        unit: None,
        state: ServiceWas::Running,
        start: None,
        configuration: Some(Configuration::Scm(scm.clone())),
    });
    let keys = keys.iter().map(|key| SavedKey {
        key: key.parse::<KeyPath>().unwrap().views().remove(0),
        tree: KeyTree::default(),
    });
    Snapshot { services: services.collect(), registry: keys.collect(), ..blank::snapshot() }
}

#[test]
fn a_service_whose_configuration_is_not_told_is_set_aside_only_if_nothing_of_it_is() {
    let of = |machine: &Machine| saved(machine, [name()].iter(), &BTreeMap::new());
    let kept = of(&Machine::mute(Mute::Wholly)).unwrap();
    assert!(matches!(kept[0].state, ServiceWas::Unknown(_)) && kept[0].configuration.is_none(), "{kept:?}");
    assert!(matches!(of(&Machine::mute(Mute::OfConfigurations)), Err(Refusal::Service(_))));
    assert!(of(&Machine::with(service(2, "a"))).unwrap()[0].configuration.is_some());
}

#[test]
fn what_cannot_be_read_refuses_a_restore_and_stays_where_there_is_no_other_way_than_back() {
    let mute = Machine::mute(Mute::OfConfigurations);
    let of_services = snapshot(&[service(2, "a")], &[]);
    let of_keys = snapshot(&[], &[r"HKLM\SOFTWARE\Vendor\Product"]);
    assert!(matches!(restore(&of_services, &mute.settings(), false), Err(Refusal::Service(_))));
    assert!(matches!(restore(&of_keys, &mute.settings(), false), Err(Refusal::Registry(_))));
    let (steps, notices) = restore(&of_services, &mute.settings(), true).unwrap();
    assert!(steps.is_empty() && matches!(&notices[..], [Notice::ConfigurationStays { .. }]), "{notices:?}");
    let (steps, notices) = restore(&of_keys, &mute.settings(), true).unwrap();
    assert!(steps.is_empty() && matches!(&notices[..], [Notice::KeyStays { .. }]), "{notices:?}");
}

#[test]
fn of_a_service_what_can_be_set_is_set_and_what_cannot_is_named() {
    let saved = snapshot(&[service(2, "old")], &[]);
    let of = |now: Scm| restore(&saved, &Machine::with(now).settings(), true).unwrap();
    assert_eq!(of(service(2, "old")), (Vec::new(), Vec::new()));
    let (steps, notices) = of(service(4, "old"));
    assert!(matches!(&steps[..], [Step::Configure { parts, .. }] if parts[..] == [Part::Start]), "{steps:?}");
    assert!(notices.is_empty(), "{notices:?}");
    let (steps, notices) = of(service(2, "new"));
    let what = vec!["account `new`, and was `old`".to_owned()];
    assert_eq!((steps, notices), (Vec::new(), vec![Notice::ConfigurationStays { service: name(), what }]));
}

#[test]
fn a_service_is_made_startable_again_in_place_and_nothing_else_of_it_is_set() {
    let saved = snapshot(&[service(2, "old")], &[]);
    for (is, will_be) in [(4, 2), (2, 2)] {
        let machine = Machine::with(service(is, "new"));
        make_startable(&saved, &machine, &|| Ok(())).unwrap();
        assert_eq!(machine.service(), Some(service(will_be, "new")));
    }
    let gone = Machine::default();
    make_startable(&saved, &gone, &|| Ok(())).unwrap();
    assert_eq!(gone.service(), None);
    let machine = Machine::with(service(4, "old"));
    assert!(make_startable(&saved, &machine, &|| Err(Refusal::Declined)).is_err());
    assert_eq!(machine.service(), Some(service(4, "old")));
}
