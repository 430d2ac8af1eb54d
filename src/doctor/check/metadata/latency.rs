//! How long lookups take.

use serde_json::json;

use super::millis;
use crate::doctor::change::Change;
use crate::doctor::check::{agent, no_agent, runtime, thresholds};
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use crate::doctor::report::Status;

/// From so many lookups on the slowest of a hundred is told from the slowest of all, which proves nothing on a busy node.
const ENOUGH: u64 = 10;

/// PIN-META-002.
pub(super) fn judge(facts: &Facts) -> Finding {
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
    let (part, took) = if lookups.count < ENOUGH {
        ("p50_us", lookups.p50_us)
    } else {
        ("p99_us", lookups.p99_us)
    };
    let finding = if took < quick.min(budget) {
        Finding::ok(words)
    } else if matches!(runtime::quick(facts).status(), Status::Warn | Status::Fail) {
        // One cause, one finding: the runtime is slow for whoever asks.
        return Finding::skipped(words).blocked_by("PIN-RUN-008");
    } else {
        let finding = if took >= budget {
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
            .change(Change::node("container runtime", "answers within milliseconds"))
    };
    finding
        .observed(values.clone())
        .expected(json!({ part: format!("< {}", quick.min(budget)) }))
        .evidence(&facts.live, "GetStatus lookups", values)
}
