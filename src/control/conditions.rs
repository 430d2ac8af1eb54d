//! What the evaluator of health says, as the status tells it: the same report that probes and metrics are made of.

use super::api;
use crate::health::{Condition, Report};

/// The conditions of a report, those of readiness first.
pub(super) fn told(report: &Report) -> Vec<api::Condition> {
    let of = |word: &'static str| {
        move |condition: &Condition| api::Condition {
            name: condition.name.to_owned(),
            check: condition.check.to_owned(),
            met: condition.met.as_str().to_owned(),
            since_ms: u64::try_from(report.at.saturating_sub(condition.since).as_millis()).unwrap_or(u64::MAX),
            reason: condition.reason.clone(),
            of: word.to_owned(),
        }
    };
    let readiness = report.readiness.iter().map(of("readiness"));
    readiness.chain(report.liveness.iter().map(of("liveness"))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::Met;

    #[test]
    fn each_condition_comes_with_its_probe_its_check_and_for_how_long() {
        let condition = |name, met, since| Condition {
            name,
            check: "PIN-ONE-001",
            met,
            since: Duration::from_millis(since),
            reason: "because".to_owned(),
        };
        let report = Report {
            at: Duration::from_millis(5500),
            readiness: vec![condition("one", Met::No, 5000), condition("two", Met::Unknown, 0)],
            liveness: vec![condition("three", Met::Yes, 6000)],
        };
        let told = told(&report);
        let words: Vec<_> = told
            .iter()
            .map(|it| (&*it.of, &*it.name, &*it.met, it.since_ms))
            .collect();
        assert_eq!(
            words,
            [
                ("readiness", "one", "no", 500),
                ("readiness", "two", "unknown", 5500),
                ("liveness", "three", "yes", 0)
            ]
        );
        assert!(
            told.iter()
                .all(|it| it.check == "PIN-ONE-001" && it.reason == "because")
        );
    }
}
