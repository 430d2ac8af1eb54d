//! From a cgroup to its [`Outcome`]: the caches in front of the runtimes, and who may wait for them how long.
//!
//! Lookups run beside the pipeline, as tasks on an event loop of this thread that turns while the pipeline sleeps
//! ([`Resolver::wait`]), between its batches ([`Resolver::turn`]) and while an event waits. They are started when a
//! cgroup appears, when a runtime first answers, and by an event of a container that is still unknown. Such an event
//! waits until it is as old as the lookup budget, and all events together for a share of the pipeline's time; where that
//! ends first the event goes out with the reason, and the answer is there for the next one.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::bundle::Bundles;
use super::cgroup::{self, Claims};
use super::containers::Containers;
use super::discovery::{self, Candidate};
use super::flight::{Flights, until};
use super::inventory::Inventory;
use super::lookup::Runtimes;
use super::outcome::Outcome;
use super::pacing::{Allowance, Patience};
use super::removal::Removals;
use super::runtime::{Answering, Given, Runtime};
use super::selection::Selection;
use super::stats::{Costs, LookupStats};
use super::watch::Watch;
use crate::config::settings;
use crate::histogram::Histogram;

mod asking;
mod background;
pub mod holding;
pub mod listing;
mod placing;
mod sleep;

use asking::Terms;

/// Why lookups cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// epoll or eventfd failed.
    #[error("cannot make the event loop for calls to container runtimes: {source}")]
    EventLoop {
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// A current-thread event loop: it runs only while its caller waits in it, and never starts a thread.
pub(crate) fn event_loop() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|source| Error::EventLoop { source })
}

/// How long an event waits for an answer to a question that was answered before, or that comes too late anyway.
const BRIEFLY: Duration = Duration::from_millis(50);
/// How many cgroups that appear are looked up in one go: more than a node has containers, which all come back at once
/// after a restart.
const PREFETCHES: u32 = 1024;
/// After that one each so often, faster than a kubelet starts containers.
const PREFETCH_EACH: Duration = Duration::from_millis(40);
/// How many ids that no runtime has told of are asked for in one go where they stand below a known container, whose
/// processes may have made them up.
const NESTED: u32 = 64;
/// After that one each so often.
const NESTED_EACH: Duration = Duration::from_millis(125);
/// The longest the doctor waits for one container, in budgets.
const UNHURRIED: u32 = 4;

/// What the kernel side tells of a cgroup.
#[derive(Debug, Clone, Copy)]
pub struct CgroupName<'a> {
    /// The path, root to leaf.
    pub path: &'a str,
    /// The part towards the root is missing.
    pub cut: bool,
    /// It is missing because it could not be read, not because it is long.
    pub unreadable: bool,
}

impl<'a> CgroupName<'a> {
    /// A path from the root.
    #[must_use]
    pub fn whole(path: &'a str) -> Self {
        Self {
            path,
            cut: false,
            unreadable: false,
        }
    }
}

/// Resolves cgroups to containers. Belongs to one thread; see the module above for what it may cost.
#[derive(Debug)]
pub struct Resolver {
    // Before the event loop: its tasks end first.
    flights: Flights,
    event_loop: tokio::runtime::Runtime,
    runtimes: Rc<Runtimes>,
    watch: Watch,
    by_cgroup: LruCache<u64, CgroupEntry>,
    by_container: Containers,
    removals: Removals,
    inventory: Inventory,
    /// Runtimes are asked now and then whether they answer.
    heartbeats: bool,
    budget: Duration,
    call_timeout: Duration,
    patience: Patience,
    /// For lookups of cgroups that appear.
    prefetches: Allowance,
    /// For lookups of ids that stand in cgroups below a known container.
    nested: Allowance,
    costs: Costs,
    /// How many lookups have ended: what was said while one was out is said until then.
    landings: u64,
    /// Changes whenever the numbers do, hits aside.
    revision: u64,
    host: Arc<Outcome>,
    clock: fn() -> Instant,
}

#[derive(Debug)]
struct CgroupEntry {
    outcome: Arc<Outcome>,
    /// `None`: for good.
    expires: Option<Instant>,
    /// Good while no more lookups than these have ended.
    until_landing: Option<u64>,
    /// How often runtimes had become usable. What is not for good is good until the next one does.
    as_of: u64,
    /// Empty where it is for good.
    claims: Claims,
}

impl Resolver {
    /// Looks at every candidate socket, at all of them at once, and blocks until they have answered or the lookup budget
    /// is over; what has not answered by then is waited for in the background.
    ///
    /// That no runtime is there is no error: lookups then say why, and look again.
    ///
    /// # Errors
    /// [`Error::EventLoop`].
    pub fn new(settings: &settings::Runtime, metadata: &settings::Metadata) -> Result<Self, Error> {
        Self::start(settings, &Arc::new(Selection::new(metadata)), Instant::now)
    }

    #[cfg(test)]
    fn with_clock(settings: &settings::Runtime, clock: fn() -> Instant) -> Result<Self, Error> {
        let selection = Selection::new(&settings::Settings::default().metadata);
        Self::start(settings, &Arc::new(selection), clock)
    }

    fn start(settings: &settings::Runtime, selection: &Arc<Selection>, clock: fn() -> Instant) -> Result<Self, Error> {
        let (call_timeout, budget) = (settings.call_timeout, settings.lookup_budget);
        let given = Given {
            selection: Arc::clone(selection),
            own: discovery::own_ids().into(),
        };
        let sockets = discovery::sockets(settings);
        // Before the first look, so that nothing happens unseen between the two.
        let watch = Watch::new(sockets.iter().map(|(socket, _)| socket.clone()), clock());
        let runtimes = sockets
            .into_iter()
            .map(|(socket, origin)| Runtime::new(socket, origin, given.clone(), call_timeout, clock))
            .collect();
        let size = usize::try_from(settings.cache_size)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN);
        let resolver = Self {
            flights: Flights::default(),
            event_loop: event_loop()?,
            runtimes: Rc::new(Runtimes::new(
                runtimes,
                Bundles::open(&settings.bundles),
                Arc::clone(selection),
                call_timeout,
                budget,
            )),
            watch,
            by_cgroup: LruCache::new(size),
            by_container: Containers::new(size),
            removals: Removals::default(),
            inventory: Inventory::default(),
            heartbeats: false,
            budget,
            call_timeout,
            patience: Patience::new(settings.wait_share, 2 * budget, clock()),
            prefetches: Allowance::new(PREFETCHES, PREFETCH_EACH, clock()),
            nested: Allowance::new(NESTED, NESTED_EACH, clock()),
            costs: Costs::default(),
            landings: 0,
            revision: 0,
            host: Arc::new(Outcome::host()),
            clock,
        };
        resolver.look_first(call_timeout);
        Ok(resolver)
    }

    fn look_first(&self, call_timeout: Duration) {
        for index in 0..self.runtimes.all().len() {
            let runtimes = Rc::clone(&self.runtimes);
            self.flights.run(async move {
                runtimes.all()[index].look_first(call_timeout).await;
                None
            });
        }
        let settled = async {
            while self.flights.is_busy() {
                self.flights.turned().await;
            }
        };
        self.block_on(async { until(settled, tokio::time::sleep(self.budget)).await });
    }

    /// Turns the event loop until this has ended. Timers have to be made inside of it.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.flights.tasks().block_on(&self.event_loop, future)
    }

    /// The outcome for a process in this cgroup. `cgroup_path` is the kernel's path, root to leaf, and may be left out
    /// for a cgroup that was resolved before. A known container costs one hash lookup and no allocation.
    pub fn resolve(&mut self, cgroup_id: u64, cgroup_path: Option<&str>) -> Arc<Outcome> {
        self.resolve_aged(cgroup_id, cgroup_path.map(CgroupName::whole), || Duration::ZERO)
    }

    /// As [`Self::resolve`], for an event that happened `age` ago, which is only asked for when a runtime has to be. The
    /// event waits until it is as old as the lookup budget; one that is older waits briefly. So waiting never makes a
    /// backlog grow beyond the budget, and a backlog alone costs no metadata.
    pub fn resolve_aged(
        &mut self,
        cgroup_id: u64,
        cgroup: Option<CgroupName<'_>>,
        age: impl FnOnce() -> Duration,
    ) -> Arc<Outcome> {
        let as_of = self.runtimes.recoveries();
        let claims = match self.by_cgroup.get(&cgroup_id) {
            Some(entry) if entry.holds(self.landings, as_of, self.clock) => {
                self.costs.hits += 1;
                return Arc::clone(&entry.outcome);
            }
            Some(entry) => entry.claims.clone(),
            None => match cgroup {
                Some(name) => cgroup::claims(name.path, name.cut),
                None => return Arc::new(Outcome::cgroup_unknown(cgroup_id)),
            },
        };
        let placed = match (claims.containers.is_empty(), claims.cut) {
            (false, _) => self.place(&claims, age()),
            (true, false) => placing::Placed::for_good(Arc::clone(&self.host)),
            (true, true) if cgroup.is_some_and(|name| name.unreadable) => {
                placing::Placed::for_good(Arc::new(Outcome::cgroup_unreadable(cgroup_id)))
            }
            // So deep a path may begin in a container.
            (true, true) => placing::Placed::for_good(Arc::new(Outcome::cgroup_unknown(cgroup_id))),
        };
        let outcome = Arc::clone(&placed.outcome);
        let entry = CgroupEntry {
            outcome: placed.outcome,
            expires: placed.expires,
            until_landing: placed.pending.then_some(self.landings),
            as_of,
            claims: if placed.expires.is_some() {
                claims
            } else {
                Claims::default()
            },
        };
        self.by_cgroup.put(cgroup_id, entry);
        outcome
    }

    /// The outcome for a container id, for the doctor. Only full ids are answered for.
    pub fn lookup_id(&mut self, id: &str) -> Arc<Outcome> {
        let terms = Terms {
            poll: self.budget,
            wait: UNHURRIED * self.budget,
            charged: false,
        };
        self.lookup(id, None, terms).outcome
    }

    /// What lookups have cost so far.
    #[must_use]
    pub fn stats(&self) -> LookupStats {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        LookupStats {
            in_flight: count(self.flights.len()),
            containers: count(self.by_container.len()),
            overflowed: self.flights.overflowed() + self.costs.refused,
            ..self.costs.snapshot()
        }
    }

    /// Another number whenever [`Self::stats`], its hits aside, or [`Self::runtimes`] may have changed.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What lookups cost the runtimes, as it is counted from now on.
    #[must_use]
    pub fn lookup_times(&self) -> Arc<Histogram> {
        self.costs.times()
    }

    /// Whether each candidate answers, by the last that is known of it.
    #[must_use]
    pub fn answering(&self) -> Vec<Answering> {
        self.runtimes.all().iter().map(Runtime::answering).collect()
    }

    /// Every candidate socket as it was last seen.
    #[must_use]
    pub fn runtimes(&self) -> Vec<Candidate> {
        self.runtimes.all().iter().map(Runtime::candidate).collect()
    }
}

impl CgroupEntry {
    fn holds(&self, landings: u64, recoveries: u64, clock: fn() -> Instant) -> bool {
        self.expires.is_none_or(|at| self.as_of == recoveries && clock() < at)
            && self.until_landing.is_none_or(|at| at == landings)
    }
}

#[cfg(test)]
mod tests;
