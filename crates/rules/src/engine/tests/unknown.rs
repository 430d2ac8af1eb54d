//! What could not be found out.

use crate::engine::{Once, Options, Outcome, Policy, Scratch, WhenUnknown};
use crate::host::{Event, all, compiled, known, outcomes, rule, text_of, truth};
use crate::value::{Answer, Truth};

#[test]
fn is_neither_equal_nor_different() {
    let event = Event::of("execve").unknown("proc.name", "exited");
    for condition in [
        "proc.name = x",
        "proc.name != x",
        "not proc.name = x",
        "proc.name exists",
        "proc.name startswith x",
        "proc.name in (\"<NA>\", \"N/A\")",
        "toupper(proc.name) = X",
        "proc.name = val(proc.name)",
    ] {
        assert_eq!(truth(condition, &event), Truth::Unknown, "{condition}");
    }
    // No text is in an empty list, and no number of members fits.
    assert_eq!(truth("proc.name in ()", &event), Truth::False);
    assert_eq!(truth("not proc.name in ()", &event), Truth::True);
    // What is absent fits nothing, whatever it is compared with.
    assert_eq!(truth("proc.name = val(proc.pname)", &event), Truth::False);
    assert_eq!(truth("concat(proc.name, proc.pname) = x", &event), Truth::False);
}

/// Kleene's tables.
#[test]
fn in_and_or_not() {
    let event = Event::of("execve").text("proc.name", "t").unknown("proc.pname", "why");
    let (t, f, u) = ("proc.name = t", "proc.name = f", "proc.pname = t");
    for (one, and, other, wanted) in [
        (t, "and", u, Truth::Unknown),
        (u, "and", t, Truth::Unknown),
        (f, "and", u, Truth::False),
        (u, "and", f, Truth::False),
        (u, "and", u, Truth::Unknown),
        (t, "or", u, Truth::True),
        (u, "or", t, Truth::True),
        (f, "or", u, Truth::Unknown),
        (u, "or", f, Truth::Unknown),
    ] {
        let condition = format!("{one} {and} {other}");
        assert_eq!(truth(&condition, &event), wanted, "{condition}");
    }
}

#[test]
fn part_of_several_values_decides_where_it_can() {
    let event = Event::of("execve").with(
        "proc.aname",
        Answer::Partly(vec![text_of("bash"), text_of("sshd")], "exited"),
    );
    assert_eq!(truth("proc.aname = sshd", &event), Truth::True);
    assert_eq!(truth("proc.aname = cron", &event), Truth::Unknown);
    assert_eq!(truth("proc.aname != sshd", &event), Truth::True);
    assert_eq!(truth("proc.aname exists", &event), Truth::True);
    assert_eq!(truth("proc.aname = oneof (bash, cron)", &event), Truth::Unknown);
    assert_eq!(truth("proc.aname = oneof (bash, sshd, cron)", &event), Truth::False);
    let event = Event::of("execve").with("proc.args", Answer::Partly(vec![text_of("a")], "cut"));
    assert_eq!(truth("proc.args in (a, b)", &event), Truth::Unknown);
    assert_eq!(truth("proc.args in (b)", &event), Truth::False);
    assert_eq!(truth("proc.args intersects (a)", &event), Truth::True);
}

#[test]
fn says_what_it_hangs_on() {
    let set = compiled(
        &[rule(
            "it",
            "proc.name = sh and (container.image.repository in (a, b) or fd.num = 3 or proc.pname contains x) \
             and not toupper(proc.exe) = X and evt.rawres = 0",
        )],
        &all(),
    );
    let event = Event::of("execve")
        .text("proc.name", "sh")
        .unknown("container.image.repository", "runtime_timeout")
        .unknown("proc.exe", "exited")
        .unknown("proc.pname", "exited")
        // Unknown too, but nothing hangs on it.
        .unknown("container.id", "other")
        .number("fd.num", 4)
        .number("evt.rawres", 0);
    let mut told = Vec::new();
    set.evaluate(event.kind(), &event, &mut Scratch::default(), |outcome| {
        let Outcome::Unknown { reasons, .. } = outcome else {
            panic!("{outcome:?}")
        };
        told = reasons
            .iter()
            .map(|reason| format!("{}: {}", crate::host::catalogue().name(&reason.field), reason.why))
            .collect();
    });
    told.sort();
    assert_eq!(
        told,
        [
            "container.image.repository: runtime_timeout",
            "proc.exe: exited",
            "proc.pname: exited",
        ]
    );
}

/// An unknown outcome is no match, so it does not end the search for the first one.
#[test]
fn does_not_stop_at_an_unknown_outcome() {
    let rules = [
        rule("one", "container.image.repository = x"),
        rule("two", "proc.name = sh"),
        rule("three", "proc.name = sh"),
    ];
    let event = Event::of("execve")
        .text("proc.name", "sh")
        .unknown("container.image.repository", "why");
    let told = outcomes(&compiled(&rules, &Options::default()), &event);
    assert_eq!(
        told,
        [("one".to_owned(), Truth::Unknown), ("two".to_owned(), Truth::True)]
    );
    assert_eq!(outcomes(&compiled(&rules, &all()), &event).len(), 3);
}

#[test]
fn a_policy_per_rule() {
    let options = Options {
        policy: Policy {
            otherwise: WhenUnknown::Alert,
            rules: [("two".to_owned(), WhenUnknown::Hold)].into(),
        },
        ..Options::default()
    };
    let set = compiled(&[rule("one", "proc.name = a"), rule("two", "proc.name = b")], &options);
    let policies: Vec<_> = set.rules().iter().map(|rule| rule.when_unknown).collect();
    assert_eq!(policies, [WhenUnknown::Alert, WhenUnknown::Hold]);
}

#[test]
fn alerts_once_per_container_and_rule() {
    let mut once = Once::new(100);
    assert!(once.passes("a", 1));
    for _ in 0..1000 {
        assert!(!once.passes("a", 1));
    }
    assert!(once.passes("a", 2));
    assert!(once.passes("b", 1));
    assert_eq!(once.take_held(), [(1, 1000)].into());
    assert!(once.take_held().is_empty());
}

#[test]
fn what_is_the_same_rule_in_another_set_is_not_told_again() {
    let mut once = Once::new(100);
    assert!(once.passes("a", 0) && once.passes("a", 1));
    // The first rule is another one now, the second is the first.
    once.renumber(|number| number.checked_sub(1));
    assert!(!once.passes("a", 0));
    assert!(once.passes("a", 1));
}

#[test]
fn remembers_so_many_and_no_more() {
    let mut once = Once::new(10);
    for container in 0..1000 {
        assert!(once.passes(&container.to_string(), 0));
        // One that comes again and again is not forgotten.
        let first = once.passes("often", 0);
        assert_eq!(first, container == 0);
    }
    assert!(!once.passes("999", 0));
    assert!(once.passes("3", 0));
    assert!(once.remembered() <= 20);
}

/// Answers of another type than the catalogue says fit nothing, and stop nothing.
#[test]
fn answers_of_the_wrong_type() {
    let event = Event::of("execve").number("proc.name", 3).with("fd.num", known("3"));
    for condition in ["proc.name = '3'", "proc.name contains '3'", "fd.num = 3", "fd.num > 2"] {
        assert_eq!(truth(condition, &event), Truth::False, "{condition}");
    }
}
