//! One step of gathering: a thread, a deadline, a clock.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::super::facts::{Gap, Gathered, View};

/// A step under way.
pub(super) struct Step<T> {
    at: String,
    started: Instant,
    deadline: Duration,
    result: Receiver<(Result<T, Gap>, Duration)>,
}

/// Starts a step. A step that outlives its deadline is left behind; it ends with the process.
pub(super) fn start<T: Send + 'static>(
    name: &str,
    deadline: Duration,
    work: impl FnOnce() -> Result<T, Gap> + Send + 'static,
) -> Step<T> {
    let (at, started) = (now(), Instant::now());
    let (sender, result) = sync_channel(1);
    // Where no thread can be had the sender is dropped with the closure, and the step ends as broken down.
    let _ = thread::Builder::new().name(format!("doctor-{name}")).spawn(move || {
        let value = work();
        // Nobody waits any more when the step is late.
        let _ = sender.send((value, started.elapsed()));
    });
    Step {
        at,
        started,
        deadline,
        result,
    }
}

impl<T> Step<T> {
    /// Waits for the end of the step or of its deadline.
    pub(super) fn finish(self) -> Gathered<T> {
        let left = self.deadline.saturating_sub(self.started.elapsed());
        let (value, took) = match self.result.recv_timeout(left) {
            Ok((value, took)) => (value, took),
            Err(RecvTimeoutError::Timeout) => (Err(Gap::Late(self.deadline)), self.started.elapsed()),
            Err(RecvTimeoutError::Disconnected) => (Err(Gap::Crashed), self.started.elapsed()),
        };
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Gathered {
            value,
            at: Some(self.at),
            duration_us: Some(duration_us),
            view: View::Cold,
        }
    }
}

/// The time, RFC 3339, UTC, to the millisecond.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
