//! The way of a rule file, on any bytes: read, resolved, compiled, evaluated on an event. Whatever is said of an event, what
//! is necessary for it holds.

#![no_main]

#[path = "../host.rs"]
mod host;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pinhole_rules::engine::{Matching, Options, Outcome, RuleSet, Scratch};
use pinhole_rules::library;
use pinhole_rules::source::Source;

fuzz_target!(|bytes: &[u8]| {
    let source = Source {
        name: "rules.yaml".to_owned(),
        text: String::from_utf8_lossy(bytes).into_owned(),
    };
    let library = library::load(&[Arc::new(source)], &["syscall"]);
    for problem in &library.problems {
        assert!(!problem.to_string().is_empty());
    }
    let options = Options {
        matching: Matching::All,
        ..Options::default()
    };
    let (set, problems) = RuleSet::compile(&library.rules, &host::CATALOGUE, &options);
    for problem in &problems {
        assert!(!problem.to_string().is_empty());
    }
    let Some(set) = set else { return };
    let mut scratch = Scratch::default();
    for event in host::events() {
        let necessary = set.necessary(event.kind, &host::Filter);
        assert!(!necessary.to_string().is_empty());
        set.evaluate(event.kind, &event, &mut scratch, |outcome| {
            let (Outcome::Match { number, rule } | Outcome::Unknown { number, rule, .. }) = outcome;
            let holds = necessary
                .any
                .iter()
                .any(|it| it.rules.contains(&number) && it.holds(&|axis| event.seen(axis)));
            assert!(holds, "{}: {necessary}", rule.name);
            let rendered = rule.output.render(&event);
            assert!(rule.output.fields().all(|name| rendered.fields.contains_key(name)));
        });
    }
});
