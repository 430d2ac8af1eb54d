//! The candidates for a runtime's socket as they are judged: as the running agent sees them, else as this process does.

use std::borrow::Cow;
use std::cmp::Reverse;

use serde_json::{Value, json};

use super::advice;
use crate::container::Rank;
use crate::container::discovery::Evidence;
use crate::control::api::Runtime;
use crate::doctor::check::{agent, errno_name};
use crate::doctor::facts::{CanaryFact, Facts, Gap, Gathered, LiveAgent, Mounted, Place, RuntimeClass, RuntimeFact};

/// The candidates and whose view that is.
pub(super) struct Seen<'a> {
    pub(super) candidates: Cow<'a, [RuntimeFact]>,
    pub(super) source: &'static str,
    pub(super) clock: Gathered<()>,
}

/// Looks at the candidates.
///
/// # Errors
/// Neither the agent nor this process could look at any.
pub(super) fn look(facts: &Facts) -> Result<Seen<'_>, &Gap> {
    if let Some(agent) = told(facts) {
        let candidates = agent
            .second
            .runtimes
            .iter()
            .map(|runtime| of_agent(runtime, agent, facts));
        return Ok(Seen {
            candidates: Cow::Owned(candidates.collect()),
            source: "GetStatus runtimes",
            clock: facts.live.clock(),
        });
    }
    facts.runtimes.value.as_ref().map(|own| Seen {
        candidates: Cow::Borrowed(own.as_slice()),
        source: "discovery by this process",
        clock: facts.runtimes.clock(),
    })
}

impl Seen<'_> {
    /// Those that answer, in the order in which lookups ask them.
    pub(super) fn answering(&self) -> Vec<&RuntimeFact> {
        let mut answering: Vec<&RuntimeFact> = self.candidates.iter().filter(|candidate| candidate.answers()).collect();
        answering.sort_by_key(|runtime| Reverse(runtime.rank));
        answering
    }
}

/// The running agent, where it tells of runtimes.
fn told(facts: &Facts) -> Option<&LiveAgent> {
    agent(facts).filter(|agent| !agent.second.runtimes.is_empty())
}

/// The event of the canary, where it names the container that the doctor runs in: the canary is a child of the doctor.
pub(super) fn named_canary(facts: &Facts) -> Option<&Value> {
    match &facts.canary.value {
        Ok(CanaryFact::Seen { event, .. })
            if event["metadata"]["status"] == "complete" && event["container"]["id"].is_string() =>
        {
            Some(event)
        }
        _ => None,
    }
}

fn of_agent(runtime: &Runtime, agent: &LiveAgent, facts: &Facts) -> RuntimeFact {
    let absent = |word: &String| (!word.is_empty()).then(|| word.clone());
    let told = RuntimeFact {
        socket: runtime.socket.clone().into(),
        // A class that this doctor does not know yet: the agent is newer. It does not answer, the word is shown.
        class: RuntimeClass::from_word(&runtime.state).unwrap_or(RuntimeClass::NotGrpc),
        errno: None,
        detail: match RuntimeClass::from_word(&runtime.state) {
            Some(_) => runtime.detail.clone(),
            None => format!("{}: {}", runtime.state, runtime.detail),
        },
        file: None,
        name: absent(&runtime.name),
        version: absent(&runtime.version),
        api: absent(&runtime.api),
        protocol: runtime.protocol.clone(),
        origin: runtime.origin.clone(),
        rank: Rank::from_word(&runtime.rank),
        evidence: runtime.evidence.clone(),
        mounted: Mounted::No,
        closed: None,
        own: None,
        pods: None,
        calls: Vec::new(),
    };
    by_now(beside_own(told, agent, facts), runtime)
}

/// The agent's word on a socket is as old as its last lookup. Where the doctor finds that it hangs or that nobody listens
/// any more, that counts; what only the doctor's own rights or mounts explain does not. Mounts, and who is kept out by a
/// mode, are the same for the agent where both are in one container and of one user.
fn beside_own(told: RuntimeFact, agent: &LiveAgent, facts: &Facts) -> RuntimeFact {
    let Ok(probed) = &facts.runtimes.value else { return told };
    let Some(own) = probed.iter().find(|own| own.socket == told.socket) else {
        return told;
    };
    let mut told = RuntimeFact {
        own: own.own.clone(),
        pods: own.pods,
        calls: own.calls.clone(),
        ..told
    };
    if facts.place != Place::Host {
        told.mounted = own.mounted;
        let uid = facts.process.value.as_ref().ok().map(|process| process.uid);
        if agent.uid.is_some() && uid == agent.uid && own.class == RuntimeClass::Permission {
            (told.file, told.closed) = (own.file, own.closed.clone());
        }
    }
    match own.class {
        RuntimeClass::Timeout | RuntimeClass::Refused if told.answers() => RuntimeFact {
            class: own.class,
            errno: own.errno,
            detail: format!(
                "the agent's last lookup was answered, a probe now is not: {}",
                own.detail
            ),
            file: own.file,
            ..told
        },
        _ => told,
    }
}

/// The agent asks runtimes now and then whether they answer, whatever became of the last lookup.
fn by_now(told: RuntimeFact, runtime: &Runtime) -> RuntimeFact {
    let class = match &*runtime.now {
        "silent" => RuntimeClass::Timeout,
        "absent" => RuntimeClass::Absent,
        _ => return told,
    };
    if !told.answers() {
        return told;
    }
    RuntimeFact {
        class,
        detail: runtime.why.clone(),
        ..told
    }
}

/// Whether the runtime is proven to run the container that the doctor, or the agent, is in.
pub(super) fn is_own(runtime: &RuntimeFact) -> bool {
    runtime.own.is_some() || runtime.rank == Some(Rank::OwnContainer)
}

/// Whether a runtime has pods. What the agent found at its first look still holds where it was none only if its own pod
/// must have been among them.
pub(super) fn has_pods(runtime: &RuntimeFact, place: Place) -> Option<bool> {
    if let Some(count) = runtime.pods {
        return Some(count > 0);
    }
    let none = Evidence {
        pods: Some(0),
        ..Evidence::default()
    };
    match runtime.rank {
        Some(Rank::Pods) => Some(true),
        Some(Rank::Answers) if place == Place::Kubernetes && runtime.evidence == none.describe() => Some(false),
        _ => None,
    }
}

/// A candidate as the report shows it.
pub(super) fn state(candidate: &RuntimeFact, facts: &Facts) -> Value {
    let mut value = json!({ "socket": candidate.socket.display().to_string(), "class": candidate.class.as_str() });
    for (key, text) in [("protocol", &candidate.protocol), ("origin", &candidate.origin)] {
        if !text.is_empty() {
            value[key] = json!(text);
        }
    }
    if !candidate.answers()
        && let Some(cause) = advice::cause(candidate, facts)
    {
        value["cause"] = json!(cause.as_str());
    }
    // Absent says it all.
    if candidate.class == RuntimeClass::Absent {
        return value;
    }
    if let Some(errno) = candidate.errno {
        value["errno"] = json!(errno_name(Some(errno)));
    }
    for (key, text) in [
        ("name", &candidate.name),
        ("version", &candidate.version),
        ("api", &candidate.api),
    ] {
        if let Some(text) = text {
            value[key] = json!(text);
        }
    }
    if let Some(rank) = candidate.rank {
        value["rank"] = json!(rank.as_str());
    }
    if !candidate.evidence.is_empty() {
        value["evidence"] = json!(candidate.evidence);
    }
    if candidate.mounted.is_alone() {
        value["mounted_alone"] = json!(true);
    }
    if !candidate.detail.is_empty() {
        value["detail"] = json!(candidate.detail);
    }
    value
}
