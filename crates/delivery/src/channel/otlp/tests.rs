use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue as TheirKeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;

use super::*;
use crate::alert::tests::alert;
use crate::channel::remote::server::{Answer, Server};

fn otlp(server: &Server) -> Otlp {
    let mut settings = Settings {
        url: server.url("/v1/logs"),
        ..Settings::default()
    };
    settings.resource.insert("k8s.cluster.name".to_owned(), "c".to_owned());
    settings.resource.insert("service.name".to_owned(), "mine".to_owned());
    Otlp::new(&settings, "node", "1.2.3").unwrap()
}

fn alerts(numbers: std::ops::Range<usize>) -> Vec<Arc<Alert>> {
    numbers.map(|number| Arc::new(alert(number))).collect()
}

fn value(attributes: &[TheirKeyValue], key: &str) -> any_value::Value {
    let found: Vec<_> = attributes.iter().filter(|attribute| attribute.key == key).collect();
    assert_eq!(found.len(), 1, "{key}");
    found[0].value.clone().unwrap().value.unwrap()
}

fn string(text: &str) -> any_value::Value {
    any_value::Value::StringValue(text.to_owned())
}

#[tokio::test]
async fn opentelemetrys_own_definitions_read_it() {
    let server = Server::start([]);
    otlp(&server).deliver(&alerts(1..4)).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "POST /v1/logs HTTP/1.1");
    assert!(
        seen.headers
            .contains(&"content-type: application/x-protobuf".to_owned())
    );
    let request: ExportLogsServiceRequest = Message::decode(seen.body.as_slice()).unwrap();
    // What their decoder does not know it would skip, so what it writes must be what came.
    assert_eq!(request.encode_to_vec(), seen.body);

    let resource = request.resource_logs[0].resource.as_ref().unwrap();
    for (key, expected) in [
        ("service.name", "mine"),
        ("service.version", "1.2.3"),
        ("host.name", "node"),
        ("k8s.cluster.name", "c"),
    ] {
        assert_eq!(value(&resource.attributes, key), string(expected));
    }
    let scope = &request.resource_logs[0].scope_logs[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "pinhole");
    assert_eq!(scope.log_records.len(), 3);
    let record = &scope.log_records[0];
    assert_eq!(record.time_unix_nano, alert(1).time);
    assert!(record.observed_time_unix_nano > record.time_unix_nano);
    assert_eq!(record.severity_number(), SeverityNumber::Warn);
    assert_eq!(record.severity_text, "Warning");
    assert_eq!(record.event_name, "pinhole.alert");
    assert_eq!(record.body.as_ref().unwrap().value, Some(string("o 1")));
    for (key, expected) in [
        ("rule", string("Rule 1")),
        ("source", string("syscall")),
        ("container.id", string("0123456789ab")),
        ("evt.num", any_value::Value::IntValue(1)),
        ("proc.name", string("sh")),
    ] {
        assert_eq!(value(&record.attributes, key), expected);
    }
    let any_value::Value::ArrayValue(tags) = value(&record.attributes, "tags") else {
        panic!("tags are an array");
    };
    assert_eq!(tags.values[0].value, Some(string("t")));
    assert!(
        record.attributes.iter().all(|attribute| attribute.key != "fd.name"),
        "null is not told"
    );
}

#[test]
fn attributes_are_bounded_and_values_keep_their_kind() {
    let mut alert = alert(1);
    let fields: serde_json::Map<_, _> = (0..200)
        .map(|number| (format!("f{number:03}"), number.into()))
        .collect();
    let deep = (0..50).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    alert.json = serde_json::json!({"output_fields": fields}).to_string();
    let record = record(&alert, 0);
    assert_eq!(record.attributes.len(), 128);
    assert_eq!(record.dropped_attributes_count, 2 + 200 - 128);
    assert_eq!(
        record.body.unwrap().value,
        Some(message::Value::String(alert.text.clone()))
    );
    alert.json = serde_json::json!({"output_fields": {
        "a": true, "b": -1, "c": 1.5, "d": u64::MAX, "e": {"x": 1, "y": null}, "f": deep,
    }})
    .to_string();
    let attributes = super::record(&alert, 0).attributes;
    let value = |key: &str| {
        let found = attributes.iter().find(|attribute| attribute.key == key);
        found.unwrap().value.clone().unwrap().value.unwrap()
    };
    assert_eq!(value("a"), message::Value::Bool(true));
    assert_eq!(value("b"), message::Value::Int(-1));
    assert_eq!(value("c"), message::Value::Double(1.5));
    assert_eq!(value("d"), message::Value::String(u64::MAX.to_string()));
    assert!(matches!(value("e"), message::Value::Map(map) if map.values.len() == 2));
    assert!(matches!(value("f"), message::Value::Array(_)));
}

#[tokio::test]
async fn records_that_the_collector_refuses_are_counted_and_not_sent_again() {
    let partial = |rejected| {
        ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: format!("too\n\x1bold{}", "x".repeat(10_000)),
            }),
        }
        .encode_to_vec()
    };
    let server = Server::start([
        Answer::Status(200, "", partial(2)),
        Answer::Status(200, "", partial(0)),
        Answer::Status(200, "", b"no protobuf".to_vec()),
        Answer::Status(503, "retry-after: 1\r\n", Vec::new()),
        Answer::Status(500, "", Vec::new()),
    ]);
    let mut otlp = otlp(&server);
    let failure = otlp.deliver(&alerts(0..5)).await.unwrap_err();
    assert_eq!((failure.taken, failure.kind), (3, Kind::RefusedAll));
    assert!(failure.error.contains("too  old") && failure.error.len() < 500);
    otlp.deliver(&alerts(0..5)).await.unwrap();
    otlp.deliver(&alerts(0..5)).await.unwrap();
    let failure = otlp.deliver(&alerts(0..5)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Later(Some(Duration::from_secs(1))));
    let failure = otlp.deliver(&alerts(0..5)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::RefusedTogether);
}
