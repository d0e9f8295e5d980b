//! Services reached by three commands each, as the site file names them.

use super::{ServiceError, ServiceState, Services, Verb};
use crate::{
    Patience,
    command::{self, Ended, Reach},
    executed,
    patience::{Look, Wait},
};
use backout_protocol::{ServiceName, profile::Timeouts, site::CommandSet};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const FIRST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(100);
/// What a status command gets at least, however little is left of the whole wait.
const LEAST_STATUS: Duration = Duration::from_secs(1);

/// Services reached by commands. A service without an entry is not installed.
#[derive(Debug)]
pub struct Commands {
    sets: BTreeMap<ServiceName, CommandSet>,
    status_limit: Duration,
    /// What stop commands hold open.
    stops: Mutex<Option<File>>,
}

impl Commands {
    /// Takes the commands. Fails if one names its program by anything but an absolute path.
    pub fn new(sets: BTreeMap<ServiceName, CommandSet>, timeouts: Timeouts) -> Result<Self, ServiceError> {
        for (service, set) in &sets {
            for (verb, argv) in
                [(Verb::Start, &set.start), (Verb::Stop, &set.stop), (Verb::Status, &set.status)]
            {
                if let Err(program) = command::absolute(argv) {
                    return Err(ServiceError::NotAbsolute { service: service.clone(), verb, program });
                }
            }
        }
        Ok(Self { sets, status_limit: Duration::from_secs(timeouts.status.into()), stops: Mutex::default() })
    }

    fn set(&self, service: &ServiceName) -> Result<&CommandSet, ServiceError> {
        self.sets.get(service).ok_or_else(|| ServiceError::NotInstalled { service: service.clone() })
    }

    /// A file is whole whoever panicked while holding it.
    fn stops(&self) -> MutexGuard<'_, Option<File>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the status command once.
    fn look(
        &self,
        service: &ServiceName,
        set: &CommandSet,
        rest: Patience<'_>,
    ) -> Result<ServiceState, ServiceError> {
        let service = service.clone();
        let limit = self.status_limit.min(rest.limit);
        match command::run(&set.status, &Patience { limit, ..rest }, Reach::Group) {
            Ok(Ended::Exited { code: Some(0), .. }) => Ok(ServiceState::Running),
            Ok(Ended::Exited { code: Some(3), .. }) => Ok(ServiceState::Stopped),
            Ok(Ended::Exited { code, said }) => Err(ServiceError::Nonsense { service, code, said }),
            Ok(Ended::TimedOut { said }) => {
                Err(ServiceError::StatusTimedOut { service, seconds: limit.as_secs(), said })
            }
            Ok(Ended::Cancelled { .. }) => Err(ServiceError::Cancelled { service, verb: Verb::Status }),
            Err(source) => Err(ServiceError::Spawn { service, argv: command::typed(&set.status), source }),
        }
    }

    /// Issues a command once, then asks for the state until it is the wanted one.
    fn tell(
        &self,
        service: &ServiceName,
        order: &Order,
        patience: &Patience<'_>,
    ) -> Result<(), ServiceError> {
        let set = self.set(service)?;
        let argv = (order.argv)(set);
        let (verb, seconds, service_name) = (order.verb, patience.limit.as_secs(), service.clone());
        let wait = patience.begin(FIRST_POLL, LONGEST_POLL);
        let stops = self.stops();
        let held = stops.as_ref().filter(|_| verb == Verb::Stop);
        let ended = command::run_holding(held, argv, patience, order.reach);
        drop(stops);
        let said = match ended {
            Ok(Ended::Exited { code: Some(0), said }) => said,
            Ok(Ended::Exited { code, said }) => {
                return Err(ServiceError::Refused { service: service_name, verb, code, said });
            }
            Ok(Ended::TimedOut { said }) => {
                return Err(ServiceError::TimedOut { service: service_name, verb, seconds, said });
            }
            Ok(Ended::Cancelled { .. }) => {
                return Err(ServiceError::Cancelled { service: service_name, verb });
            }
            Err(source) => {
                return Err(ServiceError::Spawn {
                    service: service_name,
                    argv: command::typed(argv),
                    source,
                });
            }
        };
        self.see(service, set, order.wanted, wait).map_err(|unseen| match unseen {
            Unseen::Cancelled => ServiceError::Cancelled { service: service_name, verb },
            Unseen::OtherState => ServiceError::TimedOut { service: service_name, verb, seconds, said },
            Unseen::Status(error) => error,
        })
    }

    /// Asks for the state until it is `wanted`. A status command that fails may be one that is asked too early, while
    /// the service changes its state: it is asked again, and what it said last is only told at the limit.
    fn see(
        &self,
        service: &ServiceName,
        set: &CommandSet,
        wanted: ServiceState,
        mut wait: Wait<'_>,
    ) -> Result<(), Unseen> {
        loop {
            let seen = match self.look(service, set, wait.rest(LEAST_STATUS)) {
                Ok(state) if state == wanted => return Ok(()),
                Ok(_) => Unseen::OtherState,
                Err(ServiceError::Cancelled { .. }) => return Err(Unseen::Cancelled),
                Err(error) => Unseen::Status(error),
            };
            match wait.pause() {
                Look::Again => {}
                Look::TimeUp => return Err(seen),
                Look::Cancelled => return Err(Unseen::Cancelled),
            }
        }
    }
}

/// What a service is told, how, and what it must be seen doing then.
struct Order {
    verb: Verb,
    argv: fn(&CommandSet) -> &[String],
    wanted: ServiceState,
    reach: Reach,
}

const STOP: Order =
    Order { verb: Verb::Stop, argv: |set| &set.stop, wanted: ServiceState::Stopped, reach: Reach::Group };
// The group of a start command may already hold the service: a time-out must not end what it has just started.
const START: Order =
    Order { verb: Verb::Start, argv: |set| &set.start, wanted: ServiceState::Running, reach: Reach::Command };

/// Why the wanted state was not seen.
enum Unseen {
    Cancelled,
    OtherState,
    Status(ServiceError),
}

impl Services for Commands {
    fn state(&self, service: &ServiceName) -> Result<ServiceState, ServiceError> {
        match self.sets.get(service) {
            Some(set) => self.look(service, set, Patience::firm(Duration::MAX)),
            None => Ok(ServiceState::NotInstalled),
        }
    }

    fn mark_stops(&self, held: Option<File>) {
        *self.stops() = held;
    }

    fn stop(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.tell(service, &STOP, patience)
    }

    fn start(&self, service: &ServiceName, patience: &Patience<'_>) -> Result<(), ServiceError> {
        self.tell(service, &START, patience)
    }

    fn start_hint(&self, service: &ServiceName) -> String {
        match self.sets.get(service) {
            Some(set) => command::typed(&set.start),
            None => format!("(the service `{service}` has no start command)"),
        }
    }

    fn programs(&self) -> Vec<PathBuf> {
        let commands = self.sets.values().flat_map(|set| [&set.start, &set.stop, &set.status]);
        let programs = commands.flat_map(|argv| executed(argv));
        programs.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
