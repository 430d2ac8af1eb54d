//! From a cgroup to its [`Outcome`], at once: the caches in front of the runtimes, the patience for new containers, and
//! the choice among the containers that a path names.
//!
//! An event waits here at most for the lookup budget. What is found stays until it is pushed out by newer containers;
//! what is not found, or only in part, is looked up again after a pause that doubles from 250 ms to 30 s. An id that no
//! runtime knows *yet* is asked for again within the budget, because CRI-O answers NotFound while it still makes a
//! container; how much of the pipeline's time may go into that waiting is bounded too.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::cgroup::{self, CgroupIdentity, Claims, Manager};
use super::completeness;
use super::connection::Connection;
use super::discovery::{self, Candidate};
use super::outcome::{Container, Kubernetes, Metadata, Outcome, Pod, Reason, Source, Status};
use super::pacing::{Backoff, Patience};
use super::placement::{self, Fit};
use super::runtime::{Found, Reply, Runtime};
use super::stats::{Costs, LookupStats};
use super::watch::Watch;
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
    event_loop: tokio::runtime::Runtime,
    runtimes: Vec<Runtime>,
    /// The runtime that found the last container, asked first among equals.
    favourite: usize,
    watch: Watch,
    by_cgroup: LruCache<u64, CgroupEntry>,
    by_container: LruCache<String, ContainerEntry>,
    budget: Duration,
    patience: Patience,
    costs: Costs,
    host: Arc<Outcome>,
    clock: fn() -> Instant,
}

#[derive(Debug)]
struct CgroupEntry {
    outcome: Arc<Outcome>,
    /// `None`: for good.
    expires: Option<Instant>,
    /// Empty where it is for good.
    claims: Claims,
}

#[derive(Debug, Clone)]
struct ContainerEntry {
    /// As the runtime told it, nothing of any cgroup's path in it.
    outcome: Arc<Outcome>,
    gap: Option<Reason>,
    cgroups_path: Option<Arc<str>>,
    /// A runtime has answered properly that it does not know the id.
    denied: bool,
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
        let own: Arc<[String]> = discovery::own_ids().into();
        let sockets = discovery::sockets(settings);
        // Before the first look, so that nothing happens unseen between the two.
        let watch = Watch::new(sockets.iter().map(|(socket, _)| socket.clone()), clock());
        let mut runtimes = Vec::new();
        for (socket, origin) in sockets {
            let mut connection = Connection::new(socket.clone(), call_timeout, clock);
            let (state, evidence) = event_loop.block_on(discovery::examine(&mut connection, &own, call_timeout));
            let candidate = Candidate::new(socket, origin, state, evidence);
            tracing::debug!(
                socket = %candidate.socket.display(),
                state = candidate.state.as_str(),
                detail = candidate.state.detail(),
                rank = candidate.rank().as_str(),
                evidence = candidate.evidence.describe(),
                "candidate"
            );
            runtimes.push(Runtime::new(candidate, connection, Arc::clone(&own), clock));
        }
        let size = usize::try_from(settings.cache_size)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            event_loop,
            runtimes,
            favourite: 0,
            watch,
            by_cgroup: LruCache::new(size),
            by_container: LruCache::new(size),
            budget: settings.lookup_budget,
            patience: Patience::new(2 * settings.lookup_budget, clock()),
            costs: Costs::default(),
            host: Arc::new(Outcome::host()),
            clock,
        })
    }

    /// The outcome for a process in this cgroup. `cgroup_path` is the kernel's path, root to leaf, and may be left out
    /// for a cgroup that was resolved before. A known container costs one hash lookup and no allocation.
    pub fn resolve(&mut self, cgroup_id: u64, cgroup_path: Option<&str>) -> Arc<Outcome> {
        self.resolve_aged(cgroup_id, cgroup_path.map(CgroupName::whole), || Duration::ZERO)
    }

    /// As [`Self::resolve`], for an event that happened `age` ago, which is only asked for when a runtime has to be. A runtime that does not know a container yet is only
    /// waited for until the event is as old as the lookup budget: what it has not registered by then it has forgotten.
    /// So waiting never makes a backlog grow beyond the budget.
    pub fn resolve_aged(
        &mut self,
        cgroup_id: u64,
        cgroup: Option<CgroupName<'_>>,
        age: impl FnOnce() -> Duration,
    ) -> Arc<Outcome> {
        let claims = match self.by_cgroup.get(&cgroup_id) {
            Some(entry) if entry.expires.is_none_or(|at| (self.clock)() < at) => {
                self.costs.hits += 1;
                return Arc::clone(&entry.outcome);
            }
            Some(entry) => entry.claims.clone(),
            None => match cgroup {
                Some(name) => cgroup::claims(name.path, name.cut),
                None => return Arc::new(Outcome::cgroup_unknown(cgroup_id)),
            },
        };
        let (outcome, expires) = match (claims.containers.is_empty(), claims.cut) {
            (false, _) => self.place(&claims, age()),
            (true, false) => (Arc::clone(&self.host), None),
            (true, true) if cgroup.is_some_and(|name| name.unreadable) => {
                (Arc::new(Outcome::cgroup_unreadable(cgroup_id)), None)
            }
            // So deep a path may begin in a container.
            (true, true) => (Arc::new(Outcome::cgroup_unknown(cgroup_id)), None),
        };
        let claims = if expires.is_some() { claims } else { Claims::default() };
        self.by_cgroup.put(
            cgroup_id,
            CgroupEntry {
                outcome: Arc::clone(&outcome),
                expires,
                claims,
            },
        );
        outcome
    }

    /// Takes note of what happened to the sockets' files since the last time: such a runtime is looked at again by the
    /// next lookup, whatever pause it was in. Cheap when nothing did; to be called when [`Self::socket_events`] is
    /// readable and at least at every wake-up of the pipeline, because not every directory can be watched.
    pub fn sockets_changed(&mut self) {
        for index in self.watch.changed((self.clock)()) {
            tracing::debug!(socket = %self.runtimes[index].candidate().socket.display(), "the socket has changed");
            self.runtimes[index].socket_changed();
        }
    }

    /// Readable when something happened near a socket's file. `None`: the kernel has no watch left for this user.
    #[must_use]
    pub fn socket_events(&self) -> Option<BorrowedFd<'_>> {
        self.watch.fd()
    }

    /// The outcome for a container id, for the doctor. Only full ids are answered for.
    pub fn lookup_id(&mut self, id: &str) -> Arc<Outcome> {
        let budget = self.budget;
        self.lookup(id, None, budget).outcome
    }

    /// What lookups have cost so far.
    #[must_use]
    pub fn stats(&self) -> LookupStats {
        self.costs.snapshot()
    }

    /// How many lookups had to ask a runtime: [`LookupStats::count`] without the price of the rest.
    #[must_use]
    pub fn lookups_made(&self) -> u64 {
        self.costs.count()
    }

    /// Every candidate socket as it was last seen.
    #[must_use]
    pub fn runtimes(&self) -> Vec<Candidate> {
        self.runtimes
            .iter()
            .map(|runtime| runtime.candidate().clone())
            .collect()
    }

    /// Which of the containers that a path names the process is in, from the outermost inwards.
    ///
    /// An inner one is believed if the runtime put it at that very path. Where the path merely ends like the runtime's,
    /// it is believed as long as no container around it is known: a node that itself runs in a container looks like that,
    /// and so does an imitation in somebody's own container, but only the latter's is known to the runtime that is asked.
    fn place(&mut self, claims: &Claims, age: Duration) -> (Arc<Outcome>, Option<Instant>) {
        let mut inside: Option<(Arc<Outcome>, Option<Instant>)> = None;
        let mut reason = Reason::ContainerUnknown;
        let mut doubt = claims.cut.then_some(Reason::CgroupUnknown);
        let mut expires = None;
        let mut innermost = None;
        for (index, claim) in claims.containers.iter().enumerate().rev() {
            let id = claim.identity.container_id.as_deref().unwrap_or_default();
            let patience = match inside {
                None if index == 0 => self.budget.saturating_sub(age),
                _ => Duration::ZERO,
            };
            let entry = self.lookup(id, claim.identity.manager, patience);
            expires = earlier(expires, entry.expires);
            if let Some(why) = entry.missing() {
                // It may become known yet, and would then be nearer to the process.
                if let Some((_, until)) = &mut inside {
                    *until = earlier(*until, entry.expires);
                }
                if why != Reason::ContainerUnknown {
                    reason = why;
                }
                if !entry.denied && inside.is_none() && index > 0 {
                    doubt = Some(why);
                }
                innermost = Some((claim, entry));
                continue;
            }
            let against = match placement::fit(&claim.cgroup, entry.cgroups_path.as_deref()) {
                Fit::Exact => None,
                Fit::Below | Fit::Unknown if inside.is_none() => doubt,
                Fit::Below | Fit::Unknown | Fit::Elsewhere => Some(Reason::CgroupMismatch),
            };
            if let Some(against) = against {
                let (cgroup, against) = (&claim.cgroup, against.as_str());
                tracing::debug!(id, cgroup, against, "the name of a cgroup is not believed");
            } else {
                let outcome = entry.seen_from(&claim.identity);
                let until = entry.expires.filter(|_| outcome.metadata.status != Status::Complete);
                inside = Some((outcome, until));
            }
            reason = against.unwrap_or(reason);
            innermost = Some((claim, entry));
        }
        if let Some(found) = inside {
            return found;
        }
        let outcome = match innermost {
            Some((claim, entry)) => {
                let mut outcome = entry.seen_from(&claim.identity);
                if entry.missing() != Some(reason) {
                    Arc::make_mut(&mut outcome).not_believed(reason, entry.missing().is_some());
                }
                outcome
            }
            None => Arc::clone(&self.host),
        };
        (outcome, expires)
    }

    /// What is known of a container, wherever it is. The first time an id is asked for, `patience` is waited for it.
    fn lookup(&mut self, id: &str, manager: Option<Manager>, patience: Duration) -> ContainerEntry {
        let known = self.by_container.get(id);
        if let Some(entry) = known
            && entry.expires.is_none_or(|at| (self.clock)() < at)
        {
            self.costs.hits += 1;
            return entry.clone();
        }
        let patience = if known.is_none() { patience } else { Duration::ZERO };
        self.sockets_changed();
        let started = Instant::now();
        let result = self.ask_until_found(id, manager, patience);
        let cost = started.elapsed();
        self.costs.record(cost);
        self.remember(id, result, cost)
    }

    /// Keeps an answer, unless a better one is there: a container that was found once is not lost by a failed retry.
    fn remember(&mut self, id: &str, result: Result<Found, Reason>, cost: Duration) -> ContainerEntry {
        let now = (self.clock)();
        let last = self.by_container.pop(id);
        let mut pause = last
            .as_ref()
            .map_or(Backoff::new(RETRY_FIRST, RETRY_MOST), |entry| entry.pause);
        let denied = last.as_ref().is_some_and(|last| last.denied);
        let mut entry = match (result, last) {
            (Err(_), Some(last)) if last.outcome.metadata.status == Status::Partial => last,
            (Err(reason), _) => ContainerEntry {
                outcome: Arc::new(missing(id, reason).took(cost)),
                gap: None,
                cgroups_path: None,
                denied: denied || reason == Reason::ContainerUnknown,
                expires: None,
                pause,
            },
            (Ok(mut found), _) => ContainerEntry {
                gap: found.gap,
                cgroups_path: found.cgroups_path.take().map(Arc::from),
                outcome: Arc::new(outcome_of(found).took(cost)),
                denied: false,
                expires: None,
                pause,
            },
        };
        entry.expires = (entry.outcome.metadata.status != Status::Complete).then(|| now + pause.pause());
        entry.pause = pause;
        self.by_container.put(id.to_owned(), entry.clone());
        entry
    }

    /// Asks at least once, and again while `patience` lasts and asking again may help.
    fn ask_until_found(&mut self, id: &str, manager: Option<Manager>, patience: Duration) -> Result<Found, Reason> {
        let deadline = Instant::now() + self.budget;
        let wait_until = Instant::now() + patience;
        let order = self.order(manager);
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
                    Reply::Unknown { for_good } => verdict.unknown(for_good),
                    Reply::Failed { reason, patient } => verdict.failed(index, reason, patient),
                }
            }
            let wait = verdict.may_come || !verdict.starting.is_empty();
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

    /// The runtimes that the cgroup's name points at, then the rest; of either first the one for which most speaks, among
    /// equals the one that answered last, then in their order.
    fn order(&self, manager: Option<Manager>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.runtimes.len()).collect();
        order.sort_by_key(|&index| {
            (
                !self.runtimes[index].is_managed_by(manager),
                Reverse(self.runtimes[index].rank()),
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
    /// A runtime that does not know the id may just be making the container.
    may_come: bool,
    reason: Option<Reason>,
    /// Runtimes that may just be starting.
    starting: Vec<usize>,
}

impl Verdict {
    fn unknown(&mut self, for_good: bool) {
        self.unknown = true;
        self.may_come |= !for_good;
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

fn outcome_of(found: Found) -> Outcome {
    let (status, reason) = completeness::judge(&found.container, found.kubernetes.as_ref(), found.gap);
    let metadata = Metadata {
        status,
        reason,
        source: Some(found.source),
        lookup_us: None,
        cgroup_id: None,
    };
    Outcome {
        metadata,
        container: Some(found.container),
        kubernetes: found.kubernetes,
    }
}

fn missing(id: &str, reason: Reason) -> Outcome {
    let container = Container {
        id: id.to_owned(),
        ..Container::default()
    };
    Outcome {
        metadata: Metadata {
            status: Status::Missing,
            reason: Some(reason),
            source: Some(Source::Cgroup),
            lookup_us: None,
            cgroup_id: None,
        },
        container: Some(container),
        kubernetes: None,
    }
}

impl Outcome {
    /// Makes it say why nothing is known. What a runtime told is another container's then, only the path's words stay.
    fn not_believed(&mut self, reason: Reason, words_of_the_path: bool) {
        self.metadata = Metadata {
            status: Status::Missing,
            reason: Some(reason),
            source: Some(Source::Cgroup),
            ..self.metadata
        };
        if !words_of_the_path {
            self.container = None;
            self.kubernetes = None;
        }
    }
}

impl ContainerEntry {
    /// Why nothing is known of it.
    fn missing(&self) -> Option<Reason> {
        let metadata = &self.outcome.metadata;
        metadata.reason.filter(|_| metadata.status == Status::Missing)
    }

    /// The outcome for a process at this path: the path adds what no runtime told.
    fn seen_from(&self, identity: &CgroupIdentity) -> Arc<Outcome> {
        let known = &self.outcome;
        let missing = known.metadata.status == Status::Missing;
        if known.kubernetes.is_none() && !missing {
            return Arc::clone(known);
        }
        let kubernetes = told(known.kubernetes.clone(), identity);
        if kubernetes == known.kubernetes {
            return Arc::clone(known);
        }
        let mut outcome = Outcome {
            kubernetes,
            ..Outcome::clone(known)
        };
        if let Some(container) = outcome.container.as_ref().filter(|_| !missing) {
            let (status, reason) = completeness::judge(container, outcome.kubernetes.as_ref(), self.gap);
            outcome.metadata = Metadata {
                status,
                reason,
                ..outcome.metadata
            };
        }
        Arc::new(outcome)
    }
}

/// The class of service as the kernel's own path has it; the pod's uid only where the runtime gave none.
fn told(kubernetes: Option<Kubernetes>, identity: &CgroupIdentity) -> Option<Kubernetes> {
    let Some(uid) = &identity.pod_uid else {
        return kubernetes;
    };
    let mut kubernetes = kubernetes.unwrap_or_default();
    kubernetes.qos = identity.qos.or(kubernetes.qos);
    let pod = kubernetes.pod.get_or_insert_with(Pod::default);
    pod.uid.get_or_insert_with(|| uid.clone());
    Some(kubernetes)
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
