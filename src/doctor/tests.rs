//! The grid: facts that lack one thing each, and the one root finding that each must raise. And what holds for the
//! registry as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::examine::{examine, judge, report};
use super::facts::{
    CanaryFact, Facts, Gap, Gathered, LiveFacts, LiveFailure, LockdownFact, MemoryFacts, OsError, Place, RunningAgent,
    RuntimeClass, SocketFile,
};
use super::fixture::{CONTAINERD, absent, agent, cold, containerd, live, rate, refusal, status};
use super::graph;
use super::registry::{CHECKS, Definition, Edge, RETIRED, find};
use super::report::{Check, Counts, FailOn, Report, Status};
use crate::capture::memory::{Estimate, Sizes};
use crate::config::{Overrides, Sources, load};
use crate::control::api::HookCounters;
use crate::platform::{Confidence, profile};
use crate::privilege::file::FileCapabilities;

/// Root findings: warn, fail and unknown; what is blocked is not among them.
fn roots(facts: &Facts) -> Vec<(&'static str, Status)> {
    examine(facts)
        .into_iter()
        .filter(|check| matches!(check.status, Status::Warn | Status::Fail | Status::Unknown))
        .map(|check| (check.id, check.status))
        .collect()
}

fn check(facts: &Facts, id: &str) -> Check {
    examine(facts).into_iter().find(|check| check.id == id).unwrap()
}

struct Case {
    name: &'static str,
    start: fn() -> Facts,
    harm: fn(&mut Facts),
    root: (&'static str, Status),
    /// Checks that must be skipped because of the root.
    blocks: &'static [&'static str],
}

fn reduce(facts: &mut Facts) {
    let capture = facts.capture.value.as_mut().unwrap();
    let mut refused = refusal("load a tp_btf program on sched_process_fork", libc::EINVAL);
    refused.verifier = Some("unknown func bpf_probe_read_kernel#113".to_owned());
    (capture.base, capture.reduced) = (Err(refused), Some(Ok(())));
}

fn runtime_of(facts: &mut Facts) -> &mut super::facts::RuntimeFact {
    &mut facts.runtimes.value.as_mut().unwrap()[0]
}

fn class(facts: &mut Facts, class: RuntimeClass, errno: Option<i32>) {
    let runtime = runtime_of(facts);
    (runtime.class, runtime.errno) = (class, errno);
}

const RUNTIME_FOLLOWERS: &[&str] = &["PIN-RUN-002", "PIN-RUN-003"];
const LIVE_FOLLOWERS: &[&str] = &[
    "PIN-PRV-002",
    "PIN-PRV-004",
    "PIN-BPF-004",
    "PIN-LIVE-002",
    "PIN-LIVE-003",
    "PIN-META-001",
    "PIN-META-002",
    "PIN-LOSS-001",
    "PIN-LOSS-002",
];
const BPF_FOLLOWERS: &[&str] = &["PIN-BPF-001", "PIN-BPF-002"];

#[rustfmt::skip]
const GRID: &[Case] = &[
    Case { name: "bad configuration", start: cold, root: ("PIN-CFG-001", Status::Fail), blocks: &[],
        harm: |f| f.config.problem = Some("unknown key capture.rign_size in /etc/pinhole/agent.toml".to_owned()) },
    Case { name: "other platform than the profile's", start: cold, root: ("PIN-PRF-001", Status::Warn), blocks: &["PIN-PRF-002"],
        harm: |f| f.profile.detected = Ok(Some("openshift".to_owned())) },
    Case { name: "platform not detected", start: cold, root: ("PIN-PRF-001", Status::Unknown), blocks: &[],
        harm: |f| f.profile.detected = Err(Gap::Crashed) },
    Case { name: "a kernel that the platform no longer has", start: cold, root: ("PIN-PRF-002", Status::Warn), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().release = "5.10.0-1023-azure".to_owned() },
    Case { name: "a runtime that the platform does not have", start: cold, root: ("PIN-PRF-002", Status::Warn), blocks: &[],
        harm: |f| for runtime in f.runtimes.value.as_mut().unwrap() { runtime.name = Some("cri-o".to_owned()); } },
    Case { name: "old kernel", start: cold, root: ("PIN-KRN-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().release = "4.19.0-27-amd64".to_owned();
                    f.capture.value.as_mut().unwrap().base = Err(refusal("create ring buffer", libc::EINVAL)); } },
    Case { name: "kernel older than tested", start: cold, root: ("PIN-KRN-001", Status::Warn), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().release = "5.8.0".to_owned() },
    Case { name: "old number with newer parts", start: cold, root: ("PIN-KRN-001", Status::Warn), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().release = "4.18.0-553.el8".to_owned() },
    Case { name: "lockdown confidentiality", start: cold, root: ("PIN-KRN-002", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode("confidentiality".to_owned());
                    f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EINVAL)); } },
    Case { name: "lockdown confidentiality, running reduced", start: cold, root: ("PIN-KRN-002", Status::Warn), blocks: &[],
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode("confidentiality".to_owned()); reduce(f); } },
    Case { name: "lockdown out of sight, running reduced", start: cold, root: ("PIN-KRN-002", Status::Warn), blocks: &[],
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent; reduce(f); } },
    Case { name: "a running agent is reduced", start: live, root: ("PIN-KRN-002", Status::Warn), blocks: &[],
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode("confidentiality".to_owned());
                    agent(f).second.backend.as_mut().unwrap().reduced = Some("refused".to_owned()); } },
    Case { name: "reduced without lockdown", start: cold, root: ("PIN-BPF-001", Status::Warn), blocks: &[], harm: reduce },
    Case { name: "no type information", start: cold, root: ("PIN-BTF-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().btf = Err(OsError { errno: Some(libc::ENOENT), message: "No such file or directory".to_owned() });
                    f.capture.value.as_mut().unwrap().base = Err(refusal("read type information", libc::ENOENT)); } },
    Case { name: "CAP_PERFMON not granted", start: cold, root: ("PIN-CAP-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { let p = f.process.value.as_mut().unwrap(); (p.permitted, p.bounding) = (1 << 39, 1 << 39);
                    f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EPERM)); } },
    Case { name: "more capabilities than needed", start: cold, root: ("PIN-CAP-002", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().permitted |= 1 << 21 },
    Case { name: "privilege escalation allowed", start: cold, root: ("PIN-PRV-001", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().no_new_privs = false },
    Case { name: "root", start: cold, root: ("PIN-PRV-003", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().uid = 0 },
    Case { name: "base programs refused", start: cold, root: ("PIN-BPF-001", Status::Fail), blocks: &["PIN-BPF-002"],
        harm: |f| f.capture.value.as_mut().unwrap().base = Err(refusal("load tp_btf/sched_process_exec", libc::EPERM)) },
    Case { name: "no backend", start: cold, root: ("PIN-BPF-002", Status::Fail), blocks: &[],
        harm: |f| { let c = f.capture.value.as_mut().unwrap(); c.trampoline = Err(refusal("load fexit", libc::EPERM));
                    c.dispatcher = Err(refusal("load tp_btf/sys_exit", libc::EINVAL)); } },
    Case { name: "maps beyond the memory limit", start: cold, root: ("PIN-BPF-003", Status::Fail), blocks: &[],
        harm: |f| f.memory.value.as_mut().unwrap().limit = Some(8 << 20) },
    Case { name: "a memory limit just above the maps", start: live, root: ("PIN-BPF-003", Status::Warn), blocks: &[],
        harm: |f| f.memory.value.as_mut().unwrap().limit = Some(32 << 20) },
    Case { name: "memory unknown", start: cold, root: ("PIN-BPF-003", Status::Unknown), blocks: &[],
        harm: |f| f.memory.value = Err(Gap::Crashed) },
    Case { name: "no socket", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| *runtime_of(f) = absent(CONTAINERD) },
    Case { name: "socket is a file", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::NotASocket, None) },
    Case { name: "socket refused", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Refused, Some(libc::ECONNREFUSED)) },
    Case { name: "socket forbidden", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Permission, Some(libc::EACCES)) },
    Case { name: "socket hangs", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Timeout, None) },
    Case { name: "not gRPC", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::NotGrpc, None) },
    Case { name: "CRI disabled", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::CriUnimplemented, None); runtime_of(f).api = None; } },
    Case { name: "runtime answers with an error", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Failing, None) },
    Case { name: "maps refused", start: cold, root: ("PIN-BPF-001", Status::Fail), blocks: &["PIN-BPF-002"],
        harm: |f| f.capture.value.as_mut().unwrap().object = Err(refusal("create the ring buffer", libc::EPERM)) },
    Case { name: "containerd without CRI", start: cold, root: ("PIN-RUN-002", Status::Warn), blocks: &[],
        harm: |f| { class(f, RuntimeClass::CriUnimplemented, None); runtime_of(f).api = Some("containerd".to_owned()); } },
    Case { name: "old CRI", start: cold, root: ("PIN-RUN-002", Status::Warn), blocks: &[],
        harm: |f| { class(f, RuntimeClass::OldApi, None); runtime_of(f).api = Some("v1alpha2".to_owned()); } },
    Case { name: "socket mounted alone", start: cold, root: ("PIN-RUN-001", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).mounted_alone = true },
    Case { name: "own container unknown", start: cold, root: ("PIN-RUN-003", Status::Fail), blocks: &[],
        harm: |f| f.own.value.as_mut().unwrap().known_by = Ok(Vec::new()) },
    Case { name: "own container hidden", start: cold, root: ("PIN-RUN-003", Status::Unknown), blocks: &[],
        harm: |f| f.own.value.as_mut().unwrap().id = None },
    Case { name: "the doctor's own capture fails", start: cold, root: ("PIN-LIVE-002", Status::Fail), blocks: &[],
        harm: |f| f.canary = Gathered::known(CanaryFact::NotWatched { message: "cannot load the eBPF object: create the maps".to_owned() }) },
    Case { name: "the runtime hangs now, whatever the agent remembers", start: live, root: ("PIN-RUN-001", Status::Fail), blocks: &["PIN-RUN-002"],
        harm: |f| class(f, RuntimeClass::Timeout, None) },
    Case { name: "agent without admin socket", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = unasked(None) },
    Case { name: "agent in another container", start: cold, root: ("PIN-LIVE-001", Status::Unknown), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = unasked(Some("ab12".to_owned())) },
    Case { name: "stale admin socket", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Stale) },
    Case { name: "silent agent", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Timeout) },
    Case { name: "foreign admin socket", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Protocol) },
    Case { name: "admin socket forbidden", start: cold, root: ("PIN-LIVE-001", Status::Unknown), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Permission) },
    Case { name: "asking the agent was late", start: cold, root: ("PIN-LIVE-001", Status::Unknown), blocks: LIVE_FOLLOWERS,
        harm: |f| { f.live = Gathered::gap(Gap::Late(Duration::from_secs(9))); f.canary = Gathered::gap(Gap::Crashed); } },
    Case { name: "hooks were turned off", start: live, root: ("PIN-BPF-004", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.reporting.as_mut().unwrap().off.push("openat".to_owned()) },
    Case { name: "an agent of before hooks could be turned off", start: live, root: ("PIN-BPF-004", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.reporting = None },
    Case { name: "a thread holds a capability", start: live, root: ("PIN-CAP-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].cap_permitted = 1 << 39 },
    Case { name: "a thread without no_new_privs", start: live, root: ("PIN-PRV-001", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].no_new_privs = false },
    Case { name: "a thread without filter", start: live, root: ("PIN-PRV-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].seccomp = 0 },
    Case { name: "a thread with the container runtime's filter alone", start: live, root: ("PIN-PRV-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].seccomp_filters = Some(1) },
    Case { name: "Landlock refused", start: live, root: ("PIN-PRV-004", Status::Warn), blocks: &[],
        harm: |f| { let l = agent(f).second.landlock.as_mut().unwrap();
                    (l.abi, l.restricted, l.refused) = (0, "none".to_owned(), true); } },
    Case { name: "an agent of before Landlock", start: live, root: ("PIN-PRV-004", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.landlock = None },
    Case { name: "agent is root", start: live, root: ("PIN-PRV-003", Status::Warn), blocks: &[],
        harm: |f| agent(f).uid = Some(0) },
    Case { name: "agent finds no runtime", start: live, root: ("PIN-RUN-001", Status::Fail),
        blocks: &["PIN-RUN-002", "PIN-RUN-003", "PIN-LIVE-002", "PIN-META-001", "PIN-META-002"],
        harm: |f| { agent(f).second.runtimes[0].state = "absent".to_owned(); unenriched(f); } },
    Case { name: "canary not seen", start: live, root: ("PIN-LIVE-002", Status::Fail), blocks: &[],
        harm: |f| f.canary = Gathered::known(CanaryFact::NotSeen { program: "/bin/true".to_owned(), waited: Duration::from_secs(3) }) },
    Case { name: "canary not enriched", start: live, root: ("PIN-LIVE-002", Status::Fail), blocks: &[], harm: unenriched },
    Case { name: "canary cannot run", start: live, root: ("PIN-LIVE-002", Status::Unknown), blocks: &[],
        harm: |f| f.canary = Gathered::known(CanaryFact::NotRun { program: "/bin/true".to_owned(), message: "exec format error".to_owned() }) },
    Case { name: "the agent's loop stands still", start: live, root: ("PIN-LIVE-003", Status::Fail), blocks: &[],
        harm: |f| { agent(f).second.turn_age_ms = Some(12_000); agent(f).second.canary_age_ms = Some(12_400); } },
    Case { name: "the agent's own canary stays away", start: live, root: ("PIN-LIVE-003", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.canary_age_ms = Some(6_000) },
    Case { name: "the agent's own canary never came", start: live, root: ("PIN-LIVE-003", Status::Fail), blocks: &[],
        harm: |f| { agent(f).second.canary_age_ms = None; agent(f).second.hooks.insert("canary".to_owned(), quiet()); } },
    Case { name: "the agent's first canary is on its way", start: live, root: ("PIN-LIVE-003", Status::Unknown), blocks: &[],
        harm: |f| { agent(f).second.canary_age_ms = None; agent(f).second.uptime_seconds = 0.5;
                    agent(f).second.hooks.insert("canary".to_owned(), quiet()); } },
    Case { name: "no hook for the canary", start: live, root: ("PIN-LIVE-003", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.canary_age_ms = None },
    Case { name: "the canary's hook was turned off", start: live, root: ("PIN-BPF-004", Status::Warn), blocks: &["PIN-LIVE-003"],
        harm: |f| { agent(f).second.canary_age_ms = Some(60_000);
                    agent(f).second.reporting.as_mut().unwrap().off.push("canary".to_owned()); } },
    Case { name: "an agent of before the canary", start: live, root: ("PIN-LIVE-003", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.turn_age_ms = None },
    Case { name: "some metadata missing", start: live, root: ("PIN-META-001", Status::Warn), blocks: &[],
        harm: |f| { agent(f).second.metadata_status.insert("missing".to_owned(), 5);
                    agent(f).second.metadata_reason.insert("runtime_timeout".to_owned(), 5); } },
    Case { name: "much metadata missing", start: live, root: ("PIN-META-001", Status::Fail), blocks: &[],
        harm: |f| { agent(f).second.metadata_status.insert("partial".to_owned(), 500);
                    agent(f).second.metadata_reason.insert("container_unknown".to_owned(), 500); } },
    Case { name: "slow lookups", start: live, root: ("PIN-META-002", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().p99_us = 400_000 },
    Case { name: "lookups past the budget", start: live, root: ("PIN-META-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().p99_us = 1_000_000 },
    Case { name: "few drops", start: live, root: ("PIN-LOSS-001", Status::Warn), blocks: &[], harm: |f| dropped(f, 2) },
    Case { name: "many drops", start: live, root: ("PIN-LOSS-001", Status::Fail), blocks: &[], harm: |f| dropped(f, 100) },
    Case { name: "skipped runs", start: live, root: ("PIN-LOSS-001", Status::Warn), blocks: &[],
        harm: |f| each_reading(f, |hook, _| hook.missed = Some(3)) },
    Case { name: "ledger off", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, _| { *hook = quiet(); hook.seen += 3; }) },
    Case { name: "counted twice", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, _| { *hook = quiet(); hook.delivered += 3; }) },
    Case { name: "more unaccounted than can be under way", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, reading| hook.seen += 17 + reading) },
    Case { name: "the same small difference while counters move", start: live, root: ("PIN-LOSS-002", Status::Unknown), blocks: &[],
        harm: |f| each_reading(f, |hook, _| hook.seen += 3) },
];

/// Changes the counters of openat in every reading; readings are numbered from 0.
fn each_reading(facts: &mut Facts, change: impl Fn(&mut HookCounters, u64)) {
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
fn quiet() -> HookCounters {
    HookCounters {
        seen: 1000,
        filtered: 400,
        delivered: 600,
        ..HookCounters::default()
    }
}

#[test]
fn hooks_under_way_in_every_reading_are_no_fault() {
    let mut facts = live();
    // Never zero, always something under way on one of four CPUs.
    each_reading(&mut facts, |hook, reading| hook.seen += 1 + reading % 3);
    assert_eq!(roots(&facts), []);
    let mut facts = live();
    // A negative difference: the counters moved between the reading of `seen` and that of `delivered`.
    each_reading(&mut facts, |hook, reading| hook.delivered += 1 + reading % 2);
    assert_eq!(roots(&facts), []);
}

fn unasked(elsewhere: Option<String>) -> Gathered<LiveFacts> {
    Gathered::known(LiveFacts::Absent {
        socket: "/run/pinhole/agent.sock".into(),
        agents: vec![RunningAgent { pid: 7, elsewhere }],
    })
}

fn broken(kind: LiveFailure) -> Gathered<LiveFacts> {
    Gathered::known(LiveFacts::Broken {
        socket: "/run/pinhole/agent.sock".into(),
        kind,
        message: "it is broken".to_owned(),
    })
}

fn unenriched(facts: &mut Facts) {
    facts.canary = Gathered::known(CanaryFact::Seen {
        program: "/bin/true".to_owned(),
        latency_us: 900,
        event: json!({ "metadata": { "status": "missing", "reason": "no_runtime_socket" } }),
    });
}

/// Drops since the start, none of them in the window; the ledger still balances.
fn dropped(facts: &mut Facts, count: u64) {
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

#[test]
fn losses_of_more_than_an_hour_ago_are_told_and_no_longer_warned_of() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts)
        .second
        .rates
        .insert("1h".to_owned(), rate(3640.0, 0.0));
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.contains("100 of"), "{}", found.summary);
    // Not even that is known of an agent that is younger.
    agent(&mut facts)
        .second
        .rates
        .insert("1h".to_owned(), rate(3000.0, 0.0));
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Warn);
}

#[test]
fn a_loss_within_a_minute_is_judged_by_that_minute() {
    let mut facts = live();
    dropped(&mut facts, 2);
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Warn);
    agent(&mut facts).second.rates.insert("1m".to_owned(), rate(60.0, 1.0));
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Fail);
    assert!(
        found.summary.contains("1.0 a second in the last minute"),
        "{}",
        found.summary
    );
}

#[test]
fn an_agent_that_tells_no_rates_is_judged_by_its_life() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts).second.rates.clear();
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Fail);
}

#[test]
fn healthy_facts_raise_nothing() {
    for facts in [cold(), live()] {
        assert_eq!(roots(&facts), []);
    }
    let checks = examine(&live());
    assert!(checks.iter().all(|check| check.status == Status::Ok), "{checks:#?}");
}

#[test]
fn each_harm_raises_exactly_its_one_root_finding() {
    for case in GRID {
        let mut facts = (case.start)();
        (case.harm)(&mut facts);
        let found = roots(&facts);
        assert_eq!(found, [case.root], "{}", case.name);
        for id in case.blocks {
            let blocked = check(&facts, id);
            assert_eq!(
                (blocked.status, blocked.blocked_by),
                (Status::Skipped, Some(case.root.0)),
                "{}: {id}",
                case.name
            );
        }
    }
}

#[test]
fn every_check_can_be_a_root_finding() {
    let raised: BTreeSet<&str> = GRID.iter().map(|case| case.root.0).collect();
    let all: BTreeSet<&str> = CHECKS.iter().map(|definition| definition.id).collect();
    assert_eq!(raised, all);
}

#[test]
fn every_finding_says_what_it_costs_and_what_mends_it() {
    for case in GRID {
        let mut facts = (case.start)();
        for place in [Place::Kubernetes, Place::Container] {
            facts.place = place;
            (case.harm)(&mut facts);
            let root = check(&facts, case.root.0);
            if root.status == Status::Unknown {
                assert!(root.reason.is_some_and(|reason| !reason.is_empty()), "{}", case.name);
                continue;
            }
            assert!(
                root.observed.is_some() && root.expected.is_some(),
                "{}: values",
                case.name
            );
            assert!(!root.evidence.is_empty(), "{}: evidence", case.name);
            assert!(
                root.impact.is_some_and(|impact| !impact.text.is_empty()),
                "{}: impact",
                case.name
            );
            let remedy = root.remedy.unwrap();
            assert!(
                !remedy.text.is_empty() && !remedy.commands.is_empty(),
                "{}: remedy",
                case.name
            );
            for command in &remedy.commands {
                let inside = command
                    .split_once("exec POD -- ")
                    .map_or("/agent", |(_, program)| program);
                assert!(
                    !command.starts_with("kubectl ") || command.starts_with("kubectl -n pinhole "),
                    "{}: {command}",
                    case.name
                );
                assert!(inside.starts_with("/agent"), "no path of the image: {command}");
            }
            facts = (case.start)();
        }
    }
}

#[test]
fn facts_that_were_not_gathered_are_unknown_never_ok() {
    let mut facts = cold();
    let gap = || Gap::NotGathered("the test withholds it".to_owned());
    facts.kernel = Gathered::gap(gap());
    facts.process = Gathered::gap(gap());
    facts.capture = Gathered::gap(gap());
    facts.memory = Gathered::gap(gap());
    facts.runtimes = Gathered::gap(gap());
    facts.own = Gathered::gap(gap());
    facts.live = Gathered::gap(gap());
    facts.canary = Gathered::gap(gap());
    for check in examine(&facts) {
        if check.area == "configuration" || check.area == "profile" {
            continue;
        }
        assert!(
            matches!(check.status, Status::Unknown | Status::Skipped),
            "{}: {:?}",
            check.id,
            check.status
        );
        assert!(check.reason.is_some(), "{}", check.id);
    }
    assert_eq!(report(&facts, String::new(), None).counts.exit_code(FailOn::Fail), 3);
}

#[test]
fn an_unreadable_lockdown_file_is_no_riddle_where_programs_load() {
    let mut facts = cold();
    facts.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent;
    assert_eq!(check(&facts, "PIN-KRN-002").status, Status::Ok);
    facts.capture = Gathered::gap(Gap::Crashed);
    assert_eq!(check(&facts, "PIN-KRN-002").status, Status::Unknown);
    // What is unknown about lockdown does not hide what is known about loading.
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Unknown);
}

#[test]
fn the_dispatcher_is_a_choice_with_a_price_not_a_fault() {
    let mut facts = cold();
    facts.capture.value.as_mut().unwrap().trampoline = Err(refusal("load fexit/__x64_sys_openat", libc::EPERM));
    let backend = check(&facts, "PIN-BPF-002");
    assert_eq!(backend.status, Status::Ok);
    assert_eq!(backend.observed.unwrap()["trampoline"]["errno"], "EPERM");
    assert!(backend.impact.unwrap().text.contains("1.6 times"));
}

#[test]
fn a_refused_socket_is_blamed_on_mode_or_on_a_security_module() {
    let mut facts = cold();
    class(&mut facts, RuntimeClass::Permission, Some(libc::EACCES));
    // Group 0 may write: the mode is not the cause.
    assert!(check(&facts, "PIN-RUN-001").summary.contains("security module"));
    facts.process.value.as_mut().unwrap().gids = vec![65532];
    let by_mode = check(&facts, "PIN-RUN-001");
    assert!(by_mode.summary.contains("0:0 0660"), "{}", by_mode.summary);
    assert!(by_mode.remedy.unwrap().commands[0].contains("supplementalGroups: [0]"));
    // The owner's bits count for the owner even where the group's would let it in.
    facts.process.value.as_mut().unwrap().uid = 0;
    runtime_of(&mut facts).file = Some(SocketFile {
        mode: 0o060,
        uid: 0,
        gid: 65532,
    });
    assert!(check(&facts, "PIN-RUN-001").summary.contains("keeps out"));
    // CAP_DAC_OVERRIDE passes every mode.
    facts.process.value.as_mut().unwrap().effective = 1 << 1;
    assert!(check(&facts, "PIN-RUN-001").summary.contains("security module"));
    // Nobody is blamed where the file cannot be seen.
    runtime_of(&mut facts).file = None;
    assert!(check(&facts, "PIN-RUN-001").summary.starts_with("no permission"));
}

#[test]
fn missing_capabilities_are_told_apart_by_their_cause() {
    let remedy = |facts: &Facts| {
        let remedy = check(facts, "PIN-CAP-001").remedy.unwrap();
        format!("{}\n{}", remedy.text, remedy.commands.join("\n"))
    };
    let mut facts = cold();
    let process = facts.process.value.as_mut().unwrap();
    process.permitted = 0;
    let ignored = remedy(&facts);
    assert!(
        ignored.contains("which the kernel ignored") && ignored.contains("findmnt"),
        "{ignored}"
    );
    facts.process.value.as_mut().unwrap().file = FileCapabilities::Absent;
    let bare = remedy(&facts);
    assert!(
        bare.contains("no file capabilities") && bare.contains("setcap"),
        "{bare}"
    );
    facts.place = Place::Host;
    assert!(remedy(&facts).contains("sudo setcap"));
    facts.place = Place::Kubernetes;
    facts.process.value.as_mut().unwrap().uid = 0;
    assert!(remedy(&facts).contains("taken from the permitted set of uid 0"));
    facts.process.value.as_mut().unwrap().bounding = 0;
    let withheld = remedy(&facts);
    assert!(
        withheld.contains("not in the bounding set") && withheld.contains("add: [BPF, PERFMON]"),
        "{withheld}"
    );
}

#[test]
fn a_low_limit_on_locked_memory_is_blamed_only_where_maps_count_against_it() {
    let mut facts = cold();
    let capture = facts.capture.value.as_mut().unwrap();
    capture.object = Err(refusal("create the maps", libc::EPERM));
    capture.memlock = Some(64 << 10);
    let remedy = |facts: &Facts| check(facts, "PIN-BPF-001").remedy.unwrap();
    facts.kernel.value.as_mut().unwrap().release = "5.10.0-28-amd64".to_owned();
    let old = remedy(&facts);
    assert!(old.text.contains("RLIMIT_MEMLOCK"), "{}", old.text);
    assert!(old.commands[0].contains("SYS_RESOURCE") && old.commands[2].contains("cap_sys_resource"));
    facts.kernel.value.as_mut().unwrap().release = "5.11.0".to_owned();
    assert!(remedy(&facts).text.contains("agent seccomp setup"));
    facts.kernel.value.as_mut().unwrap().release = "5.10.0".to_owned();
    facts.capture.value.as_mut().unwrap().memlock = None;
    assert!(remedy(&facts).text.contains("agent seccomp setup"));
}

#[test]
fn the_doctors_own_rights_do_not_make_the_agents_runtimes_worse() {
    let mut facts = live();
    for harmless in [RuntimeClass::Permission, RuntimeClass::Absent, RuntimeClass::NotASocket] {
        class(&mut facts, harmless, None);
        assert_eq!(roots(&facts), [], "{harmless:?}");
    }
    class(&mut facts, RuntimeClass::Refused, Some(libc::ECONNREFUSED));
    assert_eq!(roots(&facts), [("PIN-RUN-001", Status::Fail)]);
}

#[test]
fn the_advised_mount_is_that_of_the_socket_in_question() {
    let mut facts = cold();
    let runtime = runtime_of(&mut facts);
    *runtime = absent("/run/k3s/containerd/containerd.sock");
    let commands = check(&facts, "PIN-RUN-001").remedy.unwrap().commands.join("\n");
    assert!(
        commands.contains("path: /run/k3s/containerd,") && !commands.contains("/run/crio"),
        "{commands}"
    );
}

#[test]
fn one_capability_stands_in_for_both() {
    let mut facts = cold();
    facts.process.value.as_mut().unwrap().permitted = 1 << 21;
    assert_eq!(check(&facts, "PIN-CAP-001").status, Status::Ok);
    assert_eq!(roots(&facts), [("PIN-CAP-002", Status::Warn)]);
}

#[test]
fn a_running_agent_is_better_evidence_than_the_doctors_own_privileges() {
    let mut facts = live();
    let process = facts.process.value.as_mut().unwrap();
    (process.permitted, process.bounding, process.uid, process.no_new_privs) = (0, 0, 1000, false);
    facts.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EPERM));
    facts.runtimes = Gathered::known(vec![absent(CONTAINERD)]);
    assert_eq!(roots(&facts), []);
}

#[test]
fn a_shell_on_a_host_is_not_judged_as_if_it_were_the_agent() {
    let mut facts = cold();
    facts.place = Place::Host;
    let process = facts.process.value.as_mut().unwrap();
    (process.uid, process.permitted, process.no_new_privs, process.seccomp) = (0, (1 << 41) - 1, false, 0);
    assert_eq!(roots(&facts), []);
    assert_eq!(check(&facts, "PIN-CAP-002").status, Status::Skipped);
}

#[test]
fn a_guess_contradicts_nobody_and_generic_fits_every_kubernetes() {
    let mut facts = cold();
    facts.profile.detected = Ok(Some("openshift".to_owned()));
    facts.profile.confidence = Confidence::Guess;
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
    facts.profile.confidence = Confidence::Certain;
    facts.profile.name = "generic".to_owned();
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
    facts.profile.detected = Ok(Some("standalone".to_owned()));
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Warn);
}

/// CRI-O answers later than containerd, and its profile says so.
#[test]
fn the_thresholds_are_those_of_the_profile() {
    let mut facts = live();
    agent(&mut facts).second.lookups.as_mut().unwrap().p99_us = 400_000;
    assert_eq!(check(&facts, "PIN-META-002").status, Status::Warn);
    facts.profile.name = "openshift".to_owned();
    assert_eq!(check(&facts, "PIN-META-002").status, Status::Ok);
}

/// The doctor itself must not warn of what the profiles' manifests set.
#[test]
fn the_memory_limits_of_the_profiles_hold_the_kernel_side_and_the_agent() {
    for profile in profile::all().unwrap() {
        let settings = load(
            &Overrides {
                config: None,
                values: [("profile", vec![profile.name.to_owned()])].into(),
            },
            &Sources::default(),
        )
        .unwrap()
        .settings;
        let resources = &profile.platform.resources;
        let mebibytes = |text: &str| text.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20;
        for (cpus, limit) in [
            (4, &resources.memory_request),
            (resources.cpus, &resources.memory_limit),
        ] {
            let sizes = Sizes {
                cpus: cpus as usize,
                ring: u32::try_from(settings.capture.ring_size.as_u64()).unwrap(),
                processes: settings.capture.processes,
            };
            let mut facts = cold();
            facts.memory = Gathered::known(MemoryFacts {
                cpus: u64::from(cpus),
                per_cpu: 0,
                maps: Estimate::of(sizes).unwrap().maps,
                limit: Some(mebibytes(limit)),
            });
            let check = check(&facts, "PIN-BPF-003");
            assert_eq!(check.status, Status::Ok, "{}: {}", profile.name, check.summary);
        }
    }
}

#[test]
fn an_unknown_platform_is_no_fault() {
    let mut facts = cold();
    facts.profile.detected = Ok(None);
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Skipped);
    facts.profile.declared = false;
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
}

#[test]
fn the_advised_ring_fits_the_loss_and_has_a_limit() {
    let commands = |dropped_of_550: u64, ring: u64| {
        let mut facts = live();
        agent(&mut facts).second.ring_size = ring;
        dropped(&mut facts, dropped_of_550);
        check(&facts, "PIN-LOSS-001").remedy.unwrap().commands
    };
    assert_eq!(commands(10, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=16MiB"]);
    assert_eq!(commands(2000, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=64MiB"]);
    assert_eq!(commands(u64::MAX / 4, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=256MiB"]);
    assert_eq!(commands(10, 256 << 20), ["agent run --events process"]);
}

#[test]
fn drops_that_are_over_do_not_hide_drops_that_go_on() {
    let mut facts = live();
    // One in a million since the start, but half of what came in the last second.
    for (status, dropped) in [(0, 0), (1, 50)] {
        let agent = agent(&mut facts);
        let status = if status == 0 {
            &mut agent.first
        } else {
            &mut agent.second
        };
        let hook = status.hooks.get_mut("openat").unwrap();
        (hook.delivered, hook.seen) = (hook.delivered + 100_000_000, hook.seen + 100_000_000 + dropped);
        hook.dropped = dropped;
    }
    assert_eq!(roots(&facts), [("PIN-LOSS-001", Status::Fail)]);
}

#[test]
fn agents_of_another_version_do_not_break_the_doctor() {
    let mut facts = live();
    let agent = agent(&mut facts);
    agent.first = Default::default();
    agent.second = Default::default();
    agent.second.runtimes = status(1).runtimes;
    agent.second.runtimes[0].state = "a_word_of_the_future".to_owned();
    let found = check(&facts, "PIN-RUN-001");
    assert_eq!(found.status, Status::Fail);
    assert!(found.observed.unwrap().to_string().contains("a_word_of_the_future"));
    for id in ["PIN-CAP-002", "PIN-PRV-002", "PIN-LOSS-002", "PIN-BPF-002"] {
        assert_eq!(check(&facts, id).status, Status::Unknown, "{id}");
    }
}

#[test]
fn exit_codes_follow_the_worst_that_counts() {
    let code = |warn, fail, unknown, fail_on| {
        Counts {
            warn,
            fail,
            unknown,
            ..Counts::default()
        }
        .exit_code(fail_on)
    };
    assert_eq!(code(0, 0, 0, FailOn::Warn), 0);
    assert_eq!(code(1, 0, 0, FailOn::Fail), 0);
    assert_eq!(code(1, 0, 0, FailOn::Warn), 2);
    assert_eq!(code(0, 1, 1, FailOn::Fail), 2);
    assert_eq!(code(0, 0, 1, FailOn::Warn), 3);
    assert_eq!(code(1, 0, 1, FailOn::Fail), 3);
}

#[test]
fn a_judge_that_breaks_down_is_unknown() {
    let broken = Definition {
        judge: |_| panic!("on purpose"),
        ..CHECKS[0]
    };
    let check = judge(&broken, &cold());
    assert_eq!((check.id, check.status), (CHECKS[0].id, Status::Unknown));
    assert!(check.reason.is_some());
}

#[test]
fn ids_are_unique_well_formed_and_not_reused() {
    let mut seen = BTreeSet::new();
    for definition in CHECKS {
        assert!(seen.insert(definition.id), "{} twice", definition.id);
        assert!(!RETIRED.contains(&definition.id), "{} is retired", definition.id);
        let parts: Vec<&str> = definition.id.split('-').collect();
        assert!(
            matches!(parts[..], ["PIN", area, number]
                if area.chars().all(|c| c.is_ascii_uppercase()) && number.len() == 3 && number.parse::<u16>().is_ok()),
            "{}",
            definition.id
        );
        assert!(!definition.title.is_empty() && !definition.area.is_empty() && !definition.needs.is_empty());
    }
}

#[test]
fn dependencies_exist_and_have_no_cycle() {
    fn depth(id: &str, path: &mut Vec<String>) {
        assert!(!path.iter().any(|seen| seen == id), "cycle: {path:?} {id}");
        path.push(id.to_owned());
        for edge in find(id).unwrap_or_else(|| panic!("{id} does not exist")).depends_on {
            depth(edge.id(), path);
        }
        path.pop();
    }
    for definition in CHECKS {
        depth(definition.id, &mut Vec::new());
    }
}

#[test]
fn every_check_is_documented_under_its_id_and_title_and_nothing_else_is() {
    let page = include_str!("../../docs/doctor.md");
    let documented: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let registered: Vec<String> = CHECKS
        .iter()
        .map(|definition| format!("{}: {}", definition.id, definition.title))
        .collect();
    assert_eq!(documented, registered);
}

#[test]
fn what_hangs_on_a_blocked_check_names_the_root() {
    let mut facts = cold();
    facts.kernel.value.as_mut().unwrap().btf = Err(OsError {
        errno: Some(libc::ENOENT),
        message: "gone".to_owned(),
    });
    facts.capture = Gathered::gap(Gap::Crashed);
    let follower = check(&facts, "PIN-BPF-002");
    assert_eq!(
        (follower.status, follower.blocked_by),
        (Status::Skipped, Some("PIN-BTF-001"))
    );
    assert_eq!(find("PIN-BPF-002").unwrap().depends_on[0], Edge::Needs("PIN-BPF-001"));
    // Folding again changes nothing.
    let mut again = examine(&facts);
    let before = again.clone();
    graph::fold(CHECKS, &mut again);
    assert_eq!(before, again);
}

/// Every key of the value must be named by the schema, every required key must be there, types and words must fit.
fn fits(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return fits(value, target, root, at);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is not one of {words:?}");
    }
    match schema["type"].as_str() {
        None => {}
        Some("object") => {
            let object = value
                .as_object()
                .unwrap_or_else(|| panic!("{at}: {value} is not an object"));
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    object.contains_key(required.as_str().unwrap()),
                    "{at}: lacks {required}"
                );
            }
            for (key, value) in object {
                let at = format!("{at}.{key}");
                let property = schema["properties"]
                    .get(key)
                    .unwrap_or_else(|| panic!("{at} is not in the schema"));
                fits(value, property, root, &at);
            }
        }
        Some("array") => {
            for (index, value) in value
                .as_array()
                .unwrap_or_else(|| panic!("{at}: not an array"))
                .iter()
                .enumerate()
            {
                fits(value, &schema["items"], root, &format!("{at}[{index}]"));
            }
        }
        Some("string") => assert!(value.is_string(), "{at}: {value}"),
        Some("integer") => assert!(value.is_u64(), "{at}: {value}"),
        Some("number") => assert!(value.is_number(), "{at}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value}"),
        Some(other) => panic!("{at}: the schema uses the type {other}, which this test does not know"),
    }
}

fn no_null(value: &Value, at: &str) {
    match value {
        Value::Null => panic!("{at} is null: it should be absent"),
        Value::Array(items) => items.iter().for_each(|item| no_null(item, at)),
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| no_null(value, &format!("{at}.{key}"))),
        _ => {}
    }
}

#[test]
fn every_report_fits_the_published_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/doctor-report.schema.json")).unwrap();
    let fit = |report: &Report| {
        let value = serde_json::to_value(report).unwrap();
        fits(&value, &schema, &schema, "report");
        no_null(&value, "report");
    };
    fit(&report(
        &live(),
        "2026-01-02T03:04:05.678Z".to_owned(),
        Some("node-1".to_owned()),
    ));
    for case in GRID {
        let mut facts = (case.start)();
        (case.harm)(&mut facts);
        fit(&report(&facts, "2026-01-02T03:04:05.678Z".to_owned(), None));
    }
    let mut several = cold();
    several.runtimes = Gathered::known(vec![containerd(), containerd()]);
    fit(&report(&several, String::new(), None));
}

#[test]
fn a_host_outside_kubernetes_need_not_have_a_runtime() {
    let mut facts = cold();
    let runtimes = facts.runtimes.value.as_mut().unwrap();
    for runtime in runtimes {
        runtime.class = RuntimeClass::Absent;
        runtime.api = None;
    }
    facts.profile.name = "standalone".to_owned();
    facts.profile.detected = Ok(Some("standalone".to_owned()));
    assert_eq!(roots(&facts), [("PIN-RUN-001", Status::Warn)]);
    facts.profile.name = "generic".to_owned();
    facts.profile.detected = Ok(Some("generic".to_owned()));
    assert_eq!(roots(&facts), [("PIN-RUN-001", Status::Fail)]);
}

/// Docker and podman need no CRI, and no word says that they have one.
#[test]
fn docker_is_asked_in_its_own_api() {
    let mut facts = cold();
    let runtime = runtime_of(&mut facts);
    (runtime.name, runtime.version) = (Some("docker".to_owned()), Some("20.10.24".to_owned()));
    (runtime.api, runtime.protocol) = (Some("engine".to_owned()), "http".to_owned());
    facts.runtimes.value.as_mut().unwrap().truncate(1);
    let check = check(&facts, "PIN-RUN-002");
    assert_eq!(check.status, Status::Ok);
    assert_eq!(check.summary, "docker 20.10.24, Docker Engine API");
}

/// A kernel that cannot do it, or not all of it, is no fault of anybody who deploys the agent.
#[test]
fn what_the_kernels_landlock_lacks_is_told_and_is_no_finding() {
    for (abi, restricted) in [(0, "none"), (4, "partial"), (9, "full")] {
        let mut facts = live();
        let landlock = agent(&mut facts).second.landlock.as_mut().unwrap();
        (landlock.abi, landlock.restricted) = (abi, restricted.to_owned());
        landlock.why = format!("why it is {restricted}");
        let finding = super::judge::landlock::closes_off(&facts);
        assert_eq!(finding.status(), Status::Ok, "{finding:?}");
        assert!(
            format!("{finding:?}").contains(&format!("why it is {restricted}")),
            "{finding:?}"
        );
    }
}
