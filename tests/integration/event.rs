//! Questions that several tests ask about events.

use std::path::Path;

use serde_json::Value;

use crate::lab::agent::Stopped;

/// The agent under test.
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_agent");
/// The agent under test, as a path.
pub(crate) fn agent() -> &'static Path {
    Path::new(AGENT)
}

/// Whether it is an exec with exactly these arguments.
pub(crate) fn is_exec(event: &Value, args: &[&str]) -> bool {
    event["type"] == "process_exec" && event["process"]["args"] == Value::from(args.to_vec())
}

/// Whether it is a return of this system call.
pub(crate) fn is_call(event: &Value, name: &str) -> bool {
    event["type"] == "syscall" && event["syscall"]["name"] == name
}

/// What every event must fulfil: no null anywhere, and metadata that is complete or says why not.
pub(crate) fn assert_never_silently_null(events: &[Value]) {
    let of_the_agent = |event: &&Value| event["type"] == "summary" || event["type"] == "loss";
    for event in events.iter().filter(|event| !of_the_agent(event)) {
        assert!(!has_null(event), "a null instead of an absent key: {event}");
        let metadata = &event["metadata"];
        match metadata["status"].as_str() {
            Some("host") => assert!(
                event.get("container").is_none(),
                "a host process in a container: {event}"
            ),
            Some("complete") => assert!(
                event.get("container").is_some(),
                "complete without a container: {event}"
            ),
            Some("partial" | "missing") => assert!(metadata["reason"].is_string(), "no reason given: {event}"),
            _ => panic!("an event without metadata.status: {event}"),
        }
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// The hooks of a summary with (seen, filtered, delivered, dropped), after checking that each balances.
pub(crate) fn balanced_hooks(summary: &Value) -> Vec<(String, [u64; 4])> {
    let hooks = summary["hooks"]
        .as_object()
        .unwrap_or_else(|| panic!("no hooks in {summary}"));
    hooks
        .iter()
        .map(|(name, counters)| {
            let count = |key: &str| {
                counters[key]
                    .as_u64()
                    .unwrap_or_else(|| panic!("no {key} of {name} in {summary}"))
            };
            let [seen, filtered, delivered, dropped] = ["seen", "filtered", "delivered", "dropped"].map(count);
            assert_eq!(
                seen,
                filtered + delivered + dropped,
                "{name} does not balance: {counters}"
            );
            (name.clone(), [seen, filtered, delivered, dropped])
        })
        .collect()
}

/// The process id of the subject.
pub(crate) fn pid_of(event: &Value) -> u64 {
    event["process"]["pid"].as_u64().unwrap()
}

/// The name of its image.
pub(crate) fn exec_id_of(event: &Value) -> &str {
    event["process"]["exec_id"].as_str().unwrap()
}

/// The events of one type.
pub(crate) fn of_type<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == kind)
}

/// The last argument of the program.
pub(crate) fn last_arg(event: &Value) -> &str {
    let args = event["process"]["args"].as_array().unwrap();
    args.last().and_then(Value::as_str).unwrap_or_default()
}

/// No hook lost anything in this run.
pub(crate) fn assert_nothing_dropped(stopped: &Stopped) {
    let summary = stopped.summary().expect("the last line is the summary");
    for (hook, [.., dropped]) in balanced_hooks(summary) {
        assert_eq!(dropped, 0, "{hook}: {summary}");
    }
}
