//! From a cgroup to its [`Outcome`], at once: the caches in front of the runtimes, and the patience for new containers.
//!
//! An event waits here at most for the lookup budget. What is found stays until it is pushed out by newer containers;
//! what is not found, or only in part, is looked up again after a pause that doubles from 250 ms to 30 s. An id that no
//! runtime knows *yet* is asked for again within the budget, because CRI-O answers NotFound while it still makes a
//! container; how much of the pipeline's time may go into that waiting is bounded too.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::cgroup::{self, CgroupIdentity};
use super::completeness;
use super::connection::Connection;
use super::discovery::{self, Candidate};
use super::outcome::{Container, Kubernetes, Metadata, Outcome, Pod, Reason, Source, Status};
use super::pacing::{Backoff, Patience};
use super::runtime::{Found, Reply, Runtime};
use super::stats::{Histogram, LookupStats};
use crate::config::settings;

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

const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MOST: Duration = Duration::from_secs(30);
const POLL_FIRST: Duration = Duration::from_millis(10);
const POLL_MOST: Duration = Duration::from_millis(160);
/// What is kept of the budget for the call after the last pause.
const LAST_CALL: Duration = Duration::from_millis(50);

/// Resolves cgroups to containers. Belongs to one thread; see the module above for what it may cost.
#[derive(Debug)]
pub struct Resolver {
    event_loop: tokio::runtime::Runtime,
    runtimes: Vec<Runtime>,
    /// The runtime that found the last container, asked first.
    favourite: usize,
    by_cgroup: LruCache<u64, CgroupEntry>,
    by_container: LruCache<String, ContainerEntry>,
    budget: Duration,
    patience: Patience,
    costs: Histogram,
    unknown: Arc<Outcome>,
    host: Arc<Outcome>,
    clock: fn() -> Instant,
}

#[derive(Debug)]
struct CgroupEntry {
    outcome: Arc<Outcome>,
    /// `None`: for good.
    expires: Option<Instant>,
    identity: CgroupIdentity,
}

#[derive(Debug)]
struct ContainerEntry {
    outcome: Arc<Outcome>,
    expires: Option<Instant>,
    pause: Backoff,
}

impl Resolver {
    /// Looks at every candidate socket once and remembers what it found. Blocks, at most a call timeout per candidate.
    ///
    /// That no runtime is there is no error: lookups then say why, and look again.
    ///
    /// # Errors
    /// [`Error::EventLoop`].
    pub fn new(settings: &settings::Runtime) -> Result<Self, Error> {
        Self::with_clock(settings, Instant::now)
    }

    fn with_clock(settings: &settings::Runtime, clock: fn() -> Instant) -> Result<Self, Error> {
        let event_loop = event_loop()?;
        let call_timeout = settings.call_timeout.min(settings.lookup_budget);
        let mut runtimes = Vec::new();
        for (socket, origin) in discovery::sockets(settings) {
            let mut connection = Connection::new(socket.clone(), call_timeout, clock);
            let state = event_loop.block_on(discovery::first_look(&mut connection, call_timeout));
            tracing::debug!(socket = %socket.display(), state = state.as_str(), detail = state.detail(), "candidate");
            runtimes.push(Runtime::new(Candidate { socket, origin, state }, connection, clock));
        }
        let size = usize::try_from(settings.cache_size)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            event_loop,
            runtimes,
            favourite: 0,
            by_cgroup: LruCache::new(size),
            by_container: LruCache::new(size),
            budget: settings.lookup_budget,
            patience: Patience::new(2 * settings.lookup_budget, clock()),
            costs: Histogram::new(),
            unknown: Arc::new(Outcome::cgroup_unknown()),
            host: Arc::new(Outcome::host()),
            clock,
        })
    }

    /// The outcome for a process in this cgroup. `cgroup_path` is the kernel's path, root to leaf, and may be left out
    /// for a cgroup that was resolved before. A known container costs one hash lookup and no allocation.
    pub fn resolve(&mut self, cgroup_id: u64, cgroup_path: Option<&str>) -> Arc<Outcome> {
        self.resolve_aged(cgroup_id, cgroup_path, Duration::ZERO)
    }

    /// As [`Self::resolve`], for an event that happened `age` ago. A runtime that does not know a container yet is only
    /// waited for until the event is as old as the lookup budget: what it has not registered by then it has forgotten.
    /// So waiting never makes a backlog grow beyond the budget.
    pub fn resolve_aged(&mut self, cgroup_id: u64, cgroup_path: Option<&str>, age: Duration) -> Arc<Outcome> {
        let identity = match self.by_cgroup.get(&cgroup_id) {
            Some(entry) if entry.expires.is_none_or(|at| (self.clock)() < at) => {
                self.costs.hits += 1;
                return Arc::clone(&entry.outcome);
            }
            Some(entry) => entry.identity.clone(),
            None => match cgroup_path {
                Some(path) => cgroup::identify(path),
                None => return Arc::clone(&self.unknown),
            },
        };
        let (outcome, expires) = match &identity.container_id {
            None => (Arc::clone(&self.host), None),
            Some(id) => self.lookup(id, &identity, age),
        };
        self.by_cgroup.put(
            cgroup_id,
            CgroupEntry {
                outcome: Arc::clone(&outcome),
                expires,
                identity,
            },
        );
        outcome
    }

    /// The outcome for a container id, for the doctor. Only full ids are answered for.
    pub fn lookup_id(&mut self, id: &str) -> Arc<Outcome> {
        let identity = CgroupIdentity {
            container_id: Some(id.to_owned()),
            ..CgroupIdentity::default()
        };
        self.lookup(id, &identity, Duration::ZERO).0
    }

    /// What lookups have cost so far.
    #[must_use]
    pub fn stats(&self) -> LookupStats {
        self.costs.snapshot()
    }

    /// Every candidate socket as it was last seen.
    #[must_use]
    pub fn runtimes(&self) -> Vec<Candidate> {
        self.runtimes
            .iter()
            .map(|runtime| runtime.candidate().clone())
            .collect()
    }

    fn lookup(&mut self, id: &str, identity: &CgroupIdentity, age: Duration) -> (Arc<Outcome>, Option<Instant>) {
        let known = self.by_container.get(id);
        if let Some(entry) = known
            && entry.expires.is_none_or(|at| (self.clock)() < at)
        {
            self.costs.hits += 1;
            return (merged(&entry.outcome, identity), entry.expires);
        }
        let first_time = known.is_none();
        let started = Instant::now();
        let patience = if first_time {
            self.budget.saturating_sub(age)
        } else {
            Duration::ZERO
        };
        let result = self.ask_until_found(id, identity, patience);
        let cost = started.elapsed();
        self.costs.record(cost);
        let fresh = match result {
            Ok(found) => outcome_of(found, identity),
            Err(reason) => missing(id, identity, reason),
        }
        .took(cost);
        self.remember(id, fresh)
    }

    /// Keeps an outcome, unless a better one is there: a container that was found once is not lost by a failed retry.
    fn remember(&mut self, id: &str, fresh: Outcome) -> (Arc<Outcome>, Option<Instant>) {
        let now = (self.clock)();
        let last = self.by_container.pop(id);
        let mut pause = last
            .as_ref()
            .map_or(Backoff::new(RETRY_FIRST, RETRY_MOST), |entry| entry.pause);
        let outcome = match last {
            Some(last)
                if fresh.metadata.status == Status::Missing && last.outcome.metadata.status == Status::Partial =>
            {
                last.outcome
            }
            _ => Arc::new(fresh),
        };
        let expires = (outcome.metadata.status != Status::Complete).then(|| now + pause.pause());
        self.by_container.put(
            id.to_owned(),
            ContainerEntry {
                outcome: Arc::clone(&outcome),
                expires,
                pause,
            },
        );
        (outcome, expires)
    }

    /// Asks at least once, and again while `patience` lasts and asking again may help.
    fn ask_until_found(&mut self, id: &str, identity: &CgroupIdentity, patience: Duration) -> Result<Found, Reason> {
        let deadline = Instant::now() + self.budget;
        let wait_until = Instant::now() + patience;
        let order = self.order(identity);
        let mut pause = Backoff::new(POLL_FIRST, POLL_MOST);
        let mut before = None;
        loop {
            let mut verdict = Verdict::default();
            for &index in &order {
                let runtime = &mut self.runtimes[index];
                match self.event_loop.block_on(runtime.ask(id, deadline, before.is_some())) {
                    Reply::Found(found) => {
                        self.favourite = index;
                        return Ok(*found);
                    }
                    Reply::Unknown => verdict.unknown(),
                    Reply::Failed { reason, patient } => verdict.failed(index, reason, patient),
                }
            }
            let wait = verdict.unknown || !verdict.starting.is_empty();
            let last_call = LAST_CALL.min(self.budget / 4);
            let rest = wait_until
                .saturating_duration_since(Instant::now())
                .saturating_sub(last_call);
            let step = pause.pause().min(rest);
            if !wait || step.is_zero() || self.patience.left((self.clock)()) < step {
                if before.is_some() {
                    self.gave_up(&verdict.starting);
                }
                return Err(match (verdict.reason(), before) {
                    // The rest of the budget was too short for the last call: the answer before it stands.
                    (Reason::RuntimeTimeout, Some(before)) if Instant::now() >= deadline => before,
                    (reason, _) => reason,
                });
            }
            let asleep = Instant::now();
            self.event_loop.block_on(async { tokio::time::sleep(step).await });
            self.patience.spend(asleep.elapsed());
            before = Some(verdict.reason());
        }
    }

    /// These runtimes were waited for in vain: the next lookup does not wait for them.
    fn gave_up(&mut self, runtimes: &[usize]) {
        for &index in runtimes {
            self.runtimes[index].gave_up();
        }
    }

    /// The runtime that the cgroup's name points at, the one that answered last, then the rest in their order.
    fn order(&self, identity: &CgroupIdentity) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.runtimes.len()).collect();
        order.sort_by_key(|&index| {
            (
                !self.runtimes[index].is_managed_by(identity.manager),
                index != self.favourite,
                index,
            )
        });
        order
    }
}

/// What all runtimes together said in one round.
#[derive(Debug, Default)]
struct Verdict {
    unknown: bool,
    reason: Option<Reason>,
    /// Runtimes that may just be starting.
    starting: Vec<usize>,
}

impl Verdict {
    fn unknown(&mut self) {
        self.unknown = true;
    }

    fn failed(&mut self, index: usize, reason: Reason, patient: bool) {
        if patient {
            self.starting.push(index);
        }
        if self.reason.is_none_or(|known| weight(reason) > weight(known)) {
            self.reason = Some(reason);
        }
    }

    /// A runtime that is there and could not be asked outweighs another that does not know the id: the container may
    /// well be the former's. That a well-known path is empty says nothing as soon as somebody has answered.
    fn reason(&self) -> Reason {
        match self.reason {
            Some(reason) if !self.unknown || weight(reason) > 0 => reason,
            None if !self.unknown => Reason::NoRuntimeSocket,
            _ => Reason::ContainerUnknown,
        }
    }
}

/// The most telling reason when several runtimes fail in different ways.
fn weight(reason: Reason) -> u8 {
    match reason {
        Reason::RuntimeTimeout | Reason::CircuitOpen => 6,
        Reason::AnswerUnusable | Reason::RuntimeError => 5,
        Reason::SocketPermission => 4,
        Reason::SocketProtocol => 3,
        Reason::SocketRefused => 2,
        Reason::CriUnimplemented => 1,
        _ => 0,
    }
}

fn outcome_of(found: Found, identity: &CgroupIdentity) -> Outcome {
    let Found {
        container,
        mut kubernetes,
        gap,
        source,
    } = found;
    if let Some(kubernetes) = &mut kubernetes {
        fill(kubernetes, identity);
    }
    let (status, reason) = completeness::judge(&container, kubernetes.as_ref(), gap);
    let metadata = Metadata {
        status,
        reason,
        source: Some(source),
        lookup_us: None,
    };
    Outcome {
        metadata,
        container: Some(container),
        kubernetes,
    }
}

/// What the cgroup path alone gives.
fn missing(id: &str, identity: &CgroupIdentity, reason: Reason) -> Outcome {
    let kubernetes = identity.pod_uid.is_some().then(|| {
        let mut kubernetes = Kubernetes::default();
        fill(&mut kubernetes, identity);
        kubernetes
    });
    let source = Some(Source::Cgroup);
    Outcome {
        metadata: Metadata {
            status: Status::Missing,
            reason: Some(reason),
            source,
            lookup_us: None,
        },
        container: Some(Container {
            id: id.to_owned(),
            ..Container::default()
        }),
        kubernetes,
    }
}

/// The class of service as the kernel's own path has it; the pod's uid only where the runtime gave none.
fn fill(kubernetes: &mut Kubernetes, identity: &CgroupIdentity) {
    kubernetes.qos = identity.qos.or(kubernetes.qos);
    if let Some(uid) = &identity.pod_uid {
        let pod = kubernetes.pod.get_or_insert_with(Pod::default);
        if pod.uid.is_none() {
            pod.uid = Some(uid.clone());
        }
    }
}

/// A remembered outcome, with what a path adds that was not known when it was made (the doctor asks by id alone).
fn merged(outcome: &Arc<Outcome>, identity: &CgroupIdentity) -> Arc<Outcome> {
    let Some(known) = &outcome.kubernetes else {
        return Arc::clone(outcome);
    };
    let mut kubernetes = known.clone();
    fill(&mut kubernetes, identity);
    if kubernetes == *known {
        return Arc::clone(outcome);
    }
    Arc::new(Outcome {
        kubernetes: Some(kubernetes),
        ..Outcome::clone(outcome)
    })
}

#[cfg(test)]
mod tests;
