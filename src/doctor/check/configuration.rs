//! Configuration: whether the settings load.

use super::super::change::Change;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-CFG-001",
    area: "configuration",
    title: "The configuration loads",
    weight: Weight::Blocks,
    needs: &[Need::Settings],
    depends_on: &[],
    judge: Some(loads),
    offline: Some(super::offline::settings::loads),
    page: include_str!("../pages/PIN-CFG-001.md"),
}];

/// PIN-CFG-001.
fn loads(facts: &Facts) -> Finding {
    let config = &facts.config;
    match &config.problem {
        None => Finding::ok(format!("loaded from {}", config.sources.join(", ")))
            .observed(config.sources.clone())
            .stated("configuration sources, weakest first", config.sources.clone()),
        Some(problem) => Finding::fail(problem.clone())
            .observed(problem.clone())
            .expected("every key known, every value of its type and within its limits")
            .stated("configuration sources, weakest first", config.sources.clone())
            .impact(
                "The agent does not start; the other checks were made with the defaults.",
                &["capture"],
                &[],
            )
            .remedy(
                "Correct the key in the source that the message names.",
                match facts.place {
                    Place::Kubernetes => &["kubectl -n pinhole edit configmap pinhole-agent"],
                    _ => &["editor /etc/pinhole/agent.toml"],
                },
            )
            .change(Change::node("configuration", "as the message says")),
    }
}
