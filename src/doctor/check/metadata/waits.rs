//! How long events are held up by lookups.

use serde_json::json;

use super::{latency, millis, ratio, rounded};
use crate::control::api::Lookups;
use crate::doctor::change::Change;
use crate::doctor::check::{agent, no_agent, runtime};
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use crate::doctor::report::Status;

/// From this part of the agent's life on waiting is worth a warning.
const MUCH: f64 = 0.05;
/// And from this part on events go out without their lookup: `runtime.wait_share`, whose default is a quarter, is used up
/// at times.
const TOO_MUCH: f64 = 0.2;
/// Of so many lookups that were wanted some may have been too many at once: the rest is asked for with the first event.
const OVERFLOWED: f64 = 0.01;
/// A younger agent is judged as if it were as old: it has looked up all that was there at its start.
const LEAST_SECONDS: f64 = 60.0;

/// PIN-META-005.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let status = &agent.second;
    let Some(lookups) = status.lookups else {
        return Finding::skipped("the agent is older and does not tell of lookups");
    };
    let open: Vec<&str> = status
        .runtimes
        .iter()
        .filter(|runtime| runtime.circuit_open)
        .map(|runtime| &*runtime.socket)
        .collect();
    let share = seconds(lookups.waited_us) / status.uptime_seconds.max(LEAST_SECONDS);
    let words = format!(
        "lookups held events up for {:.2} % of the time, for {:.1} ms at most",
        share * 100.0,
        millis(lookups.longest_wait_us)
    );
    let overflow = overflow(&lookups);
    let finding = if !open.is_empty() {
        Finding::fail(format!(
            "lookups leave {} alone: calls there were not answered",
            open.join(", ")
        ))
    } else if share >= TOO_MUCH {
        Finding::fail(words)
    } else if share >= MUCH {
        Finding::warn(words)
    } else if overflow >= OVERFLOWED {
        Finding::warn(format!(
            "{} lookups were not started, because too many were under way",
            lookups.overflowed
        ))
    } else {
        Finding::ok(words)
    };
    let finding = if finding.status() == Status::Ok {
        finding
    } else if let Some(root) = root(facts) {
        return Finding::skipped("the runtime is the cause").blocked_by(root);
    } else {
        finding
            .impact(
                "While an event waits, those behind it wait too and the ring buffer fills; what may not wait goes out without \
                 names.",
                &["metadata", "loss"],
                &["container", "kubernetes"],
            )
            .remedy(
                "Find out what slows the runtime, or what makes containers so fast. Less waiting gives events without names \
                 instead.",
                &[
                    "time crictl ps >/dev/null",
                    "PINHOLE_RUNTIME_LOOKUP_BUDGET=500ms",
                    "PINHOLE_RUNTIME_WAIT_SHARE=5%",
                ],
            )
            .change(Change::node("container runtime", "answers within milliseconds"))
    };
    let observed = json!({
        "waited_share": rounded(share),
        "longest_wait_us": lookups.longest_wait_us,
        "overflowed": lookups.overflowed,
        "in_flight": lookups.in_flight,
        "circuits_open": open,
    });
    finding
        .observed(observed.clone())
        .expected(json!({
            "waited_share": format!("< {MUCH}"),
            "overflowed": format!("< {OVERFLOWED} of the lookups"),
            "circuits_open": [],
        }))
        .evidence(&facts.live, "GetStatus lookups", observed)
}

/// One cause, one finding: where the runtime itself or its lookups are found to be slow, that is the root.
fn root(facts: &Facts) -> Option<&'static str> {
    let is_root = |finding: Finding| matches!(finding.status(), Status::Warn | Status::Fail);
    if is_root(runtime::any(facts)) {
        Some("PIN-RUN-001")
    } else if is_root(runtime::quick(facts)) {
        Some("PIN-RUN-008")
    } else if is_root(latency::judge(facts)) {
        Some("PIN-META-002")
    } else {
        None
    }
}

/// The share of the lookups that were wanted and not started.
fn overflow(lookups: &Lookups) -> f64 {
    if lookups.overflowed == 0 {
        return 0.0;
    }
    ratio(lookups.overflowed, lookups.count.saturating_add(lookups.overflowed))
}

#[expect(clippy::cast_precision_loss, reason = "a share of time")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}
