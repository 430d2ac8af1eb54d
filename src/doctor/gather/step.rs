//! One step of gathering: a thread, a deadline, a clock. And what all steps have in common: the deadline of the whole, and
//! whoever is told what is waited for.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::super::facts::{Gap, Gathered, View};

/// A step that takes longer is told, and told again each time that this has passed.
const PATIENCE: Duration = Duration::from_secs(2);

/// All steps of one examination.
pub(super) struct Steps<'a> {
    began: Instant,
    total: Duration,
    patience: Duration,
    progress: &'a dyn Fn(&str),
}

/// A step under way.
pub(super) struct Step<'a, T> {
    steps: &'a Steps<'a>,
    name: &'static str,
    at: String,
    started: Instant,
    deadline: Duration,
    result: Receiver<(Result<T, Gap>, Duration)>,
}

impl<'a> Steps<'a> {
    /// Steps that together take no longer than `total` from now on. `progress` is told what is waited for.
    pub(super) fn new(total: Duration, progress: &'a dyn Fn(&str)) -> Self {
        Self {
            began: Instant::now(),
            total,
            patience: PATIENCE,
            progress,
        }
    }

    /// Tells what is done.
    pub(super) fn say(&self, what: &str) {
        (self.progress)(what);
    }

    /// What is left of the whole time.
    pub(super) fn left(&self) -> Duration {
        self.total.saturating_sub(self.began.elapsed())
    }

    /// Starts a step. A step that outlives its deadline is left behind; it ends with the process.
    pub(super) fn start<T: Send + 'static>(
        &'a self,
        name: &'static str,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Gap> + Send + 'static,
    ) -> Step<'a, T> {
        let (at, started) = (now(), Instant::now());
        let (sender, result) = sync_channel(1);
        // Where no thread can be had the sender is dropped with the closure, and the step ends as broken down.
        let _ = thread::Builder::new().name(format!("doctor-{name}")).spawn(move || {
            let value = work();
            // Nobody waits any more when the step is late.
            let _ = sender.send((value, started.elapsed()));
        });
        Step {
            steps: self,
            name,
            at,
            started,
            deadline,
            result,
        }
    }
}

impl<T> Step<'_, T> {
    /// Waits for the end of the step, of its deadline, or of the whole time.
    pub(super) fn finish(self) -> Gathered<T> {
        let own = self.deadline.saturating_sub(self.started.elapsed());
        let (left, allowed) = match self.steps.left() {
            whole if whole < own => (whole, self.steps.total),
            _ => (own, self.deadline),
        };
        let (value, took) = match self.wait(Instant::now() + left, allowed) {
            Ok((value, took)) => (value, took),
            Err(RecvTimeoutError::Timeout) => (Err(Gap::Late(allowed)), self.started.elapsed()),
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

    fn wait(&self, until: Instant, allowed: Duration) -> Result<(Result<T, Gap>, Duration), RecvTimeoutError> {
        let patience = self.steps.patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.result.recv_timeout(left.min(patience)) {
                Err(RecvTimeoutError::Timeout) if left > patience => {}
                answer => return answer,
            }
            self.steps.say(&format!(
                "still waiting for {} ({} s of at most {} s)",
                self.name,
                self.started.elapsed().as_secs(),
                allowed.as_secs()
            ));
        }
    }
}

/// The time, RFC 3339, UTC, to the millisecond.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_whole_has_a_deadline_and_says_what_it_waits_for() {
        let said = RefCell::new(Vec::new());
        let progress = |what: &str| said.borrow_mut().push(what.to_owned());
        let total = Duration::from_millis(200);
        let steps = Steps {
            patience: Duration::from_millis(20),
            ..Steps::new(total, &progress)
        };
        let (release, held) = channel::<()>();
        let hangs = steps.start("a hung runtime", Duration::from_secs(60), move || {
            let _ = held.recv();
            Ok(())
        });
        let done = steps.start("the kernel", Duration::from_secs(60), || Ok(7));
        assert_eq!(done.finish().value, Ok(7));
        assert_eq!(hangs.finish().value, Err(Gap::Late(total)));
        assert_eq!(steps.left(), Duration::ZERO);
        // What is started too late is waited for no longer, and what has ended by then counts.
        let late = steps.start("the memory", Duration::from_secs(60), move || {
            drop(release);
            Ok(())
        });
        assert!(matches!(late.finish().value, Ok(()) | Err(Gap::Late(_))));
        assert!(
            said.borrow()
                .iter()
                .any(|line| line.starts_with("still waiting for a hung runtime")),
            "{said:?}"
        );
    }

    #[test]
    fn a_step_has_a_deadline_of_its_own() {
        let steps = Steps::new(Duration::from_secs(60), &|_| {});
        let (release, held) = channel::<()>();
        let own = Duration::from_millis(20);
        let hangs = steps.start("the kernel", own, move || {
            let _ = held.recv();
            Ok(())
        });
        assert_eq!(hangs.finish().value, Err(Gap::Late(own)));
        drop(release);
    }
}
