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
    /// What is shortened, because it was too large to be handed on: `output`, and fields of the message.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub shortened: BTreeSet<String>,
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
                shortened: BTreeSet::new(),
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

impl Alert<'_> {
    /// The same, with no field of the message longer than so many bytes, and the message no longer than four times as many. A
    /// field that is no text becomes one.
    #[must_use]
    pub fn shortened(&self, limit: usize) -> Self {
        let mut alert = self.clone();
        let cut = &mut alert.pinhole.shortened;
        for (name, value) in &mut alert.output_fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if text.len() > limit {
                *value = beginning(&text, limit).into();
                cut.insert(name.clone());
            }
        }
        if alert.output.len() > 4 * limit {
            alert.output = beginning(&alert.output, 4 * limit);
            cut.insert("output".to_owned());
        }
        alert
    }
}

/// So many bytes of a text, whole characters, and a sign that there was more.
fn beginning(text: &str, bytes: usize) -> String {
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}

/// Whether no event has a value of this field here, as a template writes it.
fn is_never_known(name: &str) -> bool {
    let (name, argument) = match name.split_once('[') {
        Some((name, rest)) => (name, rest.strip_suffix(']')),
        None => (name, None),
    };
    CATALOGUE
        .field(name, argument)
        .is_ok_and(|field| CATALOGUE.definition(field.id).never(&field.argument).is_some())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Outcome;

    #[test]
    fn what_is_long_is_cut_between_characters_and_named() {
        let long = "é".repeat(3000);
        let tags = BTreeSet::new();
        let fields = serde_json::json!({ "proc.cmdline": long, "proc.aname": ["x".repeat(2000)], "proc.name": "sh" });
        let serde_json::Value::Object(output_fields) = fields else {
            panic!("an object")
        };
        let alert = Alert {
            hostname: "n",
            output: format!("12:00:00.000000000: Warning {long}"),
            output_fields,
            pinhole: Extras {
                exec_id: "a-1-0".to_owned(),
                lost_before: None,
                metadata: Outcome::host().metadata,
                missing: BTreeMap::new(),
                shortened: BTreeSet::new(),
                undecided: BTreeMap::new(),
            },
            priority: Priority::Warning,
            rule: "R",
            source: "syscall",
            tags: &tags,
            time: Timestamp::UNIX_EPOCH,
        };
        let cut = alert.shortened(1025);
        let named: Vec<&str> = cut.pinhole.shortened.iter().map(String::as_str).collect();
        assert_eq!(named, ["output", "proc.aname", "proc.cmdline"]);
        assert_eq!(cut.output_fields["proc.cmdline"], format!("{}…", "é".repeat(512)));
        assert_eq!(cut.output_fields["proc.name"], "sh");
        assert!(cut.output_fields["proc.aname"].as_str().unwrap().starts_with("[\"xxx"));
        assert!(cut.output.len() <= 4 * 1025 + '…'.len_utf8(), "{}", cut.output.len());
        let same = alert.shortened(1 << 20);
        assert!(same.pinhole.shortened.is_empty() && same.output == alert.output);
    }
}
