//! Watch: folders and services that somebody named, in place of a profile. Nothing is known of the files in them; so what came
//! while the installer ran is written down (see `came`), and nothing else that is new is ever taken away.

#[cfg_attr(unix, path = "watch/unix.rs")]
#[cfg_attr(windows, path = "watch/windows.rs")]
mod places;

use super::{Asked, guarding};
use crate::{
    apart,
    companions::with_companions,
    faces::Faces,
    look,
    planner::TOOL,
    quiesce,
    refusal::{Refusal, Unwatchable},
    setting::Settings,
    snapshot::{self, outermost, restore, store},
    state::State,
    survey::{check_probes, check_programs},
};
use backout_disk::fingerprint::digest_bytes;
use backout_machine::service::{self, Services};
use backout_protocol::{
    ComponentId, HostPath, Notice, Plan, ServiceName, Site, SnapshotId,
    plan::{
        Ask, ComponentState, EffectiveSite, Origin, PlanKind, PlannedComponent, PlannedService, ProfileRef,
        Resolved, RestoreFrom, Tie,
    },
    profile::Timeouts,
    registry::SavedKey,
    site::ServiceAccess,
    snapshot::{SavedService, ServiceWas},
};
use places::{KERNEL, NAMES, SYSTEM, WIDE};
use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The folders, none in another.
    pub roots: Vec<HostPath>,
    /// The services, each once, and what they do now.
    pub services: Vec<SavedService>,
    /// The keys of the registry, as they are now.
    pub registry: Vec<SavedKey>,
    /// What a person should know before anything is begun.
    pub notices: Vec<Notice>,
    site: Site,
    ask: Ask,
}

impl Watched {
    /// Looks at the folders, whose paths are real, and asks the services by the site. `registry`: the keys, as
    /// [`snapshot::keys`] reads them. `state`: the state folder.
    ///
    /// # Errors
    /// [`Refusal::NotWatchable`], [`Refusal::InTheWay`], [`Refusal::WatchedServiceUnknown`]; whatever keeps the services from
    /// being asked.
    pub fn of(
        folders: Vec<HostPath>,
        services: &[ServiceName],
        registry: Vec<SavedKey>,
        site: Site,
        ask: Ask,
        state: &Path,
    ) -> Result<Self, Refusal> {
        let roots = outermost(folders);
        let mut notices = Vec::new();
        for root in &roots {
            notices.extend(sensible(root, state)?);
        }
        apart::outside(state, roots.iter())?;
        let site = of_these(site, services);
        let (units, asked) = (site.units.clone(), open(&site, services)?);
        let once = |at: usize, name: &ServiceName| !services[..at].iter().any(|s| unit(s) == unit(name));
        let named = services.iter().enumerate().filter(|(at, name)| once(*at, name)).map(|(_, name)| name);
        let services = snapshot::saved(asked.as_ref(), named, &units)?;
        if let Some(none) = services.iter().find(|s| s.state == ServiceWas::NotInstalled) {
            return Err(Refusal::WatchedServiceUnknown { service: none.name.clone() });
        }
        Ok(Self { roots, services, registry, notices, site, ask })
    }

    /// Whether `plan` is a guard of these folders and services.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let named = plan.services.iter().filter(|s| s.tie == Tie::Named).map(|s| &s.name);
        let own = plan.profile.is_none() && plan.guards().is_some_and(|guard| guard.roots == self.roots);
        own && named.eq(self.services.iter().map(|s| &s.name))
    }

    /// The snapshot that stands behind the installer.
    pub fn wish(&self, label: Option<String>, exclude: Vec<String>) -> snapshot::Wish {
        let (roots, services, registry) = (self.roots.clone(), self.services.clone(), self.registry.clone());
        snapshot::Wish { label, profile: None, names: NAMES, roots, exclude, services, registry }
    }

    /// Plans a guard with this snapshot behind it, which was just taken; and sees that there is a way back to it.
    ///
    /// # Errors
    /// What keeps the services from being asked, and the snapshot from being restored.
    pub fn plan(
        &self,
        state: &State,
        id: &SnapshotId,
        asked: Asked,
        faces: &Faces<'_>,
    ) -> Result<Plan, Refusal> {
        let names: Vec<ServiceName> = self.services.iter().map(|s| s.name.clone()).collect();
        let services = open(&self.site, &names)?;
        let component: ComponentId =
            "folders".parse().map_err(|_| Refusal::NothingPresent { profile: String::new() })?;
        let ground = restore::Ground {
            state,
            cancel: faces.cancel,
            names: NAMES,
            listed: &BTreeMap::new(),
            otherwise: &component,
            settings: Settings { registry: faces.registry, services: services.as_ref() },
            insists: false,
            goes: Some(&|_| false),
        };
        restore::everything(&store::open(state, id)?, &ground)?;
        let mut named = Vec::new();
        for name in names {
            let was = services.state(&name).map_err(Refusal::Service)?.was();
            named.push(PlannedService { name, was, start: was.ran(), tie: Tie::Named });
        }
        let state = ComponentState::Selected;
        let name = ProfileRef::WATCHED.to_owned();
        let profile = ProfileRef { name, sha256: digest_bytes(b""), file: None };
        // So the snapshot is in use as long as the guard is kept.
        let request = Ask { from: vec![(None, RestoreFrom::Snapshot(id.clone()))], ..self.ask.clone() };
        let plan = Plan {
            components: vec![PlannedComponent {
                id: component,
                state,
                builds_now: vec![],
                builds_after: vec![],
            }],
            services: with_companions(named, services.as_ref()).map_err(Refusal::Service)?,
            ..Plan::new(PlanKind::Rollback, TOOL, profile, request, self.effective())
        };
        Ok(guarding(plan, id, self.roots.clone(), asked, self.site.clone()))
    }

    fn effective(&self) -> EffectiveSite {
        let value = |root: &HostPath| Resolved { value: root.clone(), origin: Origin::CommandLine };
        let vars = self.roots.iter().enumerate().map(|(n, root)| (format!("watched{}", n + 1), value(root)));
        EffectiveSite {
            vars: vars.collect(),
            names: NAMES,
            services: self.site.services.clone(),
            units: self.site.units.clone(),
            timeouts: self.site.timeouts.over(Timeouts::default()),
            health: self.site.health.clone(),
            images: self.site.images.clone(),
        }
    }
}

/// The same unit may be called with its kind and without.
fn unit(name: &ServiceName) -> &str {
    name.as_str().strip_suffix(".service").unwrap_or(name.as_str())
}

/// What of a machine's site is about these services.
fn of_these(mut site: Site, services: &[ServiceName]) -> Site {
    let named = |name: &ServiceName| services.contains(name);
    if let ServiceAccess::Commands(sets) = &mut site.services {
        sets.retain(|name, _| named(name));
    }
    site.units.retain(|name, _| named(name));
    site.images.retain(|name, _| named(name));
    site.health.retain(|probe| probe.service.as_ref().is_none_or(named));
    site.vars.clear();
    site
}

/// The services, after their programs have been checked. Where none is named no service manager is needed.
fn open(site: &Site, named: &[ServiceName]) -> Result<Box<dyn Services>, Refusal> {
    let services = match named {
        [] => quiesce::none(),
        _ => service::open(&site.services, &site.units, &site.timeouts.over(Timeouts::default()))
            .map_err(Refusal::Service)?,
    };
    check_programs(services.as_ref())?;
    check_probes(&site.health)?;
    Ok(services)
}

/// Refuses a folder that nobody can mean as a whole, and warns of one that is doubtful.
fn sensible(root: &HostPath, state: &Path) -> Result<Option<Notice>, Refusal> {
    let no = |why| Err(Refusal::NotWatchable { path: root.clone(), why });
    let is = |known: &[&str]| known.iter().any(|name| places::is(&root.0, name));
    let first = root.0.components().find_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    match first {
        _ if !root.0.is_dir() => no(Unwatchable::NoFolder),
        None => no(Unwatchable::Everything),
        Some(name) if KERNEL.iter().any(|kernel| NAMES.same(name, kernel.as_ref())) => {
            no(Unwatchable::Kernel)
        }
        Some(_) if look::below(&root.0, &apart::real(state)) => no(Unwatchable::OurOwn),
        Some(_) if is(&SYSTEM) => no(Unwatchable::System),
        Some(_) if is(&WIDE) => Ok(Some(Notice::WatchedWide { folder: root.clone() })),
        Some(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_a_site_is_about_other_services_is_left_out_and_a_unit_is_the_same_under_both_its_names() {
        let name = |text: &str| text.parse::<ServiceName>().unwrap();
        let set = || backout_protocol::site::CommandSet { start: vec![], stop: vec![], status: vec![] };
        let sets = [(name("a"), set()), (name("b"), set())].into();
        let site = Site { services: ServiceAccess::Commands(sets), ..Site::default() };
        let ServiceAccess::Commands(left) = of_these(site, &[name("a")]).services else { panic!("commands") };
        assert_eq!(left.keys().collect::<Vec<_>>(), [&name("a")]);
        assert_eq!(unit(&name("a.service")), unit(&name("a")));
        assert_ne!(unit(&name("a.socket")), unit(&name("a")));
    }

    #[test]
    fn a_guard_is_of_what_is_watched_by_its_folders_and_services_and_without_a_profile() {
        let name = |text: &str| text.parse::<ServiceName>().unwrap();
        let saved = |text: &str| SavedService {
            name: name(text),
            unit: None,
            state: ServiceWas::Running,
            start: None,
            configuration: None,
        };
        let roots = |path: &str| vec![HostPath(path.into())];
        let watched = Watched {
            roots: roots("/one"),
            services: vec![saved("a")],
            registry: Vec::new(),
            notices: Vec::new(),
            site: Site::default(),
            ask: Ask::default(),
        };
        let is_of = |profile: &str, path: &str, services: &[&str]| {
            let mut plan = crate::blank::plan();
            profile.clone_into(&mut plan.profile.name);
            plan.kind = PlanKind::Guard(Box::new(backout_protocol::Guard {
                snapshot: "01jd0000000000000000000000".parse().unwrap(),
                roots: roots(path),
                argv: Vec::new(),
                on_failure: Default::default(),
                timeout: None,
                codes: Default::default(),
                settle: 0,
                confirm_within: None,
                learn: None,
                profile: None,
                site: Site::default(),
            }));
            let was = backout_protocol::plan::Was::Running;
            let planned = |s: &&str| PlannedService { name: name(s), was, start: true, tie: Tie::Named };
            plan.services = services.iter().map(planned).collect();
            watched.is_of(&plan)
        };
        assert!(is_of(ProfileRef::WATCHED, "/one", &["a"]));
        assert!(!is_of("product", "/one", &["a"]));
        assert!(!is_of(ProfileRef::WATCHED, "/two", &["a"]));
        assert!(!is_of(ProfileRef::WATCHED, "/one", &["b"]));
        assert!(!watched.is_of(&crate::blank::plan()));
    }

    #[cfg(windows)]
    #[test]
    fn folders_that_nobody_can_mean_are_known_on_every_drive() {
        let is = |path: &str, known: &[&str]| known.iter().any(|name| places::is(Path::new(path), name));
        for system in [r"\\?\C:\Windows", r"D:\windows\System32", r"C:\Users", r"c:\ProgramData"] {
            assert!(is(system, &SYSTEM), "{system}");
        }
        assert!(is(r"C:\Program Files (x86)", &WIDE) && !is(r"C:\Program Files\Vendor", &WIDE));
        assert!(!is(r"C:\Program Files\Vendor", &SYSTEM) && !is(r"C:\Vendor\Windows", &SYSTEM));
        let drive = HostPath(Path::new(r"C:\").canonicalize().unwrap());
        let refused = sensible(&drive, Path::new(r"C:\no\state"));
        assert!(matches!(refused, Err(Refusal::NotWatchable { why: Unwatchable::Everything, .. })));
    }

    #[cfg(unix)]
    #[test]
    fn folders_that_nobody_can_mean_are_refused_and_wide_ones_said() {
        let sensible = |path: &str| sensible(&HostPath(path.into()), Path::new("/no/state"));
        let refused = |path: &str| match sensible(path) {
            Err(Refusal::NotWatchable { why, .. }) => Some(why),
            _ => None,
        };
        assert_eq!(refused("/"), Some(Unwatchable::Everything));
        assert_eq!(refused("/usr"), Some(Unwatchable::System));
        assert_eq!(refused("/etc"), Some(Unwatchable::System));
        assert_eq!(refused("/proc/self"), Some(Unwatchable::Kernel));
        assert_eq!(refused("/etc/passwd"), Some(Unwatchable::NoFolder));
        assert!(matches!(sensible("/opt"), Ok(Some(Notice::WatchedWide { .. }))));
        assert!(matches!(sensible("/etc/ssl"), Ok(None)) || !Path::new("/etc/ssl").exists());
    }
}
