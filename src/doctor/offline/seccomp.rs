//! Seccomp profiles as files: recognised by what they hold, and read as container runtimes do. More loosely than the agent
//! reads its own, because a profile of a node may have entries that the agent's never has.

use std::path::Path;

use serde_json::Value;

use super::super::facts::manifests::{SeccompCondition, SeccompEntry, SeccompFile};
use super::error::Error;

/// The profile in this file; none where it is no seccomp profile at all.
pub(super) fn read(file: &Path, bytes: &[u8]) -> Option<Result<SeccompFile, Error>> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let value: Value = serde_json::from_slice(bytes).ok()?;
    if value.get("kind").is_some() || value.get("defaultAction").is_none() {
        return None;
    }
    Some(of(file, &value))
}

/// The same of a value that is known to be one.
///
/// # Errors
/// [`Error::Seccomp`].
pub(in crate::doctor) fn of(file: &Path, value: &Value) -> Result<SeccompFile, Error> {
    let wrong = |problem: String| Error::Seccomp {
        file: file.to_owned(),
        problem,
    };
    let text = |value: &Value, at: &str| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| wrong(format!("{at} is no string")))
    };
    let list = |value: &Value, at: &str| match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.clone()),
        _ => Err(wrong(format!("{at} is no list"))),
    };
    let mut entries = Vec::new();
    for (index, entry) in list(&value["syscalls"], "syscalls")?.iter().enumerate() {
        let at = format!("syscalls[{index}]");
        let mut names = Vec::new();
        for name in list(&entry["names"], &format!("{at}.names"))? {
            names.push(text(&name, &format!("{at}.names"))?);
        }
        // As it was written before version 1.0 of the specification; runtimes still read it.
        if let Some(name) = entry.get("name").and_then(Value::as_str) {
            names.push(name.to_owned());
        }
        let mut conditions = Vec::new();
        for condition in list(&entry["args"], &format!("{at}.args"))? {
            conditions.push(SeccompCondition {
                index: condition["index"]
                    .as_u64()
                    .ok_or_else(|| wrong(format!("{at}.args has an index that is no number")))?,
                op: text(&condition["op"], &format!("{at}.args.op"))?,
                value: condition["value"].as_u64().unwrap_or(0),
                value_two: condition["valueTwo"].as_u64().unwrap_or(0),
            });
        }
        conditions.sort();
        let given = |key: &str| {
            entry.get(key).is_some_and(|value| match value {
                Value::Object(map) => !map.is_empty(),
                other => !other.is_null(),
            })
        };
        entries.push(SeccompEntry {
            names,
            action: text(&entry["action"], &format!("{at}.action"))?,
            errno: entry["errnoRet"].as_u64(),
            conditions,
            restricted: given("includes") || given("excludes"),
        });
    }
    Ok(SeccompFile {
        file: file.to_owned(),
        default_action: text(&value["defaultAction"], "defaultAction")?,
        default_errno: value["defaultErrnoRet"].as_u64(),
        entries,
    })
}
