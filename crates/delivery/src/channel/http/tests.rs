use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::alert::tests::alert;
use crate::channel::remote::server::{Answer, Server};

fn http(server: &Server, batch: u32, format: BatchFormat) -> Http {
    let settings = Settings {
        url: server.url("/"),
        batch,
        batch_format: format,
        timeout: Duration::from_secs(5),
        ..Settings::default()
    };
    Http::new(&settings, "1").unwrap()
}

fn alerts(numbers: std::ops::Range<usize>) -> Vec<Arc<Alert>> {
    numbers.map(|number| Arc::new(alert(number))).collect()
}

/// What Falcosidekick unmarshals a request into (falcosecurity/falcosidekick, types/types.go), strictly.
fn is_falcosidekicks(object: &Value) {
    let object = object.as_object().unwrap();
    for key in ["output", "priority", "rule", "time", "source", "hostname"] {
        assert!(object[key].is_string(), "{key}");
    }
    assert!(object["output_fields"].is_object() && object["tags"].is_array());
}

#[tokio::test]
async fn each_alert_is_an_object_of_its_own() {
    let server = Server::start([]);
    let mut http = http(&server, 1, BatchFormat::Lines);
    assert_eq!(http.batch(), 1);
    for alert in alerts(1..4) {
        http.deliver(&[alert]).await.unwrap();
    }
    for (number, seen) in (1..).zip(server.seen()) {
        let object: Value = serde_json::from_slice(&seen.body).unwrap();
        is_falcosidekicks(&object);
        assert_eq!(object["output"], format!("o {number}"));
        assert!(seen.headers.contains(&"content-type: application/json".to_owned()));
    }
}

#[tokio::test]
async fn several_are_an_array_or_lines() {
    let server = Server::start([]);
    http(&server, 10, BatchFormat::Array)
        .deliver(&alerts(1..4))
        .await
        .unwrap();
    http(&server, 10, BatchFormat::Lines)
        .deliver(&alerts(1..4))
        .await
        .unwrap();
    let seen = server.seen();
    let array: Vec<Value> = serde_json::from_slice(&seen[0].body).unwrap();
    let lines = std::str::from_utf8(&seen[1].body).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(array.len(), 3);
    assert_eq!(array, lines);
    array.iter().for_each(is_falcosidekicks);
    assert!(
        seen[1]
            .headers
            .contains(&"content-type: application/x-ndjson".to_owned())
    );
}

#[tokio::test]
async fn what_is_no_object_is_never_sent() {
    let server = Server::start([]);
    let mut alerts = alerts(1..4);
    let mut bad = alert(2);
    "1},{\"rule\":\"forged\"".clone_into(&mut bad.json);
    alerts[1] = Arc::new(bad);
    let failure = http(&server, 10, BatchFormat::Array)
        .deliver(&alerts)
        .await
        .unwrap_err();
    assert_eq!((failure.taken, failure.kind), (1, Kind::Refused));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn refusals_become_failures() {
    let server = Server::start([
        Answer::Status(413, "", Vec::new()),
        Answer::Status(503, "retry-after: 9\r\n", Vec::new()),
        Answer::Status(401, "", b"who are you".to_vec()),
        Answer::Status(410, "", Vec::new()),
    ]);
    let mut http = http(&server, 10, BatchFormat::Array);
    let mut failures = Vec::new();
    for _ in 0..4 {
        failures.push(http.deliver(&alerts(1..4)).await.unwrap_err());
    }
    let kinds: Vec<Kind> = failures.iter().map(|failure| failure.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::RefusedTogether,
            Kind::Later(Some(Duration::from_secs(9))),
            Kind::Later(None),
            Kind::RefusedAll
        ]
    );
    assert!(failures[2].error.contains("401") && failures[2].error.contains("who are you"));
}
