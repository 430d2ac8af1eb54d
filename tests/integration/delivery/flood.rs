//! A rule that floods is limited, and says so.

use std::process::Command;

use serde_json::Value;

use super::receiver::{Receiver, free_port};
use super::{Node, RULE, mark, until};
use crate::lab::tool;
use crate::lab::turn::Turn;

const FLOOD: u64 = 200;
/// The flood, the shell that makes it and whose own command line has the marker, and one more.
const ALL: u64 = FLOOD + 2;
const HELD: &str = "Pinhole internal: alerts held back";

fn of<'a>(alerts: &'a [Value], rule: &str) -> Vec<&'a Value> {
    alerts.iter().filter(|alert| alert["rule"] == rule).collect()
}

fn held(alerts: &[Value]) -> u64 {
    let counts = of(alerts, HELD).into_iter().map(|alert| {
        assert_eq!(alert["output_fields"]["held.rule"], RULE, "{alert}");
        alert["output_fields"]["held.alerts"].as_u64().unwrap()
    });
    counts.sum()
}

#[test]
fn a_flood_is_held_back_in_front_of_standard_output_and_channels_alike() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    let receiver = Receiver::start(port, None);
    let node = Node::new(&format!(
        "delivery.limit = {{ rate = 1, per = \"10s\", burst = 5, report = \"1s\" }}\n\
         [delivery.http]\nenabled = true\nurl = \"http://127.0.0.1:{port}/\"\n"
    ));
    let agent = node.start();
    let script = format!("for i in $(seq {FLOOD}); do /bin/true pinhole-mark-flood; done");
    tool::run(Command::new("/bin/sh").args(["-c", &script])).unwrap();
    until("an alert of what was held back", &agent, || {
        (held(&agent.events().all()) > 0).then_some(())
    });
    // Of a flood that went by, the end of the run tells the rest.
    mark("after");
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    let summary = stopped.summary().unwrap().clone();
    let printed = &stopped.events;
    let passed = of(printed, RULE).len() as u64;
    assert!((5..15).contains(&passed), "{passed}");
    assert_eq!(passed + held(printed), ALL, "none is forgotten");
    let count = &summary["rules"][RULE];
    assert_eq!(count["matched"], ALL, "{count}");
    assert_eq!(count["limited"], ALL - passed, "{count}");
    assert_eq!(count["held_back"], 0, "that is another matter: {count}");
    // The channel has the same.
    let got: Vec<Value> = receiver.got().into_iter().map(|got| got.body).collect();
    let alerts: Vec<Value> = printed
        .iter()
        .filter(|event| event.get("rule").is_some())
        .cloned()
        .collect();
    assert_eq!(got, alerts);
}
