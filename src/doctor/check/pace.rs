//! Pace: whether events come out in time, and whether the agent goes on looking at its own privileges.

use std::time::Duration;

use serde_json::json;

use super::super::change::{Change, Op};
use super::super::facts::{Facts, LiveAgent, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::super::report::Status;
use super::{agent, clock, commands, metadata, no_agent, output};
use crate::privilege::guard::INTERVAL;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-LIVE-005",
        area: "live",
        title: "Events come out in time",
        weight: Weight::Minor,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(in_time),
        offline: None,
        page: include_str!("../pages/PIN-LIVE-005.md"),
    },
    Definition {
        id: "PIN-LIVE-007",
        area: "live",
        title: "The agent looks at its own privileges",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(guarded),
        offline: None,
        page: include_str!("../pages/PIN-LIVE-007.md"),
    },
];

/// What the slowest hundredth of events may take beyond `capture.batch`: a lookup of a container that nobody has seen before,
/// at its usual worst.
const SLOW: Duration = Duration::from_millis(250);
/// From here on whoever alerts on events is late by seconds.
const LATE: Duration = Duration::from_secs(2);
/// A hundredth of fewer events is a handful, which the start of the agent explains.
const ENOUGH: u64 = 1000;

/// PIN-LIVE-005.
fn in_time(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let window = agent.second.window.as_ref().and_then(|window| window.latency.as_ref());
    let (latency, when) = match (window, &agent.second.latency) {
        (Some(latency), _) => (latency, "in the last ten minutes"),
        (None, Some(latency)) => (latency, "since the agent's start"),
        (None, None) => {
            return Finding::skipped("the agent is of a version that does not tell how long events take");
        }
    };
    let batch = batch(agent);
    let p99 = Duration::from_micros(latency.p99_us);
    let observed = json!({
        "count": latency.count, "p50_us": latency.p50_us, "p90_us": latency.p90_us, "p99_us": latency.p99_us,
        "max_us": latency.max_us, "batch_us": u64::try_from(batch.as_micros()).unwrap_or(u64::MAX),
    });
    let summary = format!(
        "99 of 100 events {when} were written within {} of their hook, half of them within {}",
        millis(p99),
        millis(Duration::from_micros(latency.p50_us))
    );
    let finding = match p99.saturating_sub(batch) {
        _ if latency.count < ENOUGH => Finding::ok(format!("only {} events were written {when}", latency.count)),
        beyond if beyond < SLOW => Finding::ok(summary),
        // One container that was looked up while its runtime was busy: its first events are a hundredth of a short time's.
        beyond if beyond < LATE && p99 <= longest_wait(agent).saturating_add(batch + SLOW) => Finding::ok(format!(
            "{summary}: as long as a runtime was waited for, {} at the longest",
            millis(longest_wait(agent))
        )),
        // One cause, one finding.
        _ if output::holds_up(facts) => {
            return Finding::skipped(summary).blocked_by(output::ID).observed(observed);
        }
        _ if let Some(root) = clock::misdates(facts) => {
            return Finding::skipped(summary).blocked_by(root).observed(observed);
        }
        _ if !matches!(metadata::quick(facts).status(), Status::Ok) => {
            return Finding::skipped(summary).blocked_by("PIN-META-002").observed(observed);
        }
        beyond if beyond < LATE => starved(facts, Finding::warn(summary)),
        _ => starved(facts, Finding::fail(summary)),
    };
    finding
        .observed(observed.clone())
        .expected(json!({ "p99_us": format!("< {}", (SLOW + batch).as_micros()) }))
        .evidence(
            &facts.live,
            if window.is_some() {
                "GetStatus window latency"
            } else {
                "GetStatus latency"
            },
            observed,
        )
}

/// The longest that an event waited for a runtime's answer since the agent's start. A setting bounds it
/// (`runtime.lookup_budget`), and PIN-META-005 judges how often it is long.
fn longest_wait(agent: &LiveAgent) -> Duration {
    let lookups = agent.second.lookups.as_ref();
    lookups.map_or(Duration::ZERO, |lookups| Duration::from_micros(lookups.longest_wait_us))
}

/// How long the running agent lets events wait by its settings.
fn batch(agent: &LiveAgent) -> Duration {
    let setting = agent.second.settings.iter().find(|it| it.key == "capture.batch");
    setting
        .and_then(|it| humantime::parse_duration(it.value.trim_matches('"')).ok())
        .unwrap_or_default()
}

fn starved(facts: &Facts, finding: Finding) -> Finding {
    let finding = finding.impact(
        "Whoever alerts on events is as late as they are. Nothing is lost as long as the ring has room.",
        &["capture"],
        &[],
    );
    match facts.place {
        Place::Kubernetes => finding
            .remedy(
                "The agent gets too little CPU time: nobody holds its output up, and lookups are quick. Raise the CPU that it requests, \
                 which is its share on a busy node, or capture fewer kinds of events.",
                &[
                    "resources:\n  requests:\n    cpu: 200m",
                    "kubectl -n pinhole top pod",
                    "agent run --events process",
                ],
            )
            .change(Change::container(Op::Replace, "/resources/requests/cpu", "200m")),
        Place::Container | Place::Host => finding
            .remedy(
                "The agent gets too little CPU time: nobody holds its output up, and lookups are quick. Give it a larger share, or \
                 capture fewer kinds of events.",
                &["cat /proc/pressure/cpu", "CPUWeight=500", "agent run --events process"],
            )
            .change(Change::node("CPU share of the agent", "enough")),
    }
}

fn millis(time: Duration) -> String {
    let us = time.as_micros();
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

/// PIN-LIVE-007.
fn guarded(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(checks) = &agent.second.privilege_checks else {
        return Finding::skipped("the agent is of a version that does not look at its own privileges while it runs");
    };
    let most = u64::try_from((3 * INTERVAL).as_millis()).unwrap_or(u64::MAX);
    let seconds = checks.age_ms / 1000;
    let finding = if checks.age_ms <= most {
        Finding::ok(format!(
            "looked {} times and found nothing, the last time {seconds} s ago",
            checks.count
        ))
    } else {
        Finding::fail(format!(
            "the agent has not looked at its own privileges for {seconds} s, and should every {} s",
            INTERVAL.as_secs()
        ))
        .impact(
            "A thread that came to a capability, lost its filter, or was started by somebody else would not be noticed.",
            &["privilege"],
            &[],
        )
        .remedy(
            "The thread that looks hangs or starves, or /proc no longer shows the agent itself: its log says so. Otherwise this is a fault \
             of the agent: report it and start it anew.",
            &[commands::log(facts.place), commands::restart(facts.place)],
        )
        .change(Change::node("agent", "restarted"))
    };
    let observed = json!({ "count": checks.count, "age_ms": checks.age_ms });
    finding
        .observed(observed.clone())
        .expected(json!({ "age_ms": most }))
        .evidence(&facts.live, "GetStatus privilege_checks", observed)
}
