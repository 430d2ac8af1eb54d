//! The hooks of the running agent: whether all that it attached report.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, no_agent};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-BPF-004",
    area: "capture",
    title: "All attached hooks report",
    weight: Weight::Minor,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(reporting),
    offline: None,
    page: include_str!("../pages/PIN-BPF-004.md"),
}];

/// PIN-BPF-004.
fn reporting(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let status = &agent.second;
    let mut hooks: Vec<&String> = status.hooks.keys().collect();
    hooks.sort();
    let Some(reporting) = &status.reporting else {
        return Finding::unknown("the agent is of a version that does not say which hooks report");
    };
    let off = &reporting.off;
    let finding = if off.is_empty() {
        Finding::ok(format!("all {} attached hooks report", hooks.len()))
    } else {
        Finding::warn(format!(
            "{} of {} attached hooks were turned off: {}",
            off.len(),
            hooks.len(),
            off.join(", ")
        ))
        .impact(
            "What these hooks see is counted as filtered and not told.",
            &["capture"],
            &["syscall"],
        )
        .remedy(
            "Somebody turned them off on the admin socket; the agent's log says who and when. Turn them on, or start the \
             agent without them: --print-hooks says what it would attach, and why.",
            match facts.place {
                Place::Kubernetes => &[
                    "kubectl -n pinhole exec POD -- /agent hooks --on all",
                    "kubectl -n pinhole logs POD",
                    "agent run --print-hooks",
                ],
                _ => &[
                    "agent hooks --on all",
                    "journalctl -t pinhole-agent",
                    "agent run --print-hooks",
                ],
            },
        )
        .change(Change::node("hooks of the agent", "all on"))
    };
    finding
        .observed(json!({ "off": off }))
        .expected(json!({ "off": [] }))
        .evidence(&facts.live, "GetStatus hooks and reporting", json!(hooks))
}
