//! An alert: what a rule that holds says of an event, in the shape that Falco gives it, so that whatever reads Falco's JSON
//! reads this.
//!
//! Keys are in the order of the alphabet, as there. What is not in Falco's is below `pinhole`: where an answer is missing,
//! its reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pinhole_priority::Priority;
use pinhole_rules::engine::{Compiled, Reason};
use pinhole_rules::output::{Rendered, Template};
use serde::{Serialize, Serializer};

use super::catalogue::CATALOGUE;
use super::reasons;
use super::subject::Subject;
use crate::container::Metadata;
use crate::process::image::exec_id;

/// An alert.
#[derive(Debug, Clone, Serialize)]
pub struct Alert<'a> {
    /// The node's name.
    pub hostname: &'a str,
    /// Time, priority and message, as one text.
    pub output: String,
    /// The fields that the message shows, by their names, with the type that they have; null where there is none.
    pub output_fields: serde_json::Map<String, serde_json::Value>,
    /// What Falco does not tell.
    pub pinhole: Extras,
    /// How urgent it is.
    #[serde(serialize_with = "word")]
    pub priority: Priority,
    /// The rule.
    pub rule: &'a str,
    /// The kind of events that the rule watches.
    pub source: &'a str,
    /// The rule's tags.
    pub tags: &'a BTreeSet<String>,
    /// When it happened.
    #[serde(serialize_with = "crate::event::clock::rfc3339")]
    pub time: Timestamp,
}

/// What an alert tells beyond Falco's.
#[derive(Debug, Clone, Serialize)]
pub struct Extras {
    /// The process, by the name that events give it.
    pub exec_id: String,
    /// How many events were lost since the alert before this one, so that there may have been more to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_before: Option<u64>,
    /// How the lookup of the container went.
    pub metadata: Metadata,
    /// Why fields of the message are null that have a value, by the field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// Present where it is unknown whether the rule holds: the fields that this hangs on, and why they are not known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub undecided: BTreeMap<String, String>,
}

impl<'a> Alert<'a> {
    /// The alert of `rule` for an event. `undecided` is empty where the rule holds.
    #[must_use]
    pub fn new(
        rule: &'a Compiled,
        append: Option<&Template>,
        undecided: &[Reason],
        subject: &'a Subject<'_>,
        lost_before: u64,
    ) -> Self {
        let mut message = rule.output.render(subject);
        if let Some(more) = append {
            extend(&mut message, more.render(subject));
        }
        let time = subject.time();
        let undecided: BTreeMap<String, String> = undecided
            .iter()
            .map(|reason| (CATALOGUE.name(&reason.field), reason.why.clone()))
            .collect();
        let at = time.strftime("%H:%M:%S%.9f");
        let mut output = format!("{at}: {} {}", rule.priority.as_str(), message.text);
        if !undecided.is_empty() {
            let reasons: Vec<String> = undecided.iter().map(|(field, why)| format!("{field}: {why}")).collect();
            output.push_str(" (metadata unknown: ");
            output.push_str(&reasons.join(", "));
            output.push(')');
        }
        let nanoseconds = i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        let mut missing: BTreeMap<String, String> = message.unknown.into_iter().collect();
        for (name, value) in &message.fields {
            if value.is_null() && is_never_known(name) {
                missing
                    .entry(name.clone())
                    .or_insert_with(|| reasons::NOT_CAPTURED.to_owned());
            }
        }
        message.fields.insert("evt.time".to_owned(), nanoseconds.into());
        Self {
            hostname: &subject.host.node,
            output,
            output_fields: message.fields,
            pinhole: Extras {
                exec_id: exec_id(&subject.key),
                lost_before: (lost_before > 0).then_some(lost_before),
                metadata: subject.outcome.metadata,
                missing,
                undecided,
            },
            priority: rule.priority,
            rule: &rule.name,
            source: &rule.source,
            tags: &rule.tags,
            time,
        }
    }
}

/// Whether no event has a value of this field here, as a template writes it.
fn is_never_known(name: &str) -> bool {
    let (name, argument) = match name.split_once('[') {
        Some((name, rest)) => (name, rest.strip_suffix(']')),
        None => (name, None),
    };
    CATALOGUE
        .field(name, argument)
        .is_ok_and(|field| CATALOGUE.definition(field.id).never.is_some())
}

/// The same message, and what is appended to each.
fn extend(message: &mut Rendered, more: Rendered) {
    message.text.push(' ');
    message.text.push_str(&more.text);
    message.fields.extend(more.fields);
    message.unknown.extend(more.unknown);
}

fn word<S: Serializer>(priority: &Priority, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(priority.as_str())
}
