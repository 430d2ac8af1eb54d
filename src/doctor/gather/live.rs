//! The running agent: two snapshots with a window between them, and in that window the canary and a look from outside.

use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::facts::live::Span;
use super::super::facts::{CanaryFact, Gap, LiveAgent, LiveFacts, LiveFailure};
use super::{agents, canary, outside};
use crate::control::client::{Client, Error};

/// Deadline of the connection and of each snapshot.
const CALL: Duration = Duration::from_secs(2);
/// Time between the two snapshots. The agent itself tells what it counted in the last seconds, minutes and hour; this is long
/// enough to see whether counters move and whether they agree while they do.
const WINDOW: Duration = Duration::from_millis(600);
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

/// Asks the agent behind the socket; the canary may take `canary_deadline`. `heard` is told as soon as it is known whether an
/// agent answers.
pub(super) fn ask(socket: &Path, canary_deadline: Duration, heard: &SyncSender<bool>) -> Asked {
    let none = || Err(Gap::NotGathered("no agent to watch for the canary".to_owned()));
    if socket.as_os_str().is_empty() {
        return Asked {
            live: LiveFacts::Disabled,
            canary: none(),
        };
    }
    match snapshots(socket, canary_deadline, heard) {
        Ok((agent, canary)) => Asked {
            live: LiveFacts::Answers(Box::new(agent)),
            canary: Ok(canary),
        },
        Err(error) => {
            // Nobody may wait for it any more.
            let _ = heard.try_send(false);
            Asked {
                live: classify(socket, &error),
                canary: none(),
            }
        }
    }
}

fn snapshots(
    socket: &Path,
    canary_deadline: Duration,
    heard: &SyncSender<bool>,
) -> Result<(LiveAgent, CanaryFact), Error> {
    let mut client = Client::connect(socket, CALL)?;
    let peer = client.peer();
    let first = client.status(CALL)?;
    let _ = heard.try_send(true);
    let began = Instant::now();
    let before = calendar();
    let canary = canary::run_live(&mut client, canary_deadline);
    let ran = Span {
        from: before,
        to: calendar(),
    };
    let seen_as = peer
        .and_then(|peer| peer.pid)
        .and_then(|pid| u32::try_from(pid).ok())
        .filter(|pid| *pid > 0);
    let here = seen_as == Some(first.pid);
    let probe = outside::probe_address(&first.health_listen)
        .filter(|_| here)
        .map(outside::probe);
    let pause = (WINDOW.saturating_sub(began.elapsed()) / (BETWEEN + 1)).max(SHORTEST_PAUSE);
    let mut between = Vec::new();
    for _ in 0..BETWEEN {
        thread::sleep(pause);
        between.push(client.status(CALL)?.hooks);
    }
    thread::sleep(pause);
    let window = began.elapsed();
    let from = calendar();
    let second = client.status(CALL)?;
    let asked = Span { from, to: calendar() };
    let agent = LiveAgent {
        socket: socket.to_owned(),
        uid: peer.map(|peer| peer.uid),
        seen_as,
        first,
        second,
        between,
        cpus: cpus(),
        window,
        asked,
        canary_ran: matches!(canary, CanaryFact::Seen { .. }).then_some(ran),
        binary: seen_as.map(|pid| outside::binary(Path::new("/"), pid)),
        probe,
    };
    Ok((agent, canary))
}

/// The calendar, in nanoseconds since the epoch.
fn calendar() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
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
