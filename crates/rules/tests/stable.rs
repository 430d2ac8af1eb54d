//! The stable rule file of the upstream project, compiled and evaluated: which events meet which of its rules, that usual
//! events match none, and that remarkable ones match the right one.

// A test may stop where something is wrong.
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "../examples/evaluation/event.rs"]
mod event;
mod filter;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{Event, remarkable, usual};
use filter::Filter;
use pinhole_rules::catalogue::Catalogue;
use pinhole_rules::engine::necessary::Patterns;
use pinhole_rules::engine::{Matching, Options, Outcome, RuleSet, Scratch};
use pinhole_rules::library;
use pinhole_rules::source::Source;

/// The file that `PINHOLE_FALCO_RULES` names, or one beside a directory that holds the checkout.
fn path() -> Option<PathBuf> {
    if let Some(named) = env::var_os("PINHOLE_FALCO_RULES") {
        return Some(named.into());
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|directory| directory.join("shared/falco-rules/falco_rules.yaml"))
        .find(|file| file.is_file())
}

fn compiled() -> Option<(Catalogue, RuleSet)> {
    let Some(path) = path() else {
        // Past the capture of a test that passes: who runs it must see that it showed nothing.
        let skipped = b"SKIPPED: no falco_rules.yaml is here; PINHOLE_FALCO_RULES names one\n";
        std::io::stderr().write_all(skipped).unwrap();
        return None;
    };
    let source = Source {
        name: "falco_rules.yaml".to_owned(),
        text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    let library = library::load(&[Arc::new(source)], &["syscall"]);
    let catalogue = Catalogue::new(event::FIELDS, event::EVENTS);
    let options = Options {
        matching: Matching::All,
        ..Options::default()
    };
    let (set, problems) = RuleSet::compile(&library.rules, &catalogue, &options);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, Vec::<String>::new());
    Some((catalogue, set.unwrap()))
}

fn matches(catalogue: &Catalogue, set: &RuleSet, event: &Event) -> Vec<String> {
    let mut matches = Vec::new();
    let kind = catalogue.event(event.kind).unwrap();
    set.evaluate(kind, event, &mut Scratch::default(), |outcome| match outcome {
        Outcome::Match { rule, .. } => {
            let message = rule.output.render(event);
            assert!(message.unknown.is_empty() && !message.text.contains('%'), "{message:?}");
            assert_eq!(message.fields["evt.type"], event.kind);
            matches.push(rule.name.clone());
        }
        Outcome::Unknown { .. } => panic!("{outcome:?}"),
    });
    matches
}

#[test]
fn events_meet_their_rules_only() {
    let Some((catalogue, set)) = compiled() else { return };
    assert_eq!(set.rules().len(), 25);
    let met: BTreeMap<_, _> = catalogue
        .events()
        .map(|(kind, event)| (event.name, set.rules_of(kind).count()))
        .filter(|(_, rules)| *rules > 0)
        .collect();
    let wanted = BTreeMap::from([
        ("open", 5),
        ("openat", 5),
        ("openat2", 5),
        ("execve", 11),
        ("execveat", 11),
        ("connect", 2),
        ("ptrace", 2),
        ("symlink", 1),
        ("symlinkat", 1),
        ("link", 1),
        ("linkat", 1),
        ("socket", 1),
        ("dup", 1),
        ("dup2", 1),
        ("dup3", 1),
        ("init_module", 1),
        ("finit_module", 1),
        ("sendto", 1),
        ("sendmsg", 1),
    ]);
    assert_eq!(met, wanted);
}

#[test]
fn usual_events_match_none() {
    let Some((catalogue, set)) = compiled() else { return };
    for event in usual() {
        assert_eq!(matches(&catalogue, &set, &event), [""; 0], "{}", event.what);
    }
}

#[test]
fn remarkable_events_match_theirs() {
    let Some((catalogue, set)) = compiled() else { return };
    let events = remarkable();
    let named: BTreeSet<&str> = events.iter().map(|(rule, _)| *rule).collect();
    let all: BTreeSet<&str> = set.rules().iter().map(|rule| &*rule.name).collect();
    assert_eq!(named, all);
    for (rule, event) in events {
        assert!(matches(&catalogue, &set, &event).contains(&rule.to_owned()), "{rule}");
    }
}

#[test]
fn exceptions_of_rules_hold() {
    let Some((catalogue, set)) = compiled() else { return };
    let remarkable = |rule| remarkable().into_iter().find(|(name, _)| *name == rule).unwrap().1;
    // By a shell's child it is allowed.
    let mut event = remarkable("Read sensitive file untrusted");
    event.path = "/etc/nginx/../../etc/passwd";
    assert_eq!(matches(&catalogue, &set, &event), [""; 0]);
    let mut event = remarkable("Disallowed SSH Connection Non Standard Port");
    event.server.0 = [10, 0, 0, 1].into();
    assert_eq!(matches(&catalogue, &set, &event), [""; 0]);
}

/// What must hold of an event, for a filter with these tests of paths and of paths as they were asked for.
fn necessary(path: Patterns, requested: Patterns) -> Option<BTreeMap<&'static str, String>> {
    let (catalogue, set) = compiled()?;
    let catalogue = &catalogue;
    let filter = Filter {
        catalogue,
        path,
        requested,
    };
    let all = catalogue
        .events()
        .map(|(kind, event)| (event.name, set.necessary(kind, &filter).to_string()));
    Some(all.collect())
}

/// A trie of prefixes alone lets all opens through: one rule is about `../` in the path that was asked for.
#[test]
fn prefixes_are_too_few() {
    let Some(necessary) = necessary(Patterns::PREFIXES, Patterns::default()) else {
        return;
    };
    for call in ["open", "openat", "openat2"] {
        let wanted = [
            "descriptor in (file) and reads in (yes) and result in (0 to 2, more)",
            "or descriptor in (file) and result in (failed)",
            "or descriptor in (file) and result in (0 to 2, more) and truncates in (yes) and writes in (yes)",
            "or CAP_SYS_ADMIN in (yes) and descriptor in (file) and result in (0 to 2, more) and user in (root) \
             and where in (container) and writes in (yes)",
            "or CAP_DAC_OVERRIDE in (yes) and CAP_SYS_ADMIN in (yes) and descriptor in (file) \
             and result in (0 to 2, more) and where in (container) and writes in (yes)",
        ];
        assert_eq!(necessary[call], wanted.join("\n"));
    }
}

/// With that one test more, what is left of reads is a handful of paths.
#[test]
fn prefixes_and_one_part_of_the_request_are_enough() {
    let requested = Patterns {
        contains: true,
        ..Patterns::default()
    };
    let Some(necessary) = necessary(Patterns::PREFIXES, requested) else {
        return;
    };
    let reads: Vec<_> = necessary["openat"].lines().take(3).collect();
    let wanted = [
        "descriptor in (file) and reads in (yes) and requested path in (*../*) and result in (0 to 2, more)",
        "or descriptor in (file) and requested path in (*../*) and result in (failed)",
        "or descriptor in (file) and path in (/etc/pam.conf, /etc/pam.d, /etc/security/pwquality.conf, /etc/shadow, \
         /etc/sudoers, /etc/sudoers.d, /etc/pam.d/*, /etc/sudoers.d/*) and reads in (yes) and result in (0 to 2, more)",
    ];
    assert_eq!(reads, wanted);
}

#[test]
fn names_are_what_writes_are_told_by() {
    let names = Patterns {
        name: true,
        ends: true,
        ..Patterns::PREFIXES
    };
    let Some(necessary) = necessary(names, Patterns::default()) else {
        return;
    };
    let writes: Vec<_> = necessary["open"]
        .lines()
        .filter(|line| line.contains("writes"))
        .collect();
    assert_eq!(writes.len(), 3);
    assert!(
        writes[0].contains("**/auth.log") && writes[0].contains("/var/log/*"),
        "{writes:?}"
    );
    assert!(
        writes[1..].iter().all(|line| line.contains("path in (*release_agent)")),
        "{writes:?}"
    );
}

#[test]
fn other_calls_are_told_by_little() {
    let Some(necessary) = necessary(Patterns::PREFIXES, Patterns::default()) else {
        return;
    };
    let linked = "target in (/etc/pam.conf, /etc/security/pwquality.conf, /etc/shadow, /etc/sudoers)";
    let symlinked = "target in (/, /etc, /etc/, /etc/pam.conf, /etc/security/pwquality.conf, /etc/shadow, \
                     /etc/sudoers, /root, /root/)";
    let duplicated = "descriptor in (IPv4, IPv6) and result in (0 to 2) and where in (container)";
    for (call, wanted) in [
        ("execve", "always"),
        (
            "connect",
            "descriptor in (IPv4, IPv6) and where in (container)\n\
             or descriptor in (IPv4, IPv6) and protocol in (TCP) and result in (in progress, 0 to 2, more)",
        ),
        // The rule wants no TCP here, and TCP.
        ("sendto", "never"),
        ("sendmsg", "never"),
        ("ptrace", "attaches in (yes)"),
        ("symlinkat", symlinked),
        ("linkat", linked),
        ("socket", "packet socket in (yes) and where in (container)"),
        ("dup", duplicated),
        ("dup2", duplicated),
        ("dup3", duplicated),
        ("finit_module", "CAP_SYS_MODULE in (yes) and where in (container)"),
        ("read", "never"),
    ] {
        assert_eq!(necessary[call], wanted, "{call}");
    }
}
