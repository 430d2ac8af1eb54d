//! What the resolver holds of containers at this moment, for whoever asks the running agent. Looking changes nothing: no
//! lookup is started, and none is forgotten later for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Resolver;
use crate::container::entry::ContainerEntry;
use crate::container::flight::Flight;
use crate::container::outcome::Outcome;

/// The most containers that one question is answered with.
pub const MOST: usize = 64;

/// Which containers are asked for: what fits any of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Full ids.
    pub ids: Vec<String>,
    /// The beginning of an id.
    pub prefix: Option<String>,
    /// The containers and the sandbox of a pod, by namespace and name.
    pub pod: Option<(String, String)>,
    /// A container's name.
    pub name: Option<String>,
}

/// What is held of one container.
#[derive(Debug, Clone)]
pub struct Held {
    /// The full id.
    pub id: String,
    /// What events are told.
    pub outcome: Option<Arc<Outcome>>,
    /// Who wanted the lookup: `event`, `prefetch` or `inventory`.
    pub cause: &'static str,
    /// How long ago it was learnt; absent where the first answer is out.
    pub age: Option<Duration>,
    /// How long it is good; absent: for good.
    pub expires: Option<Duration>,
    /// Since when a lookup for it is under way.
    pub in_flight: Option<Duration>,
    /// Where the runtime says that its cgroup is.
    pub cgroups_path: Option<Arc<str>>,
    /// An event has been told of it.
    pub told: bool,
}

/// The answer to a question.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    /// At most [`MOST`].
    pub containers: Vec<Held>,
    /// There are more.
    pub more: bool,
}

impl Resolver {
    /// What is held of the containers that are asked for.
    #[must_use]
    pub fn holding(&self, wanted: &Wanted) -> Holding {
        let now = (self.clock)();
        let known = self
            .by_container
            .iter()
            .filter(|(id, entry)| wanted.fits(id, &entry.outcome));
        let known = known.map(|(id, entry)| Held::of(id, entry, self.flights.of(id).map(|flight| &**flight), now));
        // Of these nothing is known yet but the id.
        let flying = self
            .flights
            .all()
            .filter(|flight| !self.by_container.contains(flight.id()));
        let flying = flying
            .filter(|flight| wanted.fits_id(flight.id()))
            .map(|flight| Held::flying(flight));
        let mut containers: Vec<Held> = known.chain(flying).take(MOST + 1).collect();
        let more = containers.len() > MOST;
        containers.truncate(MOST);
        Holding { containers, more }
    }
}

impl Held {
    fn of(id: &str, entry: &ContainerEntry, flight: Option<&Flight>, now: Instant) -> Self {
        Self {
            id: id.to_owned(),
            outcome: Some(Arc::clone(&entry.outcome)),
            cause: entry.cause.as_str(),
            age: Some(now.saturating_duration_since(entry.learnt)),
            expires: entry.expires.map(|at| at.saturating_duration_since(now)),
            in_flight: flight.map(Flight::age),
            cgroups_path: entry.cgroups_path.clone(),
            told: entry.told,
        }
    }

    fn flying(flight: &Flight) -> Self {
        Self {
            id: flight.id().to_owned(),
            outcome: None,
            cause: flight.cause().as_str(),
            age: None,
            expires: None,
            in_flight: Some(flight.age()),
            cgroups_path: None,
            told: flight.is_awaited(),
        }
    }
}

impl Wanted {
    fn fits_id(&self, id: &str) -> bool {
        let begins = |prefix: &String| id.starts_with(prefix.as_str());
        self.ids.iter().any(|wanted| wanted == id) || self.prefix.as_ref().is_some_and(begins)
    }

    fn fits(&self, id: &str, outcome: &Outcome) -> bool {
        let kubernetes = outcome.kubernetes.as_ref();
        let of_pod = |(namespace, name): &(String, String)| {
            kubernetes.is_some_and(|kubernetes| {
                let pod = kubernetes.pod.as_ref().and_then(|pod| pod.name.as_ref());
                kubernetes.namespace.as_ref() == Some(namespace) && pod == Some(name)
            })
        };
        let named = |name: &String| outcome.container.as_ref().and_then(|it| it.name.as_ref()) == Some(name);
        self.fits_id(id) || self.pod.as_ref().is_some_and(of_pod) || self.name.as_ref().is_some_and(named)
    }
}
