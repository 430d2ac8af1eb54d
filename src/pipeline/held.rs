//! What the resolver holds of containers, as the admin socket tells it.

use std::time::Duration;

use crate::container::resolver::holding::{Held, Holding, Wanted};
use crate::control::api::{GetContainersReply, GetContainersRequest, HeldContainer};

/// How much JSON one answer has, in bytes: a container's takes 1 kB, and 50 kB where labels and mounts are as many as are
/// kept. A client takes answers of 1 MiB.
const JSON_LIMIT: usize = 768 << 10;

/// What a question asks for.
pub(super) fn wanted(question: &GetContainersRequest) -> Wanted {
    let filled = |word: &String| Some(word.clone()).filter(|word| !word.is_empty());
    Wanted {
        ids: question.ids.clone(),
        prefix: filled(&question.id_prefix),
        pod: filled(&question.namespace).zip(filled(&question.pod)),
        name: filled(&question.name),
    }
}

/// The answer to it.
pub(super) fn told(holding: Holding) -> GetContainersReply {
    let mut reply = GetContainersReply {
        more: holding.more,
        containers: Vec::new(),
    };
    let mut size = 0;
    for container in holding.containers.into_iter().map(held) {
        size += container.outcome_json.as_ref().map_or(0, String::len);
        if size > JSON_LIMIT {
            reply.more = true;
            break;
        }
        reply.containers.push(container);
    }
    reply
}

fn held(held: Held) -> HeldContainer {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    HeldContainer {
        id: held.id,
        // Strings and numbers under fixed keys: there is nothing in it that JSON cannot say.
        outcome_json: held.outcome.and_then(|outcome| serde_json::to_string(&*outcome).ok()),
        cause: held.cause.to_owned(),
        age_us: held.age.map(micros),
        expires_in_us: held.expires.map(micros),
        in_flight_us: held.in_flight.map(micros),
        cgroups_path: held.cgroups_path.map(|path| path.to_string()),
        told: held.told,
    }
}
