//! The grid of broken hosts: facts that lack one thing each, the one root finding that each must raise, and the proof that
//! the remedy mends it.
//!
//! A file per area holds its cases; [`harm`] has what several of them do to facts; [`treatment`] says what a change of a
//! remedy does to facts, whatever case it is applied to.

mod capture;
pub(super) mod harm;
mod kernel;
mod live;
mod loss;
mod metadata;
mod mounts;
mod prelude;
mod privilege;
mod resources;
mod runtime;
mod settings;
mod suppression;
mod treatment;

use std::collections::BTreeSet;

use super::facts::{Facts, Place};
use super::registry::checks;
use super::report::Status;
use super::tests::{check, roots};

/// A host that lacks one thing.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) start: fn() -> Facts,
    pub(super) harm: fn(&mut Facts),
    pub(super) root: (&'static str, Status),
    /// Checks that must be skipped because of the root.
    pub(super) blocks: &'static [&'static str],
}

pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    [
        settings::CASES,
        suppression::CASES,
        kernel::CASES,
        mounts::CASES,
        privilege::CASES,
        resources::CASES,
        capture::CASES,
        runtime::CASES,
        live::CASES,
        metadata::CASES,
        loss::CASES,
    ]
    .into_iter()
    .flatten()
}

fn harmed(case: &Case) -> Facts {
    let mut facts = (case.start)();
    (case.harm)(&mut facts);
    facts
}

#[test]
fn each_harm_raises_exactly_its_one_root_finding() {
    for case in cases() {
        let facts = harmed(case);
        assert_eq!(roots(&facts), [case.root], "{}", case.name);
        for id in case.blocks {
            let blocked = check(&facts, id);
            assert_eq!(
                (blocked.status, blocked.blocked_by.as_deref()),
                (Status::Skipped, Some(case.root.0)),
                "{}: {id}",
                case.name
            );
        }
    }
}

/// What could not be found out has no remedy of its own; everything else has one, and it mends what was found.
#[test]
fn each_remedy_mends_what_it_is_for() {
    let mut left: Vec<String> = Vec::new();
    for case in cases().filter(|case| case.root.1 != Status::Unknown) {
        let mut facts = harmed(case);
        let remedy = check(&facts, case.root.0).remedy.unwrap();
        treatment::apply(&mut facts, &(case.start)(), &remedy);
        let still = roots(&facts);
        if !still.is_empty() {
            left.push(format!("{}: {still:?} after {:?}", case.name, remedy.patch));
        }
    }
    assert!(left.is_empty(), "{} remain:\n{}", left.len(), left.join("\n"));
}

#[test]
fn every_check_can_be_a_root_finding() {
    let raised: BTreeSet<&str> = cases().map(|case| case.root.0).collect();
    let all: BTreeSet<&str> = checks()
        .filter(|definition| definition.judge.is_some())
        .map(|definition| definition.id)
        .collect();
    assert_eq!(raised, all);
}

#[test]
fn every_finding_says_what_it_costs_and_what_mends_it() {
    for case in cases() {
        for place in [Place::Kubernetes, Place::Container] {
            let mut facts = (case.start)();
            facts.place = place;
            (case.harm)(&mut facts);
            let root = check(&facts, case.root.0);
            // Outside a pod some of it is no harm.
            if place == Place::Container && matches!(root.status, Status::Ok | Status::Skipped) {
                continue;
            }
            if root.status == Status::Unknown {
                assert!(root.reason.is_some_and(|reason| !reason.is_empty()), "{}", case.name);
                continue;
            }
            assert!(
                root.observed.is_some() && root.expected.is_some(),
                "{}: values",
                case.name
            );
            assert!(!root.evidence.is_empty(), "{}: evidence", case.name);
            assert!(
                root.impact.is_some_and(|impact| !impact.text.is_empty()),
                "{}: impact",
                case.name
            );
            let remedy = root.remedy.unwrap();
            assert!(
                !remedy.text.is_empty() && !remedy.commands.is_empty(),
                "{}: remedy",
                case.name
            );
            for command in &remedy.commands {
                let inside = command
                    .split_once("exec POD -- ")
                    .map_or("/agent", |(_, program)| program);
                assert!(
                    !command.starts_with("kubectl ") || command.starts_with("kubectl -n pinhole "),
                    "{}: {command}",
                    case.name
                );
                assert!(inside.starts_with("/agent"), "no path of the image: {command}");
            }
        }
    }
}
