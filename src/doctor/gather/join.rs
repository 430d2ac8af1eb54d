//! What the runtimes list beside what the running agent holds: two rounds at most, so that what begins or ends meanwhile is
//! not taken for what the agent does not know.
//!
//! The runtimes are asked by the agent's own resolver, as for its own inventory.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::super::facts::Gap;
use super::super::facts::join::{Join, JoinFact, List, MOST_MISSING, Missing};
use crate::config::Settings;
use crate::container::cgroup::is_container_id;
use crate::container::listed::Listed;
use crate::container::resolver::listing;
use crate::container::{Candidate, Resolver, Status};
use crate::control::api::{GetContainersRequest, HeldContainer};
use crate::control::client::{self, Client};

/// Deadline of the connection to the agent, and of each question.
const CALL: Duration = Duration::from_secs(2);
/// The most containers that the agent is asked for.
const MOST: usize = 2048;
/// Ids in one question: as many as the agent takes.
const CHUNK: usize = 64;
/// Younger containers are left out: the agent asks for a container for three seconds after its cgroup has appeared.
const YOUNG: Duration = Duration::from_secs(5);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(250);
/// An id that no container has.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// CRI-O's name for itself.
const CRIO: &str = "cri-o";

/// Asks the runtimes and the running agent.
///
/// # Errors
/// The agent breaks off, or no lookups can be made at all.
pub(super) fn ask(settings: &Settings) -> Result<JoinFact, Gap> {
    let socket = &settings.control.socket;
    if socket.as_os_str().is_empty() {
        return Ok(JoinFact::NoAgent);
    }
    // Why it does not answer is told by the snapshots.
    let Ok(mut client) = Client::connect(socket, CALL) else {
        return Ok(JoinFact::NoAgent);
    };
    // Asked before the runtimes are: for who is denied they need not make their lists.
    match held(&mut client, &[NOBODY]) {
        Ok(_) => {}
        Err(client::Error::Denied { message, .. }) => return Ok(JoinFact::Denied(message)),
        Err(error) => return Err(refused(error)),
    }
    let mut resolver = Resolver::new(&settings.runtime, &settings.metadata).map_err(refused)?;
    let first = match round(&mut resolver, &mut client, None)? {
        Ok(round) => round,
        Err(lists) => return Ok(JoinFact::Unlisted(lists)),
    };
    if first.missing.is_empty() {
        return Ok(JoinFact::Joined(first.join));
    }
    thread::sleep(PAUSE);
    let second = round(&mut resolver, &mut client, Some(&first.missing))?;
    Ok(JoinFact::Joined(second.map_or(first.join, |round| round.join)))
}

fn refused(error: impl Display) -> Gap {
    Gap::Refused(error.to_string())
}

/// One look at both sides.
struct Round {
    join: Join,
    /// The ids of all that the agent does not know.
    missing: HashSet<String>,
}

/// Asks both sides once. Only what was missing `before` counts as missing. Where no runtime lists anything: why not.
fn round(
    resolver: &mut Resolver,
    client: &mut Client,
    before: Option<&HashSet<String>>,
) -> Result<Result<Round, Vec<List>>, Gap> {
    let lists = resolver.listed();
    let told: Vec<List> = lists.iter().map(told).collect();
    if told.iter().all(|list| list.running.is_err()) {
        return Ok(Err(told));
    }
    let crio = resolver.runtimes().into_iter().filter(is_crio);
    let crio: HashSet<PathBuf> = crio.map(|candidate| candidate.socket).collect();
    let running = Running::of(lists, &crio, now());
    let ids: Vec<&str> = running.all.iter().map(|one| &*one.listed.id).collect();
    let answers = held(client, &ids).map_err(refused)?;
    let (join, missing) = running.beside(&answers, before);
    Ok(Ok(Round {
        join: Join { lists: told, ..join },
        missing,
    }))
}

fn is_crio(candidate: &Candidate) -> bool {
    candidate.state.runtime().is_some_and(|(name, ..)| name == CRIO)
}

/// The calendar, as runtimes note down when they made a container.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn told(list: &listing::List) -> List {
    let running = list.listed.as_ref().map(|listed| {
        let running = listed.iter().filter(|one| one.runs).count();
        u64::try_from(running).unwrap_or(u64::MAX)
    });
    List {
        socket: list.socket.clone(),
        running: running.map_err(Clone::clone),
    }
}

/// What the agent holds of these ids. An answer that was too large to be whole is followed by a question for the rest.
fn held(client: &mut Client, ids: &[&str]) -> Result<HashMap<String, HeldContainer>, client::Error> {
    let mut all = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let mut left: Vec<String> = chunk.iter().map(|&id| id.to_owned()).collect();
        while !left.is_empty() {
            let question = GetContainersRequest {
                ids: left.clone(),
                ..GetContainersRequest::default()
            };
            let reply = client.containers(question, CALL)?;
            let before = left.len();
            for container in reply.containers {
                left.retain(|id| *id != container.id);
                all.insert(container.id.clone(), container);
            }
            if !reply.more || left.len() == before {
                break;
            }
        }
    }
    Ok(all)
}

/// What runs by the lists of the runtimes.
struct Running {
    all: Vec<One>,
    left_out: u64,
    cut: bool,
}

struct One {
    listed: Listed,
    /// The list is that of CRI-O, whose sandboxes need not have a process (`drop_infra_ctr`, its default), and so neither
    /// a cgroup that anybody could meet.
    crio: bool,
}

impl Running {
    /// `now` is the calendar's time since the epoch.
    fn of(lists: Vec<listing::List>, crio: &HashSet<PathBuf>, now: Duration) -> Self {
        let is_young = |one: &Listed| {
            let made = one.created_at.and_then(|at| u64::try_from(at).ok());
            made.is_some_and(|made| now.saturating_sub(Duration::from_nanos(made)) < YOUNG)
        };
        let mut running = Self {
            all: Vec::new(),
            left_out: 0,
            cut: false,
        };
        // Docker's containers are in its own list and in that of its containerd.
        let mut seen = HashSet::new();
        for list in lists {
            let crio = crio.contains(&list.socket);
            for listed in list.listed.unwrap_or_default().into_iter().filter(|one| one.runs) {
                if !seen.insert(listed.id.clone()) {
                    continue;
                }
                // By no other id can a container be told from its cgroup.
                if is_young(&listed) || !is_container_id(&listed.id) {
                    running.left_out += 1;
                } else if running.all.len() == MOST {
                    running.cut = true;
                } else {
                    running.all.push(One { listed, crio });
                }
            }
        }
        running
    }

    /// The two beside each other, and the ids of all that the agent does not know.
    fn beside(
        &self,
        answers: &HashMap<String, HeldContainer>,
        before: Option<&HashSet<String>>,
    ) -> (Join, HashSet<String>) {
        let mut join = Join {
            left_out: self.left_out,
            cut: self.cut,
            ..Join::default()
        };
        let mut missing = HashSet::new();
        for one in &self.all {
            let id = &one.listed.id;
            let is_new = before.is_some_and(|before| !before.contains(id));
            match Known::of(answers.get(id)) {
                Known::Complete => {
                    join.known += 1;
                    join.complete += 1;
                }
                Known::Partly => join.known += 1,
                Known::Pending => {
                    join.left_out += 1;
                    continue;
                }
                Known::Not(_) if is_new || (one.crio && one.listed.sandbox) => {
                    join.left_out += 1;
                    continue;
                }
                Known::Not(held) => {
                    if join.missing.len() < MOST_MISSING {
                        join.missing.push(named(&one.listed, held));
                    }
                    missing.insert(id.clone());
                }
            }
            join.listed += 1;
        }
        (join, missing)
    }
}

/// How well the agent knows a container.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Complete,
    Partly,
    /// It is being looked up.
    Pending,
    /// It is not, and this is held of it.
    Not(String),
}

impl Known {
    fn of(held: Option<&HeldContainer>) -> Self {
        let Some(held) = held else {
            return Self::Not("nothing".to_owned());
        };
        let outcome: Value = held
            .outcome_json
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        let word = |key: &str| outcome["metadata"][key].as_str().unwrap_or_default();
        match word("status") {
            status if status == Status::Complete.as_str() => Self::Complete,
            status if status == Status::Partial.as_str() => Self::Partly,
            _ if held.in_flight_us.is_some() => Self::Pending,
            _ => Self::Not(word("reason").to_owned()),
        }
    }
}

fn named(listed: &Listed, held: String) -> Missing {
    let parts = [&listed.namespace, &listed.pod, &listed.name];
    let words: Vec<&str> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
    Missing {
        id: listed.id.clone(),
        name: words.join("/"),
        sandbox: listed.sandbox,
        held,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn id(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn listed(digit: char, seconds_old: u64) -> Listed {
        let made = NOW - Duration::from_secs(seconds_old);
        Listed {
            id: id(digit),
            name: Some(format!("app-{digit}")),
            may_run: true,
            runs: true,
            created_at: i64::try_from(made.as_nanos()).ok(),
            ..Listed::default()
        }
    }

    fn list(socket: &str, listed: Vec<Listed>) -> listing::List {
        listing::List {
            socket: socket.into(),
            listed: Ok(listed),
        }
    }

    fn holding(digit: char, status: &str, reason: Option<&str>) -> (String, HeldContainer) {
        let outcome = serde_json::json!({ "metadata": { "status": status, "reason": reason } });
        let held = HeldContainer {
            id: id(digit),
            outcome_json: Some(outcome.to_string()),
            ..HeldContainer::default()
        };
        (id(digit), held)
    }

    #[test]
    fn what_runs_is_counted_once_by_whether_the_agent_knows_it() {
        let ended = Listed {
            runs: false,
            ..listed('9', 60)
        };
        let lists = vec![
            list(
                "/run/a.sock",
                vec![listed('a', 60), listed('b', 60), listed('c', 60), ended],
            ),
            list("/run/b.sock", vec![listed('a', 60), listed('d', 60), listed('e', 2)]),
            listing::List {
                socket: "/run/c.sock".into(),
                listed: Err("no".to_owned()),
            },
        ];
        let mut pending = holding('d', "missing", None).1;
        (pending.outcome_json, pending.in_flight_us) = (None, Some(7));
        let answers = HashMap::from([
            holding('a', "complete", None),
            holding('b', "partial", Some("image_name_unknown")),
            holding('c', "missing", Some("container_unknown")),
            (id('d'), pending),
        ]);
        let running = Running::of(lists, &HashSet::new(), NOW);
        let (join, missing) = running.beside(&answers, None);
        assert_eq!((join.listed, join.known, join.complete, join.left_out), (3, 2, 1, 2));
        assert_eq!(missing, HashSet::from([id('c')]));
        assert_eq!(
            (&*join.missing[0].name, &*join.missing[0].held),
            ("app-c", "container_unknown")
        );
    }

    #[test]
    fn what_was_not_missing_a_moment_ago_is_left_out() {
        let running = Running::of(
            vec![list("/run/a.sock", vec![listed('a', 60), listed('b', 60)])],
            &HashSet::new(),
            NOW,
        );
        let (join, missing) = running.beside(&HashMap::new(), Some(&HashSet::from([id('b')])));
        assert_eq!((join.listed, join.known, join.left_out), (1, 0, 1));
        assert_eq!(missing, HashSet::from([id('b')]));
        assert_eq!(join.missing[0].held, "nothing");
    }

    /// With `drop_infra_ctr` nothing runs for a sandbox, so nobody meets it.
    #[test]
    fn a_sandbox_of_crio_need_not_be_known() {
        let sandbox = || Listed {
            sandbox: true,
            ..listed('a', 60)
        };
        for (crio, counted) in [
            (HashSet::from([PathBuf::from("/run/crio/crio.sock")]), 0),
            (HashSet::new(), 1),
        ] {
            let running = Running::of(vec![list("/run/crio/crio.sock", vec![sandbox()])], &crio, NOW);
            assert_eq!(running.beside(&HashMap::new(), None).0.listed, counted);
        }
    }

    #[test]
    fn more_than_can_be_asked_for_is_said_to_be_cut() {
        let many = (0..=MOST).map(|number| Listed {
            id: format!("{number:064x}"),
            ..listed('a', 60)
        });
        let running = Running::of(vec![list("/run/a.sock", many.collect())], &HashSet::new(), NOW);
        assert!(running.cut && running.all.len() == MOST);
    }
}
