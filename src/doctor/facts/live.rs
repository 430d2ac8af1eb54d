//! The running agent: what it says of itself, and what the doctor sees of it from outside.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::OsError;
use crate::control::api::{Condition, GetStatusReply, HookCounters};

/// The running agent.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveFacts {
    /// It answered, twice.
    Answers(Box<LiveAgent>),
    /// There is no socket.
    Absent {
        /// The socket.
        socket: PathBuf,
        /// Agents that run all the same, as far as the own `/proc` shows them.
        agents: Vec<RunningAgent>,
    },
    /// The socket is there and the agent could not be asked.
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What is wrong.
        kind: LiveFailure,
        /// In words.
        message: String,
    },
    /// The admin socket is disabled by `control.socket = ""`.
    Disabled,
}

/// An agent that runs and has no admin socket where the doctor looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningAgent {
    /// Its process id in the doctor's PID namespace.
    pub pid: u32,
    /// The container it runs in, when that is not the doctor's own: its socket may be out of the doctor's sight.
    pub elsewhere: Option<String>,
}

/// What is wrong with the admin socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveFailure {
    /// Nobody listens.
    Stale,
    /// No permission.
    Permission,
    /// No answer in time.
    Timeout,
    /// Not the admin protocol, or a refusal.
    Protocol,
}

/// Two snapshots of the running agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveAgent {
    /// The admin socket.
    pub socket: PathBuf,
    /// User id of the agent, attested by the kernel (`SO_PEERCRED`).
    pub uid: Option<u32>,
    /// Its process id in the doctor's PID namespace, attested likewise; absent where it is not visible there.
    pub seen_as: Option<u32>,
    /// The first snapshot.
    pub first: GetStatusReply,
    /// The second snapshot.
    pub second: GetStatusReply,
    /// Readings of the counters between the two snapshots, oldest first.
    pub between: Vec<HashMap<String, HookCounters>>,
    /// CPUs of the machine: on each of them a hook may be under way while the counters are read.
    pub cpus: u32,
    /// Time between them.
    pub window: Duration,
    /// The doctor's calendar while the second snapshot was on its way.
    pub asked: Span,
    /// The doctor's calendar from before the canary's start to after its event; absent where none was seen.
    pub canary_ran: Option<Span>,
    /// The file that the agent's process was made of.
    pub binary: Option<Result<Binary, OsError>>,
    /// What the agent's port for probes answered; absent where it has none, or where the doctor is elsewhere.
    pub probe: Option<Probe>,
}

impl LiveAgent {
    /// Whether the doctor shares the agent's view of processes, files and network: it is in the same container, or both are
    /// on the host. The same number in both PID namespaces is taken for the same namespace.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.seen_as.is_some_and(|pid| pid == self.second.pid)
    }

    /// The first condition of the agent's own evaluator that names this check and is not met.
    #[must_use]
    pub fn unmet(&self, check: &str) -> Option<&Condition> {
        let conditions = self.second.conditions.iter();
        conditions.into_iter().find(|it| it.check == check && it.met == "no")
    }
}

/// A time of the doctor's CLOCK_REALTIME, in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub from: i64,
    /// When it ended.
    pub to: i64,
}

impl Span {
    /// How far outside a time lies, in nanoseconds: negative before, positive after, 0 within.
    #[must_use]
    pub fn distance(self, time: i64) -> i64 {
        if time < self.from {
            time.saturating_sub(self.from)
        } else {
            time.saturating_sub(self.to).max(0)
        }
    }
}

/// The file of a running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Where it was started from.
    pub path: PathBuf,
    /// It is no longer there: another file has its name, or none.
    pub replaced: bool,
    /// The doctor is made of the same file.
    pub own: bool,
}

/// One request for `/livez`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whom it was sent to.
    pub address: SocketAddr,
    /// The status of the answer, or why there was none.
    pub answer: Result<u16, String>,
}

/// How the canary ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CanaryFact {
    /// Its event was seen.
    Seen {
        /// What was run.
        program: String,
        /// From just before the start of the program to the arrival of its event, in microseconds.
        latency_us: u64,
        /// The event.
        event: Value,
    },
    /// It ran and no event came.
    NotSeen {
        /// What was run.
        program: String,
        /// How long was waited.
        waited: Duration,
    },
    /// It could not be run.
    NotRun {
        /// What was to be run.
        program: String,
        /// Why not.
        message: String,
    },
    /// The agent could not be asked to watch for it.
    NotWatched {
        /// Why not.
        message: String,
    },
}
