//! Configuration and profile.

use serde_json::json;

use super::super::facts::{Facts, Place};
use super::super::finding::Finding;

/// PIN-CFG-001.
pub(in super::super) fn loads(facts: &Facts) -> Finding {
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
                    Place::Kubernetes => &["kubectl edit configmap pinhole-agent"],
                    _ => &["editor /etc/pinhole/agent.toml"],
                },
            ),
    }
}

/// PIN-PRF-001.
pub(in super::super) fn profile(facts: &Facts) -> Finding {
    let profile = &facts.profile;
    let in_use = json!({ "in_use": profile.name, "source": profile.source });
    let detected = match &profile.detected {
        Err(gap) => return Finding::gap(gap).observed(in_use),
        Ok(None) if profile.declared => {
            return Finding::skipped("nothing in sight tells the platform, so there is nothing to compare with")
                .observed(in_use);
        }
        Ok(None) => {
            return Finding::ok(format!("profile {}: no known platform in sight", profile.name)).observed(in_use);
        }
        Ok(Some(detected)) => detected,
    };
    let values = json!({ "in_use": profile.name, "source": profile.source, "detected": detected });
    let finding = if !profile.declared || profile.name == *detected {
        Finding::ok(format!("profile {} ({})", profile.name, profile.source))
    } else {
        Finding::warn(format!(
            "the profile is {}, but the platform looks like {detected}",
            profile.name
        ))
        .impact(
            "Socket paths, thresholds and remedies are those of another platform.",
            &["metadata", "doctor"],
            &["container", "kubernetes"],
        )
        .remedy(
            format!("Set the profile to {detected}, or to auto."),
            match facts.place {
                Place::Kubernetes => &["args: [\"run\", \"--profile\", \"auto\"]"],
                _ => &["agent doctor --profile auto", "agent profile detect"],
            },
        )
    };
    finding
        .observed(values)
        .expected(json!({ "in_use": detected }))
        .stated("platform detection", profile.evidence.clone())
}
