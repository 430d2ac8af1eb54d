//! What speaks for a socket being the one that matters on this node: the own container is known there, pods are there.
//!
//! Several runtimes on one node are normal, and which of them the kubelet uses cannot be told from a version: where k3s
//! runs its own containerd, Docker's answers at the usual path and has no pods. It orders who is asked first and is
//! shown by the doctor; it excludes nobody.

use std::time::Instant;

use serde::Serialize;

use super::State;
use crate::container::connection::{CallError, Connection};
use crate::container::{containerd, cri, engine};

/// What was found behind a socket. All absent: nothing was looked for, or nothing answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The id of the own container or sandbox, which the runtime knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
    /// How many pods are ready there; absent where no CRI answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<usize>,
}

impl Evidence {
    /// In words, for people; empty where there is nothing to say.
    #[must_use]
    pub fn describe(&self) -> String {
        let own = self.own.as_ref().map(|id| format!("knows this container ({:.12})", id));
        let pods = self.pods.map(|count| match count {
            0 => "no pods when it was first asked".to_owned(),
            1 => "1 pod".to_owned(),
            count => format!("{count} pods"),
        });
        own.into_iter().chain(pods).collect::<Vec<_>>().join(", ")
    }
}

/// How much speaks for a candidate, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Nothing is there.
    Absent,
    /// A file is there; nobody listens, or not to us.
    Exists,
    /// Somebody takes connections and gives no usable answer.
    Accepts,
    /// A runtime answers.
    Answers,
    /// A runtime that has pods.
    Pods,
    /// The runtime that runs this very container: the kubelet's, where the agent runs in a pod.
    OwnContainer,
}

impl Rank {
    /// The rank of a candidate.
    #[must_use]
    pub fn of(state: &State, evidence: &Evidence) -> Self {
        match state {
            State::Absent { .. } => Self::Absent,
            State::NotASocket | State::Permission { .. } | State::Refused { .. } => Self::Exists,
            _ if state.reason().is_some() => Self::Accepts,
            _ if evidence.own.is_some() => Self::OwnContainer,
            _ if evidence.pods.is_some_and(|count| count > 0) => Self::Pods,
            _ => Self::Answers,
        }
    }

    /// From the least to the most.
    pub const ALL: [Self; 6] = [
        Self::Absent,
        Self::Exists,
        Self::Accepts,
        Self::Answers,
        Self::Pods,
        Self::OwnContainer,
    ];

    /// The rank for a word of a report.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.as_str() == word)
    }

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Exists => "exists",
            Self::Accepts => "accepts",
            Self::Answers => "answers",
            Self::Pods => "pods",
            Self::OwnContainer => "own_container",
        }
    }
}

/// Asks a runtime that answers, once: whether it knows one of `own`, and how many pods it has.
///
/// What it does not tell is absent; that is no reason not to use it.
pub(crate) async fn gather(connection: &Connection, state: &State, own: &[String], deadline: Instant) -> Evidence {
    let mut evidence = Evidence::default();
    if let (Some(client), State::Engine { name, .. }) = (connection.http(), state) {
        for id in own {
            if let Some(Some(_)) = told(engine::lookup(client, engine::Kind::named(name), id, deadline).await) {
                evidence.own = Some(id.clone());
                break;
            }
        }
        return evidence;
    }
    match state {
        State::Answers { api, .. } => {
            for id in own {
                if told(cri::knows(connection, *api, id, deadline).await) == Some(true) {
                    evidence.own = Some(id.clone());
                    break;
                }
            }
            evidence.pods = told(cri::ready_pods(connection, *api, deadline).await);
        }
        State::CriUnimplemented { containerd: Some(_) } => {}
        _ => return evidence,
    }
    // Docker's containers, and those of nerdctl, are in namespaces that CRI does not look into.
    if evidence.own.is_none() {
        for id in own {
            if let Some(Some(_)) = told(containerd::lookup(connection, id, deadline).await) {
                evidence.own = Some(id.clone());
                break;
            }
        }
    }
    evidence
}

fn told<T>(answer: Result<T, CallError>) -> Option<T> {
    answer
        .inspect_err(|error| tracing::debug!(%error, "a container runtime did not say what it runs"))
        .ok()
}

#[cfg(test)]
mod tests;
