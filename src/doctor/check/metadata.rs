//! Metadata: how complete it is and how long it took, by the running agent's own counters.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, no_agent, thresholds};
use crate::container::{Reason, Status};
use crate::control::api;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-META-001",
        area: "metadata",
        title: "Events of containers carry complete metadata",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-LIVE-001")],
        judge: Some(completeness),
        offline: None,
        page: include_str!("../pages/PIN-META-001.md"),
    },
    Definition {
        id: "PIN-META-002",
        area: "metadata",
        title: "Container lookups are quick",
        weight: Weight::Minor,
        needs: &[Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-LIVE-001")],
        judge: Some(latency),
        offline: None,
        page: include_str!("../pages/PIN-META-002.md"),
    },
];

/// PIN-META-001.
fn completeness(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let count = |status: Status| agent.second.metadata_status.get(status.as_str()).copied().unwrap_or(0);
    let all: u64 = agent.second.metadata_status.values().sum();
    let contained = all.saturating_sub(count(Status::Host));
    if contained == 0 {
        return Finding::skipped("the agent has not seen an event of a container yet");
    }
    if agent
        .second
        .backend
        .as_ref()
        .is_some_and(|backend| backend.reduced.is_some())
    {
        return Finding::skipped("the agent runs reduced, which tells no container: see PIN-KRN-002 and PIN-BPF-001");
    }
    let complete = count(Status::Complete);
    let gap = contained.saturating_sub(complete);
    let share = ratio(contained - gap.min(contained), contained);
    let reasons: BTreeMap<&String, &u64> = agent
        .second
        .metadata_reason
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    let observed = json!({ "complete": complete, "of": contained, "share": rounded(share), "reasons": reasons });
    let finding = if gap == 0 {
        Finding::ok(format!("{complete} of {contained} events of containers are complete"))
    } else {
        let summary = format!(
            "{gap} of {contained} events of containers lack metadata ({:.2} %), mostly: {}",
            ratio(gap, contained) * 100.0,
            dominant(&reasons).map_or("no reason given", Reason::as_str),
        );
        let finding = if share < thresholds(facts).complete_percent / 100.0 {
            Finding::fail(summary)
        } else {
            Finding::warn(summary)
        };
        let (text, commands) = remedy(dominant(&reasons));
        finding
            .impact(
                "Rules that name containers, images or namespaces cannot judge these events.",
                &["metadata"],
                &["container", "kubernetes"],
            )
            .remedy(text, commands)
    };
    let finding = finding.observed(observed).expected(json!({ "share": 1.0 })).evidence(
        &facts.live,
        "GetStatus metadata_status",
        json!(agent.second.metadata_status.iter().collect::<BTreeMap<_, _>>()),
    );
    let lacking = lacking(&agent.second.metadata_fields);
    if lacking.is_empty() {
        return finding;
    }
    finding.evidence(&facts.live, "GetStatus metadata_fields", json!(lacking))
}

/// The fields that some events lack: in how many they are, and why not in the others.
fn lacking(fields: &HashMap<String, api::FieldCount>) -> BTreeMap<&String, Value> {
    let lacking = fields.iter().filter(|(_, count)| !count.missing.is_empty());
    lacking
        .map(|(field, count)| {
            let missing: BTreeMap<_, _> = count.missing.iter().collect();
            (field, json!({ "present": count.present, "missing": missing }))
        })
        .collect()
}

/// The most frequent reason; of equals the first in the order of [`Reason::ALL`].
fn dominant(reasons: &BTreeMap<&String, &u64>) -> Option<Reason> {
    let count = |reason: Reason| {
        reasons
            .iter()
            .find(|(word, _)| word.as_str() == reason.as_str())
            .map_or(0, |(_, count)| **count)
    };
    let mut best: Option<(Reason, u64)> = None;
    for reason in Reason::ALL {
        let count = count(reason);
        if count > best.map_or(0, |(_, most)| most) {
            best = Some((reason, count));
        }
    }
    best.map(|(reason, _)| reason)
}

fn remedy(reason: Option<Reason>) -> (&'static str, &'static [&'static str]) {
    match reason {
        Some(Reason::RuntimeTimeout | Reason::LookupPending | Reason::CircuitOpen) => (
            "The runtime answers too slowly. Give it more time (an event then waits longer), or find out what loads it.",
            &["PINHOLE_RUNTIME_CALL_TIMEOUT=4s", "PINHOLE_RUNTIME_LOOKUP_BUDGET=2s"],
        ),
        Some(Reason::ContainerUnknown) => (
            "Another runtime than the one that answers made these containers, or they were gone before they could be looked \
             up. Add the other runtime's socket.",
            &["agent doctor --runtime-socket PATH"],
        ),
        Some(Reason::CgroupUnknown | Reason::CgroupUnreadable) => (
            "The kernel did not name the cgroup of these processes. See the field unreadable of the hooks.",
            &["agent doctor --format json"],
        ),
        Some(Reason::CgroupMismatch) => (
            "Processes run in cgroups that bear the id of a container which is elsewhere. Look for who made these cgroups: a \
             privileged container, or one that may write to the cgroup file system, can imitate another one like that.",
            &["systemd-cgls --no-pager"],
        ),
        Some(Reason::ImageNameUnknown) => (
            "The runtime has only the digest of these images: they were pulled by digest or their name was moved to another \
             image. Refer to images by name and digest together.",
            &["crictl images --digests"],
        ),
        Some(
            Reason::NoRuntimeSocket
            | Reason::SocketPermission
            | Reason::SocketRefused
            | Reason::SocketProtocol
            | Reason::CriUnimplemented,
        ) => (
            "The runtime was out of reach for a while; it answers now. See when in the agent's log.",
            &["agent doctor"],
        ),
        Some(Reason::RuntimeError | Reason::AnswerUnusable | Reason::SandboxUnknown) | None => (
            "The runtime's own log tells more.",
            &["journalctl -u containerd -u crio --since -1h"],
        ),
    }
}

/// PIN-META-002.
fn latency(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(lookups) = agent.second.lookups.filter(|lookups| lookups.count > 0) else {
        return Finding::skipped("the agent has not looked up a container yet");
    };
    let values = json!({ "count": lookups.count, "p50_us": lookups.p50_us, "p99_us": lookups.p99_us });
    let budget = u64::try_from(facts.config.lookup_budget.as_micros()).unwrap_or(u64::MAX);
    let words = format!(
        "{} lookups, half within {:.1} ms, 99 % within {:.1} ms",
        lookups.count,
        millis(lookups.p50_us),
        millis(lookups.p99_us)
    );
    let quick = u64::from(thresholds(facts).lookup_p99_ms) * 1000;
    let finding = if lookups.p99_us < quick.min(budget) {
        Finding::ok(words)
    } else {
        let finding = if lookups.p99_us >= budget {
            Finding::fail(words)
        } else {
            Finding::warn(words)
        };
        finding
            .impact(
                "An event is held back until its container is known, so the ring buffer fills meanwhile; past the budget the \
                 event goes out without names.",
                &["metadata", "loss"],
                &["container", "kubernetes"],
            )
            .remedy(
                "Find out what slows the runtime (its disk, most often); a larger ring bridges longer waits.",
                &["time crictl ps >/dev/null", "PINHOLE_CAPTURE_RING_SIZE=16MiB"],
            )
    };
    finding
        .observed(values.clone())
        .expected(json!({ "p99_us": format!("< {}", quick.min(budget)) }))
        .evidence(&facts.live, "GetStatus lookups", values)
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn rounded(share: f64) -> f64 {
    (share * 10_000.0).floor() / 10_000.0
}

#[expect(clippy::cast_precision_loss, reason = "one decimal of a duration")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_events_lack_are_shown() {
        let count = |missing: &[(&str, u64)]| api::FieldCount {
            present: 7,
            inapplicable: 1,
            missing: missing
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
        };
        let fields = HashMap::from([
            ("container.name".to_owned(), count(&[])),
            (
                "container.image".to_owned(),
                count(&[("image_name_unknown", 3), ("runtime_timeout", 1)]),
            ),
        ]);
        let shown = json!(lacking(&fields));
        let missing = json!({ "image_name_unknown": 3, "runtime_timeout": 1 });
        assert_eq!(
            shown,
            json!({ "container.image": { "present": 7, "missing": missing } })
        );
    }
}
