//! SARIF 2.1.0 (OASIS, 2020): the checks of the registry as rules, findings as results. What is as it should be is no
//! result; what somebody has accepted is one that is suppressed.

use serde_json::{Value, json};

use super::super::facts::View;
use super::super::pages;
use super::super::registry::{Definition, Weight, checks};
use super::super::report::{Check, FailOn, Report, Status};
use super::clean::escaped;
use super::words;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report as one run of one tool.
pub(super) fn sarif(report: &Report, fail_on: FailOn) -> Result<String, serde_json::Error> {
    let node = report.host.node.as_deref().unwrap_or("node");
    let results = report.checks.iter().filter_map(|check| result(check, node));
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pinhole-doctor",
                "version": report.agent.version,
                "rules": checks().map(rule).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": format!("pinhole-doctor/{}/{node}", words::mode_word(report.mode)) },
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": report.exit_code(fail_on),
                "startTimeUtc": report.time,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
            "properties": { "verdict": words::verdict(report.verdict), "profile": report.profile.name },
        }],
    });
    serde_json::to_string_pretty(&log).map(|text| escaped(&text) + "\n")
}

fn rule(definition: &Definition) -> Value {
    let level = match definition.weight {
        Weight::Blocks | Weight::Major => "error",
        Weight::Minor => "warning",
    };
    let first = definition.page.split("\n\n").next().unwrap_or_default();
    json!({
        "id": definition.id,
        "name": name(definition.title),
        "shortDescription": { "text": definition.title },
        "fullDescription": { "text": first.split_whitespace().collect::<Vec<_>>().join(" ") },
        "help": {
            "text": format!("agent doctor explain {}", definition.id),
            "markdown": pages::page(definition),
        },
        "defaultConfiguration": { "level": level },
        "properties": { "tags": [definition.area] },
    })
}

/// The title as one word, as names of rules are written.
fn name(title: &str) -> String {
    title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| match word.split_at_checked(1) {
            Some((first, rest)) => first.to_ascii_uppercase() + rest,
            None => String::new(),
        })
        .collect()
}

fn result(check: &Check, node: &str) -> Option<Value> {
    // SARIF has a kind for what could not be decided, and such a result has no level.
    let (kind, level) = match check.status {
        Status::Fail => ("fail", "error"),
        Status::Warn => ("fail", "warning"),
        Status::Unknown => ("open", "none"),
        Status::Ok | Status::Skipped => return None,
    };
    let mut text = words::said(check).to_owned();
    if let Some(remedy) = &check.remedy {
        text = format!("{text}. Fix: {}", remedy.text);
    }
    let mut result = json!({
        "ruleId": check.id,
        "kind": kind,
        "level": level,
        "message": { "text": text },
        "locations": [location(check, node)],
        "partialFingerprints": { "check/v1": format!("{}/{node}", check.id) },
        "properties": properties(check),
    });
    // A report of another version may have a check that this registry does not.
    if let Some(index) = checks().position(|definition| definition.id == check.id) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(suppressed) = &check.suppressed {
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": format!("{} (until {})", suppressed.reason, suppressed.until),
        }]);
    }
    Some(result)
}

/// The manifest that was judged, where it was one; else a node has no file, and the finding is of its area.
fn location(check: &Check, node: &str) -> Value {
    let mut location = json!({
        "logicalLocations": [{ "name": check.area, "fullyQualifiedName": format!("{node}/{}", check.area), "kind": "resource" }],
    });
    let manifest = check.evidence.iter().find(|evidence| evidence.view == View::Manifest);
    let file = manifest.and_then(|evidence| evidence.source.split([':', ',', ' ']).next());
    if let Some(file) = file.filter(|file| !file.is_empty()) {
        location["physicalLocation"] = json!({ "artifactLocation": { "uri": uri(file) } });
    }
    location
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn properties(check: &Check) -> Value {
    let mut properties = json!({ "area": check.area, "status": check.status });
    let more = [("observed", &check.observed), ("expected", &check.expected)];
    for (key, value) in more {
        if let Some(value) = value {
            properties[key] = value.clone();
        }
    }
    if let Some(impact) = &check.impact {
        properties["impact"] = json!(impact);
    }
    if let Some(remedy) = &check.remedy {
        properties["remedy"] = json!(remedy);
    }
    properties
}
