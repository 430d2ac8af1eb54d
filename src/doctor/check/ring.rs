//! The ring buffer: whether it has room, and how large it would have to be.

use serde_json::json;

use super::super::change::{Change, Op};
use super::super::facts::{Facts, LiveAgent, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::loss::{Tally, root};
use super::{agent, memory, no_agent};
use crate::capture::memory::Sizes;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-LOSS-007",
    area: "loss",
    title: "The ring has room",
    weight: Weight::Minor,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(room),
    offline: None,
    page: include_str!("../pages/PIN-LOSS-007.md"),
}];

/// Larger rings than this are not advised: at that load fewer events help more.
const LARGEST_RING: u64 = 256 << 20;
/// From here on a moment that is a quarter worse loses events, in percent of what system calls may fill.
const NEARLY_FULL: u64 = 80;

/// PIN-LOSS-007.
fn room(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(ring) = &agent.second.ring else {
        return Finding::skipped("the agent is of a version that does not tell how full its ring has been");
    };
    let Some(most) = ring.window_fill_max_bytes.or(ring.fill_max_bytes) else {
        return Finding::skipped("the kernel side does not tell how full the ring has been");
    };
    let allowed = allowed(ring.size);
    let percent = most.saturating_mul(100) / allowed.max(1);
    let observed = json!({ "size": ring.size, "fill_max_bytes": most, "percent": percent });
    if let Some(root) = root(facts) {
        return Finding::skipped("events were dropped, so there was no room")
            .blocked_by(root)
            .observed(observed);
    }
    let summary = format!(
        "at its fullest in the last ten minutes {} of the {} that system calls may fill were waiting ({percent} %)",
        size(most),
        size(allowed)
    );
    let finding = if percent < NEARLY_FULL {
        Finding::ok(summary)
    } else {
        let finding = Finding::warn(summary).impact(
            "Nothing is lost yet. A moment that is a little worse loses events of system calls.",
            &["loss"],
            &[],
        );
        enlarge(facts, finding, &Tally::default())
    };
    finding
        .observed(observed)
        .expected(json!({ "percent": format!("< {NEARLY_FULL}") }))
        .evidence(
            &facts.live,
            "GetStatus ring",
            json!({ "size": ring.size, "fill_max_bytes": most }),
        )
}

/// What system calls may fill of a ring of this size: the rest is kept for the life of processes.
fn allowed(size: u64) -> u64 {
    Sizes {
        cpus: 1,
        ring: u32::try_from(size).unwrap_or(u32::MAX),
        processes: 1,
    }
    .share_of_calls()
}

/// Adds what makes the ring hold what it did not: a larger one, with the memory for it, or fewer events where it is large
/// already.
pub(super) fn enlarge(facts: &Facts, finding: Finding, lost: &Tally) -> Finding {
    let Some(agent) = agent(facts) else { return finding };
    let from = agent.second.ring_size;
    let to = wanted(agent, lost).min(LARGEST_RING);
    if from == 0 || to <= from {
        return finding
            .remedy(
                "The ring is large already: capture fewer kinds of events, or see whether the agent gets enough CPU time.",
                &["agent run --events process", "agent hooks"],
            )
            .change(Change::setting("events", json!(["process"])));
    }
    let mut commands = vec![format!("PINHOLE_CAPTURE_RING_SIZE={}", size(to))];
    let limit = memory::limit_for_ring(facts, to);
    if let Some(limit) = limit {
        let mebibytes = limit.div_ceil(1 << 20);
        commands.push(match facts.place {
            Place::Kubernetes => format!("resources:\n  limits:\n    memory: {mebibytes}Mi"),
            Place::Container => format!("--memory {mebibytes}m"),
            Place::Host => format!("MemoryMax={mebibytes}M"),
        });
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let why = match needed(agent) {
        Some(_) => "which would have held the worst moment since the agent's start",
        None => "by the share that was lost",
    };
    let memory = match (limit, &facts.memory.value) {
        (Some(_), _) => ", and the memory limit with it",
        (None, Ok(memory)) if memory.limit.is_some() => "; the memory limit holds it",
        (None, _) => "; it counts towards a container's memory limit",
    };
    let text = format!(
        "Enlarge the ring buffer from {} to {}, {why}{memory}.",
        size(from),
        size(to)
    );
    let finding = finding
        .remedy(text, &commands)
        .change(Change::setting("capture.ring_size", size(to)));
    match limit {
        Some(limit) if facts.place == Place::Kubernetes => finding.change(Change::container(
            Op::Replace,
            "/resources/limits/memory",
            format!("{}Mi", limit.div_ceil(1 << 20)),
        )),
        _ => finding,
    }
}

/// What the agent measured that a ring would have had to be.
fn needed(agent: &LiveAgent) -> Option<u64> {
    let needed = agent.second.ring.as_ref().map(|ring| ring.needed_bytes);
    needed.filter(|needed| *needed > agent.second.ring_size)
}

/// The ring must hold what arrives while the reader is held up. Where the agent has not measured that, a ring that lost one
/// event in n is taken to be too small by about that share for the bursts it met, and is doubled at least.
fn wanted(agent: &LiveAgent, lost: &Tally) -> u64 {
    needed(agent).unwrap_or_else(|| {
        let kept = lost.delivered.max(1);
        let factor = kept
            .saturating_add(lost.dropped)
            .div_ceil(kept)
            .max(2)
            .checked_next_power_of_two();
        factor
            .and_then(|factor| agent.second.ring_size.checked_mul(factor))
            .unwrap_or(u64::MAX)
    })
}

/// A size as the configuration takes it, without rounding.
fn size(bytes: u64) -> String {
    match (bytes % (1 << 20), bytes % (1 << 10)) {
        (0, _) => format!("{}MiB", bytes >> 20),
        (_, 0) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}
