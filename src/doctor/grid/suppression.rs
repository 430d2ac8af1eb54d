//! Broken hosts: suppressions.

use super::super::facts::suppressions::{SuppressionFact, SuppressionFacts};
use super::prelude::*;

fn given(id: &str, expired: bool) -> Option<SuppressionFacts> {
    let entry = |id: &str, expired| SuppressionFact {
        id: id.to_owned(),
        until: "2026-01-01".to_owned(),
        expired,
    };
    Some(SuppressionFacts {
        file: "doctor.toml".to_owned(),
        entries: vec![entry("PIN-RUN-001", false), entry(id, expired)],
    })
}

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "a suppression that is over", start: cold, root: ("PIN-CFG-005", Status::Warn), blocks: &[],
        harm: |f| f.suppressions = given("PIN-PRV-001", true) },
    Case { name: "a suppression of nothing", start: cold, root: ("PIN-CFG-005", Status::Warn), blocks: &[],
        harm: |f| f.suppressions = given("PIN-PRV-999", false) },
];
