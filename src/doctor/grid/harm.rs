//! What several cases do to facts.

use serde_json::json;

use super::super::facts::{
    CanaryFact, Facts, Gathered, LiveFacts, LiveFailure, RunningAgent, RuntimeClass, RuntimeFact,
};
use super::super::fixture::{agent, refusal};
use crate::control::api::HookCounters;

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
    "PIN-PRV-002",
    "PIN-PRV-004",
    "PIN-BPF-004",
    "PIN-LIVE-002",
    "PIN-LIVE-003",
    "PIN-META-001",
    "PIN-META-002",
    "PIN-META-003",
    "PIN-META-004",
    "PIN-META-005",
    "PIN-LOSS-001",
    "PIN-LOSS-002",
];
pub(in super::super) const BPF_FOLLOWERS: &[&str] = &["PIN-BPF-001", "PIN-BPF-002"];

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
