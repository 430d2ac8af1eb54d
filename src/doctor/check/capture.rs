//! Capture: what the kernel lets the agent load, by trying, or by what the running agent has loaded.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::{CaptureFacts, Facts, LockdownFact, ProbeFailure};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::cause::Cause;
use super::kernel::{REDUCED_FIELDS, reduced_impact};
use super::seccomp::seccomp_commands;
use super::{agent, errno_name, grant};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-BPF-001",
        area: "capture",
        title: "The base programs load",
        weight: Weight::Blocks,
        needs: &[Need::Capture, Need::Agent],
        depends_on: &[
            Edge::Needs("PIN-KRN-001"),
            Edge::Needs("PIN-KRN-002"),
            Edge::Needs("PIN-KRN-003"),
            Edge::Needs("PIN-BTF-001"),
            Edge::Needs("PIN-BTF-002"),
            Edge::Needs("PIN-CAP-001"),
            Edge::Needs("PIN-SEC-001"),
            Edge::Needs("PIN-LSM-001"),
            Edge::Needs("PIN-LSM-002"),
            Edge::Needs("PIN-RES-001"),
            Edge::Needs("PIN-BPF-003"),
        ],
        judge: Some(base),
        offline: None,
        page: include_str!("../pages/PIN-BPF-001.md"),
    },
    Definition {
        id: "PIN-BPF-002",
        area: "capture",
        title: "A backend for system calls works",
        weight: Weight::Major,
        needs: &[Need::Capture, Need::Agent],
        depends_on: &[Edge::Needs("PIN-BPF-001"), Edge::Through("PIN-BPF-001")],
        judge: Some(backend),
        offline: None,
        page: include_str!("../pages/PIN-BPF-002.md"),
    },
];

/// PIN-BPF-001.
fn base(facts: &Facts) -> Finding {
    if let Some(reduced) = reduced(facts) {
        return base_reduced(facts, reduced);
    }
    if let Some(agent) = agent(facts) {
        let hooks: Vec<&String> = sorted(agent.second.hooks.keys());
        return Finding::ok("the running agent has its programs attached")
            .observed("attached")
            .expected("loaded")
            .evidence(&facts.live, "GetStatus hooks", json!(hooks));
    }
    let capture = match &facts.capture.value {
        Ok(capture) => capture,
        Err(gap) => return Finding::gap(gap),
    };
    let Err(failure) = capture.object.as_ref().and(capture.base.as_ref()) else {
        return Finding::ok("the base programs load")
            .observed("loaded")
            .expected("loaded")
            .evidence(&facts.capture, "bpf(2): base programs", "loaded");
    };
    let (text, commands, cause) = base_remedy(facts, failure);
    let mut observed = failed(failure);
    if let Some(cause) = cause {
        observed["cause"] = json!(cause.as_str());
    }
    let finding = Finding::fail(format!("{}: {}", failure.step, failure.message)).observed(observed);
    finding
        .expected("loaded")
        .evidence(&facts.capture, "bpf(2): base programs", failed(failure))
        .impact("The agent captures nothing on this node.", &["capture"], &[])
        .remedy(text, commands)
        .changes(base_change(facts, cause))
}

/// What governs the cause.
fn base_change(facts: &Facts, cause: Option<Cause>) -> Vec<Change> {
    match cause {
        Some(Cause::Lockdown) => vec![Change::node("kernel command line lockdown", "integrity")],
        Some(Cause::SeccompRefused) => grant::own_seccomp_profile(facts),
        Some(Cause::LsmDenied) => vec![Change::node("security module", "allows bpf(2) to the agent")],
        _ => vec![grant::node_image("one of the platform's supported kernels")],
    }
}

/// That only the programs load that read no kernel memory by helpers.
pub(super) struct Reduced {
    /// The kernel's answer to the full programs.
    pub(super) why: Value,
    /// Lockdown is the reason, by its mode or, where that is out of sight, by how the kernel refused.
    pub(super) by_lockdown: bool,
}

impl Reduced {
    /// The check whose finding it is.
    pub(super) fn root(&self) -> &'static str {
        if self.by_lockdown { "PIN-KRN-002" } else { "PIN-BPF-001" }
    }

    /// Adds what it was learnt from.
    pub(super) fn prove(self, facts: &Facts, finding: Finding) -> Finding {
        match agent(facts) {
            Some(_) => finding.evidence(&facts.live, "GetStatus backend", self.why),
            None => finding.evidence(&facts.capture, "bpf(2): base programs", self.why),
        }
    }
}

/// Whether the agent runs reduced, or would.
pub(super) fn reduced(facts: &Facts) -> Option<Reduced> {
    let (why, looks_like_it) = match (agent(facts), &facts.capture.value) {
        (Some(agent), _) => (json!(agent.second.backend.as_ref()?.reduced.as_ref()?), true),
        (None, Ok(capture)) => match (&capture.base, &capture.reduced) {
            (Err(failure), Some(Ok(()))) => (failed(failure), withheld(failure)),
            _ => return None,
        },
        _ => return None,
    };
    let by_lockdown = match &facts.kernel.value {
        Ok(kernel) => match &kernel.lockdown {
            LockdownFact::Mode(mode) => mode == "confidentiality",
            _ => looks_like_it,
        },
        Err(_) => false,
    };
    Some(Reduced { why, by_lockdown })
}

/// How the kernel refuses a helper that lockdown withdraws: the verifier names it, the reason is only in the kernel's log.
fn withheld(failure: &ProbeFailure) -> bool {
    let named = |log: &str| log.contains("bpf_probe_read");
    failure.errno == Some(libc::EINVAL) && failure.verifier.as_deref().is_some_and(named)
}

/// Lockdown's finding is its own; another cause is this check's.
fn base_reduced(facts: &Facts, reduced: Reduced) -> Finding {
    let finding = if reduced.by_lockdown {
        Finding::ok("the reduced base programs load, the full ones do not: see PIN-KRN-002")
    } else {
        Finding::warn("the kernel refuses the full programs, so that the agent runs reduced")
            .impact(reduced_impact(), &["capture", "metadata"], REDUCED_FIELDS)
            .remedy(
                "Report it with the verifier's words: the full programs should load on every kernel from 5.10 on that is \
                 not locked down for confidentiality. Another node image may have a kernel on which they do.",
                &["agent doctor --format json"],
            )
            .change(grant::node_image("one of the platform's supported kernels"))
    };
    reduced.prove(facts, finding.observed("reduced").expected("loaded"))
}

/// What mends it in words and commands, and the cause that fits the error.
type Blame = (&'static str, &'static [&'static str], Option<Cause>);

/// The cause that fits the error, and what mends it.
fn base_remedy(facts: &Facts, failure: &ProbeFailure) -> Blame {
    let unread = matches!(&facts.kernel.value, Ok(kernel) if !matches!(kernel.lockdown, LockdownFact::Mode(_)));
    // Where bpf(2) could be tried by itself, PIN-SEC-001 has judged the filter.
    let filtered = facts.seccomp.value.is_err() && matches!(&facts.process.value, Ok(process) if process.seccomp == 2);
    match failure.errno {
        Some(libc::EINVAL) if withheld(failure) && unread => (
            "The kernel withholds its memory from programs, which is what lockdown=confidentiality does. Start the node \
             with lockdown=integrity.",
            &["dmesg | grep -i lockdown", "cat /proc/cmdline"],
            Some(Cause::Lockdown),
        ),
        Some(libc::EPERM) if filtered => (
            "The capabilities are there, so the container's seccomp profile is what refuses bpf(2): containerd before \
             1.6.9 and CRI-O before about 1.31 allow it to CAP_SYS_ADMIN only. `agent seccomp setup` prints a profile \
             that does: put it into the node's directory of profiles, and name it.",
            seccomp_commands(facts.place),
            Some(Cause::SeccompRefused),
        ),
        Some(libc::EACCES | libc::EPERM) => (
            "A security module or a setting of the kernel refuses bpf(2) although the capabilities are held: on SELinux \
             the type container_t may not use it. Look for the denial.",
            &[
                "ausearch -m AVC -c agent",
                "dmesg | grep -iE 'apparmor|avc'",
                "sysctl kernel.unprivileged_bpf_disabled",
            ],
            Some(Cause::LsmDenied),
        ),
        Some(libc::ENOSYS) => (
            "The kernel is built without bpf(2). Choose another node image.",
            &["uname -a"],
            Some(Cause::KernelLacks),
        ),
        _ => (
            "Report it with the verifier's words: the programs should load on every kernel from 5.10 on. Another node image may \
             have a kernel on which they do.",
            &["agent doctor --format json"],
            None,
        ),
    }
}

/// PIN-BPF-002.
fn backend(facts: &Facts) -> Finding {
    if let Some(agent) = agent(facts) {
        let Some(backend) = &agent.second.backend else {
            return Finding::unknown("the agent did not say which backend it uses");
        };
        let value = json!({ "backend": backend.name, "why": backend.why });
        let finding = match backend.name.as_str() {
            "dispatcher" => dispatcher(&backend.why),
            "none" => no_backend(backend.why.clone(), true),
            name => Finding::ok(format!("{name}: {}", backend.why)),
        };
        return finding
            .observed(value.clone())
            .expected(EXPECTED)
            .evidence(&facts.live, "GetStatus backend", value);
    }
    let capture = match &facts.capture.value {
        Ok(capture) => capture,
        Err(gap) => return Finding::gap(gap),
    };
    let finding = match capture {
        CaptureFacts { trampoline: Ok(()), .. } => {
            Finding::ok("trampoline: a system call that nobody watches costs nothing")
                .observed(json!({ "backend": "trampoline" }))
        }
        CaptureFacts {
            trampoline: Err(refused),
            dispatcher: Ok(()),
            ..
        } => {
            let why = format!(
                "trampolines are refused: {} ({})",
                refused.message,
                errno_name(refused.errno)
            );
            dispatcher(&why).observed(json!({ "backend": "dispatcher", "why": why, "trampoline": failed(refused) }))
        }
        CaptureFacts {
            trampoline: Err(refused),
            dispatcher: Err(failure),
            ..
        } => no_backend(
            format!("neither backend loads: {}: {}", failure.step, failure.message),
            matches!(capture.reduced, Some(Ok(()))),
        )
        .observed(json!({ "trampoline": failed(refused), "dispatcher": failed(failure) })),
    };
    let verdict = |result: &Result<(), ProbeFailure>| match result {
        Ok(()) => json!("loaded"),
        Err(failure) => failed(failure),
    };
    finding
        .expected(EXPECTED)
        .evidence(&facts.capture, "bpf(2): trampoline", verdict(&capture.trampoline))
        .evidence(&facts.capture, "bpf(2): dispatcher", verdict(&capture.dispatcher))
}

const EXPECTED: &str = "trampoline or dispatcher";

/// The dispatcher is a full backend: nothing is lost, only the price is another one.
fn dispatcher(why: &str) -> Finding {
    Finding::ok(format!("dispatcher: {why}")).impact(
        "One program runs on every system call of the node: a call that nobody watches takes about 1.6 times as long as a \
         null system call without it. Nothing is lost.",
        &[],
        &[],
    )
}

fn no_backend(why: String, reduced: bool) -> Finding {
    let finding = Finding::fail(why).impact(
        "No system call is captured, only the life of processes.",
        &["capture"],
        &["syscall", "file", "network"],
    );
    if reduced {
        finding.remedy(
            "The reduced programs watch system calls from Linux 5.11 on: run the node on a newer kernel, or mend what \
             makes the agent run reduced.",
            &["uname -r", "agent doctor --format json"],
        )
        .change(grant::node_image("a kernel of 5.11 or newer"))
    } else {
        finding.remedy(
            "Report it with the verifier's words: one of the two should load wherever the base programs do. Another node image \
             may have a kernel on which one does.",
            &["agent doctor --format json"],
        )
        .change(grant::node_image("one of the platform's supported kernels"))
    }
}

fn failed(failure: &ProbeFailure) -> serde_json::Value {
    let mut value = json!({ "step": failure.step, "errno": errno_name(failure.errno), "message": failure.message });
    if let Some(log) = &failure.verifier {
        value["verifier"] = json!(log);
    }
    value
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
