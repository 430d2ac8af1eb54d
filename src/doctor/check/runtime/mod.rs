//! Container runtimes: which socket answers and who is to blame where none does, whether it is the kubelet's, how it is
//! mounted, how quickly it answers, and who else may connect.

mod advice;
mod answers;
mod defects;
mod interface;
mod kubelet;
mod latency;
mod mount;
mod open;
mod permission;
mod view;

pub(super) use answers::any;
pub(super) use latency::quick;

use super::super::registry::{Definition, Edge, Need, Weight};

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::report::Status;
use crate::container::Reason;

/// The check of this area that fails, so that no container can be named: none answers, or not the one that runs it.
pub(super) fn root(facts: &Facts) -> Option<&'static str> {
    type Judge = fn(&Facts) -> Finding;
    let judges: [(&'static str, Judge); 4] = [
        ("PIN-RUN-001", answers::any),
        ("PIN-RUN-007", kubelet::pods),
        ("PIN-RUN-006", kubelet::is_kubelets),
        ("PIN-RUN-003", kubelet::own_container),
    ];
    let failing = judges
        .into_iter()
        .find(|(_, judge)| judge(facts).status() == Status::Fail);
    failing.map(|(id, _)| id)
}

/// As [`root`], for metadata that lacks for this reason: a lookup that came too late has a runtime that is slow for whoever
/// asks as its root.
pub(super) fn root_of(facts: &Facts, reason: Option<Reason>) -> Option<&'static str> {
    let came_late = matches!(
        reason,
        Some(Reason::RuntimeTimeout | Reason::LookupPending | Reason::CircuitOpen)
    );
    let is_slow = || matches!(quick(facts).status(), Status::Warn | Status::Fail);
    root(facts).or_else(|| (came_late && is_slow()).then_some("PIN-RUN-008"))
}

/// The profile of hosts outside Kubernetes.
const STANDALONE: &str = "standalone";

/// What events lack where no runtime names their container.
const FIELDS: &[&str] = &["container.name", "container.image", "kubernetes"];

/// The checks of this area.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-RUN-001",
        area: "runtime",
        title: "A container runtime answers",
        weight: Weight::Major,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[],
        judge: Some(answers::any),
        offline: Some(super::offline::runtime::answers),
        page: include_str!("../../pages/PIN-RUN-001.md"),
    },
    Definition {
        id: "PIN-RUN-002",
        area: "runtime",
        title: "The runtime speaks a current interface",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(interface::version),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-002.md"),
    },
    Definition {
        id: "PIN-RUN-003",
        area: "runtime",
        title: "The runtime knows the agent's own container",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Exec],
        depends_on: &[
            Edge::Needs("PIN-RUN-001"),
            Edge::Needs("PIN-RUN-006"),
            Edge::Needs("PIN-RUN-007"),
            Edge::Through("PIN-RUN-001"),
            Edge::Through("PIN-RUN-006"),
        ],
        judge: Some(kubelet::own_container),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-003.md"),
    },
    Definition {
        id: "PIN-RUN-004",
        area: "runtime",
        title: "The socket's directory is mounted, not the socket",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(mount::directory),
        offline: Some(super::offline::runtime::directory_not_socket),
        page: include_str!("../../pages/PIN-RUN-004.md"),
    },
    Definition {
        id: "PIN-RUN-005",
        area: "runtime",
        title: "Every configured socket is usable",
        weight: Weight::Major,
        needs: &[Need::Runtime, Need::Agent, Need::Settings],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(answers::every_configured),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-005.md"),
    },
    Definition {
        id: "PIN-RUN-006",
        area: "runtime",
        title: "The runtime is the kubelet's",
        weight: Weight::Major,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[
            Edge::Needs("PIN-RUN-001"),
            Edge::Needs("PIN-RUN-007"),
            Edge::Through("PIN-RUN-001"),
        ],
        judge: Some(kubelet::is_kubelets),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-006.md"),
    },
    Definition {
        id: "PIN-RUN-007",
        area: "runtime",
        title: "The runtime has pods",
        weight: Weight::Major,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(kubelet::pods),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-007.md"),
    },
    Definition {
        id: "PIN-RUN-008",
        area: "runtime",
        title: "The runtime answers quickly",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Settings],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(latency::quick),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-008.md"),
    },
    Definition {
        id: "PIN-RUN-009",
        area: "runtime",
        title: "The runtime's socket is not open to everyone",
        weight: Weight::Major,
        needs: &[Need::Runtime],
        depends_on: &[Edge::Through("PIN-RUN-001")],
        judge: Some(open::to_everyone),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-009.md"),
    },
    Definition {
        id: "PIN-RUN-010",
        area: "runtime",
        title: "The runtime's version has no known defect",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(defects::known),
        offline: None,
        page: include_str!("../../pages/PIN-RUN-010.md"),
    },
];
