//! Events as JSON, fast: what many events have in common is rendered once and copied into each.
//!
//! The text is, byte for byte, what [`super::json::append`] makes of the same event; that is the definition of the
//! format, this is a short cut to it. The `process` of an event is the same for all events of a process between two
//! execs but for the thread, `container`, `kubernetes` and `metadata` for all events of a container: together most of
//! an event's text.

use std::io::Write as _;
use std::num::NonZeroUsize;

use jiff::Timestamp;
use serde::Serialize;

use super::pieces::Pieces;
use crate::container::Outcome;
use crate::event::Event;
use crate::event::shape::{Exit, File, Network, ProcessView, Syscall};
use crate::process::Process;

/// More processes than are busy at the same time on a large node; each takes some hundred bytes to a few thousand.
const PROCESSES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
const PROCESS_BYTES: usize = 2 << 20;
/// The kubelet's default limit is 110 pods.
const OUTCOMES: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
const OUTCOME_BYTES: usize = 1 << 20;

/// Writes events, and remembers what it can use again.
#[derive(Debug)]
pub(super) struct EventWriter {
    /// The end of a `process` object, from `exec_id` on.
    processes: Pieces<(u32, Timestamp), Process>,
    /// The keys after what happened.
    outcomes: Pieces<usize, Outcome>,
    second: Second,
}

/// What is particular to one event, with a brace at either end.
#[derive(Serialize)]
struct Deed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: &'a Option<Exit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    syscall: &'a Option<Syscall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: &'a Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: &'a Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: &'a Option<Network<'a>>,
}

impl EventWriter {
    pub(super) fn new() -> Self {
        Self {
            processes: Pieces::new(PROCESSES, PROCESS_BYTES),
            outcomes: Pieces::new(OUTCOMES, OUTCOME_BYTES),
            second: Second::default(),
        }
    }

    /// Appends an event and a newline.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, event: &Event<'_>) -> serde_json::Result<()> {
        // In full, so that a key that is new to events cannot be forgotten here.
        let Event {
            time,
            node,
            kind,
            process,
            exit,
            syscall,
            file,
            target,
            network,
            outcome,
            lost_before,
        } = event;
        out.extend_from_slice(b"{\"time\":\"");
        self.second.append(out, *time);
        out.extend_from_slice(b"\",\"node\":");
        serde_json::to_writer(&mut *out, node)?;
        out.extend_from_slice(b",\"type\":");
        serde_json::to_writer(&mut *out, kind)?;
        out.extend_from_slice(b",\"process\":");
        self.process(out, process)?;
        append_keys(
            out,
            &Deed {
                exit,
                syscall,
                file,
                target,
                network,
            },
        )?;
        // The address is the key: whose it is, is checked, and an entry that is checked keeps it from another.
        let address = std::sync::Arc::as_ptr(outcome).addr();
        self.outcomes
            .append(out, address, outcome, |out| append_keys(out, outcome))?;
        if let Some(lost) = lost_before {
            out.extend_from_slice(b",\"lost_before\":");
            decimal(out, *lost);
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn process(&mut self, out: &mut Vec<u8>, view: &ProcessView<'_>) -> serde_json::Result<()> {
        let ProcessView {
            key,
            tid,
            start_time,
            process,
        } = view;
        let Some(process) = process.filter(|process| process.key == *key) else {
            return serde_json::to_writer(out, view);
        };
        let start = out.len();
        out.extend_from_slice(b"{\"pid\":");
        decimal(out, key.pid.into());
        out.extend_from_slice(b",\"tid\":");
        decimal(out, (*tid).into());
        self.processes.append(out, (key.pid, *start_time), process, |out| {
            // All of it: what stands there already comes out the same, and only what follows is remembered.
            out.truncate(start);
            serde_json::to_writer(&mut *out, view)
        })
    }
}

/// Appends the keys of an object, each after a comma.
fn append_keys(out: &mut Vec<u8>, object: &impl Serialize) -> serde_json::Result<()> {
    let start = out.len();
    serde_json::to_writer(&mut *out, object)?;
    if out.len() - start > "{}".len() {
        out[start] = b',';
        out.pop();
    } else {
        out.truncate(start);
    }
    Ok(())
}

/// The last second that was written: of two events in a row most have that in common.
#[derive(Debug, Default)]
struct Second {
    second: i64,
    /// `2026-11-21T04:05:13.`, empty before the first.
    text: Vec<u8>,
}

impl Second {
    fn append(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        let Ok(nanosecond) = u32::try_from(time.subsec_nanosecond()) else {
            // Before 1970, where a second's fraction counts backwards.
            let _ = write!(out, "{time:.9}");
            return;
        };
        if self.text.is_empty() || self.second != time.as_second() {
            self.text.clear();
            let _ = write!(self.text, "{time:.9}");
            self.text.truncate(self.text.len() - "123456789Z".len());
            self.second = time.as_second();
        }
        out.extend_from_slice(&self.text);
        let mut digits = *b"000000000Z";
        let mut rest = nanosecond;
        for digit in digits[..9].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
