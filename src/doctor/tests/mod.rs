//! What holds for the registry as a whole: a healthy host raises nothing, and what was not gathered is unknown. The rest by
//! subject.

mod engine;
mod loss;
mod privilege;
mod profiles;
mod runtime;
mod schema;

use super::examine::{examine, report};
use super::facts::{Facts, Gap, Gathered};
use super::fixture::{cold, live};
use super::registry::find;
use super::report::{Check, FailOn, Status};

/// Root findings: warn, fail and unknown; what is blocked is not among them.
pub(in super::super) fn roots(facts: &Facts) -> Vec<(&'static str, Status)> {
    examine(facts)
        .into_iter()
        .filter(|check| matches!(check.status, Status::Warn | Status::Fail | Status::Unknown))
        .map(|check| (super::registry::find(&check.id).unwrap().id, check.status))
        .collect()
}

pub(in super::super) fn check(facts: &Facts, id: &str) -> Check {
    examine(facts).into_iter().find(|check| check.id == id).unwrap()
}

#[test]
fn healthy_facts_raise_nothing() {
    for facts in [cold(), live()] {
        assert_eq!(roots(&facts), []);
    }
    let checks = examine(&live());
    // Nobody accepts anything there.
    let of_a_node = |check: &&Check| find(&check.id).unwrap().judge.is_some() && check.id != "PIN-CFG-005";
    assert!(
        checks.iter().filter(of_a_node).all(|check| check.status == Status::Ok),
        "{checks:#?}"
    );
}

#[test]
fn facts_that_were_not_gathered_are_unknown_never_ok() {
    let mut facts = cold();
    let gap = || Gap::NotGathered("the test withholds it".to_owned());
    facts.kernel = Gathered::gap(gap());
    facts.process = Gathered::gap(gap());
    facts.capture = Gathered::gap(gap());
    facts.memory = Gathered::gap(gap());
    facts.seccomp = Gathered::gap(gap());
    facts.lsm = Gathered::gap(gap());
    facts.mounts = Gathered::gap(gap());
    facts.resources = Gathered::gap(gap());
    facts.runtimes = Gathered::gap(gap());
    facts.own = Gathered::gap(gap());
    facts.join = Gathered::gap(gap());
    facts.live = Gathered::gap(gap());
    facts.canary = Gathered::gap(gap());
    facts.log = Gathered::gap(gap());
    for check in examine(&facts) {
        if check.area == "configuration" || check.area == "profile" {
            continue;
        }
        assert!(
            matches!(check.status, Status::Unknown | Status::Skipped),
            "{}: {:?}",
            check.id,
            check.status
        );
        assert!(check.reason.is_some(), "{}", check.id);
    }
    assert_eq!(report(&facts, String::new(), None).counts.exit_code(FailOn::Fail), 3);
}
