//! A rule's message, on any text: compiled and rendered for events that know little.

#![no_main]

#[allow(dead_code, reason = "the filter is for the other target")]
#[path = "../host.rs"]
mod host;

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use pinhole_rules::engine::{Options, RuleSet};
use pinhole_rules::library::{Priority, Rule};
use pinhole_rules::syntax;
use pinhole_rules::text::Text;

fuzz_target!(|bytes: &[u8]| {
    let condition = Text::whole("rules.yaml", "evt.type exists");
    let output = String::from_utf8_lossy(bytes);
    let rule = Rule {
        name: "it".to_owned(),
        description: String::new(),
        condition: syntax::parse(&condition).expect("a condition"),
        output: Text::whole("rules.yaml", &output),
        priority: Priority::Notice,
        tags: BTreeSet::new(),
        source: "syscall".to_owned(),
        enabled: true,
        skip_if_unknown: false,
        warn_event_types: false,
        whole: true,
        span: condition.whole_span(),
    };
    let (set, problems) = RuleSet::compile(&[rule], &host::CATALOGUE, &Options::default());
    let Some(set) = set else {
        assert!(!problems.is_empty(), "what is refused is told");
        return;
    };
    let template = &set.rules()[0].output;
    let fields = template.fields().count();
    for event in host::events() {
        let rendered = template.render(&event);
        assert!(rendered.fields.len() <= fields, "{rendered:?}");
        assert!(serde_json::to_string(&rendered.fields).is_ok());
    }
});
