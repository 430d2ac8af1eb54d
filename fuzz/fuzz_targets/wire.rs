//! The way of a record from the ring to the output, on any bytes: decoded, entered into the process table, made an event,
//! written as JSON and as text.
//!
//! The input is a run of records, each as long as its first four bytes say: what one record leaves in the table is met by
//! the next.

#![no_main]

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use pinhole::capture::{Content, Record};
use pinhole::container::Outcome;
use pinhole::event::build::Context;
use pinhole::event::{BootClock, build};
use pinhole::output::{json, text};
use pinhole::process::ProcessTable;
use serde_json::Value;

/// So few that records meet a full table, too.
const PROCESSES: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// The shortest thing that could be a record: its own size.
const SIZE: usize = size_of::<u32>();

/// The real clock: any other would have to be made by something that only tests have.
static CLOCK: LazyLock<BootClock> = LazyLock::new(|| BootClock::now().expect("Linux has CLOCK_BOOTTIME"));

fuzz_target!(|bytes: &[u8]| {
    let mut table = ProcessTable::new(PROCESSES);
    let (host, unknown) = (Arc::new(Outcome::host()), Arc::new(Outcome::cgroup_unknown(1)));
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (one, more) = rest.split_at(length(rest));
        rest = more;
        // A copy, because the ring keeps records at multiples of eight and the decoder may count on that.
        let one = one.to_vec();
        // What is told of cgroups goes to the lookup, which is not part of this way.
        let Ok(Record {
            header,
            content: Content::Process(mut body),
            ..
        }) = Record::decode(&one)
        else {
            continue;
        };
        let (subject, process) = table.follow(&header, &mut body);
        let context = Context {
            node: "node",
            clock: &CLOCK,
            process: process.as_ref(),
            // The lookup is not part of this way; what it can say about a cgroup is.
            outcome: if process.is_some() { &host } else { &unknown },
            lost_before: header.lost,
        };
        let event = build(&header, subject, &body, context);
        out.clear();
        json::append(&mut out, &event).expect("every event can be written as JSON");
        let line = out.strip_suffix(b"\n").expect("a line has an end");
        assert!(!line.contains(&b'\n'), "an event is one line");
        let read: Value = serde_json::from_slice(line).expect("what is written is JSON");
        assert!(
            read["type"].is_string() && read["process"]["exec_id"].is_string(),
            "{read}"
        );
        assert!(!has_null(&read), "{read}");
        out.clear();
        text::event(&mut out, &event, true).expect("every event can be written as text");
        assert!(std::str::from_utf8(&out).is_ok(), "text is UTF-8");
    }
});

/// As long as it says it is, if that can be.
fn length(bytes: &[u8]) -> usize {
    let said = bytes
        .first_chunk::<SIZE>()
        .map_or(0, |size| u32::from_ne_bytes(*size) as usize);
    if (SIZE..bytes.len()).contains(&said) {
        said
    } else {
        bytes.len()
    }
}

/// A key is absent rather than null.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(keys) => keys.values().any(has_null),
        _ => false,
    }
}
