//! Rules, and changes of rules.

use std::collections::BTreeMap;

use super::amend::amends;
use super::declaration::{Amendment, Change, Definition, Parts, Rule};
use super::exception;
use super::item::Item;
use super::read::named;
use super::yaml::{Kind, Yaml};
use crate::problem::{Problem, did_you_mean, shortened};
use pinhole_priority::Priority;

/// Keys of a rule.
const RULE: [&str; 15] = [
    "rule",
    "condition",
    "desc",
    "output",
    "priority",
    "tags",
    "enabled",
    "source",
    "exceptions",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "append",
    "override",
];
/// Parts of a rule that can be added to.
const APPENDED: [&str; 5] = ["condition", "output", "desc", "tags", "exceptions"];
/// Parts of a rule that can be replaced.
const REPLACED: [&str; 11] = [
    "condition",
    "output",
    "desc",
    "tags",
    "exceptions",
    "priority",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
];

/// Reads a rule, or what changes one.
pub(super) fn read(item: &mut Item<'_>) -> Option<Rule> {
    let name = named(item, "rule")?;
    item.check(&RULE);
    let (append, overrides) = amends(item, &APPENDED, &REPLACED)?;
    let change = if append {
        let condition = item.optional_text("condition");
        let exceptions = exception::read(item, true);
        if condition.is_none() && exceptions.is_none() {
            item.error(item.span.clone(), "appends neither a `condition` nor `exceptions`");
            return None;
        }
        let append = Parts {
            condition,
            exceptions,
            ..Parts::default()
        };
        Change::Amend(Box::new(Amendment {
            append,
            replace: Parts::default(),
        }))
    } else if overrides.is_empty() {
        if ["condition", "output", "desc", "priority"]
            .iter()
            .all(|key| item.get(key).is_none())
        {
            switch(item)?
        } else {
            Change::Define(Box::new(definition(item)?))
        }
    } else {
        Change::Amend(Box::new(amendment(item, &overrides)?))
    };
    Some(Rule { name, change })
}

/// A rule with nothing in it but `enabled`.
fn switch(item: &mut Item<'_>) -> Option<Change> {
    if item.get("enabled").is_none() {
        item.error(item.span.clone(), "has neither a `condition` nor `enabled`");
        return None;
    }
    item.warn(
        item.key("enabled"),
        "`enabled` alone is deprecated; `override: {enabled: replace}` says the same",
    );
    item.optional_truth("enabled").map(Change::Enable)
}

fn definition(item: &mut Item<'_>) -> Option<Definition> {
    let condition = item.text("condition");
    let output = item.text("output");
    let description = item.text("desc");
    if item.get("priority").is_none() {
        item.error(item.span.clone(), "the key `priority` is missing");
    }
    let priority = priority(item);
    let source = item
        .optional_text("source")
        .map_or_else(|| "syscall".to_owned(), |text| text.as_str().to_owned());
    let exceptions = exception::read(item, false);
    captures(item);
    Some(Definition {
        source,
        enabled: item.optional_truth("enabled").unwrap_or(true),
        skip_if_unknown: item.optional_truth("skip-if-unknown-filter").unwrap_or(false),
        warn_event_types: item.optional_truth("warn_evttypes").unwrap_or(true),
        tags: item.optional_texts("tags").unwrap_or_default(),
        exceptions: exceptions.unwrap_or_default(),
        condition: condition?,
        output: output?.trimmed(),
        description: description?,
        // A wrong one is told; what else is wrong with the rule is looked for all the same.
        priority: priority.unwrap_or(Priority::Debug),
    })
}

fn amendment(item: &mut Item<'_>, overrides: &BTreeMap<String, bool>) -> Option<Amendment> {
    let mut fine = true;
    for key in REPLACED {
        let (given, named) = (item.get(key).is_some(), overrides.contains_key(key));
        if given && !named {
            item.error(
                item.key(key),
                format!("`override` does not say whether `{key}` is appended or replaced"),
            );
            fine = false;
        } else if named && !given {
            item.error(
                item.key("override"),
                format!("`{key}` is to be overridden, but is missing"),
            );
            fine = false;
        }
    }
    captures(item);
    let mut amendment = Amendment::default();
    for append in [true, false] {
        let given = |key: &str| overrides.get(key) == Some(&append);
        let parts = Parts {
            condition: given("condition").then(|| item.optional_text("condition")).flatten(),
            output: given("output").then(|| item.optional_text("output")).flatten(),
            description: given("desc").then(|| item.optional_text("desc")).flatten(),
            priority: given("priority").then(|| priority(item)).flatten(),
            tags: given("tags").then(|| item.optional_texts("tags")).flatten(),
            enabled: given("enabled").then(|| item.optional_truth("enabled")).flatten(),
            skip_if_unknown: given("skip-if-unknown-filter")
                .then(|| item.optional_truth("skip-if-unknown-filter"))
                .flatten(),
            warn_event_types: given("warn_evttypes")
                .then(|| item.optional_truth("warn_evttypes"))
                .flatten(),
            exceptions: given("exceptions").then(|| exception::read(item, append)).flatten(),
        };
        *(if append {
            &mut amendment.append
        } else {
            &mut amendment.replace
        }) = parts;
    }
    fine.then_some(amendment)
}

fn priority(item: &mut Item<'_>) -> Option<Priority> {
    let text = item.optional_text("priority")?;
    let priority = text.as_str().parse().ok();
    if priority.is_none() {
        let message = format!("`{}` is no priority", shortened(text.as_str()));
        let known = Priority::ALL.map(Priority::as_str);
        let help = did_you_mean(text.as_str(), known)
            .unwrap_or_else(|| format!("it is one of {}", known.join(", ").to_uppercase()));
        let problem = Problem::error(text.whole_span(), &item.name, message).with_help(Some(help));
        item.problems.push(problem);
    }
    priority
}

/// Recordings of events are asked for by rule, and are not made.
fn captures(item: &mut Item<'_>) {
    for key in ["capture", "capture_duration"] {
        if item.get(key).is_some_and(|value| !is_off(value)) {
            item.warn(
                item.key(key),
                format!("`{key}` does nothing: no recording is made here"),
            );
        }
    }
}

fn is_off(value: &Yaml) -> bool {
    matches!(&value.kind, Kind::Scalar(text) if text.as_str().eq_ignore_ascii_case("false"))
}
