//! From the hook to the output: how old events are once they are written.
//!
//! One reading of the clock per write, for all events that it wrote. Bounded by what the output collects before it writes.

use std::time::Duration;

use crate::histogram::Histogram;

/// The events that wait for the next write.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    /// When their hooks ran, in nanoseconds of CLOCK_BOOTTIME.
    times: Vec<u64>,
}

impl Unwritten {
    /// An event is handed to the output.
    pub(super) fn add(&mut self, hook_ran: u64) {
        self.times.push(hook_ran);
    }

    /// Some of them were lost at the output, and nobody knows which.
    pub(super) fn forget(&mut self) {
        self.times.clear();
    }

    /// All of them are written; `now` is asked once, or not at all where there were none.
    pub(super) fn written<E>(&mut self, into: &Histogram, now: impl FnOnce() -> Result<u64, E>) -> Result<(), E> {
        if self.times.is_empty() {
            return Ok(());
        }
        let now = now()?;
        for time in self.times.drain(..) {
            into.record(Duration::from_nanos(now.saturating_sub(time)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn each_event_counts_once_with_the_time_of_its_write() {
        let histogram = Histogram::default();
        let mut unwritten = Unwritten::default();
        unwritten.add(1_000_000);
        unwritten.add(3_000_000);
        // The clocks of two CPUs may disagree by a little.
        unwritten.add(4_000_001);
        unwritten
            .written(&histogram, || Ok::<_, Infallible>(4_000_000))
            .unwrap();
        let said = histogram.quantiles();
        assert_eq!((said.count, said.max_us), (3, 3000));
        unwritten
            .written(&histogram, || -> Result<u64, ()> { panic!("nothing to measure") })
            .unwrap();
        unwritten.add(1_000_000);
        unwritten.forget();
        unwritten
            .written(&histogram, || -> Result<u64, ()> { panic!("nothing was written") })
            .unwrap();
        assert_eq!(histogram.quantiles().count, 3);
    }
}
