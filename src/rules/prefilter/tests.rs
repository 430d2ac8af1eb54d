//! The conditions say what they should, and the words of rules are those that the agent tells.

use std::collections::BTreeSet;

use super::*;
use crate::capture::prefilter::{Fact, Name};
use crate::config::Settings;
use crate::event::names;
use crate::rules::loaded;

fn rules(conditions: &[&str]) -> Loaded {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("rules.yaml");
    let rule = |(at, condition): (usize, &&str)| {
        format!("- rule: Rule {at}\n  desc: d\n  output: o\n  priority: INFO\n  condition: >\n    {condition}\n")
    };
    std::fs::write(&file, conditions.iter().enumerate().map(rule).collect::<String>()).unwrap();
    let mut settings = Settings::default().rules;
    settings.files = vec![file];
    loaded::load(&settings).unwrap().unwrap()
}

fn filter(conditions: &[&str], call: &str) -> Option<Prefilter> {
    let hook = Hook::of_call(call).unwrap();
    let mut found = of(&rules(conditions), HookSet::NONE.with(hook)).0;
    found.pop().map(|(of, filter)| {
        assert_eq!(of, hook);
        filter
    })
}

fn second(one: &str, two: &str) -> Name {
    Name::Second(one.as_bytes().into(), two.as_bytes().into())
}

#[test]
fn flags_results_and_paths_of_opens() {
    let filter = filter(
        &["evt.type in (open, openat) and evt.is_open_write=true and fd.num>=0 and fd.name startswith /etc/pam.d/"],
        "openat",
    )
    .unwrap();
    let condition = Condition {
        refused_by: BTreeSet::from([Fact::Failed, Fact::InProgress, Fact::Access(0), Fact::Access(3)]),
        text: false,
        names: Some(BTreeSet::from([second("etc", "pam.d")])),
    };
    assert_eq!(filter.conditions, [condition]);
    assert_eq!(filter.flags, Some(2));
}

#[test]
fn what_is_not_a_condition_for_the_kernel_lets_everything_through() {
    assert_eq!(filter(&["evt.type=openat and proc.name=cat"], "openat"), None);
    assert_eq!(filter(&["evt.type=openat and fd.name contains shadow"], "openat"), None);
    // One rule that wants everything is enough.
    assert_eq!(
        filter(
            &["evt.type=openat and fd.name=/etc/shadow", "evt.type=openat"],
            "openat"
        ),
        None
    );
    // Flags of openat2 are in the memory of the process.
    assert_eq!(
        filter(&["evt.type=openat2 and evt.is_open_write=true"], "openat2"),
        None
    );
}

#[test]
fn what_is_only_wanted_of_containers() {
    let filter = filter(&["evt.type=openat and container.id != host"], "openat").unwrap();
    assert_eq!(filter.conditions[0].refused_by, BTreeSet::from([Fact::Host]));
    // Of containers the kernel side does not know that they are.
    assert_eq!(
        self::filter(&["evt.type=openat and container.id = host"], "openat"),
        None
    );
}

#[test]
fn what_no_rule_wants_is_never_told() {
    assert_eq!(filter(&["evt.type=openat"], "connect").unwrap().conditions, []);
}

#[test]
fn a_part_of_the_path_that_was_asked_for() {
    let both = [
        "evt.type=openat and fd.nameraw contains '../'",
        "evt.type=openat and fd.nameraw contains '../../'",
    ];
    let filter = filter(&both, "openat").unwrap();
    assert_eq!(filter.text, Some((1, *b"../")));
    assert!(filter.conditions.iter().all(|condition| condition.text));
    // There is room for one.
    let other = [
        "evt.type=open and fd.nameraw contains '../'",
        "evt.type=open and fd.nameraw contains xyz and fd.num>2",
    ];
    let filter = self::filter(&other, "open").unwrap();
    assert_eq!(filter.text.map(|(at, _)| at), Some(0));
    assert_eq!(filter.conditions.iter().filter(|condition| condition.text).count(), 1);
    assert!(
        filter
            .conditions
            .iter()
            .any(|condition| !condition.text && condition.refused_by.contains(&Fact::Standard))
    );
}

#[test]
fn first_arguments_and_what_is_behind_them() {
    let filter = filter(&["evt.type=ptrace and evt.arg.request=PTRACE_ATTACH"], "ptrace").unwrap();
    let refused = &filter.conditions[0].refused_by;
    assert!(!refused.contains(&Fact::Value(6)) && refused.len() == 9, "{refused:?}");
    assert_eq!(filter.values[6], 16);
    let filter = self::filter(
        &["evt.type=dup and fd.type in (ipv4, ipv6) and fd.num in (0, 1, 2)"],
        "dup",
    )
    .unwrap();
    let refused = BTreeSet::from([Fact::Failed, Fact::InProgress, Fact::More, Fact::Else]);
    // A failed one may be about the descriptor 0, 1 or 2.
    let fewer = BTreeSet::from([Fact::More, Fact::Else]);
    assert!(
        [refused, fewer].contains(&filter.conditions[0].refused_by),
        "{filter:?}"
    );
    assert!(filter.family);
}

/// The values that are told apart have the names that rules read.
#[test]
fn values_are_called_as_they_are_told() {
    for (call, names) in [
        ("ptrace", names::ptrace::OPERATIONS),
        ("socket", names::family::FAMILIES),
    ] {
        for (number, text) in Axes::of(Hook::of_call(call).unwrap()).values {
            let told = names.iter().find(|(_, of)| *of == u64::from(*number)).unwrap().0;
            assert_eq!(told.replace("USER", "USR"), *text);
        }
    }
}
