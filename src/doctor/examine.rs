//! From facts to the report.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::check::{ready, thresholds};
use super::facts::{Facts, LiveFacts, Place};
use super::finding::Finding;
use super::graph;
use super::past;
use super::registry::{Definition, checks};
use super::report::{Agent, Check, Counts, Host, Mode, Profile, Report, SCHEMA_VERSION};

/// Judges every check of the registry, in its order, and folds what follows from a failure under its root.
#[must_use]
pub fn examine(facts: &Facts) -> Vec<Check> {
    let definitions: Vec<&Definition> = checks().collect();
    let mut judged: Vec<Check> = definitions.iter().map(|definition| judge(definition, facts)).collect();
    graph::fold(&definitions, &mut judged);
    judged
}

/// Judges one check, in agreement with the running agent's own evaluator. A judge is a pure function; should one break down all
/// the same, the others still count.
pub(super) fn judge(definition: &Definition, facts: &Facts) -> Check {
    match definition.judge {
        Some(judge) => guarded(|| ready::heed(definition.id, facts, judge(facts))),
        None => Finding::skipped("judged in manifests only: agent doctor --manifest FILE"),
    }
    .of(definition)
}

pub(super) fn guarded(judge: impl FnOnce() -> Finding) -> Finding {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| Finding::unknown("the check itself broke down; report it"))
}

/// The whole report. `time` is when the examination began, RFC 3339; `node` the configured name of the node.
#[must_use]
pub fn report(facts: &Facts, time: String, node: Option<String>) -> Report {
    let checks = examine(facts);
    let counts = Counts::of(&checks);
    let status = match &facts.live.value {
        Ok(LiveFacts::Answers(agent)) => Some(&agent.second),
        _ => None,
    };
    Report {
        schema_version: SCHEMA_VERSION,
        time,
        agent: Agent {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running_version: status.map(|status| status.version.clone()),
            pid: status.map(|status| status.pid),
            uptime_seconds: status
                .map(|status| status.uptime_seconds)
                .filter(|seconds| seconds.is_finite()),
        },
        host: Host {
            kernel: facts.kernel.value.as_ref().ok().map(|kernel| kernel.release.clone()),
            arch: std::env::consts::ARCH.to_owned(),
            node: node.or_else(|| status.map(|status| status.node.clone()).filter(|node| !node.is_empty())),
            in_container: facts.place != Place::Host,
        },
        profile: Profile {
            name: facts.profile.name.clone(),
            source: facts.profile.source.clone(),
            evidence: facts.profile.evidence.clone(),
        },
        mode: if status.is_some() { Mode::Live } else { Mode::Cold },
        confined: None,
        verdict: counts.verdict(),
        counts,
        fix_first: graph::fix_first(&checks),
        changes: None,
        live: status.map(|status| past::of(status, budget(facts))),
        duration_us: None,
        checks,
    }
}

fn budget(facts: &Facts) -> (f64, f64) {
    let thresholds = thresholds(facts);
    (thresholds.loss_percent, thresholds.complete_percent)
}
