//! Capabilities: what is held, what is needed, and what must not be held.

use serde_json::{Value, json};

use super::super::facts::{Facts as AllFacts, Place, ProcessFacts};
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};
use super::agent;
use super::thread::{OWN_STATUS, THREADS, hex, names, offenders, own_process, restart};
use crate::control::api::Thread;
use crate::privilege::Capabilities;
use crate::privilege::capabilities::{self, Cause, Facts, Missing};
use crate::privilege::file::FileCapabilities;

const PERFMON: u8 = 38;
const BPF: u8 = 39;
const NEEDED: u64 = 1 << PERFMON | 1 << BPF;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-CAP-001",
        area: "privilege",
        title: "The needed capabilities are held",
        weight: Weight::Blocks,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[],
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
        depends_on: &[],
        judge: Some(surplus),
        offline: Some(super::offline::capability::surplus),
        page: include_str!("../pages/PIN-CAP-002.md"),
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
        Err(missing) => absent(&missing, facts.place),
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
fn absent(missing: &Missing, place: Place) -> Finding {
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
                "Grant them in the container's security context.",
                &["securityContext:\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON]"],
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
    finding.remedy(format!("{}. {advice}", causes.join("; ")), commands)
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
    let surplus = process.permitted & !NEEDED;
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
    };
    finding.observed(names(surplus)).expected(json!([])).evidence(
        &facts.process,
        format!("{OWN_STATUS} CapPrm"),
        hex(process.permitted),
    )
}
