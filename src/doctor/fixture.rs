//! Facts for tests: a healthy pod with a running agent, and a healthy one without.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::facts::host::{
    BpfAnswer, BuildFact, CgroupFact, CpuFact, DirectoryFact, LsmFacts, MemoryUse, MountFacts, ProcFact, ResourceFacts,
    SeccompFacts, Seen,
};
use super::facts::join::{Join, List};
use super::facts::live::{Binary, Probe, Span};
use super::facts::{
    CanaryFact, CaptureFacts, ConfigFacts, Facts, Gap, Gathered, JoinFact, KernelFacts, LiveAgent, LiveFacts,
    LockdownFact, LogFacts, MemoryFacts, Mounted, OsError, OwnContainer, Place, ProbeFailure, ProcessFacts,
    ProfileFacts, RuntimeClass, RuntimeFact, SettingFact, SocketFile, View,
};
use super::gather::build::OPTIONS;
use crate::capture::types::Fit;
use crate::container::{Field, Rank};
use crate::control::api::{
    Backend, Channel, Condition, Delivery, FieldCount, GetStatusReply, HookCounters, Landlock, Latency, Log, Lookups,
    Output, PrivilegeChecks, Rate, Reporting, Ring, Rules, Runtime, Setting, Thread, WindowAccount,
};
use crate::kubernetes::HostMount;
use crate::platform::Confidence;
use crate::privilege::Capabilities;
use crate::privilege::file::FileCapabilities;

pub(super) const CONTAINERD: &str = "/run/containerd/containerd.sock";
pub(super) const ID: &str = "4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e";

const FILE: &str = "file /etc/pinhole/agent.toml";
/// Some settings, with where they are from.
const SETTINGS: [(&str, &str, &str); 5] = [
    ("profile", r#""aks""#, FILE),
    ("node.name", r#""node-1""#, "environment variable NODE_NAME"),
    ("capture.ring_size", r#""8.0 MiB""#, "built-in default"),
    ("capture.batch", r#""10ms""#, "built-in default"),
    ("health.listen", r#""0.0.0.0:9467""#, FILE),
];
/// 2026-01-02T03:04:06Z.
const NOW: i64 = 1_767_323_046_000_000_000;

/// No agent runs, everything is ready for one.
pub(super) fn cold() -> Facts {
    Facts {
        place: Place::Kubernetes,
        kernel: timed(KernelFacts {
            release: "6.1.0-28-amd64".to_owned(),
            lockdown: LockdownFact::Mode("integrity".to_owned()),
            btf: Ok(5_500_000),
            types: Ok(Fit {
                roots: 40,
                ..Fit::default()
            }),
            build: BuildFact::Read {
                file: "/boot/config-6.1.0-28-amd64".into(),
                options: OPTIONS.map(|option| (option.to_owned(), "y".to_owned())).into(),
            },
            jit: Some(1),
        }),
        process: timed(ProcessFacts {
            uid: 65532,
            gids: vec![0, 65532],
            effective: 0,
            permitted: 0xc0_0000_0000,
            bounding: 0xc0_0000_0000,
            no_new_privs: true,
            seccomp: 2,
            label: None,
            file: FileCapabilities::Present {
                permitted: Capabilities::from_bits(0xc0_0000_0000),
                effective: false,
            },
        }),
        capture: timed(CaptureFacts {
            object: Ok(()),
            base: Ok(()),
            trampoline: Ok(()),
            dispatcher: Ok(()),
            reduced: None,
            memlock: None,
        }),
        memory: timed(MemoryFacts {
            cpus: 4,
            maps: [
                ("events", 8 << 20),
                ("scratches", 4 << 20),
                ("processes", 3 << 20),
                ("counters", 8192),
            ]
            .map(|(map, bytes)| (map.to_owned(), bytes))
            .into(),
            per_cpu: 1 << 20,
            limit: Some(128 << 20),
        }),
        seccomp: timed(SeccompFacts {
            unknown_command: BpfAnswer::Reached,
            map_create: None,
            capable: true,
            unprivileged_disabled: Some(2),
        }),
        lsm: timed(LsmFacts {
            label: Some("cri-containerd.apparmor.d (enforce)".to_owned()),
            selinux_enforcing: None,
            apparmor: Some(true),
        }),
        mounts: timed(surroundings()),
        resources: timed(ResourceFacts {
            cpu: Some(CpuFact {
                file: "/sys/fs/cgroup/cpu.stat".into(),
                quota_us: None,
                period_us: 100_000,
                periods: 0,
                throttled: 0,
                throttled_us: 0,
            }),
            memory: Some(MemoryUse {
                file: "/sys/fs/cgroup/memory.current".into(),
                limit: Some(128 << 20),
                working_set: 48 << 20,
                oom_kills: 0,
            }),
        }),
        runtimes: timed(vec![containerd(), absent("/run/crio/crio.sock")]),
        own: timed(OwnContainer {
            id_from: "/proc/self/cgroup",
            cgroup_leaf: Some(format!("cri-containerd-{ID}.scope")),
            id: Some(ID.to_owned()),
        }),
        live: timed(LiveFacts::Absent {
            socket: "/run/pinhole/agent.sock".into(),
            agents: Vec::new(),
        }),
        join: timed(JoinFact::NoAgent).seen(View::Live),
        canary: Gathered::gap(Gap::NotGathered("no agent to watch for the canary".to_owned())),
        log: timed(LogFacts {
            target: "auto",
            journald: Err(OsError {
                errno: Some(libc::ENOENT),
                message: "No such file or directory".to_owned(),
            }),
        }),
        config: ConfigFacts {
            sources: vec!["defaults".to_owned(), "/etc/pinhole/agent.toml".to_owned()],
            problem: None,
            lookup_budget: Duration::from_secs(1),
            file: Some("/etc/pinhole/agent.toml".to_owned()),
            settings: SETTINGS
                .map(|(key, value, origin)| SettingFact {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    origin: origin.to_owned(),
                })
                .into(),
            call_timeout: Duration::from_secs(2),
            prefetch: true,
        },
        profile: ProfileFacts {
            name: "aks".to_owned(),
            declared: true,
            source: FILE.to_owned(),
            detected: Ok(Some("aks".to_owned())),
            confidence: Confidence::Certain,
            evidence: vec!["node label kubernetes.azure.com/cluster".to_owned()],
        },
        suppressions: None,
    }
}

/// A container of its own, with the runtime's directory and nothing else of the host.
fn surroundings() -> MountFacts {
    MountFacts {
        proc: ProcFact::Own { hides: Vec::new() },
        read_only_root: Ok(true),
        host: Ok(vec![mounted("/run/containerd")]),
        used: ["/etc/pinhole", "/run/containerd", "/run/pinhole"]
            .map(str::to_owned)
            .into(),
        shared: ["ipc", "network", "pid", "uts"].map(|name| (name, Ok(false))).into(),
        user_namespace: Ok(false),
        admin: Some(DirectoryFact {
            path: "/run/pinhole".into(),
            seen: Some(Seen {
                path: "/run/pinhole".into(),
                refused: None,
                full: false,
                mode: 0o777,
                uid: 0,
                gid: 0,
            }),
        }),
        cgroup: CgroupFact {
            hierarchy: "cgroup v2".to_owned(),
            controller: String::new(),
            paths: [(String::new(), "/".to_owned())].into(),
            listed: true,
            mounted: Vec::new(),
        },
    }
}

/// A directory of the host, at the same place.
pub(super) fn mounted(path: &str) -> HostMount {
    HostMount {
        host: path.to_owned(),
        at: path.to_owned(),
        read_only: true,
        bidirectional: false,
        volume: String::new(),
    }
}

/// The same with an agent that runs as it should.
pub(super) fn live() -> Facts {
    let mut facts = cold();
    facts.live = timed(LiveFacts::Answers(Box::new(LiveAgent {
        socket: "/run/pinhole/agent.sock".into(),
        uid: Some(65532),
        seen_as: Some(1),
        first: status(1000),
        second: status(1100),
        between: [1020, 1050, 1080].map(|seen| status(seen).hooks).into(),
        cpus: 4,
        window: Duration::from_millis(1000),
        asked: Span {
            from: NOW - 200_000,
            to: NOW + 200_000,
        },
        canary_ran: Some(Span {
            from: NOW - 900_000_000,
            to: NOW - 890_000_000,
        }),
        binary: Some(Ok(Binary {
            path: "/agent".into(),
            replaced: false,
            own: true,
        })),
        probe: Some(Probe {
            address: ([127, 0, 0, 1], 9467).into(),
            answer: Ok(200),
        }),
    })))
    .seen(View::Live);
    facts.join = timed(JoinFact::Joined(Join {
        lists: vec![List {
            socket: CONTAINERD.into(),
            running: Ok(7),
        }],
        listed: 7,
        known: 7,
        complete: 7,
        ..Join::default()
    }))
    .seen(View::Live);
    facts.canary = timed(CanaryFact::Seen {
        program: "/bin/true".to_owned(),
        latency_us: 4321,
        event: json!({
            "type": "process_exec",
            "time": "2026-01-02T03:04:05.105000000Z",
            "container": { "id": ID, "name": "agent" },
            "metadata": { "status": "complete", "source": "cri", "lookup_us": 900 },
        }),
    })
    .seen(View::Live);
    facts
}

/// A snapshot of an agent that has seen `seen` calls of openat.
pub(super) fn status(seen: u64) -> GetStatusReply {
    let openat = HookCounters {
        seen,
        filtered: seen / 2,
        delivered: seen - seen / 2,
        ..HookCounters::default()
    };
    let exec = HookCounters {
        seen: 40,
        delivered: 40,
        missed: Some(0),
        ..HookCounters::default()
    };
    GetStatusReply {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: 1,
        node: "node-1".to_owned(),
        profile: "aks".to_owned(),
        uptime_seconds: 61.5,
        backend: Some(Backend {
            name: "trampoline".to_owned(),
            why: "preferred, and the kernel allows it".to_owned(),
            reduced: None,
        }),
        reporting: Some(Reporting::default()),
        hooks: [("openat".to_owned(), openat), ("sched_process_exec".to_owned(), exec)].into(),
        metadata_status: [("host".to_owned(), 20), ("complete".to_owned(), 500)].into(),
        metadata_reason: [].into(),
        metadata_fields: fields(500),
        window: Some(WindowAccount {
            seconds: 61.5,
            metadata_status: [("host".to_owned(), 20), ("complete".to_owned(), 500)].into(),
            metadata_fields: fields(500),
            hooks: [("openat".to_owned(), openat), ("sched_process_exec".to_owned(), exec)].into(),
            latency: Some(Latency {
                count: 5200,
                p50_us: 1100,
                p90_us: 2000,
                p99_us: 2600,
                max_us: 3100,
            }),
            ..WindowAccount::default()
        }),
        lookups: Some(Lookups {
            count: 12,
            p50_us: 1800,
            p99_us: 9500,
            ..Lookups::default()
        }),
        runtimes: vec![Runtime {
            socket: CONTAINERD.to_owned(),
            state: "answers".to_owned(),
            name: "containerd".to_owned(),
            version: "1.7.24".to_owned(),
            api: "v1".to_owned(),
            protocol: "grpc".to_owned(),
            rank: "own_container".to_owned(),
            evidence: "knows this container, 3 pods".to_owned(),
            origin: "containerd".to_owned(),
            now: "answers".to_owned(),
            ..Runtime::default()
        }],
        threads: vec![thread(1, "agent"), thread(8, "control")],
        ring_size: 8 << 20,
        rates: [("10s", 10.0), ("1m", 60.0), ("1h", 61.5)]
            .map(|(window, seconds)| (window.to_owned(), rate(seconds, 0.0)))
            .into(),
        latency: Some(Latency {
            count: seen,
            p50_us: 1100,
            p90_us: 2000,
            p99_us: 2600,
            max_us: 3100,
        }),
        dispatcher_missed: None,
        canary_age_ms: Some(420),
        canary_round_trip_us: Some(310),
        canary_status: Some("complete".to_owned()),
        canary_reason: None,
        turn_age_ms: Some(12),
        landlock: Some(Landlock {
            abi: 9,
            restricted: "full".to_owned(),
            why: "it closes off all that it controls, but for what the agent needs and unix sockets near those of the runtimes".to_owned(),
            refused: false,
        }),
        privilege_checks: Some(PrivilegeChecks { count: 3, age_ms: 1500 }),
        conditions: [
            ("readiness", "hooks", "PIN-BPF-004"),
            ("readiness", "canary", "PIN-LIVE-003"),
            ("readiness", "runtime", "PIN-RUN-001"),
            ("readiness", "losses", "PIN-LOSS-001"),
            ("readiness", "delivery", "PIN-DLV-001"),
            ("liveness", "pipeline", "PIN-LIVE-003"),
        ]
        .map(|(of, name, check)| Condition {
            name: name.to_owned(),
            check: check.to_owned(),
            met: "yes".to_owned(),
            since_ms: 61_000,
            reason: "as it should be".to_owned(),
            of: of.to_owned(),
        })
        .into(),
        ring: Some(Ring {
            size: 8 << 20,
            fill_max_bytes: Some(200 << 10),
            window_fill_max_bytes: Some(120 << 10),
            average_record_bytes: Some(420),
            ..Ring::default()
        }),
        output: Some(Output {
            kind: "stdout".to_owned(),
            written_bytes: 900_000,
            ..Output::default()
        }),
        delivery: Some(Delivery {
            running: true,
            handed_over: 12,
            lost: 0,
            channels: ["file", "http"].map(|name| (name.to_owned(), channel(12))).into(),
            ..Delivery::default()
        }),
        rules: Some(Rules {
            loaded: 25,
            ..Rules::default()
        }),
        log: Some(Log {
            wanted: "auto".to_owned(),
            used: "stderr".to_owned(),
            why: "there is no /run/systemd/journal/socket".to_owned(),
            failures: 0,
        }),
        settings: SETTINGS
            .map(|(key, value, origin)| Setting {
                key: key.to_owned(),
                value: value.to_owned(),
                origin: origin.to_owned(),
            })
            .into(),
        unix_time_ns: NOW,
        health_listen: "0.0.0.0:9467".to_owned(),
        ..GetStatusReply::default()
    }
}

/// One that took all.
fn channel(delivered: u64) -> Channel {
    Channel {
        delivered,
        ..Channel::default()
    }
}

/// Every field in so many events.
fn fields(present: u64) -> HashMap<String, FieldCount> {
    let count = FieldCount {
        present,
        ..FieldCount::default()
    };
    Field::ALL
        .map(|field| (field.as_str().to_owned(), count.clone()))
        .into()
}

/// A hundred wanted events a second, of which so many were dropped.
pub(super) fn rate(seconds: f64, dropped: f64) -> Rate {
    Rate {
        seconds,
        seen: 150.0,
        delivered: 100.0 - dropped,
        dropped,
    }
}

pub(super) fn thread(tid: u32, name: &str) -> Thread {
    Thread {
        tid,
        name: name.to_owned(),
        cap_bounding: 0xc0_0000_0000,
        no_new_privs: true,
        seccomp: 2,
        seccomp_filters: Some(3),
        ..Thread::default()
    }
}

pub(super) fn containerd() -> RuntimeFact {
    RuntimeFact {
        socket: CONTAINERD.into(),
        class: RuntimeClass::Answers,
        errno: None,
        detail: String::new(),
        file: Some(SocketFile {
            mode: 0o660,
            uid: 0,
            gid: 0,
            open: false,
        }),
        name: Some("containerd".to_owned()),
        version: Some("1.7.24".to_owned()),
        api: Some("v1".to_owned()),
        protocol: "grpc".to_owned(),
        origin: "containerd".to_owned(),
        rank: Some(Rank::OwnContainer),
        evidence: "knows this container, 3 pods".to_owned(),
        mounted: Mounted::Directory,
        closed: None,
        own: Some(ID.to_owned()),
        pods: Some(3),
        calls: [2100, 1400, 1800].map(Duration::from_micros).into(),
    }
}

pub(super) fn absent(path: &str) -> RuntimeFact {
    RuntimeFact {
        socket: PathBuf::from(path),
        class: RuntimeClass::Absent,
        errno: Some(libc::ENOENT),
        detail: "No such file or directory".to_owned(),
        file: None,
        name: None,
        version: None,
        api: None,
        protocol: "grpc".to_owned(),
        origin: "CRI-O".to_owned(),
        rank: Some(Rank::Absent),
        evidence: String::new(),
        mounted: Mounted::No,
        closed: None,
        own: None,
        pods: None,
        calls: Vec::new(),
    }
}

pub(super) fn refusal(step: &str, errno: i32) -> ProbeFailure {
    ProbeFailure {
        step: step.to_owned(),
        errno: Some(errno),
        message: nix::errno::Errno::from_raw(errno).desc().to_owned(),
        verifier: None,
    }
}

/// The answering agent of facts made by [`live`].
pub(super) fn agent(facts: &mut Facts) -> &mut LiveAgent {
    match &mut facts.live.value {
        Ok(LiveFacts::Answers(agent)) => agent,
        other => panic!("these facts have no running agent: {other:?}"),
    }
}

fn timed<T>(value: T) -> Gathered<T> {
    Gathered {
        value: Ok(value),
        at: Some("2026-01-02T03:04:05.678Z".to_owned()),
        duration_us: Some(1500),
        view: View::Cold,
    }
}
