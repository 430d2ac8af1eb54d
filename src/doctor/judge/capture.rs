//! Capture: what the kernel lets the agent load, by trying, or by what the running agent has loaded.

use serde_json::json;

use super::super::facts::{CaptureFacts, Facts, LockdownFact, Place, ProbeFailure};
use super::super::finding::Finding;
use super::kernel::version;
use super::{agent, errno_name};

/// PIN-BPF-001.
pub(in super::super) fn base(facts: &Facts) -> Finding {
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
    let (text, commands) = base_remedy(facts, failure);
    let finding = Finding::fail(format!("{}: {}", failure.step, failure.message)).observed(failed(failure));
    let finding = match memlock(facts) {
        Some(limit) => finding.evidence(&facts.capture, "RLIMIT_MEMLOCK", limit),
        None => finding,
    };
    finding
        .expected("loaded")
        .evidence(&facts.capture, "bpf(2): base programs", failed(failure))
        .impact("The agent captures nothing on this node.", &["capture"], &[])
        .remedy(text, commands)
}

/// The cause that fits the error, and what mends it.
fn base_remedy(facts: &Facts, failure: &ProbeFailure) -> (&'static str, &'static [&'static str]) {
    let unread = matches!(&facts.kernel.value, Ok(kernel) if !matches!(kernel.lockdown, LockdownFact::Mode(_)));
    let withheld = failure
        .verifier
        .as_deref()
        .is_some_and(|log| log.contains("bpf_probe_read"));
    let filtered = matches!(&facts.process.value, Ok(process) if process.seccomp == 2);
    match failure.errno {
        // The verifier names the helper; the reason, lockdown, is only in the kernel's log.
        Some(libc::EINVAL) if withheld && unread => (
            "The kernel withholds its memory from programs, which is what lockdown=confidentiality does. Start the node \
             with lockdown=integrity.",
            &["dmesg | grep -i lockdown", "cat /proc/cmdline"],
        ),
        Some(libc::EPERM) if memlock(facts).is_some() => (
            "Kernels before 5.11 count maps against RLIMIT_MEMLOCK, and a map beyond it is refused as if a capability \
             lacked. Raise the limit, make the ring smaller, or grant CAP_SYS_RESOURCE, with which the agent lifts the limit \
             itself: in the manifest and among the binary's file capabilities, both.",
            match facts.place {
                Place::Kubernetes => &[
                    "securityContext:\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON, SYS_RESOURCE]",
                    "setcap cap_bpf,cap_perfmon,cap_sys_resource=p agent",
                    "PINHOLE_CAPTURE_RING_SIZE=1MiB",
                ],
                Place::Container => &["--ulimit memlock=-1", "PINHOLE_CAPTURE_RING_SIZE=1MiB"],
                Place::Host => &["LimitMEMLOCK=infinity", "ulimit -l unlimited"],
            },
        ),
        Some(libc::EPERM) if filtered => (
            "The capabilities are there, so the container's seccomp profile is what refuses bpf(2): containerd before \
             1.6.9 and CRI-O before about 1.31 allow it to CAP_SYS_ADMIN only. Put seccomp/agent-setup.json, which comes with \
             the agent, into the node's directory of profiles, and name it.",
            match facts.place {
                Place::Kubernetes => &[
                    "install -m 0644 -D seccomp/agent-setup.json /var/lib/kubelet/seccomp/pinhole/agent-setup.json",
                    "securityContext:\n  seccompProfile:\n    type: Localhost\n    localhostProfile: pinhole/agent-setup.json",
                ],
                _ => &["--security-opt seccomp=seccomp/agent-setup.json"],
            },
        ),
        Some(libc::EACCES | libc::EPERM) => (
            "A security module or a setting of the kernel refuses bpf(2) although the capabilities are held: on SELinux \
             the type container_t may not use it. Look for the denial.",
            &[
                "ausearch -m AVC -c agent",
                "dmesg | grep -iE 'apparmor|avc'",
                "sysctl kernel.unprivileged_bpf_disabled",
            ],
        ),
        Some(libc::ENOSYS) => (
            "The kernel is built without bpf(2). Choose another node image.",
            &["uname -a"],
        ),
        _ => (
            "Report it with the verifier's words: the programs should load on every kernel from 5.10 on.",
            &["agent doctor --format json"],
        ),
    }
}

/// The limit on locked memory, in bytes, where there is one and the kernel counts maps against it.
fn memlock(facts: &Facts) -> Option<u64> {
    let counted = matches!(&facts.kernel.value, Ok(kernel) if version(&kernel.release).is_some_and(|it| it < (5, 11)));
    let capture = facts.capture.value.as_ref().ok()?;
    capture.memlock.filter(|_| counted)
}

/// PIN-BPF-002.
pub(in super::super) fn backend(facts: &Facts) -> Finding {
    if let Some(agent) = agent(facts) {
        let Some(backend) = &agent.second.backend else {
            return Finding::unknown("the agent did not say which backend it uses");
        };
        let value = json!({ "backend": backend.name, "why": backend.why });
        let finding = match backend.name.as_str() {
            "dispatcher" => dispatcher(&backend.why),
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
        } => Finding::fail(format!("neither backend loads: {}: {}", failure.step, failure.message))
            .observed(json!({ "trampoline": failed(refused), "dispatcher": failed(failure) }))
            .impact(
                "No system call is captured, only the life of processes.",
                &["capture"],
                &["syscall", "file", "network"],
            )
            .remedy(
                "Report it with the verifier's words: one of the two should load wherever the base programs do.",
                &["agent doctor --format json"],
            ),
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
