//! Landlock: how much of the file system the running agent has closed off to itself.

use serde_json::json;

use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, grant, no_agent};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-PRV-004",
    area: "privilege",
    title: "Landlock closes off what the agent never needs",
    weight: Weight::Minor,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(closes_off),
    offline: None,
    page: include_str!("../pages/PIN-PRV-004.md"),
}];

/// PIN-PRV-004.
pub(in super::super) fn closes_off(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(landlock) = &agent.second.landlock else {
        return Finding::unknown("the agent is of a version that does not use Landlock");
    };
    let finding = if landlock.refused {
        Finding::warn(format!("Landlock was refused: {}", landlock.why))
            .impact(
                "The seccomp filter keeps the agent from writing any file; a taken-over agent could still read what its user may \
                 read in its container.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Let the container's seccomp profile allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self: \
                 runtimes' default profiles do, and so does the agent's own.",
                match facts.place {
                    Place::Kubernetes => &["securityContext:\n  seccompProfile:\n    type: RuntimeDefault"],
                    Place::Container | Place::Host => &["agent seccomp setup >agent-setup.json", "--security-opt seccomp=agent-setup.json"],
                },
            )
            .changes(grant::runtime_default(facts))
    } else {
        Finding::ok(format!(
            "Landlock is {} in force: {}",
            adverb(&landlock.restricted),
            landlock.why
        ))
    };
    finding
        .observed(json!({ "abi": landlock.abi, "restricted": landlock.restricted }))
        .expected(json!({ "restricted": "as much as the kernel can" }))
        .evidence(&facts.live, "GetStatus landlock", &*landlock.why)
}

/// For `full`, `partial` and `none`; a word of a later agent is left as it is.
fn adverb(restricted: &str) -> &str {
    match restricted {
        "full" => "fully",
        "partial" => "partly",
        "none" => "not",
        other => other,
    }
}
