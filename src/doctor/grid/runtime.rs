//! Broken hosts: runtime.

use std::path::PathBuf;

use super::super::facts::{Closed, Facts, Mounted, Place, RuntimeFact, SocketFile};
use super::prelude::*;
use crate::container::Rank;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "no socket", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| *runtime_of(f) = absent(CONTAINERD) },
    Case { name: "no socket in a directory that is mounted", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { *runtime_of(f) = absent(CONTAINERD); runtime_of(f).mounted = Mounted::Directory; } },
    Case { name: "socket is a file", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::NotASocket, None) },
    Case { name: "socket refused", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Refused, Some(libc::ECONNREFUSED)) },
    Case { name: "mounted socket of before the runtime's restart", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::Refused, Some(libc::ECONNREFUSED)); runtime_of(f).mounted = Mounted::Deleted; } },
    Case { name: "socket forbidden by a security module", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Permission, Some(libc::EACCES)) },
    Case { name: "socket forbidden by SELinux", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::Permission, Some(libc::EACCES)); labelled(f, "system_u:system_r:custom_t:s0:c1,c2"); } },
    Case { name: "socket forbidden by AppArmor", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::Permission, Some(libc::EACCES)); labelled(f, "custom (enforce)"); } },
    Case { name: "socket of another group", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::Permission, Some(libc::EACCES)); f.process.value.as_mut().unwrap().gids = vec![65532]; } },
    Case { name: "directory of the socket closed", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::Permission, Some(libc::EACCES)); let runtime = runtime_of(f); runtime.file = None;
                    runtime.closed = Some(Closed { path: "/run/containerd".into(), file: owned(0, 0o700) }); } },
    Case { name: "socket hangs", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Timeout, None) },
    Case { name: "not gRPC", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::NotGrpc, None) },
    Case { name: "CRI disabled", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::CriUnimplemented, None); runtime_of(f).api = None; } },
    Case { name: "a wrong socket is named", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::NotGrpc, None); configured(runtime_of(f)); f.runtimes.value.as_mut().unwrap().truncate(1); } },
    Case { name: "runtime answers with an error", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Failing, None) },
    Case { name: "the runtime hangs now, whatever the agent remembers", start: live, root: ("PIN-RUN-001", Status::Fail), blocks: &["PIN-RUN-002", "PIN-RUN-004"],
        harm: |f| class(f, RuntimeClass::Timeout, None) },
    Case { name: "the runtime is silent, says the agent", start: live, root: ("PIN-RUN-001", Status::Fail),
        blocks: &["PIN-RUN-002", "PIN-RUN-007", "PIN-META-001", "PIN-META-003", "PIN-META-005"],
        harm: |f| { silent(f); unmet(f, "runtime"); } },
    Case { name: "one of two runtimes is silent", start: live, root: ("PIN-RUN-001", Status::Fail), blocks: &["PIN-RUN-005"],
        harm: |f| { agent(f).second.runtimes[0].origin = "configuration".to_owned(); let mut other = agent(f).second.runtimes[0].clone();
                    other.socket = "/run/docker.sock".to_owned(); agent(f).second.runtimes.push(other); silent(f); unmet(f, "runtime"); } },
    Case { name: "agent finds no runtime", start: live, root: ("PIN-RUN-001", Status::Fail),
        blocks: &["PIN-RUN-002", "PIN-RUN-003", "PIN-RUN-006", "PIN-RUN-007", "PIN-LIVE-002", "PIN-META-001", "PIN-META-002", "PIN-META-003", "PIN-META-004", "PIN-META-005"],
        harm: |f| { agent(f).second.runtimes[0].state = "absent".to_owned(); unenriched(f); } },
    Case { name: "containerd without CRI", start: cold, root: ("PIN-RUN-002", Status::Warn), blocks: &[],
        harm: |f| { class(f, RuntimeClass::CriUnimplemented, None); runtime_of(f).api = Some("containerd".to_owned()); } },
    Case { name: "old CRI", start: cold, root: ("PIN-RUN-002", Status::Warn), blocks: &[],
        harm: |f| { class(f, RuntimeClass::OldApi, None); runtime_of(f).api = Some("v1alpha2".to_owned()); } },
    Case { name: "own container unknown", start: cold, root: ("PIN-RUN-003", Status::Fail), blocks: &[],
        harm: |f| unproven(runtime_of(f), 3) },
    Case { name: "own container hidden", start: cold, root: ("PIN-RUN-003", Status::Unknown), blocks: &[],
        harm: |f| { unproven(runtime_of(f), 3); f.own.value.as_mut().unwrap().id = None; } },
    Case { name: "socket mounted alone", start: cold, root: ("PIN-RUN-004", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).mounted = Mounted::Alone },
    Case { name: "socket mounted alone for the agent too", start: live, root: ("PIN-RUN-004", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).mounted = Mounted::Alone },
    Case { name: "a named socket is not there", start: cold, root: ("PIN-RUN-005", Status::Warn), blocks: &[],
        harm: |f| configured(&mut f.runtimes.value.as_mut().unwrap()[1]) },
    Case { name: "a named socket is forbidden", start: cold, root: ("PIN-RUN-005", Status::Fail), blocks: &[],
        harm: |f| { let other = &mut f.runtimes.value.as_mut().unwrap()[1]; configured(other);
                    (other.class, other.file) = (RuntimeClass::Permission, Some(owned(7, 0o600))); } },
    Case { name: "a named socket hangs for the agent", start: live, root: ("PIN-RUN-005", Status::Fail), blocks: &[],
        harm: |f| { let mut other = agent(f).second.runtimes[0].clone(); other.origin = "configuration".to_owned();
                    (other.socket, other.state, other.now) = ("/run/docker.sock".to_owned(), "timeout".to_owned(), "silent".to_owned());
                    agent(f).second.runtimes.push(other); } },
    Case { name: "two runtimes with pods, neither the kubelet's", start: cold, root: ("PIN-RUN-006", Status::Fail), blocks: &["PIN-RUN-003"],
        harm: |f| { second(f); for runtime in f.runtimes.value.as_mut().unwrap() { unproven(runtime, 2); } } },
    Case { name: "two runtimes with pods, and nothing tells which is the kubelet's", start: cold, root: ("PIN-RUN-006", Status::Unknown), blocks: &["PIN-RUN-003"],
        harm: |f| { second(f); for runtime in f.runtimes.value.as_mut().unwrap() { unproven(runtime, 2); }
                    f.own.value.as_mut().unwrap().id = None; } },
    Case { name: "Docker's containerd instead of the kubelet's", start: cold, root: ("PIN-RUN-007", Status::Fail), blocks: &["PIN-RUN-003", "PIN-RUN-006"],
        harm: |f| { f.profile.name = "k3s".to_owned(); f.profile.detected = Ok(Some("k3s".to_owned())); unproven(runtime_of(f), 0); } },
    Case { name: "two runtimes without pods", start: cold, root: ("PIN-RUN-007", Status::Fail), blocks: &["PIN-RUN-003", "PIN-RUN-006"],
        harm: |f| { second(f); for runtime in f.runtimes.value.as_mut().unwrap() { unproven(runtime, 0); } } },
    Case { name: "the agent's runtime has no pods", start: live, root: ("PIN-RUN-007", Status::Fail),
        blocks: &["PIN-RUN-003", "PIN-RUN-006", "PIN-LIVE-002", "PIN-META-001", "PIN-META-003", "PIN-META-004"],
        harm: |f| { let told = &mut agent(f).second.runtimes[0];
                    (told.rank, told.evidence) = ("answers".to_owned(), "no pods when it was first asked".to_owned());
                    unproven(runtime_of(f), 0); unenriched(f); } },
    Case { name: "a node without pods", start: cold, root: ("PIN-RUN-007", Status::Warn), blocks: &[],
        harm: |f| { f.place = Place::Host; unproven(runtime_of(f), 0); } },
    Case { name: "a slow runtime", start: cold, root: ("PIN-RUN-008", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).calls = [700, 3, 650].map(Duration::from_millis).into() },
    Case { name: "a runtime that is too slow to say whose it is", start: cold, root: ("PIN-RUN-008", Status::Warn), blocks: &["PIN-RUN-003"],
        harm: |f| { let runtime = runtime_of(f); (runtime.own, runtime.pods) = (None, None); runtime.rank = Some(Rank::Answers);
                    runtime.calls = [700].map(Duration::from_millis).into(); } },
    Case { name: "a runtime that is slower than any event waits", start: live, root: ("PIN-RUN-008", Status::Fail), blocks: &["PIN-META-002", "PIN-META-005"],
        harm: |f| { runtime_of(f).calls = [1200, 1300].map(Duration::from_millis).into();
                    let lookups = agent(f).second.lookups.as_mut().unwrap(); (lookups.p99_us, lookups.waited_us) = (1_400_000, 9_000_000); } },
    Case { name: "a socket that is open to everyone", start: cold, root: ("PIN-RUN-009", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).file = Some(SocketFile { open: true, ..owned(0, 0o666) }) },
    Case { name: "a version with a known defect", start: cold, root: ("PIN-RUN-010", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).version = Some("v2.3.0".to_owned()) },
];

fn owned(id: u32, mode: u32) -> SocketFile {
    SocketFile {
        mode,
        uid: id,
        gid: id,
        open: false,
    }
}

fn configured(runtime: &mut RuntimeFact) {
    runtime.origin = "configuration".to_owned();
}

/// It does not know the own container, and has so many pods.
fn unproven(runtime: &mut RuntimeFact, pods: usize) {
    (runtime.own, runtime.pods) = (None, Some(pods));
    runtime.rank = Some(if pods > 0 { Rank::Pods } else { Rank::Answers });
}

/// Another runtime that answers, like the first but for its socket.
fn second(facts: &mut Facts) {
    let runtimes = facts.runtimes.value.as_mut().unwrap();
    runtimes[1] = RuntimeFact {
        socket: PathBuf::from("/run/k3s/containerd/containerd.sock"),
        ..runtimes[0].clone()
    };
}

fn labelled(facts: &mut Facts, label: &str) {
    facts.process.value.as_mut().unwrap().label = Some(label.to_owned());
}

/// The first runtime of the agent leaves calls unanswered.
fn silent(facts: &mut Facts) {
    let runtime = &mut agent(facts).second.runtimes[0];
    (runtime.now, runtime.why) = ("silent".to_owned(), "no answer in time".to_owned());
    runtime.circuit_open = true;
}
