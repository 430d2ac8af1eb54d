//! Formats that others defined, held against what they require.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::super::registry::checks;
use super::*;

#[test]
fn sarif_has_the_registry_as_rules_and_findings_as_results() {
    for (name, sample) in samples() {
        let page = render(&sample, Format::Sarif, FailOn::Fail, PLAIN).unwrap();
        is_sarif(&page);
        let log: Value = serde_json::from_str(&page).unwrap();
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids, checks().map(|check| check.id).collect::<Vec<_>>());
        let results = log["runs"][0]["results"].as_array().unwrap();
        let counts = sample.counts;
        assert_eq!(
            results.len(),
            counts.warn + counts.fail + counts.unknown + counts.suppressed,
            "{name}"
        );
        let suppressed = results.iter().filter(|result| result.get("suppressions").is_some());
        assert_eq!(suppressed.count(), counts.suppressed, "{name}");
    }
    let offline = render(&samples()["offline"], Format::Sarif, FailOn::Fail, PLAIN).unwrap();
    let log: Value = serde_json::from_str(&offline).unwrap();
    let file = &log["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(file, "deploy/scc.yaml", "{offline}");
}

/// The keys that the schema of SARIF 2.1.0 has for an object; of these it requires the first so many.
fn has(value: &Value, at: &str, required: usize, keys: &[&str]) -> Map<String, Value> {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("{at} is no object: {value}"));
    for key in &keys[..required] {
        assert!(object.contains_key(*key), "{at} lacks {key}");
    }
    for key in object.keys() {
        assert!(keys.contains(&key.as_str()), "{at} has {key}");
    }
    object.clone()
}

fn is_text(value: &Value, at: &str) {
    let message = has(value, at, 1, &["text", "markdown"]);
    assert!(message.values().all(Value::is_string), "{at}: {value}");
}

/// What OASIS' schema of 2.1.0 requires, of the parts that are used.
pub(super) fn is_sarif(page: &str) {
    let log: Value = serde_json::from_str(page).unwrap();
    let root = has(&log, "log", 2, &["version", "runs", "$schema"]);
    assert_eq!(root["version"], "2.1.0");
    for run in root["runs"].as_array().unwrap() {
        let keys = [
            "tool",
            "results",
            "invocations",
            "automationDetails",
            "columnKind",
            "properties",
        ];
        let run = has(run, "run", 1, &keys);
        assert_eq!(run["columnKind"], "unicodeCodePoints");
        let tool = has(&run["tool"], "tool", 1, &["driver"]);
        let driver = has(&tool["driver"], "driver", 1, &["name", "version", "rules"]);
        let rules = driver["rules"].as_array().unwrap();
        let mut ids = BTreeSet::new();
        for rule in rules {
            let keys = [
                "id",
                "name",
                "shortDescription",
                "fullDescription",
                "help",
                "defaultConfiguration",
                "properties",
            ];
            let rule = has(rule, "rule", 1, &keys);
            assert!(ids.insert(rule["id"].as_str().unwrap().to_owned()), "{rule:?} twice");
            for text in ["shortDescription", "fullDescription", "help"] {
                is_text(&rule[text], text);
            }
            let level = rule["defaultConfiguration"]["level"].as_str().unwrap();
            assert!(["none", "note", "warning", "error"].contains(&level));
            assert!(
                rule["properties"]["tags"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(Value::is_string)
            );
        }
        for invocation in run["invocations"].as_array().unwrap() {
            let invocation = has(
                invocation,
                "invocation",
                1,
                &["executionSuccessful", "exitCode", "startTimeUtc"],
            );
            assert!(invocation["executionSuccessful"].is_boolean() && invocation["exitCode"].is_u64());
        }
        assert!(has(&run["automationDetails"], "automationDetails", 1, &["id"])["id"].is_string());
        for result in run["results"].as_array().unwrap() {
            is_result(result, rules);
        }
    }
}

fn is_result(result: &Value, rules: &[Value]) {
    let keys = [
        "message",
        "ruleId",
        "ruleIndex",
        "kind",
        "level",
        "locations",
        "partialFingerprints",
        "properties",
        "suppressions",
    ];
    let result = has(result, "result", 2, &keys);
    is_text(&result["message"], "message");
    if let Some(index) = result.get("ruleIndex") {
        let index = usize::try_from(index.as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    let (kind, level) = (result["kind"].as_str().unwrap(), result["level"].as_str().unwrap());
    assert!(["pass", "open", "informational", "notApplicable", "review", "fail"].contains(&kind));
    assert!(["none", "note", "warning", "error"].contains(&level));
    assert_eq!(kind != "fail", level == "none", "only a failure has a level");
    for location in result["locations"].as_array().unwrap() {
        let location = has(location, "location", 1, &["logicalLocations", "physicalLocation"]);
        for logical in location["logicalLocations"].as_array().unwrap() {
            has(logical, "logicalLocation", 0, &["name", "fullyQualifiedName", "kind"]);
        }
        if let Some(physical) = location.get("physicalLocation") {
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        }
    }
    let prints = result["partialFingerprints"].as_object().unwrap();
    assert!(prints.values().all(Value::is_string) && result["properties"].is_object());
    for suppression in result
        .get("suppressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let suppression = has(suppression, "suppression", 1, &["kind", "status", "justification"]);
        assert_eq!(
            (&suppression["kind"], &suppression["status"]),
            (&"external".into(), &"accepted".into())
        );
    }
}

#[test]
fn junit_counts_what_it_holds() {
    for (name, sample) in samples() {
        for fail_on in [FailOn::Warn, FailOn::Fail] {
            let page = render(&sample, Format::Junit, fail_on, PLAIN).unwrap();
            is_junit(&page);
            let document = roxmltree::Document::parse(&page).unwrap();
            let root = document.root_element();
            let number = |name| root.attribute(name).unwrap().parse::<usize>().unwrap();
            let counts = sample.counts;
            let warned = if fail_on == FailOn::Warn { counts.warn } else { 0 };
            assert_eq!(number("failures"), counts.fail + warned, "{name}");
            assert_eq!(number("errors"), counts.unknown, "{name}");
            assert_eq!(number("skipped"), counts.skipped + counts.suppressed, "{name}");
            assert_eq!(number("tests"), sample.checks.len(), "{name}");
        }
    }
}

/// Well-formed; suites of cases, with the sums that their attributes say.
pub(super) fn is_junit(page: &str) {
    let document = roxmltree::Document::parse(page).unwrap_or_else(|error| panic!("{error}: {page}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let outcomes = [
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
        ("tests", "testcase"),
    ];
    for suite in root.children().filter(roxmltree::Node::is_element).chain([root]) {
        assert!(["testsuite", "testsuites"].contains(&suite.tag_name().name()));
        for (attribute, element) in outcomes {
            let found = suite.descendants().filter(|node| node.has_tag_name(element)).count();
            assert_eq!(
                suite.attribute(attribute).unwrap(),
                found.to_string(),
                "{attribute} in\n{page}"
            );
        }
    }
    for case in root.descendants().filter(|node| node.has_tag_name("testcase")) {
        assert!(case.attribute("name").is_some() && case.attribute("classname").is_some());
        assert!(case.attribute("time").unwrap().parse::<f64>().is_ok());
        let known = ["failure", "error", "skipped", "system-out"];
        for part in case.children().filter(roxmltree::Node::is_element) {
            assert!(known.contains(&part.tag_name().name()), "{:?}", part.tag_name());
        }
    }
}

/// Each family is declared once before its samples, and each line is a sample: the text format 0.0.4.
pub(super) fn is_exposition(page: &str) {
    let mut declared = BTreeSet::new();
    let mut family = "";
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(declared.insert(family), "{family} twice in\n{page}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{family} gauge"), "{page}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} in\n{page}"));
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            let rest = name
                .strip_prefix(family)
                .unwrap_or_else(|| panic!("{line:?} is not of {family}"));
            assert!(rest.is_empty() || labels(rest), "{line:?}");
        }
    }
    for family in [
        "pinhole_doctor_check",
        "pinhole_doctor_checks",
        "pinhole_doctor_verdict",
    ] {
        assert!(declared.contains(family), "{page}");
    }
}

/// `{name="value",...}`, quotes and backslashes in values escaped.
fn labels(text: &str) -> bool {
    let Some(mut rest) = text.strip_prefix('{') else {
        return false;
    };
    loop {
        let Some((name, after)) = rest.split_once("=\"") else {
            return false;
        };
        if !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return false;
        }
        let mut end = None;
        let mut escaped = false;
        for (at, c) in after.char_indices() {
            if !escaped && c == '"' {
                end = Some(at);
                break;
            }
            escaped = !escaped && c == '\\';
        }
        let Some(end) = end else { return false };
        match &after[end + 1..] {
            "}" => return true,
            more => match more.strip_prefix(',') {
                Some(more) => rest = more,
                None => return false,
            },
        }
    }
}

#[test]
fn metrics_tell_the_verdict_and_each_check_once() {
    let page = render(&samples()["lossy"], Format::Prometheus, FailOn::Fail, PLAIN).unwrap();
    is_exposition(&page);
    for line in [
        "pinhole_doctor_check{id=\"PIN-META-001\",area=\"metadata\",status=\"fail\"} 1",
        "pinhole_doctor_check{id=\"PIN-PRV-001\",area=\"privilege\",status=\"suppressed\"} 1",
        "pinhole_doctor_checks{status=\"suppressed\"} 1",
        "pinhole_doctor_verdict{verdict=\"fail\"} 1",
        "pinhole_doctor_verdict{verdict=\"ok\"} 0",
        "pinhole_doctor_duration_seconds 0.93421",
        "pinhole_doctor_time_seconds 1767323045.678",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

/// Outside code there is no HTML but the folds of the template, and nobody is called.
pub(super) fn holds_no_markup(page: &str) {
    let mut fence: Option<String> = None;
    for line in page.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 && ticks == line => fence = Some(ticks),
            None => {
                let plain = without_code(line);
                let plain = ["<details>", "</details>", "<summary>", "</summary>"]
                    .iter()
                    .fold(plain, |plain, tag| plain.replace(tag, ""));
                assert!(!plain.contains(['<', '>', '@']), "{line:?} in\n{page}");
            }
        }
    }
    assert_eq!(fence, None, "a fence is open in\n{page}");
}

/// The line without its code spans: from a run of backticks to the next run that is as long.
fn without_code(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        if rest[..at].ends_with('\\') {
            plain.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        }
        let length = rest[at..].chars().take_while(|c| *c == '`').count();
        plain.push_str(&rest[..at]);
        let inside = &rest[at + length..];
        let mut from = 0;
        let end = loop {
            let Some(found) = inside[from..].find('`') else {
                break None;
            };
            let run = inside[from + found..].chars().take_while(|c| *c == '`').count();
            if run == length {
                break Some(from + found);
            }
            from += found + run;
        };
        let Some(end) = end else { break };
        rest = &inside[end + length..];
    }
    plain + rest
}

#[test]
fn an_issue_is_redacted_whoever_asks() {
    let page = render(&samples()["lossy"], Format::Markdown, FailOn::Fail, PLAIN).unwrap();
    holds_no_markup(&page);
    assert!(page.contains("Redacted:"), "{page}");
    let mut named = samples()["lossy"].clone();
    named.host.node = Some("aks-nodepool1-3131-vmss000000".to_owned());
    named.checks[0].summary = "aks-nodepool1-3131-vmss000000 and db.internal.example".to_owned();
    let page = render(&named, Format::Markdown, FailOn::Fail, PLAIN).unwrap();
    assert!(
        page.contains("| node | node-1") && page.contains("node-1 and name-1"),
        "{page}"
    );
}
