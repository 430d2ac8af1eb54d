//! Profile: whether it is the platform's, and whether the platform is as it expects it.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, Place, ProfileFacts};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};
use crate::platform::model::KernelVersion;
use crate::platform::{detect, profile};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-PRF-001",
        area: "profile",
        title: "The profile fits the platform",
        weight: Weight::Minor,
        needs: &[Need::Settings],
        depends_on: &[],
        judge: Some(declared),
        offline: Some(super::offline::settings::profile),
        page: include_str!("../pages/PIN-PRF-001.md"),
    },
    Definition {
        id: "PIN-PRF-002",
        area: "profile",
        title: "The platform is as the profile expects it",
        weight: Weight::Minor,
        needs: &[Need::Settings, Need::Kernel, Need::Runtime],
        depends_on: &[Edge::Needs("PIN-PRF-001")],
        judge: Some(expected),
        offline: None,
        page: include_str!("../pages/PIN-PRF-002.md"),
    },
    Definition {
        id: "PIN-PRF-003",
        area: "profile",
        title: "The running agent uses this profile",
        weight: Weight::Minor,
        needs: &[Need::Settings, Need::Agent],
        depends_on: &[Edge::Needs("PIN-CFG-001"), Edge::Through("PIN-LIVE-001")],
        judge: Some(running),
        offline: None,
        page: include_str!("../pages/PIN-PRF-003.md"),
    },
];

/// PIN-PRF-001.
fn declared(facts: &Facts) -> Finding {
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
    let confidence = profile.confidence.as_str();
    let values = json!({
        "in_use": profile.name, "source": profile.source, "detected": detected, "confidence": confidence,
    });
    let finding = if fits(profile) {
        Finding::ok(format!("profile {} ({})", profile.name, profile.source))
    } else {
        Finding::warn(format!(
            "the profile is {}, but the platform looks like {detected} ({confidence})",
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
                Place::Kubernetes => &["args: [\"run\", \"--profile\", \"auto\"]", "agent profile detect"],
                _ => &["agent doctor --profile auto", "agent profile detect"],
            },
        )
        .change(Change::setting("profile", detected.as_str()))
    };
    finding
        .observed(values)
        .expected(json!({ "in_use": if fits(profile) { &profile.name } else { detected } }))
        .stated("platform detection", profile.evidence.clone())
}

/// Whether the profile in use is no other platform's than the one in sight.
fn fits(profile: &ProfileFacts) -> bool {
    match &profile.detected {
        Ok(Some(detected)) => !profile.declared || detect::fits(&profile.name, detected, profile.confidence),
        _ => true,
    }
}

/// PIN-PRF-002.
fn expected(facts: &Facts) -> Finding {
    let known = match profile::get(&facts.profile.name) {
        Ok(profile) => &profile.platform.expect,
        Err(error) => return Finding::unknown(error.to_string()),
    };
    if !fits(&facts.profile) {
        return Finding::skipped("the profile is another platform's").blocked_by("PIN-PRF-001");
    }
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel.release.as_str(),
        Err(gap) => return Finding::gap(gap),
    };
    let mut strange = Vec::new();
    let mut expected = json!({ "kernel": format!(">= {}", known.oldest_kernel) });
    // A kernel that is too old for the agent itself is PIN-KRN-001's finding.
    let version = KernelVersion::of_release(kernel).filter(|_| super::kernel::is_tested(kernel));
    if version.is_some_and(|version| version < known.oldest_kernel) {
        strange.push(format!("kernel {kernel} is older than {}", known.oldest_kernel));
    }
    let runtimes = facts.runtimes.value.as_deref().unwrap_or_default();
    let answering: Vec<&str> = runtimes
        .iter()
        .filter(|runtime| runtime.answers())
        .filter_map(|runtime| runtime.name.as_deref())
        .collect();
    if let Some(runtime) = known.runtime {
        expected["runtime"] = json!(runtime.as_str());
        if !answering.is_empty() && !answering.contains(&runtime.as_str()) {
            strange.push(format!(
                "the runtime is {} and not {}",
                answering.join(", "),
                runtime.as_str()
            ));
        }
    }
    let finding = if strange.is_empty() {
        Finding::ok(format!("as profile {} expects it", facts.profile.name))
    } else {
        Finding::warn(format!(
            "not as profile {} expects it: {}",
            facts.profile.name,
            strange.join("; ")
        ))
        .impact(
            "Nobody has thought of this platform in this state: its sockets, thresholds and remedies may not fit.",
            &["metadata", "doctor"],
            &[],
        )
        .remedy(
            "Use a supported node image, or the profile generic, which expects nothing special.",
            &["agent profile show --platform generic", "agent profile detect"],
        )
        .change(Change::node(
            "node image",
            format!("one that profile {} supports", facts.profile.name),
        ))
    };
    finding
        .observed(json!({ "kernel": kernel, "runtimes": answering }))
        .expected(expected)
        .evidence(&facts.kernel, "uname(2)", kernel)
}

/// PIN-PRF-003.
fn running(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let own = &facts.profile;
    let theirs = agent.second.profile.as_str();
    if theirs.is_empty() {
        return Finding::unknown("the agent does not say which profile it uses");
    }
    let values = json!({ "agent": theirs, "doctor": own.name, "doctor_by": own.source });
    let finding = if theirs == own.name {
        Finding::ok(format!(
            "the agent uses {theirs}, and so does the doctor ({})",
            own.source
        ))
    } else if !fits(own) {
        return Finding::skipped("the profile here is another platform's")
            .blocked_by("PIN-PRF-001")
            .observed(values);
    } else if !agent.is_here() && !own.declared {
        return Finding::skipped("the agent runs in another container, where the platform may look otherwise")
            .observed(values);
    } else {
        Finding::warn(format!(
            "the agent uses the profile {theirs}, and a restart would give it {} ({})",
            own.name, own.source
        ))
        .impact(
            "Losses, lookups and metadata are judged by thresholds of another profile than the agent's, and its sockets and limits are \
             not those of the profile that is set.",
            &["doctor", "metadata"],
            &[],
        )
        .remedy(
            "Start the agent anew, so that it takes the profile over; or have the doctor judge by the agent's.",
            &[
                commands::restart(facts.place),
                &format!("agent doctor --profile {theirs}"),
            ],
        )
        .change(Change::node("agent", "restarted"))
    };
    finding
        .observed(values.clone())
        .expected(json!({ "agent": own.name }))
        .evidence(&facts.live, "GetStatus profile", theirs)
        .stated("profile of the doctor", values)
}
