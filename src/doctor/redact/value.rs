//! Values with keys: what a value is, its key says; what no key says is a sentence.

use serde_json::{Map, Value};

use super::REMOVED;
use super::names::{Kind, Names};
use super::text::{Scrubber, is_id};
use crate::doctor::change::Change;

/// Nothing below these is told.
const SECRET: &[&str] = &[
    "args",
    "argv",
    "arguments",
    "cmdline",
    "command_line",
    "env",
    "envs",
    "environ",
    "environment",
    "labels",
    "annotations",
    "password",
    "token",
    "secret",
];

/// What a value below this key is.
fn kind(key: &str) -> Option<Kind> {
    Some(match key {
        "node" | "host" | "hostname" | "host_name" | "node_name" => Kind::Node,
        "namespace" => Kind::Namespace,
        "pod" | "pods" | "pod_name" => Kind::Pod,
        "container" | "containers" | "container_name" => Kind::Container,
        "image" | "images" | "image_name" | "repository" | "reference" | "tag" | "digest" => Kind::Image,
        _ => return None,
    })
}

/// Of an object below such a key these are its names; the others say themselves what they are.
fn named(key: &str) -> bool {
    matches!(key, "name" | "names" | "id" | "uid")
}

/// Remembers the names and ids in the value.
pub(super) fn learn(names: &mut Names, value: &Value) {
    learn_below(names, value, None);
}

fn learn_below(names: &mut Names, value: &Value, of: Option<Kind>) {
    match (value, of) {
        (Value::String(text), _) if is_id(text) => {
            names.id(text);
        }
        (Value::String(text), Some(kind)) if !text.is_empty() => {
            names.stand_in(kind, text);
        }
        (Value::Array(items), of) => items.iter().for_each(|item| learn_below(names, item, of)),
        (Value::Object(map), of) => {
            for (key, value) in map.iter().filter(|(key, _)| !is_secret(key)) {
                learn_below(names, value, below(key, of));
            }
        }
        _ => {}
    }
}

/// What the value below `key` is, in an object that is `of` this kind itself.
fn below(key: &str, of: Option<Kind>) -> Option<Kind> {
    let key = key.to_lowercase();
    kind(&key).or(of.filter(|_| named(&key)))
}

/// The value without anything private.
pub(super) fn redact(scrubber: &mut Scrubber, value: &Value) -> Value {
    shown(scrubber, value, None)
}

fn shown(scrubber: &mut Scrubber, value: &Value, of: Option<Kind>) -> Value {
    match value {
        Value::String(text) => Value::String(match of {
            Some(_) if is_id(text) => scrubber.names.id(text),
            Some(kind) if !text.is_empty() => scrubber.names.stand_in(kind, text),
            _ => scrubber.text(text),
        }),
        Value::Array(items) => items.iter().map(|item| shown(scrubber, item, of)).collect(),
        Value::Object(map) => {
            let mut redacted = Map::new();
            for (key, value) in map {
                let value = if is_secret(key) {
                    Value::String(REMOVED.to_owned())
                } else {
                    shown(scrubber, value, below(key, of))
                };
                redacted.insert(scrubber.text(key), value);
            }
            Value::Object(redacted)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A change without anything private: paths and keys are those of manifests and settings.
pub(super) fn change(scrubber: &mut Scrubber, change: &Change) -> Change {
    match change {
        Change::Manifest { kind, op, path, value } => Change::Manifest {
            kind: scrubber.text(kind),
            op: *op,
            path: scrubber.text(path),
            value: value.as_ref().map(|value| redact(scrubber, value)),
        },
        Change::Setting { key, value } => Change::Setting {
            key: scrubber.text(key),
            value: redact(scrubber, value),
        },
        Change::Node { what, value } => Change::Node {
            what: scrubber.text(what),
            value: redact(scrubber, value),
        },
    }
}

fn is_secret(key: &str) -> bool {
    SECRET.contains(&key.to_lowercase().as_str())
}
