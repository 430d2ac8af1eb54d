//! Every report, held against the published schema.

use serde_json::Value;

use super::super::baseline;
use super::super::examine::report;
use super::super::facts::Gathered;
use super::super::fixture::{cold, containerd, live};
use super::super::grid;
use super::super::report::{Confined, Report, Suppressed};
use super::super::saved::Saved;

/// Every key of the value must be named by the schema, every required key must be there, types and words must fit.
fn fits(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return fits(value, target, root, at);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is not one of {words:?}");
    }
    match schema["type"].as_str() {
        None => {}
        Some("object") => {
            let object = value
                .as_object()
                .unwrap_or_else(|| panic!("{at}: {value} is not an object"));
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    object.contains_key(required.as_str().unwrap()),
                    "{at}: lacks {required}"
                );
            }
            for (key, value) in object {
                let at = format!("{at}.{key}");
                let property = schema["properties"]
                    .get(key)
                    .or_else(|| schema.get("additionalProperties"))
                    .unwrap_or_else(|| panic!("{at} is not in the schema"));
                fits(value, property, root, &at);
            }
        }
        Some("array") => {
            for (index, value) in value
                .as_array()
                .unwrap_or_else(|| panic!("{at}: not an array"))
                .iter()
                .enumerate()
            {
                fits(value, &schema["items"], root, &format!("{at}[{index}]"));
            }
        }
        Some("string") => assert!(value.is_string(), "{at}: {value}"),
        Some("integer") => assert!(value.is_u64(), "{at}: {value}"),
        Some("number") => assert!(value.is_number(), "{at}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value}"),
        Some(other) => panic!("{at}: the schema uses the type {other}, which this test does not know"),
    }
}

fn no_null(value: &Value, at: &str) {
    match value {
        Value::Null => panic!("{at} is null: it should be absent"),
        Value::Array(items) => items.iter().for_each(|item| no_null(item, at)),
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| no_null(value, &format!("{at}.{key}"))),
        _ => {}
    }
}

#[test]
fn every_report_fits_the_published_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/doctor-report.schema.json")).unwrap();
    let fit = |report: &Report| {
        let value = serde_json::to_value(report).unwrap();
        fits(&value, &schema, &schema, "report");
        no_null(&value, "report");
    };
    fit(&report(
        &live(),
        "2026-01-02T03:04:05.678Z".to_owned(),
        Some("node-1".to_owned()),
    ));
    for case in grid::cases() {
        let mut facts = (case.start)();
        (case.harm)(&mut facts);
        fit(&report(&facts, "2026-01-02T03:04:05.678Z".to_owned(), None));
    }
    let mut tools = report(&live(), "2026-01-02T03:04:05.678Z".to_owned(), None);
    tools.confined = Some(Confined {
        in_force: false,
        why: Some("refused".to_owned()),
    });
    let earlier = r#"{"schema_version": 1, "time": "t", "agent": {"version": "v"}, "host": {"node": "n"}, "checks": [
        {"id": "PIN-KRN-001", "title": "t", "status": "fail"}, {"id": "PIN-OLD-001", "title": "t", "status": "warn"}]}"#;
    tools.changes = Some(baseline::changes(&tools, &Saved::parse(earlier.as_bytes()).unwrap()));
    tools.checks[0].suppressed = Some(Suppressed {
        reason: "r".to_owned(),
        until: "2027-01-01".to_owned(),
    });
    fit(&tools);
    let mut several = cold();
    several.runtimes = Gathered::known(vec![containerd(), containerd()]);
    fit(&report(&several, String::new(), None));
}
