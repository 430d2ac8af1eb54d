//! What stands before bpf(2), and whether the container is filtered at all.

use serde_json::json;

use super::super::change::{Change, Op};
use super::super::facts::host::BpfAnswer;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::cause::Cause;
use super::grant;
use super::kernel::version;
use super::resource::counts_locked;
use super::thread::{OWN_STATUS, own_process, privileged};
use super::{agent, errno_name};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-SEC-001",
        area: "privilege",
        title: "seccomp admits bpf(2)",
        weight: Weight::Blocks,
        needs: &[Need::Process, Need::Capture, Need::Agent],
        depends_on: &[Edge::Needs("PIN-CAP-001"), Edge::Needs("PIN-KRN-003")],
        judge: Some(admits),
        offline: None,
        page: include_str!("../pages/PIN-SEC-001.md"),
    },
    Definition {
        id: "PIN-SEC-002",
        area: "privilege",
        title: "The container has a seccomp profile",
        weight: Weight::Minor,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(profile),
        offline: Some(super::offline::confinement::seccomp),
        page: include_str!("../pages/PIN-SEC-002.md"),
    },
];

/// First release whose bpf(2) looks at the command before it looks at capabilities.
const COMMAND_FIRST: (u32, u32) = (5, 19);

/// Who refused bpf(2), as far as the probe tells; none where nobody did.
pub(super) fn refused_by(facts: &Facts) -> Option<Cause> {
    let probe = facts.seccomp.value.as_ref().ok()?;
    let filtered = matches!(&facts.process.value, Ok(process) if process.seccomp == 2);
    let nested = matches!(&facts.mounts.value, Ok(mounts) if mounts.user_namespace == Ok(true));
    let command_first =
        !matches!(&facts.kernel.value, Ok(kernel) if version(&kernel.release).is_some_and(|it| it < COMMAND_FIRST));
    match (probe.unknown_command, probe.map_create) {
        (BpfAnswer::Reached, None) => None,
        (BpfAnswer::Killed, _) => Some(Cause::SeccompRefused),
        // Only kernels with bpf(2) have the setting, whatever the namespace.
        (BpfAnswer::Refused(libc::ENOSYS), _) if probe.unprivileged_disabled.is_none() => Some(Cause::KernelLacks),
        (BpfAnswer::Refused(libc::ENOSYS), _) => Some(Cause::SeccompRefused),
        (BpfAnswer::Refused(_), _) if !probe.capable => Some(Cause::CapabilityMissing),
        (BpfAnswer::Reached, Some(libc::EPERM)) if !probe.capable => Some(Cause::CapabilityMissing),
        (BpfAnswer::Refused(_), _) if nested && !command_first => Some(Cause::UserNamespace),
        (BpfAnswer::Refused(_), _) if filtered => Some(Cause::SeccompRefused),
        (BpfAnswer::Refused(_), _) => Some(Cause::LsmDenied),
        (BpfAnswer::Reached, Some(libc::EPERM)) if short_of_locked_memory(facts) => Some(Cause::LimitReached),
        (BpfAnswer::Reached, Some(libc::EPERM)) if nested => Some(Cause::UserNamespace),
        (BpfAnswer::Reached, Some(libc::EPERM | libc::EACCES)) => Some(Cause::LsmDenied),
        (BpfAnswer::Reached, Some(_)) => Some(Cause::LimitReached),
    }
}

/// Whether a limit on locked memory may be what refuses a map, with the same error as a missing capability.
fn short_of_locked_memory(facts: &Facts) -> bool {
    counts_locked(facts) && matches!(&facts.capture.value, Ok(capture) if capture.memlock.is_some())
}

/// PIN-SEC-001.
fn admits(facts: &Facts) -> Finding {
    const SOURCE: &str = "bpf(2) with a command that does not exist";
    if agent(facts).is_some() {
        return Finding::ok("the running agent had bpf(2): its programs are attached")
            .observed("attached")
            .expected("EINVAL, from the kernel")
            .evidence(&facts.live, "GetStatus uptime_seconds", "attached");
    }
    let probe = match &facts.seccomp.value {
        Ok(probe) => probe,
        Err(gap) => return Finding::gap(gap),
    };
    let said = match probe.unknown_command {
        BpfAnswer::Reached => "EINVAL".to_owned(),
        BpfAnswer::Refused(errno) => errno_name(Some(errno)),
        BpfAnswer::Killed => "killed by SIGSYS".to_owned(),
    };
    let cause = refused_by(facts);
    let mut observed = json!({ "unknown_command": said });
    if let Some(errno) = probe.map_create {
        observed["map_create"] = json!(errno_name(Some(errno)));
    }
    if let Some(cause) = cause {
        observed["cause"] = json!(cause.as_str());
    }
    let finding = match cause {
        None => Finding::ok("bpf(2) reaches the kernel, and a map can be made"),
        Some(Cause::KernelLacks) => kernel_lacks(),
        Some(Cause::CapabilityMissing) => powerless(),
        Some(Cause::UserNamespace) => nested(facts),
        Some(Cause::SeccompRefused) => filtered(facts, &said),
        // These are for others to judge: what it takes is past every filter.
        Some(_) if probe.unknown_command == BpfAnswer::Reached => {
            Finding::ok("no filter stands before bpf(2); what refuses maps comes after it")
        }
        Some(_) => denied(&said),
    };
    finding
        .observed(observed)
        .expected("EINVAL, from the kernel")
        .evidence(&facts.seccomp, SOURCE, said)
}

const NOTHING: &str = "The agent loads no program: it captures nothing on this node and ends with exit code 78.";

fn kernel_lacks() -> Finding {
    Finding::fail("the kernel is built without bpf(2)")
        .impact(NOTHING, &["capture"], &[])
        .remedy(
            "Choose a node image whose kernel has CONFIG_BPF_SYSCALL=y.",
            &["uname -a"],
        )
        .change(grant::node_image("a kernel with CONFIG_BPF_SYSCALL=y"))
}

fn powerless() -> Finding {
    Finding::fail("neither CAP_BPF nor CAP_SYS_ADMIN could be made effective")
        .impact(NOTHING, &["capture"], &[])
        .remedy(
            "They are permitted, and the kernel or a filter refuses capset(2). Report it with what stands in the log.",
            &["agent doctor --format json", "grep Cap /proc/self/status"],
        )
        .change(Change::node("security module", "allows capset(2) to the agent"))
}

fn nested(facts: &Facts) -> Finding {
    Finding::fail("in a user namespace of its own the capabilities of this process do not count for bpf(2)")
        .impact(NOTHING, &["capture"], &[])
        .remedy(
            "Run the agent in the host's user namespace: only there do CAP_BPF and CAP_PERFMON count.",
            match facts.place {
                Place::Kubernetes => &["spec:\n  hostUsers: true"],
                Place::Container | Place::Host => &["--userns host"],
            },
        )
        .changes(grant::pod_only(facts, Change::pod(Op::Add, "/hostUsers", true)))
}

fn filtered(facts: &Facts, said: &str) -> Finding {
    Finding::fail(format!("the container's seccomp profile refuses bpf(2): {said}"))
        .impact(NOTHING, &["capture"], &[])
        .remedy(
            "The capabilities are there, so the filter is what refuses: containerd before 1.6.9 and CRI-O before about 1.31 \
             allow bpf(2) to CAP_SYS_ADMIN only. `agent seccomp setup` prints a profile that does: put it into the node's \
             directory of profiles, and name it.",
            seccomp_commands(facts.place),
        )
        .changes(grant::own_seccomp_profile(facts))
}

/// How the agent's own profile comes into force.
pub(super) fn seccomp_commands(place: Place) -> &'static [&'static str] {
    match place {
        Place::Kubernetes => &[
            "agent seccomp setup | install -m 0644 -D /dev/stdin /var/lib/kubelet/seccomp/pinhole/agent-setup.json",
            "securityContext:\n  seccompProfile:\n    type: Localhost\n    localhostProfile: pinhole/agent-setup.json",
        ],
        Place::Container | Place::Host => &[
            "agent seccomp setup >agent-setup.json",
            "--security-opt seccomp=agent-setup.json",
        ],
    }
}

fn denied(said: &str) -> Finding {
    Finding::fail(format!(
        "bpf(2) is refused ({said}) although the capabilities are held and no filter is in force"
    ))
    .impact(NOTHING, &["capture"], &[])
    .remedy(
        "A security module refuses it: look for the denial, and let the module's policy allow bpf(2) to the agent.",
        &["dmesg | grep -iE 'apparmor|avc|bpf'", "cat /sys/kernel/security/lsm"],
    )
    .change(Change::node("security module", "allows bpf(2) to the agent"))
}

/// PIN-SEC-002.
fn profile(facts: &Facts) -> Finding {
    let process = match own_process(facts) {
        Ok(process) => process,
        Err(finding) => return *finding,
    };
    // The agent adds filters of its own, so its threads tell nothing; a process that is started beside it does.
    let finding = if process.seccomp != 0 {
        Finding::ok("system calls of this container are filtered")
    } else if let Some(root) = privileged(facts) {
        return Finding::skipped("a privileged container has no filter").blocked_by(root);
    } else {
        Finding::warn("no seccomp profile is in force in this container")
            .impact(
                "The agent puts a filter of its own over itself, but only after its start, and over nothing else that runs in \
                 its container.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Name the runtime's own profile: it allows what the agent needs where its capabilities are granted.",
                match facts.place {
                    Place::Kubernetes => &["securityContext:\n  seccompProfile:\n    type: RuntimeDefault"],
                    Place::Container | Place::Host => {
                        &["agent seccomp setup >agent-setup.json", "--security-opt seccomp=agent-setup.json"]
                    }
                },
            )
            .changes(grant::runtime_default(facts))
    };
    finding.observed(process.seccomp).expected(2).evidence(
        &facts.process,
        format!("{OWN_STATUS} Seccomp"),
        process.seccomp,
    )
}
