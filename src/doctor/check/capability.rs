//! Capabilities: what is held, what is needed, and what must not be held.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::{Facts as AllFacts, Place, ProcessFacts};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::resource::counts_locked;
use super::thread::{OWN_STATUS, THREADS, hex, names, offenders, own_process, restart};
use super::{agent, grant};
use crate::control::api::Thread;
use crate::privilege::Capabilities;
use crate::privilege::capabilities::{self, Cause, Facts, Missing};
use crate::privilege::file::FileCapabilities;

const SYS_RESOURCE: u64 = 1 << 24;
const PERFMON: u8 = 38;
const BPF: u8 = 39;
pub(super) const NEEDED: u64 = 1 << PERFMON | 1 << BPF;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-CAP-001",
        area: "privilege",
        title: "The needed capabilities are held",
        weight: Weight::Blocks,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(needed),
        offline: Some(super::offline::capability::needed),
        page: include_str!("../pages/PIN-CAP-001.md"),
    },
    Definition {
        id: "PIN-CAP-002",
        area: "privilege",
        title: "No capability is held without need",
        weight: Weight::Major,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(surplus),
        offline: Some(super::offline::capability::surplus),
        page: include_str!("../pages/PIN-CAP-002.md"),
    },
    Definition {
        id: "PIN-CAP-003",
        area: "privilege",
        title: "The bounding set is no wider than needed",
        weight: Weight::Minor,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(bounding),
        offline: None,
        page: include_str!("../pages/PIN-CAP-003.md"),
    },
    Definition {
        id: "PIN-CAP-004",
        area: "privilege",
        title: "The binary carries the capabilities that it needs and no others",
        weight: Weight::Minor,
        needs: &[Need::Process],
        depends_on: &[Edge::Needs("PIN-CAP-001"), Edge::Through("PIN-MNT-004")],
        judge: Some(on_binary),
        offline: None,
        page: include_str!("../pages/PIN-CAP-004.md"),
    },
];

/// PIN-CAP-001.
fn needed(facts: &AllFacts) -> Finding {
    if let Some(agent) = agent(facts) {
        return Finding::ok("the running agent had what it needs: its programs are attached")
            .observed("attached")
            .expected(names(NEEDED))
            .evidence(&facts.live, "GetStatus uptime_seconds", agent.second.uptime_seconds);
    }
    let process = match &facts.process.value {
        Ok(process) => process,
        Err(gap) => return Finding::gap(gap),
    };
    let finding = match capabilities::judge(&Facts::from(process)) {
        Ok(grant) if grant.warning().is_some() => Finding::ok("CAP_SYS_ADMIN stands in for the needed capabilities"),
        Ok(_) => Finding::ok("CAP_BPF and CAP_PERFMON are permitted"),
        Err(missing) => absent(&missing, facts),
    };
    finding
        .observed(names(process.permitted))
        .expected(names(NEEDED))
        .evidence(&facts.process, format!("{OWN_STATUS} CapPrm"), hex(process.permitted))
        .evidence(&facts.process, format!("{OWN_STATUS} CapBnd"), hex(process.bounding))
        .evidence(
            &facts.process,
            "security.capability of /proc/self/exe",
            in_file(&process.file),
        )
}

impl From<&ProcessFacts> for Facts {
    fn from(process: &ProcessFacts) -> Self {
        Self {
            permitted: Capabilities::from_bits(process.permitted),
            bounding: Capabilities::from_bits(process.bounding),
            euid: process.uid,
            no_new_privs: process.no_new_privs,
            file: process.file.clone(),
        }
    }
}

fn in_file(file: &FileCapabilities) -> String {
    match file {
        FileCapabilities::Absent => "none".to_owned(),
        FileCapabilities::Present { permitted, .. } => permitted.to_string(),
        FileCapabilities::Unknown(why) => why.clone(),
    }
}

/// The agent's own words for the cause, and what mends it where the doctor runs.
fn absent(missing: &Missing, facts: &AllFacts) -> Finding {
    let place = facts.place;
    let list: Vec<String> = missing.gaps.iter().map(|gap| gap.capability.to_string()).collect();
    let causes: Vec<String> = missing
        .gaps
        .iter()
        .map(|gap| format!("{} is {}", gap.capability, missing.explain(gap.cause)))
        .collect();
    let verb = if list.len() == 1 { "is" } else { "are" };
    let finding = Finding::fail(format!("{} {verb} not permitted to this process", list.join(" and "))).impact(
        "The agent cannot load its programs and ends at its start with exit code 78.",
        &["capture"],
        &[],
    );
    let granted = |cause: Cause| missing.gaps.iter().any(|gap| gap.cause == cause);
    let (advice, commands): (&str, &[&str]) = if granted(Cause::NotInBoundingSet) {
        match place {
            Place::Kubernetes => (
                "Grant both in the security context of the agent's container, which asks of the namespace that its Pod Security is \
                 `privileged`. Where they stand there already, look at the pod as it was admitted: if they are gone from it, an \
                 admission policy took them away; if not, the node's container runtime did, which may be too old to know them.",
                &[
                    "securityContext:\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON]",
                    "kubectl -n pinhole get pod POD -o yaml",
                ],
            ),
            Place::Container => (
                "Grant them to the container.",
                &["--cap-drop ALL --cap-add BPF --cap-add PERFMON"],
            ),
            Place::Host => (
                "Let the service manager grant them, or start from a shell that has them in its bounding set.",
                &["CapabilityBoundingSet=CAP_BPF CAP_PERFMON", "sudo agent doctor"],
            ),
        }
    } else if granted(Cause::TakenByStarter) {
        (
            "Start the agent with them permitted: root has them unless they are taken away.",
            match place {
                Place::Kubernetes => &["securityContext:\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON]"],
                Place::Container => &["--cap-drop ALL --cap-add BPF --cap-add PERFMON"],
                Place::Host => &["AmbientCapabilities=CAP_BPF CAP_PERFMON", "sudo agent doctor"],
            },
        )
    } else if granted(Cause::FileCapabilitiesIgnored) {
        (
            "The kernel ignored the binary's file capabilities: start it from a file system that is not mounted nosuid, and \
             let the container runtime permit the capabilities, which no_new_privs then leaves in place.",
            &[
                "findmnt -T /proc/self/exe -o OPTIONS",
                "grep -E 'NoNewPrivs|CapPrm' /proc/self/status",
            ],
        )
    } else {
        (
            "Give them to the binary: in the image when it is built, or on this host; a user other than root receives them \
             in no other way.",
            match place {
                Place::Host => &[
                    "sudo setcap cap_bpf,cap_perfmon=p \"$(command -v agent)\"",
                    "sudo agent doctor",
                ],
                Place::Kubernetes | Place::Container => &["setcap cap_bpf,cap_perfmon=p agent"],
            },
        )
    };
    let changes = if granted(Cause::NotInBoundingSet) {
        grant::capabilities(facts, counts_locked(facts))
    } else if granted(Cause::NoFileCapabilities) || granted(Cause::NotInFileCapabilities) {
        vec![Change::node("file capabilities of the agent", "cap_bpf,cap_perfmon=p")]
    } else {
        // Whoever started it, or the file system of the binary: nothing that one line changes.
        Vec::new()
    };
    finding
        .remedy(format!("{}. {advice}", causes.join("; ")), commands)
        .changes(changes)
}

/// PIN-CAP-002.
fn surplus(facts: &AllFacts) -> Finding {
    if let Some(agent) = agent(facts) {
        let threads = &agent.second.threads;
        if threads.is_empty() {
            return Finding::unknown("the agent did not report its threads");
        }
        // The bounding set is left out: emptying it takes CAP_SETPCAP, and without permitted or file capabilities, under
        // no_new_privs, it grants nothing.
        let held =
            |thread: &Thread| thread.cap_effective | thread.cap_permitted | thread.cap_inheritable | thread.cap_ambient;
        let observed: Vec<Value> = offenders(threads, |thread| held(thread) != 0)
            .map(|thread| json!({ "tid": thread.tid, "thread": thread.name, "capabilities": names(held(thread)) }))
            .collect();
        let bounding = threads.iter().fold(0, |all, thread| all | thread.cap_bounding);
        let finding = if observed.is_empty() {
            Finding::ok(format!("no capability in any of {} threads", threads.len()))
        } else {
            Finding::fail(format!(
                "{} of {} threads hold capabilities",
                observed.len(),
                threads.len()
            ))
            .impact(
                "Whoever takes over the agent takes these capabilities over: the promise of no standing privilege does \
                     not hold.",
                &["privilege"],
                &[],
            )
            .remedy(
                "The agent drops them itself after its start; restart it, and report it if they stay.",
                restart(facts.place),
            )
            .change(grant::restarted())
        };
        return finding
            .observed(json!(observed))
            .expected(json!([]))
            .evidence(&facts.live, THREADS, format!("{} threads", threads.len()))
            .evidence(&facts.live, "CapBnd of all threads", hex(bounding));
    }
    let process = match own_process(facts) {
        Ok(process) => process,
        Err(finding) => return *finding,
    };
    let surplus = process.permitted & !allowed(facts);
    let finding = if surplus == 0 {
        Finding::ok("nothing beyond the needed capabilities is permitted")
    } else {
        Finding::warn(format!(
            "{} capabilities more than needed are permitted",
            surplus.count_ones()
        ))
        .impact(
            "The agent drops them at its start, but until then, and for every other process in its container, they are \
                 an opening that nothing needs.",
            &["privilege"],
            &[],
        )
        .remedy(
            "Drop everything and add only the two.",
            match facts.place {
                Place::Kubernetes => &[
                    "securityContext:\n  privileged: false\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON]",
                ],
                _ => &["--cap-drop ALL --cap-add BPF --cap-add PERFMON"],
            },
        )
        .changes(grant::security(facts, "/privileged", false))
        .changes(grant::capabilities(facts, counts_locked(facts)))
    };
    finding.observed(names(surplus)).expected(json!([])).evidence(
        &facts.process,
        format!("{OWN_STATUS} CapPrm"),
        hex(process.permitted),
    )
}

/// What the agent may be granted here: the needed ones, and CAP_SYS_RESOURCE where maps count as locked memory.
fn allowed(facts: &AllFacts) -> u64 {
    if counts_locked(facts) {
        NEEDED | SYS_RESOURCE
    } else {
        NEEDED
    }
}

/// PIN-CAP-003.
fn bounding(facts: &AllFacts) -> Finding {
    let process = match own_process(facts) {
        Ok(process) => process,
        Err(finding) => return *finding,
    };
    let (set, clock, source) = match agent(facts) {
        Some(agent) if agent.second.threads.is_empty() => {
            return Finding::unknown("the agent did not report its threads");
        }
        Some(agent) => {
            let all = agent
                .second
                .threads
                .iter()
                .fold(0, |all, thread| all | thread.cap_bounding);
            (all, facts.live.clock(), "CapBnd of all threads".to_owned())
        }
        None if process.permitted & !allowed(facts) != 0 => {
            return Finding::skipped("what is permitted beyond the need is in it, too").blocked_by("PIN-CAP-002");
        }
        None => (process.bounding, facts.process.clock(), format!("{OWN_STATUS} CapBnd")),
    };
    let surplus = set & !allowed(facts);
    let finding = if surplus == 0 {
        Finding::ok("nothing beyond the needed capabilities can be gained")
    } else {
        Finding::warn(format!(
            "{} capabilities more than needed are in the bounding set",
            surplus.count_ones()
        ))
        .impact(
            "They are granted to nobody yet: a program of the container with set-uid bit or file capabilities could gain them \
             where no_new_privs is not set, and so could one that runs as root.",
            &["privilege"],
            &[],
        )
        .remedy(
            "Drop everything and add only the two: the runtime then leaves no other in the set.",
            match facts.place {
                Place::Kubernetes => &[
                    "securityContext:\n  privileged: false\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON]",
                ],
                Place::Container | Place::Host => &["--cap-drop ALL --cap-add BPF --cap-add PERFMON"],
            },
        )
        .changes(grant::security(facts, "/privileged", false))
        .changes(grant::capabilities(facts, counts_locked(facts)))
    };
    finding
        .observed(names(surplus))
        .expected(json!([]))
        .evidence(&clock, source, hex(set))
}

/// PIN-CAP-004.
fn on_binary(facts: &AllFacts) -> Finding {
    let process = match &facts.process.value {
        Ok(process) => process,
        Err(gap) => return Finding::gap(gap),
    };
    let told = |finding: Finding| {
        finding.expected("BPF and PERFMON, permitted only").evidence(
            &facts.process,
            "security.capability of /proc/self/exe",
            in_file(&process.file),
        )
    };
    let (permitted, effective) = match &process.file {
        FileCapabilities::Absent => {
            return told(Finding::ok("none: what this process has was given to it").observed(json!([])));
        }
        FileCapabilities::Unknown(why) => return Finding::unknown(why.clone()),
        FileCapabilities::Present { permitted, effective } => (permitted.bits(), *effective),
    };
    // An image serves nodes of several kernels, and those before 5.11 need the third.
    let surplus = permitted & !(NEEDED | SYS_RESOURCE);
    let observed = json!({ "permitted": names(permitted), "effective": effective });
    let finding = if surplus != 0 {
        Finding::warn(format!("the binary carries {} without need", names(surplus).join(", "))).impact(
            "Whoever starts the binary where the bounding set allows it has them.",
            &["privilege"],
            &[],
        )
    } else if effective {
        Finding::warn("the binary's capabilities are marked effective").impact(
            "Where one of them is not granted the kernel refuses to start the agent at all (Operation not permitted), and it cannot \
             say which one is missing.",
            &["capture"],
            &[],
        )
    } else {
        return told(Finding::ok("what is needed, permitted only").observed(observed));
    };
    told(
        finding
            .observed(observed)
            .remedy(
                "Set them as the image's build does: permitted only, and the two alone.",
                &["setcap cap_bpf,cap_perfmon=p agent", "getcap agent"],
            )
            .change(Change::node("file capabilities of the agent", "cap_bpf,cap_perfmon=p")),
    )
}
