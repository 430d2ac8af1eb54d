//! From an alert to a log record. The names of attributes are the alert's own, but for the few that OpenTelemetry's semantic
//! conventions have.

use pinhole_priority::Priority;
use serde_json::Value as Json;

use super::message::{AnyValue, ArrayValue, KeyValue, KeyValueList, LogRecord, Value};
use crate::alert::Alert;

/// The most attributes of one record; any further ones are counted as dropped. The usual limit of collectors is 128.
const ATTRIBUTES: usize = 128;
/// How deep values may lie within each other. serde_json itself refuses more than 128.
const DEPTH: usize = 8;

/// OpenTelemetry's severity for a priority (logs data model, appendix B, syslog).
const fn severity(priority: Priority) -> i32 {
    match priority {
        Priority::Emergency => 21,
        Priority::Alert => 19,
        Priority::Critical => 18,
        Priority::Error => 17,
        Priority::Warning => 13,
        Priority::Notice => 10,
        Priority::Informational => 9,
        Priority::Debug => 5,
    }
}

/// The record: the message as its body, the fields as its attributes. `now` is in nanoseconds since 1970.
pub(super) fn record(alert: &Alert, now: u64) -> LogRecord {
    let mut object: Json = serde_json::from_str(&alert.json).unwrap_or(Json::Null);
    let mut attributes = vec![text("rule", &alert.rule)];
    if let Some(container) = &alert.container {
        attributes.push(text("container.id", container));
    }
    for key in ["source", "tags"] {
        if let Some(value) = object.get_mut(key).map(Json::take) {
            attributes.extend(pair(key.to_owned(), value));
        }
    }
    if let Some(Json::Object(fields)) = object.get_mut("output_fields").map(Json::take) {
        for (key, value) in fields {
            if !attributes.iter().any(|attribute| attribute.key == key) {
                attributes.extend(pair(key, value));
            }
        }
    }
    let dropped = attributes.len().saturating_sub(ATTRIBUTES);
    attributes.truncate(ATTRIBUTES);
    let output = object.get("output").and_then(Json::as_str);
    LogRecord {
        time_unix_nano: alert.time,
        observed_time_unix_nano: now,
        severity_number: severity(alert.priority),
        severity_text: alert.priority.to_string(),
        body: Some(any(Value::String(output.unwrap_or(&alert.text).to_owned()))),
        attributes,
        dropped_attributes_count: u32::try_from(dropped).unwrap_or(u32::MAX),
        event_name: "pinhole.alert".to_owned(),
    }
}

/// An attribute with a text.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(Value::String(value.to_owned()))),
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// What is null is not told: an attribute without a value says no more than its absence.
fn pair(key: String, value: Json) -> Option<KeyValue> {
    let value = convert(value, DEPTH)?;
    Some(KeyValue {
        key,
        value: Some(any(value)),
    })
}

fn convert(value: Json, depth: usize) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Int(number),
            // Beyond what a signed number holds, digits are worth more than a rounded value.
            (None, _) if number.is_u64() => Value::String(number.to_string()),
            (None, Some(number)) => Value::Double(number),
            (None, None) => Value::String(number.to_string()),
        },
        Json::String(text) => Value::String(text),
        nested if depth == 0 => Value::String(nested.to_string()),
        Json::Array(values) => Value::Array(ArrayValue {
            values: values
                .into_iter()
                .map(|value| AnyValue {
                    value: convert(value, depth - 1),
                })
                .collect(),
        }),
        Json::Object(fields) => Value::Map(KeyValueList {
            values: fields
                .into_iter()
                .map(|(key, value)| KeyValue {
                    key,
                    value: convert(value, depth - 1).map(any),
                })
                .collect(),
        }),
    })
}
