//! From the facts of manifests to the report.

use super::super::examine::guarded;
use super::super::facts::manifests::Manifests;
use super::super::finding::Finding;
use super::super::graph;
use super::super::registry::{Definition, checks};
use super::super::report::{Agent, Check, Counts, Host, Mode, Profile, Report, SCHEMA_VERSION};

/// Why most checks of a node have nothing to say here.
const NOT_TOLD: &str = "manifests do not tell it: run agent doctor on a node";

/// Judges every check that manifests can tell something of, and folds what follows from a failure under its root.
#[must_use]
pub(in crate::doctor) fn examine(manifests: &Manifests) -> Vec<Check> {
    let definitions: Vec<&Definition> = checks().collect();
    let judge = |definition: &&Definition| {
        match definition.offline {
            Some(judge) => guarded(|| judge(manifests)),
            None => Finding::skipped(NOT_TOLD),
        }
        .of(definition)
    };
    let alone: Vec<Check> = definitions.iter().map(judge).collect();
    let mut judged = alone.clone();
    graph::fold(&definitions, &mut judged);
    // What manifests do not tell does not wait for anything in them.
    for ((definition, check), before) in definitions.iter().zip(&mut judged).zip(alone) {
        if definition.offline.is_none() {
            *check = before;
        }
    }
    judged
}

/// The whole report. `time` is when the examination began, RFC 3339.
#[must_use]
pub fn examine_manifests(manifests: &Manifests, time: String) -> Report {
    let checks = examine(manifests);
    let counts = Counts::of(&checks);
    let architecture = manifests.agent.as_ref().and_then(|agent| {
        let selector = agent.in_pod("/nodeSelector/kubernetes.io~1arch");
        agent.object.at(&selector)?.as_str().map(str::to_owned)
    });
    Report {
        schema_version: SCHEMA_VERSION,
        time,
        agent: Agent {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running_version: None,
            pid: None,
            uptime_seconds: None,
        },
        host: Host {
            kernel: None,
            // Of the nodes that the pod selects; this machine is none of them.
            arch: architecture.unwrap_or_default(),
            node: None,
            in_container: false,
        },
        profile: Profile {
            name: manifests.profile.name.to_owned(),
            source: manifests.profile_source.clone(),
            evidence: Vec::new(),
        },
        mode: Mode::Offline,
        confined: None,
        verdict: counts.verdict(),
        counts,
        fix_first: graph::fix_first(&checks),
        changes: None,
        checks,
        duration_us: None,
        live: None,
    }
}
