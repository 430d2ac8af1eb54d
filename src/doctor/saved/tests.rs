use serde_json::{Value, json};

use super::super::examine::report;
use super::super::fixture::cold;
use super::super::registry::checks;
use super::super::render::json as rendered;
use super::*;

pub(in crate::doctor) const TIME: &str = "2026-01-02T03:04:05.678Z";

fn saved() -> Value {
    let report = report(&cold(), TIME.to_owned(), Some("node-1".to_owned()));
    serde_json::from_str(&rendered(&report).unwrap()).unwrap()
}

fn parse(value: &Value) -> Result<Saved, Error> {
    Saved::parse(value.to_string().as_bytes())
}

#[test]
fn a_report_is_read_again() {
    let read = parse(&saved()).unwrap();
    assert_eq!((read.time.as_str(), read.node.as_deref()), (TIME, Some("node-1")));
    assert_eq!(read.checks.len(), checks().count());
    assert_eq!(read.check("PIN-KRN-001").unwrap().status, Status::Ok);
    assert_eq!(read.check("PIN-KRN-001").unwrap().title, "The kernel is new enough");
}

#[test]
fn what_a_later_version_adds_does_no_harm() {
    let mut value = saved();
    value["weather"] = json!({ "fine": [true] });
    value["host"].as_object_mut().unwrap().remove("node");
    value["checks"][0]["remedy"] = json!({ "text": "t", "commands": [], "patch": [{ "change": "moon", "phase": 3 }] });
    value["checks"][1]["id"] = json!("PIN-MOON-042");
    value["checks"][1]["suppressed"] = json!({ "by": "somebody" });
    let read = parse(&value).unwrap();
    assert_eq!(read.node, None);
    assert!(read.check("PIN-MOON-042").unwrap().suppressed);
    assert!(!read.checks[0].suppressed);
}

#[test]
fn what_is_no_report_of_this_shape_is_refused_by_name() {
    type Harm = fn(&mut Value);
    let harms: [(Harm, &str); 8] = [
        (|value| value["schema_version"] = json!(2), "its schema_version is 2"),
        (
            |value| *value = json!({ "schema_version": 3 }),
            "its schema_version is 3",
        ),
        (
            |value| *value = json!({ "findings": [] }),
            "missing field `schema_version`",
        ),
        (|value| *value = json!([1, 2]), "no report of agent doctor"),
        (
            |value| value["checks"][0]["id"] = json!("../../etc/passwd"),
            "is no id of a check",
        ),
        (
            |value| value["checks"][0]["status"] = json!("splendid"),
            "unknown variant `splendid`",
        ),
        (
            |value| value["checks"][0]["id"] = value["checks"][1]["id"].clone(),
            " twice",
        ),
        (
            |value| {
                let one = value["checks"][0].clone();
                value["checks"] = json!(vec![one; 1001]);
            },
            "it has 1001 checks",
        ),
    ];
    for (harm, part) in harms {
        let mut value = saved();
        harm(&mut value);
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} not in {error:?}");
    }
    let long = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
    assert!(matches!(Saved::parse(&long), Err(Error::TooLong)));
    let deep = "[".repeat(100_000);
    assert!(matches!(Saved::parse(deep.as_bytes()), Err(Error::Json(_))));
}

#[test]
fn names_are_cut() {
    let mut value = saved();
    value["host"]["node"] = json!("n".repeat(100_000));
    assert_eq!(parse(&value).unwrap().node.unwrap().len(), MAX_CHARS);
}

#[test]
fn the_form_of_an_id() {
    assert!(checks().all(|definition| is_id(definition.id)));
    for wrong in [
        "",
        "PIN-",
        "PIN-RUN-1",
        "pin-run-001",
        "PIN-RUN-0001",
        "PIN-RÜN-001",
        "PIN-RUN-001 ",
    ] {
        assert!(!is_id(wrong), "{wrong}");
    }
}
