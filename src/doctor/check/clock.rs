//! The clock: whether the times of events are those of the calendar.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::live::Span;
use super::super::facts::{CanaryFact, Facts, LiveAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: ID,
    area: "live",
    title: "The agent's clock agrees",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(agrees),
    offline: None,
    page: include_str!("../pages/PIN-LIVE-006.md"),
}];

const ID: &str = "PIN-LIVE-006";
const SECOND: i64 = 1_000_000_000;
/// The agent follows a calendar that was set within a second.
const TOLERANCE: i64 = SECOND;

/// PIN-LIVE-006.
fn agrees(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let status = &agent.second;
    if status.unix_time_ns == 0 {
        return Finding::skipped("the agent is of a version that does not tell its time");
    }
    let told = agent.asked.distance(status.unix_time_ns);
    let seen = event_off(facts, agent);
    let mut observed = json!({ "off_ms": told / 1_000_000, "clock_steps": status.clock_steps });
    if let Some(seen) = seen {
        observed["event_off_ms"] = json!(seen / 1_000_000);
    }
    if status.clock_steps > 0 {
        observed["last_step_ms"] = json!(status.last_step_ms);
    }
    let finding = if told.abs() > TOLERANCE {
        wrong(
            facts,
            format!("the agent's calendar is {} the machine's", off(told)),
            "The agent looks at the calendar each second, in its loop. One that stands still does not (PIN-LIVE-003); otherwise this is \
             a fault of the agent: report it and start it anew.",
        )
    } else if let Some(seen) = seen.filter(|seen| seen.abs() > TOLERANCE) {
        wrong(
            facts,
            format!("the time in the canary's event is {} the machine's", off(seen)),
            "The kernel tells times since the boot of the machine, and the agent reads a clock with another beginning, as in a time \
             namespace with an offset of its boot clock. Start the agent without one.",
        )
    } else if status.clock_steps > 0 {
        Finding::ok(format!(
            "the agent's calendar is the machine's. That was set {} times since its start, the last time {}: events from before bear \
             the time of then",
            status.clock_steps,
            by(status.last_step_ms)
        ))
    } else {
        Finding::ok("the agent's calendar is the machine's, and was not set since its start")
    };
    finding
        .observed(observed.clone())
        .expected(json!({ "off_ms": format!("-{0} to {0}", TOLERANCE / 1_000_000) }))
        .evidence(
            &facts.live,
            "GetStatus unix_time_ns, and CLOCK_REALTIME around the call",
            observed,
        )
}

/// How far the time in the event of the doctor's canary is from when it ran, in nanoseconds.
fn event_off(facts: &Facts, agent: &LiveAgent) -> Option<i64> {
    let (ran, time): (Span, i64) = agent.canary_ran.zip(event_time(facts))?;
    Some(ran.distance(time))
}

/// This check, where the agent reads a clock with another beginning than the kernel's: every age that it tells of a record is
/// wrong then, too.
pub(super) fn misdates(facts: &Facts) -> Option<&'static str> {
    let off = event_off(facts, agent(facts)?)?;
    (off.abs() > TOLERANCE).then_some(ID)
}

/// The time in the canary's event, in nanoseconds since the epoch.
fn event_time(facts: &Facts) -> Option<i64> {
    let Ok(CanaryFact::Seen { event, .. }) = &facts.canary.value else {
        return None;
    };
    let time: jiff::Timestamp = event["time"].as_str()?.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

fn off(nanoseconds: i64) -> String {
    let seconds = nanoseconds.unsigned_abs() / SECOND.unsigned_abs();
    if nanoseconds < 0 {
        format!("{seconds} s behind")
    } else {
        format!("{seconds} s ahead of")
    }
}

fn by(millis: i64) -> String {
    let seconds = millis.unsigned_abs() / 1000;
    if millis < 0 {
        format!("{seconds} s back")
    } else {
        format!("{seconds} s forward")
    }
}

fn wrong(facts: &Facts, summary: String, remedy: &str) -> Finding {
    Finding::fail(summary)
        .impact(
            "Events bear wrong times: they cannot be put in order with those of other nodes and logs.",
            &["capture"],
            &["time"],
        )
        .remedy(
            remedy,
            &[
                commands::restart(facts.place),
                "cat /proc/self/timens_offsets",
                "timedatectl",
            ],
        )
        .change(Change::node("agent", "restarted"))
}
