//! The running agent: two snapshots with a window between them, and the canary in that window.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::super::facts::{CanaryFact, Gap, LiveAgent, LiveFacts, LiveFailure};
use super::{agents, canary};
use crate::control::client::{Client, Error};

/// Deadline of the connection and of each snapshot.
const CALL: Duration = Duration::from_secs(2);
/// Time between the two snapshots: drops are judged as they are now, not only as they were since the start.
const WINDOW: Duration = Duration::from_secs(1);
/// Further readings of the counters within the window. A hook that is under way when they are read has counted its event
/// as seen and not yet what became of it, so that one reading alone proves nothing.
const BETWEEN: u32 = 4;
/// A canary that took the whole window leaves no time; two readings at once would not be two.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// What the agent answered.
pub(super) struct Asked {
    pub(super) live: LiveFacts,
    pub(super) canary: Result<CanaryFact, Gap>,
}

/// Asks the agent behind the socket; the canary may take `canary_deadline`.
pub(super) fn ask(socket: &Path, canary_deadline: Duration) -> Asked {
    let none = || Err(Gap::NotGathered("no agent to watch for the canary".to_owned()));
    if socket.as_os_str().is_empty() {
        return Asked {
            live: LiveFacts::Disabled,
            canary: none(),
        };
    }
    match snapshots(socket, canary_deadline) {
        Ok((agent, canary)) => Asked {
            live: LiveFacts::Answers(Box::new(agent)),
            canary: Ok(canary),
        },
        Err(error) => Asked {
            live: classify(socket, &error),
            canary: none(),
        },
    }
}

fn snapshots(socket: &Path, canary_deadline: Duration) -> Result<(LiveAgent, CanaryFact), Error> {
    let mut client = Client::connect(socket, CALL)?;
    let uid = client.peer().map(|peer| peer.uid);
    let first = client.status(CALL)?;
    let began = Instant::now();
    let canary = canary::run_live(&mut client, canary_deadline);
    let pause = (WINDOW.saturating_sub(began.elapsed()) / (BETWEEN + 1)).max(SHORTEST_PAUSE);
    let mut between = Vec::new();
    for _ in 0..BETWEEN {
        thread::sleep(pause);
        between.push(client.status(CALL)?.hooks);
    }
    thread::sleep(pause);
    let window = began.elapsed();
    let second = client.status(CALL)?;
    Ok((
        LiveAgent {
            socket: socket.to_owned(),
            uid,
            first,
            second,
            between,
            cpus: cpus(),
            window,
        },
        canary,
    ))
}

/// CPUs that the machine has, not only those that this process may use.
fn cpus() -> u32 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_CONF)
        .ok()
        .flatten()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(1)
}

fn classify(socket: &Path, error: &Error) -> LiveFacts {
    let kind = match error {
        Error::Absent { .. } => {
            return LiveFacts::Absent {
                socket: socket.to_owned(),
                agents: agents::running(Path::new("/")),
            };
        }
        Error::Refused { .. } => LiveFailure::Stale,
        Error::Permission { .. } => LiveFailure::Permission,
        Error::Timeout { .. } => LiveFailure::Timeout,
        Error::Connect { .. }
        | Error::Protocol { .. }
        | Error::Rejected { .. }
        | Error::Denied { .. }
        | Error::Runtime(_) => LiveFailure::Protocol,
    };
    LiveFacts::Broken {
        socket: socket.to_owned(),
        kind,
        message: error.to_string(),
    }
}
