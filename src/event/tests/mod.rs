//! Every call of the table, told.

mod any;
mod documented;
mod golden;
mod rules;
mod sample;

use serde_json::Value;

use super::build::{Context, build};
use super::clock::BootClock;
use crate::capture::Hook;
use crate::capture::call::CallBody;
use crate::capture::record::{Body, Header, ProcessKey};
use crate::container::Outcome;

pub(super) const HEADER: Header = Header {
    hook: Hook::EXEC,
    cpu: 0,
    tid: 43,
    time: 1_500_000_001,
    lost: 0,
    cgroup_id: 1,
    process: ProcessKey {
        start: 1_000_000_000,
        exec_id: 3,
        pid: 42,
        reserved: 0,
    },
};

/// The event of a call, as JSON and as text.
pub(super) fn told(body: CallBody<'_>) -> (Value, String) {
    let body = Body::Call(body);
    let (clock, outcome) = (BootClock::at_epoch(), std::sync::Arc::new(Outcome::host()));
    let context = Context {
        node: "node-1",
        clock: &clock,
        process: None,
        outcome: &outcome,
        lost_before: 0,
    };
    let event = build(&HEADER, HEADER.process, &body, context);
    let mut line = Vec::new();
    crate::output::text::event(&mut line, &event, false).unwrap();
    let mut json = Vec::new();
    crate::output::json::append(&mut json, &event).unwrap();
    (serde_json::from_slice(&json).unwrap(), String::from_utf8(line).unwrap())
}
