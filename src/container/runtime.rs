//! One runtime that lookups may ask: its candidate, its connection, and when to look at it again.
//!
//! Lookups run beside each other on one thread, so everything that changes is in cells, and none of them is borrowed
//! across an await. Looking again at a socket is done by one lookup at a time; the others go by what is known.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cgroup::Manager;
use super::connection::{CallError, Connection};
use super::discovery::{self, Candidate, Evidence, Origin, Rank, State, evidence};
use super::listed::Listed;
use super::outcome::{Container, Kubernetes, Reason, Source};
use super::pacing::Backoff;
use super::sandboxes::Sandboxes;
use super::selection::Selection;
use super::trace::{self, Note, Said};
use super::{bounds, containerd, cri, engine};

mod heartbeat;
mod recovering;

use heartbeat::Heartbeat;
pub use heartbeat::{Answering, Now};

/// What a runtime told about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) container: Container,
    pub(crate) kubernetes: Option<Kubernetes>,
    /// Where the runtime put it, in either driver's spelling.
    pub(crate) cgroups_path: Option<String>,
    /// A step that failed on the way.
    pub(crate) gap: Option<Reason>,
    pub(crate) source: Source,
}

/// What a runtime that answered said.
enum Answer {
    Found(Box<Found>),
    Unknown { for_good: bool },
}

/// What came of asking one runtime.
#[derive(Debug)]
pub(crate) enum Reply {
    Found(Box<Found>),
    /// It answered, and does not know the id. `for_good`: nor will it ever, so there is nothing to wait for.
    Unknown {
        for_good: bool,
    },
    /// It could not be asked. `patient`: it is worth waiting for, because it may just be starting.
    Failed {
        reason: Reason,
        patient: bool,
    },
}

const REPROBE_FIRST: Duration = Duration::from_millis(250);
/// How often, at most, lookups that wait look again at a socket that is refusing.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How often it is looked at after its socket has changed and while it is starting: for some five seconds.
const LOOKS: usize = 20;
/// Looking for a file or a listener again costs microseconds.
const REPROBE_MOST: Duration = Duration::from_secs(5);
/// Asking somebody who does not answer costs a call timeout.
const REPROBE_HUNG: Duration = Duration::from_secs(30);

/// containerd's name for itself.
const CONTAINERD: &str = "containerd";

/// What every runtime is given alike.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// What of its answers is kept.
    pub(crate) selection: Arc<Selection>,
    /// The ids of the own container, by which a runtime proves to be the one that runs the agent.
    pub(crate) own: Arc<[String]>,
}

#[derive(Debug)]
pub(crate) struct Runtime {
    candidate: RefCell<Candidate>,
    connection: Connection,
    sandboxes: Sandboxes,
    given: Given,
    clock: fn() -> Instant,
    /// The first look is over, and the one after each change of the socket's file.
    settled: Cell<bool>,
    /// Somebody looks at it just now.
    looking: Cell<bool>,
    /// Something happened to the socket's file since it was looked at: whoever is behind it may have restarted.
    changed: Cell<bool>,
    /// Somebody follows such a change.
    following: Cell<bool>,
    looked_at: Cell<Instant>,
    reprobe_at: Cell<Instant>,
    pause: Cell<Backoff>,
    hung_pause: Cell<Backoff>,
    /// A lookup has waited its whole budget for this socket in vain; the next one does not, until it answers again.
    waited_in_vain: Cell<bool>,
    /// What it had when it first answered, or answered again, has been asked for.
    listed: Cell<bool>,
    /// Lookups may have gone without it since it answered last.
    failing: Cell<bool>,
    /// A lookup has gone without it since it answered last.
    missed: Cell<bool>,
    /// How often it has become usable again.
    recoveries: Cell<u64>,
    /// The last opening of its circuit that somebody has looked into.
    probed: Cell<Option<u32>>,
    heartbeat: Heartbeat,
}

impl Runtime {
    /// One that nobody has looked at: it counts as one that has not answered until [`Self::look_first`] has.
    pub(crate) fn new(
        socket: PathBuf,
        origin: Origin,
        given: Given,
        call_timeout: Duration,
        clock: fn() -> Instant,
    ) -> Self {
        let heartbeat = Heartbeat::new(socket.clone(), call_timeout, clock);
        Self {
            connection: Connection::new(socket.clone(), call_timeout, clock),
            candidate: RefCell::new(Candidate::new(socket, origin, State::Timeout, Evidence::default())),
            sandboxes: Sandboxes::new(clock),
            given,
            clock,
            settled: Cell::new(false),
            looking: Cell::new(false),
            changed: Cell::new(false),
            following: Cell::new(false),
            looked_at: Cell::new(clock()),
            reprobe_at: Cell::new(clock()),
            pause: Cell::new(Backoff::new(REPROBE_FIRST, REPROBE_MOST)),
            hung_pause: Cell::new(Backoff::new(REPROBE_MOST, REPROBE_HUNG)),
            waited_in_vain: Cell::new(false),
            listed: Cell::new(false),
            failing: Cell::new(true),
            missed: Cell::new(false),
            recoveries: Cell::new(0),
            probed: Cell::new(None),
            heartbeat,
        }
    }

    /// The first look, which alone looks at the file as well. To be called once, before anything else is asked.
    pub(crate) async fn look_first(&self, timeout: Duration) {
        self.looking.set(true);
        let began = Instant::now();
        let (state, evidence) = discovery::examine(&self.connection, &self.given.own, timeout).await;
        let mut candidate = self.candidate.borrow_mut();
        (candidate.state, candidate.evidence) = (state, evidence);
        tracing::debug!(
            socket = %candidate.socket.display(),
            state = candidate.state.as_str(),
            detail = candidate.state.detail(),
            rank = candidate.rank().as_str(),
            evidence = candidate.evidence.describe(),
            "candidate"
        );
        trace::note(|| Note::Looked {
            socket: candidate.socket.clone(),
            took: began.elapsed(),
        });
        drop(candidate);
        self.schedule();
        self.looking.set(false);
        self.settled.set(true);
    }

    pub(crate) fn candidate(&self) -> Candidate {
        self.candidate.borrow().clone()
    }

    /// Whether lookups can use it.
    pub(crate) fn is_usable(&self) -> bool {
        self.reason().is_none()
    }

    fn reason(&self) -> Option<Reason> {
        self.candidate.borrow().state.reason()
    }

    /// Whether it answers and has not been asked for all it has. True once, and once more whenever it answers again.
    pub(crate) fn take_unlisted(&self) -> bool {
        self.is_usable() && !self.listed.replace(true)
    }

    /// No lookup runs: what lookups shared for a moment is given up.
    pub(crate) fn rest(&self) {
        self.sandboxes.forget();
    }

    /// Looks again at what is behind the socket, and what speaks for it. One at a time: whoever comes meanwhile goes by
    /// what is known.
    pub(crate) async fn look(&self, deadline: Instant) {
        self.looking.set(true);
        self.changed.set(false);
        let state = discovery::classify(&self.connection, deadline).await;
        let evidence = evidence::gather(&self.connection, &state, &self.given.own, deadline).await;
        self.looking.set(false);
        self.settle(state, evidence);
        // What changed meanwhile is looked at next, and lookups wait for that.
        self.settled.set(!self.changed.get());
    }

    /// To be run after [`Self::socket_changed`]: looks until nothing has happened to the file since, and for some seconds
    /// until the runtime answers, because it makes its socket first and listens then, which is no change of the file. One
    /// follows at a time, and does so for those who come meanwhile.
    pub(crate) async fn follow_change(&self, deadline: impl Fn() -> Instant) {
        if self.following.replace(true) {
            return;
        }
        let mut pause = Backoff::new(LOOK_AGAIN, REPROBE_FIRST);
        for _ in 0..LOOKS {
            if !self.looking.get() && (self.changed.get() || self.is_starting()) {
                self.look(deadline()).await;
            }
            if !self.changed.get() && !self.looking.get() && !self.is_starting() {
                break;
            }
            tokio::time::sleep(pause.pause()).await;
        }
        self.following.set(false);
    }

    /// Whether it may answer in a moment, though nothing happens to the socket's file.
    fn is_starting(&self) -> bool {
        let candidate = self.candidate.borrow();
        matches!(candidate.state, State::Refused { .. } | State::Failing { .. })
    }

    /// How much speaks for asking it first.
    pub(crate) fn rank(&self) -> Rank {
        self.candidate.borrow().rank()
    }

    /// To be told when something happened to the socket's file: it is to be looked at at once, and every pause starts
    /// anew, because what failed before was another runtime's or another time's failure.
    pub(crate) fn socket_changed(&self) {
        self.changed.set(true);
        // Lookups wait for the look, which decides.
        self.settled.set(false);
        self.waited_in_vain.set(false);
        self.pause.set(Backoff::new(REPROBE_FIRST, REPROBE_MOST));
        self.hung_pause.set(Backoff::new(REPROBE_MOST, REPROBE_HUNG));
        self.connection.forget();
    }

    /// Whether this is the family that the cgroup's name points at.
    pub(crate) fn is_managed_by(&self, manager: Option<Manager>) -> bool {
        let candidate = self.candidate.borrow();
        let (State::Answers { name, .. } | State::Engine { name, .. }) = &candidate.state else {
            return false;
        };
        match manager {
            Some(Manager::Containerd) => name == CONTAINERD,
            Some(Manager::Crio) => name == "cri-o",
            Some(Manager::Docker) => name == "docker",
            Some(Manager::Podman) => name == "podman",
            None => false,
        }
    }

    /// Asks for an id. `waiting`: the caller polls, so an absent or refusing socket is looked at again at once.
    pub(crate) async fn ask(&self, id: &str, deadline: Instant, waiting: bool) -> Reply {
        let unusable = self.reason();
        if unusable.is_some() || self.changed.get() {
            let now = (self.clock)();
            let again = waiting && self.worth_waiting() && now >= self.looked_at.get() + LOOK_AGAIN;
            let due = self.changed.get() || again || now >= self.reprobe_at.get();
            if due && !self.looking.get() {
                self.look(deadline).await;
            }
            if let Some(reason) = self.reason() {
                self.missed.set(true);
                let patient = self.worth_waiting();
                self.note_reply(|| Said::Failed {
                    reason,
                    text: String::new(),
                    patient,
                });
                return Reply::Failed { reason, patient };
            }
        }
        let answer = self.chain(id, deadline).await;
        match &answer {
            Err(CallError::CircuitOpen { .. }) => self.failing.set(true),
            Err(CallError::Connect { .. } | CallError::Timeout { .. } | CallError::Protocol { .. }) => {}
            _ => self.has_recovered(),
        }
        match answer {
            Ok(Answer::Found(mut found)) => {
                bounds::bound(&mut found, &self.given.selection);
                self.note_reply(|| Said::Found {
                    source: found.source,
                    cgroups_path: found.cgroups_path.clone(),
                    gap: found.gap,
                });
                Reply::Found(found)
            }
            Ok(Answer::Unknown { for_good }) => {
                self.note_reply(|| Said::Unknown { for_good });
                Reply::Unknown { for_good }
            }
            Err(error) => {
                tracing::debug!(%error, id, "a container runtime could not be asked");
                // Only a failed connect changes what the candidate is; a slow or broken call is the breaker's matter.
                if matches!(error, CallError::Connect { .. }) || error.unimplemented() {
                    self.settle(State::from(&error), Evidence::default());
                }
                let (reason, patient) = (error.reason(), self.worth_waiting());
                self.note_reply(|| Said::Failed {
                    reason,
                    text: trace::bounded(&error.to_string()),
                    patient,
                });
                Reply::Failed { reason, patient }
            }
        }
    }

    fn note_reply(&self, said: impl FnOnce() -> Said) {
        trace::note(|| Note::Reply {
            socket: self.connection.socket().to_owned(),
            said: said(),
        });
    }

    /// To be told when a lookup's patience ended while this runtime could not be reached.
    pub(crate) fn gave_up(&self) {
        self.waited_in_vain.set(true);
    }

    /// The containers and sandboxes that it has. One list per interface; what cannot be listed is looked up when it is met.
    pub(crate) async fn list(&self, deadline: Instant) -> Result<Vec<Listed>, CallError> {
        let state = self.candidate.borrow().state.clone();
        match state {
            State::Answers { name, api, .. } => {
                let mut all = cri::list(&self.connection, api, deadline).await?;
                if name == CONTAINERD {
                    match containerd::list(&self.connection, &[containerd::KUBERNETES], deadline).await {
                        Ok(more) => all.extend(more),
                        Err(error) => tracing::debug!(%error, "containers outside Kubernetes cannot be listed"),
                    }
                }
                Ok(all)
            }
            State::CriUnimplemented { containerd: Some(_) } => containerd::list(&self.connection, &[], deadline).await,
            State::Engine { .. } => match self.connection.http() {
                Some(client) => {
                    let ids = engine::running(client, deadline).await?;
                    Ok(ids.into_iter().map(Listed::running).collect())
                }
                None => Ok(Vec::new()),
            },
            _ => Ok(Vec::new()),
        }
    }

    async fn chain(&self, id: &str, deadline: Instant) -> Result<Answer, CallError> {
        let state = self.candidate.borrow().state.clone();
        if let (Some(client), State::Engine { name, .. }) = (self.connection.http(), &state) {
            let found = engine::lookup(client, engine::Kind::named(name), id, deadline).await?;
            // Docker and podman write a container down before they make it.
            return Ok(found.map_or(Answer::Unknown { for_good: true }, |found| {
                Answer::Found(Box::new(found))
            }));
        }
        let fallback = |because| {
            trace::note(|| Note::Fallback {
                socket: self.connection.socket().to_owned(),
                to: "containerd's own API",
                because,
            });
        };
        let State::Answers { name, api, .. } = state else {
            fallback("no CRI is served on this socket");
            return self.containerd(id, deadline).await;
        };
        let connection = &self.connection;
        if let Some(found) = cri::lookup(connection, &self.sandboxes, api, &name, id, deadline).await? {
            return Ok(Answer::Found(Box::new(found)));
        }
        if name != CONTAINERD {
            return Ok(Answer::Unknown { for_good: false });
        }
        fallback("CRI does not know the id, and containerd has namespaces that CRI does not look into");
        match self.containerd(id, deadline).await {
            // CRI has answered that it does not know the id; that containerd's own API is closed changes nothing.
            Err(CallError::Refused { .. }) => Ok(Answer::Unknown { for_good: false }),
            answer => answer,
        }
    }

    /// containerd stores a container, a sandbox too, before it makes the first process of it: what its own API does not
    /// know once a process is there has been removed again.
    async fn containerd(&self, id: &str, deadline: Instant) -> Result<Answer, CallError> {
        let found = containerd::lookup(&self.connection, id, deadline).await?;
        Ok(found.map_or(Answer::Unknown { for_good: true }, |found| {
            Answer::Found(Box::new(found))
        }))
    }

    fn worth_waiting(&self) -> bool {
        // Nobody knows yet what it is.
        !self.settled.get()
            || !self.waited_in_vain.get()
                && match self.candidate.borrow().state {
                    State::Refused { .. } | State::Failing { .. } => true,
                    // A socket that was there and has gone belongs to a runtime that restarts.
                    State::Absent { .. } => self.has_answered(),
                    _ => false,
                }
    }

    fn has_answered(&self) -> bool {
        self.connection.has_answered()
    }

    fn settle(&self, state: State, evidence: Evidence) {
        let mut candidate = self.candidate.borrow_mut();
        let state = match (&candidate.state, state) {
            // The file system is not looked at again, so a plain file stays one until somebody listens there.
            (State::NotASocket, State::Refused { .. }) => State::NotASocket,
            (_, state) => state,
        };
        if state != candidate.state {
            tracing::info!(
                socket = %candidate.socket.display(),
                state = state.as_str(),
                detail = state.detail(),
                evidence = evidence.describe(),
                "container runtime"
            );
        }
        candidate.state = state;
        candidate.evidence = evidence;
        drop(candidate);
        self.schedule();
    }

    fn schedule(&self) {
        let now = (self.clock)();
        self.looked_at.set(now);
        let reason = self.reason();
        if reason.is_some() {
            self.failing.set(true);
        } else {
            self.has_recovered();
            let candidate = self.candidate.borrow();
            self.heartbeat.answered(&candidate.state, candidate.rank());
        }
        let backoff = match reason {
            None => {
                self.pause.set(Backoff::new(REPROBE_FIRST, REPROBE_MOST));
                self.hung_pause.set(Backoff::new(REPROBE_MOST, REPROBE_HUNG));
                self.waited_in_vain.set(false);
                self.missed.set(false);
                return;
            }
            Some(Reason::RuntimeTimeout) => &self.hung_pause,
            Some(_) => &self.pause,
        };
        let mut pause = backoff.get();
        self.reprobe_at.set(now + pause.pause());
        backoff.set(pause);
    }
}
