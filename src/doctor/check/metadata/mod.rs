//! Metadata: how complete it is, how long it took, and whether the agent knows all that runs, by its own counters.

mod completeness;
mod fields;
mod join;
mod latency;
mod reason;
mod waits;

use std::collections::HashMap;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use crate::control::api::{FieldCount, GetStatusReply};

/// The checks of this area.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-META-001",
        area: "metadata",
        title: "Events of containers carry complete metadata",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[
            Edge::Needs("PIN-RUN-001"),
            Edge::Needs("PIN-RUN-006"),
            Edge::Needs("PIN-RUN-007"),
            Edge::Through("PIN-LIVE-001"),
        ],
        judge: Some(completeness::judge),
        offline: None,
        page: include_str!("../../pages/PIN-META-001.md"),
    },
    Definition {
        id: "PIN-META-002",
        area: "metadata",
        title: "Container lookups are quick",
        weight: Weight::Minor,
        needs: &[Need::Agent, Need::Settings],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-LIVE-001")],
        judge: Some(latency::judge),
        offline: None,
        page: include_str!("../../pages/PIN-META-002.md"),
    },
    Definition {
        id: "PIN-META-003",
        area: "metadata",
        title: "What the runtime lists is what the agent knows",
        weight: Weight::Major,
        needs: &[Need::Agent, Need::Runtime],
        depends_on: &[
            Edge::Needs("PIN-RUN-001"),
            Edge::Needs("PIN-RUN-006"),
            Edge::Needs("PIN-RUN-007"),
            Edge::Needs("PIN-META-001"),
            Edge::Through("PIN-LIVE-001"),
            Edge::Through("PIN-RUN-001"),
        ],
        judge: Some(join::judge),
        offline: None,
        page: include_str!("../../pages/PIN-META-003.md"),
    },
    Definition {
        id: "PIN-META-004",
        area: "metadata",
        title: "Each field is known, by reason",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[
            Edge::Needs("PIN-RUN-001"),
            Edge::Needs("PIN-RUN-006"),
            Edge::Needs("PIN-RUN-007"),
            Edge::Needs("PIN-META-001"),
            Edge::Through("PIN-LIVE-001"),
        ],
        judge: Some(fields::judge),
        offline: None,
        page: include_str!("../../pages/PIN-META-004.md"),
    },
    Definition {
        id: "PIN-META-005",
        area: "metadata",
        title: "Lookups hold events up only briefly",
        weight: Weight::Minor,
        needs: &[Need::Agent, Need::Settings],
        depends_on: &[
            Edge::Needs("PIN-RUN-001"),
            Edge::Needs("PIN-RUN-008"),
            Edge::Needs("PIN-META-002"),
            Edge::Through("PIN-LIVE-001"),
        ],
        judge: Some(waits::judge),
        offline: None,
        page: include_str!("../../pages/PIN-META-005.md"),
    },
];

/// PIN-META-002, for checks whose cause may be that.
pub(super) fn quick(facts: &Facts) -> Finding {
    latency::judge(facts)
}

/// Counts of the events of some time.
struct Counts<'a> {
    /// What that time is, in words.
    when: String,
    /// Where those by status and those by field were read.
    source: [&'static str; 2],
    status: &'a HashMap<String, u64>,
    reason: &'a HashMap<String, u64>,
    fields: &'a HashMap<String, FieldCount>,
}

/// The counts of about the last ten minutes; of the agent's whole life where it does not tell those.
fn counts(status: &GetStatusReply) -> Counts<'_> {
    match &status.window {
        Some(window) => Counts {
            when: format!("in the last {:.0} s", window.seconds),
            source: ["GetStatus window.metadata_status", "GetStatus window.metadata_fields"],
            status: &window.metadata_status,
            reason: &window.metadata_reason,
            fields: &window.metadata_fields,
        },
        None => Counts {
            when: "since the agent's start".to_owned(),
            source: ["GetStatus metadata_status", "GetStatus metadata_fields"],
            status: &status.metadata_status,
            reason: &status.metadata_reason,
            fields: &status.metadata_fields,
        },
    }
}

/// The agent runs with programs that read no name of a cgroup, so that it tells no container.
fn is_reduced(status: &GetStatusReply) -> bool {
    status.backend.as_ref().is_some_and(|backend| backend.reduced.is_some())
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn rounded(share: f64) -> f64 {
    (share * 10_000.0).floor() / 10_000.0
}

#[expect(clippy::cast_precision_loss, reason = "one decimal of a duration")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
