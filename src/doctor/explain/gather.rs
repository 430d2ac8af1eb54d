//! The thin edge: runs the lookups with the agent's own resolver while its notes are recorded, and asks the running agent.
//!
//! Everything is bounded by the deadlines of the lookups themselves, and by those of the calls to the agent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::gather::runtime::socket_file;
use super::facts::{CandidateSeen, ConfigSeen, Facts, Lists, Live, Walk};
use super::target::{Ambiguous, Target};
use crate::config::Settings;
use crate::container::Resolver;
use crate::container::cgroup::is_container_id;
use crate::container::listed::Listed;
use crate::container::resolver;
use crate::container::trace::{Note, Recording, Taken};
use crate::control::api::GetContainersRequest;
use crate::control::client::{self, Client};

/// Deadline of the connection to the agent, and of the question.
const CALL: Duration = Duration::from_secs(5);
/// The most containers that are walked: more than a pod has.
const MOST_WALKS: usize = 32;

/// What is handed in.
#[derive(Debug, Clone)]
pub struct Input {
    /// What is to be explained.
    pub target: Target,
    /// The settings that the agent would run with.
    pub settings: Settings,
    /// Where `runtime.socket` was set.
    pub socket_source: String,
    /// Where `runtime.host_prefix` was set.
    pub prefix_source: String,
    /// Why the settings are the built-in ones although others were given.
    pub problem: Option<String>,
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One container is meant, and several fit.
    #[error(
        "several containers fit {target}; give more of the id, or NAMESPACE/POD/CONTAINER:\n{}",
        shown(candidates)
    )]
    Ambiguous {
        /// The words.
        target: Target,
        /// Those that fit.
        candidates: Vec<Listed>,
    },
    /// Lookups cannot be made at all.
    #[error(transparent)]
    Resolver(#[from] resolver::Error),
}

fn shown(candidates: &[Listed]) -> String {
    let printable = |text: &str| {
        text.chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect::<String>()
    };
    let line = |one: &Listed| {
        let part = |part: &Option<String>| part.as_deref().map_or_else(|| "-".to_owned(), printable);
        let ended = if one.may_run { "" } else { " (ended)" };
        format!(
            "  {}  {}/{}/{}{ended}",
            printable(&one.id),
            part(&one.namespace),
            part(&one.pod),
            part(&one.name)
        )
    };
    let mut lines: Vec<String> = candidates.iter().take(MOST_WALKS).map(line).collect();
    if candidates.len() > MOST_WALKS {
        lines.push(format!("  and {} more", candidates.len() - MOST_WALKS));
    }
    lines.join("\n")
}

/// Walks. Blocks for as long as the lookups take.
///
/// # Errors
/// [`Error`].
pub fn gather(input: &Input) -> Result<Facts, Error> {
    let time = super::super::gather::now();
    let settings = &input.settings;
    let recording = Recording::start();
    let mut resolver = Resolver::new(&settings.runtime, &settings.metadata)?;
    let looking = recording.take();
    let lists = match &input.target {
        Target::Id(_) => None,
        _ => Some(list(&mut resolver, &recording)),
    };
    let chosen = choose(&input.target, lists.as_ref())?;
    let question = question(&input.target, &chosen);
    let live = ask(&settings.control.socket, question);
    let chosen = if chosen.is_empty() {
        of_agent(&input.target, &live)?
    } else {
        chosen
    };
    let more = chosen.len() > MOST_WALKS;
    let walks = chosen
        .into_iter()
        .take(MOST_WALKS)
        .map(|one| walk(&mut resolver, &recording, one));
    let walks = walks.collect();
    let took = times(&looking);
    let candidates = resolver.runtimes().into_iter().map(|candidate| CandidateSeen {
        file: socket_file(&candidate.socket),
        took: took.get(&candidate.socket).copied(),
        candidate,
    });
    Ok(Facts {
        time,
        target: input.target.clone(),
        config: ConfigSeen {
            runtime: settings.runtime.clone(),
            socket_source: input.socket_source.clone(),
            prefix_source: input.prefix_source.clone(),
            problem: input.problem.clone(),
        },
        uid: nix::unistd::geteuid().as_raw(),
        candidates: candidates.collect(),
        looking,
        lists,
        walks,
        more,
        live,
    })
}

fn times(looking: &Taken) -> HashMap<PathBuf, Duration> {
    let looked = looking.entries.iter().filter_map(|entry| match &entry.note {
        Note::Looked { socket, took } => Some((socket.clone(), *took)),
        _ => None,
    });
    looked.collect()
}

fn list(resolver: &mut Resolver, recording: &Recording) -> Lists {
    let began = Instant::now();
    let lists = resolver.listed();
    Lists {
        lists,
        notes: recording.take(),
        took: began.elapsed(),
    }
}

/// What is listed of the target; of a full id it is not asked whether it is.
fn choose(target: &Target, lists: Option<&Lists>) -> Result<Vec<Listed>, Error> {
    if let Target::Id(id) = target {
        return Ok(vec![Listed {
            id: id.clone(),
            ..Listed::default()
        }]);
    }
    let lists = lists.into_iter().flat_map(|lists| &lists.lists);
    let listed = lists.filter_map(|list| list.listed.as_ref().ok()).flatten().cloned();
    only(target, target.choose(listed))
}

fn only(target: &Target, chosen: Result<Vec<Listed>, Ambiguous>) -> Result<Vec<Listed>, Error> {
    chosen.map_err(|Ambiguous { candidates }| Error::Ambiguous {
        target: target.clone(),
        candidates,
    })
}

/// By ids, or, where no runtime told any, by the words.
fn question(target: &Target, chosen: &[Listed]) -> GetContainersRequest {
    let mut question = GetContainersRequest::default();
    if chosen.is_empty() {
        match target.clone() {
            Target::Id(id) => question.ids.push(id),
            Target::Prefix(prefix) => question.id_prefix = prefix,
            Target::Pod { namespace, pod, .. } => (question.namespace, question.pod) = (namespace, pod),
            Target::Name(name) => question.name = name,
        }
    }
    question
        .ids
        .extend(chosen.iter().take(MOST_WALKS).map(|one| one.id.clone()));
    question
}

fn ask(socket: &Path, question: GetContainersRequest) -> Live {
    if socket.as_os_str().is_empty() {
        return Live::Disabled;
    }
    let began = Instant::now();
    let asked = Client::connect(socket, CALL).and_then(|mut client| {
        let uid = client.peer().map(|peer| peer.uid);
        client.containers(question, CALL).map(|reply| (uid, reply))
    });
    match asked {
        Ok((uid, reply)) => Live::Answered {
            uid,
            containers: reply.containers,
            more: reply.more,
            took: began.elapsed(),
        },
        Err(client::Error::Absent { path }) => Live::Absent(path),
        Err(error) => Live::Failed {
            socket: socket.to_owned(),
            error: error.to_string(),
        },
    }
}

/// What the agent holds, where no runtime would list anything to this process.
fn of_agent(target: &Target, live: &Live) -> Result<Vec<Listed>, Error> {
    let Live::Answered { containers, .. } = live else {
        return Ok(Vec::new());
    };
    let listed = containers.iter().filter(|held| is_container_id(&held.id)).map(|held| {
        let outcome: serde_json::Value = held
            .outcome_json
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        let text = |pointer: &str| {
            outcome
                .pointer(pointer)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        };
        Listed {
            id: held.id.clone(),
            name: text("/container/name"),
            namespace: text("/kubernetes/namespace"),
            pod: text("/kubernetes/pod/name"),
            sandbox: outcome.pointer("/container/sandbox") == Some(&serde_json::Value::Bool(true)),
            pod_sandbox_id: text("/container/pod_sandbox_id"),
            may_run: true,
            ..Listed::default()
        }
    });
    only(target, target.choose(listed))
}

fn walk(resolver: &mut Resolver, recording: &Recording, listed: Listed) -> Walk {
    let began = Instant::now();
    let outcome = resolver.lookup_id(&listed.id);
    Walk {
        id: listed.id.clone(),
        outcome,
        took: began.elapsed(),
        notes: recording.take(),
        listed: Some(listed).filter(|listed| {
            *listed
                != Listed {
                    id: listed.id.clone(),
                    ..Listed::default()
                }
        }),
    }
}
