//! The last step: what the running agent holds of the container, and where that differs from what the walk found. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{Facts, Live, Walk};
use super::report::{Evidence, Step, StepOutcome};
use super::walk::time;
use crate::container::{Metadata, Reason, Status};
use crate::control::api::HeldContainer;

const STEP: &str = "agent";
/// How many differences are told one by one.
const MOST_DIFFERENCES: usize = 24;

/// What an answer of the agent is read as. Unknown words of a newer agent make it unreadable as a whole, and are told so.
#[derive(Debug, Deserialize)]
struct Answer {
    metadata: Metadata,
}

fn held<'a>(live: &'a Live, id: &str) -> Option<&'a HeldContainer> {
    match live {
        Live::Answered { containers, .. } => containers.iter().find(|held| held.id == id),
        _ => None,
    }
}

/// What events of the running agent say of the container: nothing where it holds nothing that is settled.
pub(super) fn status(live: &Live, id: &str) -> Option<Status> {
    metadata(held(live, id)?).map(|metadata| metadata.status)
}

fn metadata(held: &HeldContainer) -> Option<Metadata> {
    let answer: Answer = serde_json::from_str(held.outcome_json.as_deref()?).ok()?;
    Some(answer.metadata)
}

/// The step.
pub(super) fn step(facts: &Facts, walk: &Walk) -> Step {
    let (uid, took, more) = match &facts.live {
        Live::Disabled => return Step::skipped(STEP, "the admin socket is disabled"),
        Live::Absent(path) => {
            return Step::skipped(
                STEP,
                format!("no agent runs here: there is no admin socket {}", path.display()),
            );
        }
        Live::Failed { socket, error } => {
            let evidence = Evidence::new(error.clone(), json!({ "socket": socket, "error": error }));
            return Step::broke(STEP, "the running agent could not be asked").with([evidence]);
        }
        Live::Answered { uid, took, more, .. } => (*uid, *took, *more),
    };
    let users = users(facts, uid);
    let Some(held) = held(&facts.live, &walk.id) else {
        let said = if more {
            "the agent holds more than one answer has, and this one was not in it"
        } else {
            "the agent holds nothing of it: it has seen no cgroup and no event of it, or its cgroup has gone"
        };
        return Step::skipped(STEP, said).took(took).with(users);
    };
    let mut evidence = vec![how(held)];
    evidence.extend(users);
    let Some(metadata) = metadata(held) else {
        let said = match held.outcome_json {
            None => "the agent is asking for it just now",
            Some(_) => "the agent's answer has words that this doctor does not know: their versions differ",
        };
        return Step::broke(STEP, said).took(took).with(evidence);
    };
    let differences = differences(held, walk);
    let reason = metadata
        .reason
        .map(|reason| format!(", {}", reason.as_str()))
        .unwrap_or_default();
    let mut said = format!("the agent holds it as {}{reason}", metadata.status.as_str());
    if differences.is_empty() {
        said.push_str(", as this walk found it");
    } else {
        said.push_str(&format!("; {}", why(facts, walk, held, metadata, uid)));
    }
    let outcome = match metadata.status {
        Status::Complete | Status::Host => StepOutcome::Ok,
        Status::Partial | Status::Missing => StepOutcome::Broke,
    };
    Step::new(STEP, outcome, said)
        .took(took)
        .with(evidence)
        .with(differences)
}

/// How the answer came, how old it is, and how long it is good.
fn how(held: &HeldContainer) -> Evidence {
    let ago = |micros: u64| time(Duration::from_micros(micros));
    let mut words = vec![match held.cause.as_str() {
        "event" => "it was looked up for an event".to_owned(),
        "prefetch" => "it was looked up when its cgroup appeared".to_owned(),
        "inventory" => "it was looked up because its runtime listed it when it first answered".to_owned(),
        other => format!("it was looked up for: {other}"),
    }];
    if let Some(age) = held.age_us {
        words.push(format!("{} ago", ago(age)));
    }
    words.push(match (held.outcome_json.is_some(), held.expires_in_us) {
        (false, _) => "the first answer is out".to_owned(),
        (true, None) => "kept for good".to_owned(),
        (true, Some(0)) => "to be looked up again at its next event".to_owned(),
        (true, Some(left)) => format!("to be looked up again at an event in {} or later", ago(left)),
    });
    if let Some(since) = held.in_flight_us {
        words.push(format!("a lookup has been under way for {}", ago(since)));
    }
    words.push(
        if held.told {
            "events have carried it"
        } else {
            "no event has carried it yet"
        }
        .to_owned(),
    );
    Evidence::new(
        words.join("; "),
        json!({
            "cause": held.cause, "age_us": held.age_us, "expires_in_us": held.expires_in_us,
            "in_flight_us": held.in_flight_us, "told": held.told, "cgroups_path": held.cgroups_path,
            "answer": held.outcome_json.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok()),
        }),
    )
}

/// Root and the agent's user may differ in what they may connect to.
fn users(facts: &Facts, uid: Option<u32>) -> Option<Evidence> {
    let uid = uid.filter(|uid| *uid != facts.uid)?;
    Some(Evidence::new(
        format!(
            "the agent runs as uid {uid} and this doctor as uid {}: what one may connect to, the other may not",
            facts.uid
        ),
        json!({ "agent_uid": uid, "doctor_uid": facts.uid }),
    ))
}

/// What explains that the two differ.
fn why(facts: &Facts, walk: &Walk, held: &HeldContainer, agent: Metadata, uid: Option<u32>) -> String {
    let cold = walk.outcome.metadata;
    let name = |uid: Option<u32>| uid.map_or_else(|| "its user".to_owned(), |uid| format!("uid {uid}"));
    if agent.reason == Some(Reason::SocketPermission) && cold.reason != Some(Reason::SocketPermission) {
        return format!(
            "uid {} may connect to the runtime, and the agent, as {}, may not: give the agent the group of the socket",
            facts.uid,
            name(uid)
        );
    }
    if cold.reason == Some(Reason::SocketPermission) && agent.reason != cold.reason {
        let doctor = if uid == Some(facts.uid) {
            "this doctor, as the same user with other groups,".to_owned()
        } else {
            format!("this doctor, as uid {},", facts.uid)
        };
        return format!(
            "the agent, as {}, may connect to the runtime, and {doctor} may not",
            name(uid)
        );
    }
    let age = held
        .age_us
        .map(|age| time(Duration::from_micros(age)))
        .unwrap_or_default();
    if agent.status == cold.status {
        format!("the agent's answer is {age} old, and some of it was another then")
    } else {
        format!(
            "the agent's answer is {age} old, and differs from this walk's, {}",
            cold.status.as_str()
        )
    }
}

/// Where the agent's answer and the walk's differ. What the lookup cost is always another.
fn differences(held: &HeldContainer, walk: &Walk) -> Vec<Evidence> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some(mut agent) = held.outcome_json.as_deref().and_then(parsed) else {
        return Vec::new();
    };
    let mut cold = serde_json::to_value(&*walk.outcome).unwrap_or_default();
    for side in [&mut agent, &mut cold] {
        if let Some(metadata) = side.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("lookup_us");
        }
    }
    let mut found = Vec::new();
    compare("", &agent, &cold, &mut found);
    let rest = found.len().saturating_sub(MOST_DIFFERENCES);
    found.truncate(MOST_DIFFERENCES);
    if rest > 0 {
        found.push(Evidence::new(format!("and {rest} more"), json!({ "more": rest })));
    }
    found
}

fn compare(path: &str, agent: &Value, cold: &Value, found: &mut Vec<Evidence>) {
    if let (Value::Object(one), Value::Object(other)) = (agent, cold) {
        let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            compare(
                &path,
                one.get(key).unwrap_or(&Value::Null),
                other.get(key).unwrap_or(&Value::Null),
                found,
            );
        }
    } else if agent != cold {
        let shown = |value: &Value| {
            if value.is_null() {
                "nothing".to_owned()
            } else {
                value.to_string()
            }
        };
        found.push(Evidence::new(
            format!("{path}: the agent says {}, this walk {}", shown(agent), shown(cold)),
            json!({ "differs": path, "agent": agent, "walk": cold }),
        ));
    }
}
