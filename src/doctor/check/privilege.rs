//! Confinement: no_new_privs, the seccomp filter, the user.

use serde_json::{Value, json};

use super::super::change::{Change, Op};
use super::super::facts::{Facts as AllFacts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::thread::{OWN_STATUS, THREADS, name_of, offenders, own_process, restart};
use super::{agent, grant, no_agent};
use crate::control::api::Thread;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-PRV-001",
        area: "privilege",
        title: "no_new_privs is set",
        weight: Weight::Minor,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(no_new_privs),
        offline: Some(super::offline::user::no_new_privs),
        page: include_str!("../pages/PIN-PRV-001.md"),
    },
    Definition {
        id: "PIN-PRV-002",
        area: "privilege",
        title: "Every thread of the agent runs under a seccomp filter",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(seccomp),
        offline: None,
        page: include_str!("../pages/PIN-PRV-002.md"),
    },
    Definition {
        id: "PIN-PRV-003",
        area: "privilege",
        title: "The agent is not root",
        weight: Weight::Minor,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(non_root),
        offline: Some(super::offline::user::non_root),
        page: include_str!("../pages/PIN-PRV-003.md"),
    },
];

/// PIN-PRV-001.
fn no_new_privs(facts: &AllFacts) -> Finding {
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
                .change(grant::restarted())
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
            .changes(grant::security(facts, "/allowPrivilegeEscalation", false))
    };
    finding.observed(process.no_new_privs).expected(true).evidence(
        &facts.process,
        format!("{OWN_STATUS} NoNewPrivs"),
        process.no_new_privs,
    )
}

/// PIN-PRV-002.
fn seccomp(facts: &AllFacts) -> Finding {
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
        .change(grant::restarted())
    };
    finding
        .expected(json!({ "mode": 2, "filters": format!(">= {OWN_FILTERS}") }))
        .evidence(&facts.live, THREADS, format!("{} threads", threads.len()))
}

/// How many filters the agent installs: one that refuses, one that kills.
const OWN_FILTERS: u32 = 2;

/// PIN-PRV-003.
fn non_root(facts: &AllFacts) -> Finding {
    let (uid, clock, source) = if let Some(agent) = agent(facts) {
        let Some(uid) = agent.uid else {
            return Finding::unknown("the kernel did not say whose the admin socket is");
        };
        (uid, facts.live.clock(), "SO_PEERCRED of the admin socket")
    } else {
        match own_process(facts) {
            Ok(process) => (process.uid, facts.process.clock(), "/proc/self/status Uid"),
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
            .changes(
                [
                    ("runAsNonRoot", json!(true)),
                    ("runAsUser", json!(65532)),
                    ("supplementalGroups", json!([0])),
                ]
                .into_iter()
                .flat_map(|(field, value)| {
                    let path = format!("/securityContext/{field}");
                    grant::pod_only(facts, Change::pod(Op::Add, &path, value))
                }),
            )
    } else {
        Finding::ok(format!("runs as uid {uid}"))
    };
    finding.observed(uid).expected("not 0").evidence(&clock, source, uid)
}
