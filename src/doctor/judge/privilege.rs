//! Privilege: what is held, what is needed, and what must not be held.

use serde_json::{Value, json};

use super::super::facts::{Facts as AllFacts, Place, ProcessFacts};
use super::super::finding::Finding;
use super::{agent, no_agent};
use crate::control::api::Thread;
use crate::privilege::Capabilities;
use crate::privilege::capabilities::{self, Cause, Facts, Missing};
use crate::privilege::file::FileCapabilities;

const PERFMON: u8 = 38;
const BPF: u8 = 39;
const NEEDED: u64 = 1 << PERFMON | 1 << BPF;

const OWN_STATUS: &str = "/proc/self/status";
const THREADS: &str = "GetStatus threads (the agent's /proc/self/task/*/status)";
/// Why the doctor's own process is no evidence on a host.
const NOT_THE_AGENT: &str = "no agent runs and this is not its container: the doctor's own process does not tell how the \
                             agent will run";

/// PIN-CAP-001.
pub(in super::super) fn needed(facts: &AllFacts) -> Finding {
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
pub(in super::super) fn surplus(facts: &AllFacts) -> Finding {
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

/// PIN-PRV-001.
pub(in super::super) fn no_new_privs(facts: &AllFacts) -> Finding {
    if let Some(agent) = agent(facts) {
        let threads = &agent.second.threads;
        if threads.is_empty() {
            return Finding::unknown("the agent did not report its threads");
        }
        let without: Vec<Value> = offenders(threads, |thread| !thread.no_new_privs).map(name_of).collect();
        let finding = if without.is_empty() {
            Finding::ok(format!("no_new_privs in all {} threads", threads.len())).observed(true)
        } else {
            Finding::fail(format!("no_new_privs is not set in {} of {} threads", without.len(), threads.len()))
                .observed(json!({ "without": without }))
                .impact(
                    "A program started by a taken-over agent could gain privileges through setuid bits or file capabilities.",
                    &["privilege"],
                    &[],
                )
                .remedy("The agent sets it itself; restart it, and report it if this stays.", restart(facts.place))
        };
        return finding
            .expected(true)
            .evidence(&facts.live, THREADS, format!("{} threads", threads.len()));
    }
    let process = match own_process(facts) {
        Ok(process) => process,
        Err(finding) => return *finding,
    };
    let finding = if process.no_new_privs {
        Finding::ok("no_new_privs is set in this container")
    } else {
        Finding::warn("no_new_privs is not set in this container")
            .impact(
                "The agent sets it at its start; until then a program could gain privileges through setuid bits.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Forbid it from the start; the agent's file capabilities work all the same.",
                match facts.place {
                    Place::Kubernetes => &["securityContext:\n  allowPrivilegeEscalation: false"],
                    _ => &["--security-opt no-new-privileges"],
                },
            )
    };
    finding.observed(process.no_new_privs).expected(true).evidence(
        &facts.process,
        format!("{OWN_STATUS} NoNewPrivs"),
        process.no_new_privs,
    )
}

/// PIN-PRV-002.
pub(in super::super) fn seccomp(facts: &AllFacts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let threads = &agent.second.threads;
    if threads.is_empty() {
        return Finding::unknown("the agent did not report its threads");
    }
    // A container runtime's own filter makes the mode 2, too. The agent's are more than one (see privilege::seccomp).
    let bare = |thread: &Thread| thread.seccomp != 2 || thread.seccomp_filters.is_some_and(|count| count < OWN_FILTERS);
    let without: Vec<Value> = offenders(threads, bare)
        .map(|thread| {
            let mut value = name_of(thread);
            value["mode"] = json!(thread.seccomp);
            if let Some(count) = thread.seccomp_filters {
                value["filters"] = json!(count);
            }
            value
        })
        .collect();
    let mut observed = json!({ "mode": 2 });
    if let Some(fewest) = threads.iter().map(|thread| thread.seccomp_filters).min().flatten() {
        observed["filters"] = json!(fewest);
    }
    let finding = if without.is_empty() {
        Finding::ok(format!("a seccomp filter in all {} threads", threads.len())).observed(observed)
    } else {
        Finding::fail(format!(
            "no seccomp filter of the agent's in {} of {} threads",
            without.len(),
            threads.len()
        ))
        .observed(json!({ "without": without }))
        .impact(
            "A taken-over agent could use system calls that the agent itself never needs, execve and ptrace among them.",
            &["privilege"],
            &[],
        )
        .remedy(
            "The agent installs the filter itself; its log says why it could not. Restart it, and report it if this stays.",
            restart(facts.place),
        )
    };
    finding
        .expected(json!({ "mode": 2, "filters": format!(">= {OWN_FILTERS}") }))
        .evidence(&facts.live, THREADS, format!("{} threads", threads.len()))
}

/// How many filters the agent installs: one that refuses, one that kills.
const OWN_FILTERS: u32 = 2;

/// PIN-PRV-003.
pub(in super::super) fn non_root(facts: &AllFacts) -> Finding {
    let (uid, finding_source) = if let Some(agent) = agent(facts) {
        let Some(uid) = agent.uid else {
            return Finding::unknown("the kernel did not say whose the admin socket is");
        };
        (uid, (facts.live.at.clone(), "SO_PEERCRED of the admin socket"))
    } else {
        match own_process(facts) {
            Ok(process) => (process.uid, (facts.process.at.clone(), "/proc/self/status Uid")),
            Err(finding) => return *finding,
        }
    };
    let finding = if uid == 0 {
        Finding::warn("runs as uid 0")
            .impact(
                "Without capabilities root is still the owner of the host's files wherever a host directory is mounted.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Run as another user. The runtime's socket then needs the group that owns it, usually 0.",
                match facts.place {
                    Place::Kubernetes => &[
                        "securityContext:\n  runAsNonRoot: true\n  runAsUser: 65532\n  supplementalGroups: [0]",
                    ],
                    Place::Container => &["--user 65532 --group-add 0"],
                    Place::Host => &["setpriv --reuid 65532 --regid 65532 --groups 0 agent run"],
                },
            )
    } else {
        Finding::ok(format!("runs as uid {uid}"))
    };
    let (at, source) = finding_source;
    let clock = super::super::facts::Gathered {
        value: Ok(()),
        at,
        duration_us: None,
    };
    finding.observed(uid).expected("not 0").evidence(&clock, source, uid)
}

/// The doctor's own process, where it stands for the agent: in a container.
fn own_process(facts: &AllFacts) -> Result<&ProcessFacts, Box<Finding>> {
    if facts.place == Place::Host {
        return Err(Box::new(Finding::skipped(NOT_THE_AGENT)));
    }
    facts.process.value.as_ref().map_err(|gap| Box::new(Finding::gap(gap)))
}

fn offenders(threads: &[Thread], offends: impl Fn(&Thread) -> bool) -> impl Iterator<Item = &Thread> {
    let mut found: Vec<&Thread> = threads.iter().filter(|thread| offends(thread)).collect();
    found.sort_by_key(|thread| thread.tid);
    found.into_iter()
}

fn name_of(thread: &Thread) -> Value {
    json!({ "tid": thread.tid, "thread": thread.name })
}

fn restart(place: Place) -> &'static [&'static str] {
    match place {
        Place::Kubernetes => &["kubectl -n pinhole rollout restart daemonset/pinhole-agent"],
        Place::Container | Place::Host => &["agent run"],
    }
}

fn hex(bits: u64) -> String {
    format!("{bits:016x}")
}

/// Names of capabilities; one that this build does not know keeps its number.
fn names(bits: u64) -> Vec<String> {
    let known: Vec<(u8, String)> = caps::all()
        .into_iter()
        .map(|cap| (cap.index(), cap.to_string()))
        .collect();
    (0..64_u8)
        .filter(|number| bits >> number & 1 == 1)
        .map(|number| {
            known
                .iter()
                .find(|(index, _)| *index == number)
                .map_or_else(|| format!("CAP_{number}"), |(_, name)| name.clone())
        })
        .collect()
}
