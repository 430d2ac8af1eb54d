//! Loss: how much was dropped, of everything and of each hook.
//!
//! One cause makes one finding. What was dropped because nobody takes the output is the output's finding; otherwise it is that
//! of the total where the total is beyond the budget, else that of the hooks which are, else again that of the total.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::super::facts::{Facts, LiveAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::super::report::Status;
use super::{agent, no_agent, output, ring, thresholds};
use crate::control::api::{HookCounters, Rate};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: TOTAL,
        area: "loss",
        title: "No event is dropped",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(drops),
        offline: None,
        page: include_str!("../pages/PIN-LOSS-001.md"),
    },
    Definition {
        id: BY_HOOK,
        area: "loss",
        title: "No hook loses more than its budget",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(budgets),
        offline: None,
        page: include_str!("../pages/PIN-LOSS-003.md"),
    },
];

const TOTAL: &str = "PIN-LOSS-001";
const BY_HOOK: &str = "PIN-LOSS-003";
/// The longest window that rates are told over, in seconds.
const HOUR: f64 = 3600.0;

/// The check whose finding the drops are, where there are any to speak of.
pub(super) fn root(facts: &Facts) -> Option<&'static str> {
    let total = total(facts, agent(facts)?).status();
    let over = hooks_over_budget(facts).is_some_and(|over| !over.is_empty());
    match total {
        Status::Warn | Status::Fail if output::holds_up(facts) => Some(output::ID),
        Status::Fail => Some(TOTAL),
        _ if over => Some(BY_HOOK),
        Status::Warn => Some(TOTAL),
        _ => None,
    }
}

/// PIN-LOSS-001.
fn drops(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let finding = total(facts, agent);
    match root(facts) {
        Some(root) if root != TOTAL && finding.status() != Status::Ok => {
            Finding::skipped(format!("what was dropped is the matter of {root}"))
                .blocked_by(root)
                .observed(observed(agent))
        }
        _ => finding,
    }
}

/// The account of all hooks together.
fn total(facts: &Facts, agent: &LiveAgent) -> Finding {
    let hooks = hooks(agent);
    let lifetime = hooks.values().fold(Tally::default(), |sum, (_, now)| sum.add(now));
    let window = hooks
        .values()
        .fold(Tally::default(), |sum, (then, now)| sum.add(&since(then, now)));
    let millis = millis(agent);
    let rates = &agent.second.rates;
    let finding = if lifetime.dropped == 0 {
        Finding::ok(format!("none of {} events was dropped", lifetime.seen))
    } else if window.dropped == 0 && hour_without_loss(rates) {
        Finding::ok(format!(
            "no event was dropped in the last hour; {} of {} wanted events were before that",
            lifetime.dropped,
            lifetime.wanted()
        ))
    } else {
        let summary = format!(
            "{} of {} wanted events were dropped ({:.3} %), {} of {} in the last {} ms{}",
            lifetime.dropped,
            lifetime.wanted(),
            lifetime.share() * 100.0,
            window.dropped,
            window.wanted(),
            millis,
            rates
                .get("1m")
                .map(|minute| format!(", {:.1} a second in the last minute", minute.dropped))
                .unwrap_or_default()
        );
        // How it is now counts, and what a young agent cannot tell apart from that: what was long ago does not.
        let recent = rates.values().map(share).reduce(f64::max);
        let worst = recent.unwrap_or_else(|| lifetime.share()).max(window.share());
        let finding = if worst >= thresholds(facts).loss_percent / 100.0 {
            Finding::fail(summary)
        } else {
            Finding::warn(summary)
        };
        ring::enlarge(
            facts,
            finding.impact(IMPACT, &["capture", "loss"], &["lost_before"]),
            &lifetime,
        )
    };
    finding
        .observed(observed(agent))
        .expected(json!({ "lifetime": { "dropped": 0 } }))
        .evidence(
            &facts.live,
            "GetStatus hooks, twice",
            json!({ "hooks": hooks.len(), "milliseconds": millis }),
        )
}

const IMPACT: &str = "What was dropped was not judged. The next event after a loss says how many were lost before it.";

fn observed(agent: &LiveAgent) -> Value {
    let hooks = hooks(agent);
    let mut by_hook = Map::new();
    let (mut lifetime, mut window) = (Tally::default(), Tally::default());
    for (name, (then, now)) in hooks {
        let recent = since(&then, &now);
        (lifetime, window) = (lifetime.add(&now), window.add(&recent));
        if now.dropped > 0 {
            let told = json!({
                "lifetime": { "dropped": now.dropped, "seen": now.seen },
                "window": { "dropped": recent.dropped, "seen": recent.seen },
            });
            by_hook.insert(name.to_owned(), told);
        }
    }
    let mut observed = json!({
        "lifetime": { "dropped": lifetime.dropped, "seen": lifetime.seen },
        "window": { "dropped": window.dropped, "seen": window.seen, "milliseconds": millis(agent) },
        "hooks": by_hook,
        "ring_size": agent.second.ring_size,
    });
    if !agent.second.rates.is_empty() {
        observed["rates"] = rates_told(&agent.second.rates);
    }
    observed
}

fn millis(agent: &LiveAgent) -> u64 {
    u64::try_from(agent.window.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the agent ran through the last hour without a loss.
fn hour_without_loss(rates: &HashMap<String, Rate>) -> bool {
    rates
        .get("1h")
        .is_some_and(|hour| hour.seconds >= HOUR && hour.dropped <= 0.0)
}

/// The share of what should have arrived in the window that was dropped.
fn share(rate: &Rate) -> f64 {
    let wanted = rate.delivered + rate.dropped;
    if wanted > 0.0 { rate.dropped / wanted } else { 0.0 }
}

fn rates_told(rates: &HashMap<String, Rate>) -> Value {
    let windows: Map<String, Value> = rates
        .iter()
        .map(|(window, rate)| {
            let Rate {
                seconds,
                seen,
                delivered,
                dropped,
            } = rate;
            let rate = json!({ "seconds": seconds, "seen": seen, "delivered": delivered, "dropped": dropped });
            (window.clone(), rate)
        })
        .collect();
    Value::Object(windows)
}

/// PIN-LOSS-003.
fn budgets(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let (Some(window), Some(over)) = (&agent.second.window, hooks_over_budget(facts)) else {
        return Finding::skipped("the agent is of a version that does not tell what each hook lost lately");
    };
    let budget = thresholds(facts).loss_percent;
    let all = window.hooks.iter().filter(|(_, line)| line.dropped > 0);
    let shares: BTreeMap<&str, f64> = all
        .map(|(hook, line)| (hook.as_str(), rounded(Tally::default().add(line).share() * 100.0)))
        .collect();
    let minutes = format!("{:.0} minutes", (window.seconds / 60.0).max(1.0).round());
    let observed = json!({ "seconds": window.seconds, "lost_percent": shares });
    let finding = match root(facts) {
        _ if over.is_empty() => Finding::ok(format!("no hook lost {budget} % of its events in the last {minutes}")),
        Some(root) if root != BY_HOOK => {
            return Finding::skipped(format!("what was dropped is the matter of {root}"))
                .blocked_by(root)
                .observed(observed);
        }
        _ => {
            let named: Vec<String> = over
                .iter()
                .map(|(hook, tally)| format!("{hook} {:.1} % ({})", tally.share() * 100.0, tally.dropped))
                .collect();
            let finding = Finding::fail(format!(
                "hooks lost more than {budget} % of their events in the last {minutes}: {}",
                named.join(", ")
            ))
            .impact(IMPACT, &["capture", "loss"], &["lost_before"]);
            let lost = over.values().fold(Tally::default(), Tally::plus);
            ring::enlarge(facts, finding, &lost)
        }
    };
    finding
        .observed(observed)
        .expected(json!({ "lost_percent": format!("< {budget}") }))
        .evidence(&facts.live, "GetStatus window", json!(shares))
}

/// The hooks that lost more than the profile allows, of those with so many events that this can be said: one lost event of
/// ten is no tenth of many. None where the agent does not tell.
fn hooks_over_budget(facts: &Facts) -> Option<BTreeMap<&str, Tally>> {
    let window = agent(facts)?.second.window.as_ref()?;
    let budget = thresholds(facts).loss_percent / 100.0;
    #[expect(clippy::cast_precision_loss, reason = "compared with a share")]
    let over = |tally: &Tally| tally.dropped > 0 && tally.share() >= budget && tally.wanted() as f64 * budget >= 1.0;
    let tallies = window
        .hooks
        .iter()
        .map(|(hook, line)| (hook.as_str(), Tally::default().add(line)));
    Some(tallies.filter(|(_, tally)| over(tally)).collect())
}

fn rounded(percent: f64) -> f64 {
    (percent * 1000.0).round() / 1000.0
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) seen: u64,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
}

impl Tally {
    pub(super) fn add(self, hook: &HookCounters) -> Self {
        self.plus(&Self {
            seen: hook.seen,
            delivered: hook.delivered,
            dropped: hook.dropped,
        })
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            seen: self.seen.saturating_add(other.seen),
            delivered: self.delivered.saturating_add(other.delivered),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }

    /// What should have arrived.
    fn wanted(&self) -> u64 {
        self.delivered.saturating_add(self.dropped)
    }

    /// The share of what should have arrived that was dropped.
    #[expect(clippy::cast_precision_loss, reason = "a share for people and thresholds")]
    fn share(&self) -> f64 {
        match self.wanted() {
            0 => 0.0,
            wanted => self.dropped as f64 / wanted as f64,
        }
    }
}

/// Both snapshots by hook, in order of their names. A hook that is new in the second began at zero.
pub(super) fn hooks(agent: &LiveAgent) -> BTreeMap<&str, (HookCounters, HookCounters)> {
    let then = |name: &String| agent.first.hooks.get(name).copied().unwrap_or_default();
    agent
        .second
        .hooks
        .iter()
        .map(|(name, now)| (name.as_str(), (then(name), *now)))
        .collect()
}

fn since(then: &HookCounters, now: &HookCounters) -> HookCounters {
    HookCounters {
        seen: now.seen.saturating_sub(then.seen),
        filtered: now.filtered.saturating_sub(then.filtered),
        delivered: now.delivered.saturating_sub(then.delivered),
        dropped: now.dropped.saturating_sub(then.dropped),
        ..HookCounters::default()
    }
}
