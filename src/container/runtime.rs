//! One runtime that lookups may ask: its candidate, its connection, and when to look at it again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cgroup::Manager;
use super::connection::{CallError, Connection};
use super::discovery::{self, Candidate, Evidence, Rank, State, evidence};
use super::outcome::{Container, Kubernetes, Reason, Source};
use super::pacing::Backoff;
use super::{bounds, containerd, cri};

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
/// Looking for a file or a listener again costs microseconds.
const REPROBE_MOST: Duration = Duration::from_secs(5);
/// Asking somebody who does not answer costs a call timeout.
const REPROBE_HUNG: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Runtime {
    candidate: Candidate,
    connection: Connection,
    /// By which a runtime proves to be the one that runs the agent.
    own: Arc<[String]>,
    clock: fn() -> Instant,
    reprobe_at: Instant,
    /// The socket's file is another one than when it was looked at: whoever is behind it has restarted.
    changed: bool,
    pause: Backoff,
    hung_pause: Backoff,
    /// A lookup has waited its whole budget for this socket in vain; the next one does not, until it answers again.
    waited_in_vain: bool,
}

impl Runtime {
    pub(crate) fn new(
        candidate: Candidate,
        connection: Connection,
        own: Arc<[String]>,
        clock: fn() -> Instant,
    ) -> Self {
        let mut runtime = Self {
            candidate,
            connection,
            own,
            clock,
            reprobe_at: clock(),
            changed: false,
            pause: Backoff::new(REPROBE_FIRST, REPROBE_MOST),
            hung_pause: Backoff::new(REPROBE_MOST, REPROBE_HUNG),
            waited_in_vain: false,
        };
        runtime.schedule();
        runtime
    }

    pub(crate) fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// How much speaks for asking it first.
    pub(crate) fn rank(&self) -> Rank {
        self.candidate.rank()
    }

    /// To be told when something happened to the socket's file: the next lookup looks at it at once, and every pause
    /// starts anew, because what failed before was another runtime's or another time's failure.
    pub(crate) fn socket_changed(&mut self) {
        self.changed = true;
        self.waited_in_vain = false;
        self.pause.reset();
        self.hung_pause.reset();
        self.connection.forget();
    }

    /// Whether this is the family that the cgroup's name points at.
    pub(crate) fn is_managed_by(&self, manager: Option<Manager>) -> bool {
        let State::Answers { name, .. } = &self.candidate.state else {
            return false;
        };
        match manager {
            Some(Manager::Containerd) => name == "containerd",
            Some(Manager::Crio) => name == "cri-o",
            Some(Manager::Docker) => name == "docker",
            Some(Manager::Podman) | None => false,
        }
    }

    /// Asks for an id. `waiting`: the caller polls, so an absent or refusing socket is looked at again at once.
    pub(crate) async fn ask(&mut self, id: &str, deadline: Instant, waiting: bool) -> Reply {
        let unusable = self.candidate.state.reason();
        if unusable.is_some() || self.changed {
            let due = self.changed || (self.clock)() >= self.reprobe_at || (waiting && self.worth_waiting());
            if let Some(reason) = unusable.filter(|_| !due) {
                return Reply::Failed {
                    reason,
                    patient: self.worth_waiting(),
                };
            }
            self.changed = false;
            let state = discovery::classify(&mut self.connection, deadline).await;
            let evidence = evidence::gather(&mut self.connection, &state, &self.own, deadline).await;
            self.settle(state, evidence);
            if let Some(reason) = self.candidate.state.reason() {
                return Reply::Failed {
                    reason,
                    patient: self.worth_waiting(),
                };
            }
        }
        match self.chain(id, deadline).await {
            Ok(Answer::Found(mut found)) => {
                bounds::bound(&mut found);
                Reply::Found(found)
            }
            Ok(Answer::Unknown { for_good }) => Reply::Unknown { for_good },
            Err(error) => {
                tracing::debug!(%error, id, "a container runtime could not be asked");
                // Only a failed connect changes what the candidate is; a slow or broken call is the breaker's matter.
                if matches!(error, CallError::Connect { .. }) || error.unimplemented() {
                    self.settle(State::from(&error), Evidence::default());
                }
                Reply::Failed {
                    reason: error.reason(),
                    patient: self.worth_waiting(),
                }
            }
        }
    }

    /// To be told when a lookup's patience ended while this runtime could not be reached.
    pub(crate) fn gave_up(&mut self) {
        self.waited_in_vain = true;
    }

    async fn chain(&mut self, id: &str, deadline: Instant) -> Result<Answer, CallError> {
        let State::Answers { name, api, .. } = &self.candidate.state else {
            return self.containerd(id, deadline).await;
        };
        let (name, api) = (name.clone(), *api);
        if let Some(found) = cri::lookup(&mut self.connection, api, &name, id, deadline).await? {
            return Ok(Answer::Found(Box::new(found)));
        }
        if name != "containerd" {
            return Ok(Answer::Unknown { for_good: false });
        }
        match self.containerd(id, deadline).await {
            // CRI has answered that it does not know the id; that containerd's own API is closed changes nothing.
            Err(CallError::Refused { .. }) => Ok(Answer::Unknown { for_good: false }),
            answer => answer,
        }
    }

    /// containerd stores a container, a sandbox too, before it makes the first process of it: what its own API does not
    /// know once a process is there has been removed again.
    async fn containerd(&mut self, id: &str, deadline: Instant) -> Result<Answer, CallError> {
        let found = containerd::lookup(&mut self.connection, id, deadline).await?;
        Ok(found.map_or(Answer::Unknown { for_good: true }, |found| {
            Answer::Found(Box::new(found))
        }))
    }

    fn worth_waiting(&self) -> bool {
        !self.waited_in_vain
            && match self.candidate.state {
                State::Refused { .. } | State::Failing { .. } => true,
                // A socket that was there and has gone belongs to a runtime that restarts.
                State::Absent { .. } => self.has_answered(),
                _ => false,
            }
    }

    fn has_answered(&self) -> bool {
        self.connection.has_answered()
    }

    fn settle(&mut self, state: State, evidence: Evidence) {
        let state = match (&self.candidate.state, state) {
            // The file system is not looked at again, so a plain file stays one until somebody listens there.
            (State::NotASocket, State::Refused { .. }) => State::NotASocket,
            (_, state) => state,
        };
        if state != self.candidate.state {
            tracing::info!(
                socket = %self.candidate.socket.display(),
                state = state.as_str(),
                detail = state.detail(),
                evidence = evidence.describe(),
                "container runtime"
            );
        }
        self.candidate.state = state;
        self.candidate.evidence = evidence;
        self.schedule();
    }

    fn schedule(&mut self) {
        let pause = match self.candidate.state.reason() {
            None => {
                self.pause.reset();
                self.hung_pause.reset();
                self.waited_in_vain = false;
                return;
            }
            Some(Reason::RuntimeTimeout) => self.hung_pause.pause(),
            Some(_) => self.pause.pause(),
        };
        self.reprobe_at = (self.clock)() + pause;
    }
}
