//! The calendar as the pipeline's events have it, for whoever asks. Written each second by the pipeline, read by anybody.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::event::BootClock;
use crate::event::clock::Steps;

/// A copy of the pipeline's clock.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// Nanoseconds from the epoch to the boot; 0 before the first copy.
    boot: AtomicI64,
    steps: AtomicU64,
    last_step: AtomicI64,
}

impl Calendar {
    /// Takes over what the clock says. For the pipeline's thread only.
    pub(super) fn follow(&self, clock: &BootClock) {
        let Steps { count, last } = clock.steps();
        self.boot.store(clock.boot(), Ordering::Relaxed);
        self.last_step.store(last, Ordering::Relaxed);
        self.steps.store(count, Ordering::Release);
    }

    /// The calendar time of a reading of CLOCK_BOOTTIME, in nanoseconds since the epoch; 0 before the first copy.
    pub(super) fn unix_time(&self, boottime: u64) -> i64 {
        match self.boot.load(Ordering::Relaxed) {
            0 => 0,
            boot => boot.saturating_add_unsigned(boottime),
        }
    }

    /// How the calendar was set since the start.
    pub(super) fn steps(&self) -> Steps {
        Steps {
            count: self.steps.load(Ordering::Acquire),
            last: self.last_step.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_clock_says() {
        let calendar = Calendar::default();
        assert_eq!(calendar.unix_time(7), 0, "nothing is known yet");
        let clock = BootClock::now().unwrap();
        calendar.follow(&clock);
        let told = calendar.unix_time(1234);
        assert_eq!(i128::from(told), clock.utc(1234).as_nanosecond());
        assert_eq!(calendar.steps(), Steps::default());
    }
}
