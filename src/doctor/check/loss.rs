//! Loss: how much was dropped, and whether every event is accounted for.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::super::facts::{Facts, LiveAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, no_agent, thresholds};
use crate::control::api::{HookCounters, Rate};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-LOSS-001",
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
        id: "PIN-LOSS-002",
        area: "loss",
        title: "The ledger balances",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(ledger),
        offline: None,
        page: include_str!("../pages/PIN-LOSS-002.md"),
    },
];

/// The longest window that rates are told over, in seconds.
const HOUR: f64 = 3600.0;
/// Larger rings than this are not advised: at that load fewer events help more.
const LARGEST_RING: u64 = 256 << 20;
/// How many runs of one hook may be under way on one CPU: a preempted one, and what interrupts it.
const UNDER_WAY_PER_CPU: i128 = 4;

/// PIN-LOSS-001.
fn drops(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let hooks = hooks(agent);
    let lifetime = hooks.values().fold(Tally::default(), |sum, (_, now)| sum.add(now));
    let window = hooks
        .values()
        .fold(Tally::default(), |sum, (then, now)| sum.add(&since(then, now)));
    let mut by_hook = serde_json::Map::new();
    for (name, (then, now)) in hooks.iter().filter(|(_, (_, now))| now.dropped > 0) {
        by_hook.insert(
            (*name).to_owned(),
            json!({
                "lifetime": { "dropped": now.dropped, "seen": now.seen },
                "window": { "dropped": since(then, now).dropped, "seen": since(then, now).seen },
            }),
        );
    }
    let millis = u64::try_from(agent.window.as_millis()).unwrap_or(u64::MAX);
    let mut observed = json!({
        "lifetime": { "dropped": lifetime.dropped, "seen": lifetime.seen },
        "window": { "dropped": window.dropped, "seen": window.seen, "milliseconds": millis },
        "hooks": by_hook,
        "ring_size": agent.second.ring_size,
    });
    let rates = &agent.second.rates;
    if !rates.is_empty() {
        observed["rates"] = windows(rates);
    }
    let missed = missed(agent);
    if !missed.is_empty() {
        observed["missed"] = json!(missed);
    }
    let skipped: Vec<String> = missed
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(hook, count)| format!("{hook} {count}"))
        .collect();
    let finding = if lifetime.dropped == 0 && !skipped.is_empty() {
        skips(&skipped.join(", "))
    } else if lifetime.dropped == 0 {
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
        let (text, commands) = ring_advice(agent.second.ring_size, &lifetime);
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        finding
            .impact(
                "What was dropped was not judged. The next event after a loss says how many were lost before it.",
                &["capture", "loss"],
                &["lost_before"],
            )
            .remedy(text, &commands)
    };
    finding
        .observed(observed)
        .expected(json!({ "lifetime": { "dropped": 0 } }))
        .evidence(
            &facts.live,
            "GetStatus hooks, twice",
            json!({ "hooks": hooks.len(), "milliseconds": millis }),
        )
}

/// Runs that the kernel skipped, by hook, where it counts them.
fn missed(agent: &LiveAgent) -> BTreeMap<&str, u64> {
    let hooks = agent.second.hooks.iter();
    let by_hook = hooks.filter_map(|(name, line)| Some((name.as_str(), line.missed?)));
    // Of the dispatcher's skips nobody knows whether they were of system calls that are watched.
    let dispatcher = agent.second.dispatcher_missed.map(|missed| ("dispatcher", missed));
    by_hook.chain(dispatcher).collect()
}

fn skips(by_hook: &str) -> Finding {
    Finding::warn(format!("none was dropped, but the kernel skipped runs of hooks: {by_hook}"))
        .impact(
            "The kernel skips a program that is already running on the same CPU. Each skip may have been an event, and no other \
             count has it.",
            &["capture", "loss"],
            &[],
        )
        .remedy(
            "Kernels that preempt inside programs do this under load. The dispatcher's program is harder to preempt than \
             trampolines are.",
            &["PINHOLE_CAPTURE_BACKEND=dispatcher"],
        )
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

fn windows(rates: &HashMap<String, Rate>) -> Value {
    let windows: serde_json::Map<String, Value> = rates
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

/// The ring must hold what arrives while the reader is held up. How long that was is not known, but a ring that lost one
/// event in n is too small by about that share for the bursts it met, and is doubled at least.
fn ring_advice(size: u64, lifetime: &Tally) -> (String, Vec<String>) {
    let kept = lifetime.delivered.max(1);
    let factor = (kept.saturating_add(lifetime.dropped))
        .div_ceil(kept)
        .max(2)
        .checked_next_power_of_two();
    let wanted = factor
        .and_then(|factor| size.checked_mul(factor))
        .unwrap_or(u64::MAX)
        .min(LARGEST_RING);
    if size == 0 || wanted <= size {
        return (
            "The ring is large already: capture fewer kinds of events, or see whether the agent gets enough CPU time."
                .to_owned(),
            vec!["agent run --events process".to_owned()],
        );
    }
    let [from, to] = [size, wanted].map(bytes);
    (
        format!("Enlarge the ring buffer from {from} to {to}; it counts towards the container's memory limit."),
        vec![format!("PINHOLE_CAPTURE_RING_SIZE={to}")],
    )
}

/// A size as the configuration takes it, without rounding.
fn bytes(size: u64) -> String {
    match (size % (1 << 20), size % (1 << 10)) {
        (0, _) => format!("{}MiB", size >> 20),
        (_, 0) => format!("{}KiB", size >> 10),
        _ => format!("{size}B"),
    }
}

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
                "This is a fault of the agent: report it with this report.",
                &["agent doctor --format json"],
            )
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

#[derive(Default)]
struct Tally {
    seen: u64,
    delivered: u64,
    dropped: u64,
}

impl Tally {
    fn add(self, hook: &HookCounters) -> Self {
        Self {
            seen: self.seen.saturating_add(hook.seen),
            delivered: self.delivered.saturating_add(hook.delivered),
            dropped: self.dropped.saturating_add(hook.dropped),
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
fn hooks(agent: &LiveAgent) -> BTreeMap<&str, (HookCounters, HookCounters)> {
    let then = |name: &String| agent.first.hooks.get(name).copied().unwrap_or_default();
    agent
        .second
        .hooks
        .iter()
        .map(|(name, now)| (name.as_str(), (then(name), *now)))
        .collect()
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

fn since(then: &HookCounters, now: &HookCounters) -> HookCounters {
    HookCounters {
        seen: now.seen.saturating_sub(then.seen),
        filtered: now.filtered.saturating_sub(then.filtered),
        delivered: now.delivered.saturating_sub(then.delivered),
        dropped: now.dropped.saturating_sub(then.dropped),
        ..HookCounters::default()
    }
}
