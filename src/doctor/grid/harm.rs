//! What several cases do to facts.

use std::time::Duration;

use serde_json::json;

use super::super::facts::{
    CanaryFact, Facts, Gathered, LiveFacts, LiveFailure, OsError, RunningAgent, RuntimeClass, RuntimeFact,
};
use super::super::fixture::{agent, refusal};
use crate::control::api::{Delivery, HookCounters};

pub(in super::super) fn reduce(facts: &mut Facts) {
    let capture = facts.capture.value.as_mut().unwrap();
    let mut refused = refusal("load a tp_btf program on sched_process_fork", libc::EINVAL);
    refused.verifier = Some("unknown func bpf_probe_read_kernel#113".to_owned());
    (capture.base, capture.reduced) = (Err(refused), Some(Ok(())));
}

pub(in super::super) fn runtime_of(facts: &mut Facts) -> &mut RuntimeFact {
    &mut facts.runtimes.value.as_mut().unwrap()[0]
}

pub(in super::super) fn class(facts: &mut Facts, class: RuntimeClass, errno: Option<i32>) {
    let runtime = runtime_of(facts);
    (runtime.class, runtime.errno) = (class, errno);
}

pub(in super::super) const RUNTIME_FOLLOWERS: &[&str] = &[
    "PIN-RUN-002",
    "PIN-RUN-003",
    "PIN-RUN-004",
    "PIN-RUN-005",
    "PIN-RUN-006",
    "PIN-RUN-007",
    "PIN-RUN-008",
    "PIN-RUN-010",
];
pub(in super::super) const LIVE_FOLLOWERS: &[&str] = &[
    "PIN-DLV-001",
    "PIN-RUL-001",
    "PIN-PRV-002",
    "PIN-PRV-004",
    "PIN-BPF-004",
    "PIN-CFG-003",
    "PIN-PRF-003",
    "PIN-VER-001",
    "PIN-VER-002",
    "PIN-LIVE-002",
    "PIN-LIVE-003",
    "PIN-LIVE-004",
    "PIN-LIVE-005",
    "PIN-LIVE-006",
    "PIN-LIVE-007",
    "PIN-LIVE-008",
    "PIN-META-001",
    "PIN-META-002",
    "PIN-META-003",
    "PIN-META-004",
    "PIN-META-005",
    "PIN-LOSS-001",
    "PIN-LOSS-002",
    "PIN-LOSS-003",
    "PIN-LOSS-004",
    "PIN-LOSS-005",
    "PIN-LOSS-006",
    "PIN-LOSS-007",
];
pub(in super::super) const BPF_FOLLOWERS: &[&str] = &["PIN-BPF-001", "PIN-BPF-002"];

/// 99 of 100 events of the last ten minutes took so long, in microseconds.
pub(in super::super) fn late(facts: &mut Facts, p99_us: u64) {
    let window = agent(facts).second.window.as_mut().unwrap();
    window.latency.as_mut().unwrap().p99_us = p99_us;
}

/// Changes the counters of openat in every reading; readings are numbered from 0.
pub(in super::super) fn each_reading(facts: &mut Facts, change: impl Fn(&mut HookCounters, u64)) {
    let agent = agent(facts);
    let readings = [&mut agent.first.hooks]
        .into_iter()
        .chain(&mut agent.between)
        .chain([&mut agent.second.hooks]);
    for (hooks, number) in readings.zip(0..) {
        change(hooks.get_mut("openat").unwrap(), number);
    }
}

/// Counters of a hook that nothing happens to.
pub(in super::super) fn quiet() -> HookCounters {
    HookCounters {
        seen: 1000,
        filtered: 400,
        delivered: 600,
        ..HookCounters::default()
    }
}

pub(in super::super) fn unasked(elsewhere: Option<String>) -> Gathered<LiveFacts> {
    Gathered::known(LiveFacts::Absent {
        socket: "/run/pinhole/agent.sock".into(),
        agents: vec![RunningAgent { pid: 7, elsewhere }],
    })
}

pub(in super::super) fn broken(kind: LiveFailure) -> Gathered<LiveFacts> {
    Gathered::known(LiveFacts::Broken {
        socket: "/run/pinhole/agent.sock".into(),
        kind,
        message: "it is broken".to_owned(),
    })
}

pub(in super::super) fn unenriched(facts: &mut Facts) {
    facts.canary = Gathered::known(CanaryFact::Seen {
        program: "/bin/true".to_owned(),
        latency_us: 900,
        event: json!({ "metadata": { "status": "missing", "reason": "no_runtime_socket" } }),
    });
}

/// The canary ran, and no event came.
pub(in super::super) fn unseen(facts: &mut Facts) {
    facts.canary = Gathered::known(CanaryFact::NotSeen {
        program: "/bin/true".to_owned(),
        waited: Duration::from_secs(3),
    });
}

/// Drops since the start, none of them in the window; the ledger still balances.
pub(in super::super) fn dropped(facts: &mut Facts, count: u64) {
    each_reading(facts, |hook, _| {
        hook.dropped += count;
        hook.seen += count;
    });
    // An agent that is a minute old: its hour is its life.
    let second = &mut agent(facts).second;
    let hour = second.rates.get_mut("1h").unwrap();
    let wanted: u64 = second.hooks.values().map(|line| line.delivered).sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let per_second = |events: u64| events as f64 / hour.seconds;
    (hour.delivered, hour.dropped) = (per_second(wanted), per_second(count));
}

/// The agent's own evaluator says that this condition is not met.
pub(in super::super) fn unmet(facts: &mut Facts, name: &str) {
    let conditions = &mut agent(facts).second.conditions;
    let condition = conditions.iter_mut().find(|it| it.name == name).unwrap();
    (condition.met, condition.since_ms) = ("no".to_owned(), 4_000);
    condition.reason = "it is not as it should be".to_owned();
}

/// What this hook counted in the agent's window.
pub(in super::super) fn lately<'a>(facts: &'a mut Facts, hook: &str) -> &'a mut HookCounters {
    let window = agent(facts).second.window.as_mut().unwrap();
    window.hooks.entry(hook.to_owned()).or_default()
}

/// This hook had two hundred events in the agent's window and lost so many of them.
pub(in super::super) fn lost_lately(facts: &mut Facts, hook: &str, dropped: u64) {
    *lately(facts, hook) = HookCounters {
        seen: 200,
        delivered: 200 - dropped,
        dropped,
        ..HookCounters::default()
    };
}

/// Writes failed for lack of room, the last one so long ago.
pub(in super::super) fn full_disk(facts: &mut Facts, age_ms: u64) {
    let output = agent(facts).second.output.as_mut().unwrap();
    (output.failures, output.lost_lines) = (3, 41);
    output.last_error = "No space left on device".to_owned();
    output.last_failure_age_ms = Some(age_ms);
}

/// What the agent says of alerts that it delivers.
pub(in super::super) fn delivery(facts: &mut Facts) -> &mut Delivery {
    agent(facts).second.delivery.as_mut().unwrap()
}

/// Nobody says how the node is called.
pub(in super::super) fn nameless(facts: &mut Facts) {
    let settings = &mut facts.config.settings;
    let name = settings.iter_mut().find(|it| it.key == "node.name").unwrap();
    (name.value, name.origin) = (String::new(), "built-in default".to_owned());
}

/// A socket's file without anybody who listens.
pub(in super::super) fn refused() -> OsError {
    OsError {
        errno: Some(libc::ECONNREFUSED),
        message: "Connection refused".to_owned(),
    }
}
