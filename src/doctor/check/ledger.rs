//! The ledger: whether every event is accounted for.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::{Facts, LiveAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::loss::hooks;
use super::{agent, no_agent};
use crate::control::api::HookCounters;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-LOSS-002",
    area: "loss",
    title: "The ledger balances",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(ledger),
    offline: None,
    page: include_str!("../pages/PIN-LOSS-002.md"),
}];

/// How many runs of one hook may be under way on one CPU: a preempted one, and what interrupts it.
const UNDER_WAY_PER_CPU: i128 = 4;

/// PIN-LOSS-002.
fn ledger(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let hooks = hooks(agent);
    if hooks.is_empty() {
        return Finding::unknown("the agent reported no hooks");
    }
    let mut wrong: Vec<Value> = Vec::new();
    let mut moving: Vec<&str> = Vec::new();
    for (name, (_, now)) in &hooks {
        match balance(&readings(agent, name), agent.cpus) {
            Balance::Even => {}
            Balance::Moving => moving.push(name),
            Balance::Off(difference) => wrong.push(json!({
                "hook": name, "seen": now.seen, "filtered": now.filtered, "delivered": now.delivered,
                "dropped": now.dropped, "unaccounted": i64::try_from(difference).unwrap_or(i64::MAX),
            })),
        }
    }
    let finding = if !wrong.is_empty() {
        Finding::fail(format!("{} of {} hooks do not balance", wrong.len(), hooks.len()))
            .observed(json!(wrong))
            .impact(
                "Events vanish without being counted, or are counted twice.",
                &["loss"],
                &["lost_before"],
            )
            .remedy(
                "This is a fault of the agent: report it with this report. A restart begins the account anew.",
                &["agent doctor --format json"],
            )
            .change(Change::node("agent", "restarted"))
    } else if moving.is_empty() {
        Finding::ok(format!(
            "seen = filtered + delivered + dropped for all {} hooks",
            hooks.len()
        ))
        .observed(json!([]))
    } else {
        Finding::unknown(format!(
            "the counters of {} moved while they were read, and showed the same difference every time; try again at a \
             quieter moment",
            moving.join(", ")
        ))
        .observed(json!([]))
    };
    finding.expected(json!([])).evidence(
        &facts.live,
        "GetStatus hooks, twice",
        json!(hooks.keys().collect::<Vec<_>>()),
    )
}

enum Balance {
    /// Everything is accounted for, but for what was under way.
    Even,
    /// The same small difference in every reading of counters that move: runs under way, or a small fault.
    Moving,
    Off(i128),
}

/// A hook counts its event as seen first and what became of it last, so a reading finds those that are under way
/// unaccounted for, and counters that move between the reading of the first and the last of them off either way. What is
/// under way ends: a difference is a fault only when it stays while nothing is seen, or when it is never small enough.
fn balance(readings: &[HookCounters], cpus: u32) -> Balance {
    let difference = |hook: &HookCounters| {
        i128::from(hook.seen) - i128::from(hook.filtered) - i128::from(hook.delivered) - i128::from(hook.dropped)
    };
    let differences: Vec<i128> = readings.iter().map(difference).collect();
    let Some(smallest) = differences.iter().copied().min_by_key(|difference| difference.abs()) else {
        return Balance::Even;
    };
    let stays = readings
        .windows(2)
        .all(|pair| pair[0].seen == pair[1].seen && difference(&pair[0]) == difference(&pair[1]));
    if smallest == 0 {
        Balance::Even
    } else if stays || smallest.abs() > UNDER_WAY_PER_CPU * i128::from(cpus.max(1)) {
        Balance::Off(smallest)
    } else if differences.iter().all(|difference| *difference == smallest) {
        Balance::Moving
    } else {
        Balance::Even
    }
}

/// Every reading of one hook's counters, oldest first.
fn readings(agent: &LiveAgent, hook: &str) -> Vec<HookCounters> {
    [&agent.first.hooks]
        .into_iter()
        .chain(&agent.between)
        .chain([&agent.second.hooks])
        .filter_map(|hooks| hooks.get(hook).copied())
        .collect()
}
