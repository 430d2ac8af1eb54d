//! The engine: the registry as a whole, folding, exit codes, a judge that breaks down.

use std::collections::BTreeSet;

use super::super::examine::{examine, judge};
use super::super::facts::{Gap, Gathered, OsError};
use super::super::fixture::cold;
use super::super::graph;
use super::super::registry::{Definition, Edge, RETIRED, checks, find};
use super::super::report::{Counts, FailOn, Status};
use super::check;

#[test]
fn exit_codes_follow_the_worst_that_counts() {
    let code = |warn, fail, unknown, fail_on| {
        Counts {
            warn,
            fail,
            unknown,
            ..Counts::default()
        }
        .exit_code(fail_on)
    };
    assert_eq!(code(0, 0, 0, FailOn::Warn), 0);
    assert_eq!(code(1, 0, 0, FailOn::Fail), 0);
    assert_eq!(code(1, 0, 0, FailOn::Warn), 2);
    assert_eq!(code(0, 1, 1, FailOn::Fail), 2);
    assert_eq!(code(0, 0, 1, FailOn::Warn), 3);
    assert_eq!(code(1, 0, 1, FailOn::Fail), 3);
}

#[test]
fn a_judge_that_breaks_down_is_unknown() {
    let broken = Definition {
        judge: Some(|_| panic!("on purpose")),
        ..*find("PIN-CFG-001").unwrap()
    };
    let check = judge(&broken, &cold());
    assert_eq!((check.id.as_ref(), check.status), ("PIN-CFG-001", Status::Unknown));
    assert!(check.reason.is_some());
}

#[test]
fn ids_are_unique_well_formed_and_not_reused() {
    let mut seen = BTreeSet::new();
    for definition in checks() {
        assert!(seen.insert(definition.id), "{} twice", definition.id);
        assert!(!RETIRED.contains(&definition.id), "{} is retired", definition.id);
        let parts: Vec<&str> = definition.id.split('-').collect();
        assert!(
            matches!(parts[..], ["PIN", area, number]
                if area.chars().all(|c| c.is_ascii_uppercase()) && number.len() == 3 && number.parse::<u16>().is_ok()),
            "{}",
            definition.id
        );
        assert!(!definition.title.is_empty() && !definition.area.is_empty() && !definition.needs.is_empty());
    }
}

#[test]
fn dependencies_exist_and_have_no_cycle() {
    fn depth(id: &str, path: &mut Vec<String>) {
        assert!(!path.iter().any(|seen| seen == id), "cycle: {path:?} {id}");
        path.push(id.to_owned());
        for edge in find(id).unwrap_or_else(|| panic!("{id} does not exist")).depends_on {
            depth(edge.id(), path);
        }
        path.pop();
    }
    for definition in checks() {
        depth(definition.id, &mut Vec::new());
    }
}

#[test]
fn what_hangs_on_a_blocked_check_names_the_root() {
    let mut facts = cold();
    facts.kernel.value.as_mut().unwrap().btf = Err(OsError {
        errno: Some(libc::ENOENT),
        message: "gone".to_owned(),
    });
    facts.capture = Gathered::gap(Gap::Crashed);
    let follower = check(&facts, "PIN-BPF-002");
    assert_eq!(
        (follower.status, follower.blocked_by.as_deref()),
        (Status::Skipped, Some("PIN-BTF-001"))
    );
    assert_eq!(find("PIN-BPF-002").unwrap().depends_on[0], Edge::Needs("PIN-BPF-001"));
    // Folding again changes nothing.
    let mut again = examine(&facts);
    let before = again.clone();
    graph::fold(&checks().collect::<Vec<_>>(), &mut again);
    assert_eq!(before, again);
}
