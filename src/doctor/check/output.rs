//! The output: whether what the agent writes is taken.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, LiveAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};
use crate::control::api::Output;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: ID,
    area: "loss",
    title: "The output keeps up",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(keeps_up),
    offline: None,
    page: include_str!("../pages/PIN-LOSS-006.md"),
}];

/// Drops name it where it is their cause.
pub(super) const ID: &str = "PIN-LOSS-006";

/// A reader that pauses for less is no matter: the ring holds what arrives meanwhile.
const PAUSE_US: u64 = 1_000_000;
/// From here on nobody reads.
const STANDS_STILL_US: u64 = 5_000_000;
/// A failure that is no older goes on, as far as anybody can tell.
const GOES_ON_MS: u64 = 10 * 60 * 1000;
/// What is older is told and no longer warned of.
const LONG_AGO_MS: u64 = 60 * 60 * 1000;

/// Whether writing holds the pipeline up at this moment: events then collect in the ring until it is full.
pub(super) fn holds_up(facts: &Facts) -> bool {
    agent(facts).is_some_and(|agent| {
        let output = agent.second.output.as_ref();
        output.is_some_and(|output| waits_now(output).is_some() || waits_mostly(agent, output))
    })
}

/// How long the write that is under way has waited, where that is worth a word.
fn waits_now(output: &Output) -> Option<u64> {
    output.blocked_now_us.filter(|us| *us >= PAUSE_US)
}

/// Whether writing waited for half of the time that the doctor watched.
fn waits_mostly(agent: &LiveAgent, output: &Output) -> bool {
    waited_percent(agent, output) >= 50
}

fn waited_percent(agent: &LiveAgent, output: &Output) -> u64 {
    let before = agent.first.output.as_ref().map_or(0, |before| before.blocked_us);
    let waited = u128::from(output.blocked_us.saturating_sub(before));
    let percent = waited * 100 / agent.window.as_micros().max(1);
    u64::try_from(percent).unwrap_or(100).min(100)
}

/// PIN-LOSS-006.
fn keeps_up(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(output) = &agent.second.output else {
        return Finding::skipped("the agent is of a version that does not tell what became of its output");
    };
    let percent = waited_percent(agent, output);
    let failed = output.last_failure_age_ms.unwrap_or(u64::MAX);
    let kind = &output.kind;
    let lost = format!(
        "{} lines of output were lost: {} ({} writes to {kind} failed)",
        output.lost_lines, output.last_error, output.failures
    );
    let finding = if output.failures > 0 && failed <= GOES_ON_MS {
        no_room(
            facts,
            Finding::fail(format!("{lost}, the last {} s ago", failed / 1000)),
        )
    } else if let Some(us) = waits_now(output) {
        let summary = format!(
            "nobody has taken what the agent writes to {kind} for {} s",
            us / 1_000_000
        );
        if us >= STANDS_STILL_US {
            nobody_reads(facts, Finding::fail(summary))
        } else {
            nobody_reads(facts, Finding::warn(summary))
        }
    } else if waits_mostly(agent, output) {
        let millis = agent.window.as_millis();
        nobody_reads(
            facts,
            Finding::warn(format!(
                "writing to {kind} waited for {percent} % of {millis} ms: whoever reads it is slower than the events"
            )),
        )
    } else if output.failures > 0 && failed <= LONG_AGO_MS {
        no_room(
            facts,
            Finding::warn(format!("{lost}, the last {} min ago", failed / 60_000)),
        )
    } else if output.failures > 0 {
        Finding::ok(format!(
            "writes succeed again for more than an hour; before that {lost}"
        ))
    } else {
        Finding::ok(format!(
            "{} bytes were written to {kind}, and it never waited longer than {} ms",
            output.written_bytes,
            output.longest_block_us / 1000
        ))
    };
    let mut observed = json!({
        "kind": kind, "written_bytes": output.written_bytes, "failures": output.failures, "lost_lines": output.lost_lines,
        "blocked_us": output.blocked_us, "longest_block_us": output.longest_block_us, "waited_percent": percent,
    });
    if let Some(us) = output.blocked_now_us {
        observed["blocked_now_us"] = json!(us);
    }
    if !output.last_error.is_empty() {
        observed["last_error"] = json!(output.last_error);
    }
    finding
        .observed(observed.clone())
        .expected(json!({ "failures": 0, "waited_percent": "< 50" }))
        .evidence(&facts.live, "GetStatus output, twice", observed)
}

fn no_room(facts: &Facts, finding: Finding) -> Finding {
    finding
        .impact(
            "Events were captured and enriched, and nobody will read them. The summary counts the lost lines.",
            &["output"],
            &[],
        )
        .remedy(
            "Make room where standard output goes: rotate or remove files there, or send it elsewhere. The agent goes on by itself \
             as soon as there is room.",
            &["df -h", commands::log(facts.place)],
        )
        .change(Change::node("disk of the output", "has room"))
}

fn nobody_reads(facts: &Facts, finding: Finding) -> Finding {
    finding
        .impact(
            "The pipeline waits with it. Events collect in the ring until it is full, and are lost then.",
            &["capture", "loss", "output"],
            &["lost_before"],
        )
        .remedy(
            "See who reads the agent's standard output: the container runtime, a log collector, a program behind a pipe. It hangs or \
             is too slow. Fewer events help one that is too slow.",
            &[
                "ls -l /proc/$(pidof agent)/fd/1",
                "agent run --events process",
                commands::log(facts.place),
            ],
        )
        .change(Change::node("reader of the output", "keeps up"))
}
