//! From the kernel's clock to the calendar's.

use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use serde::Serializer;

/// Nanoseconds by which the calendar may drift before it is followed.
const TOLERANCE: i128 = 1_000_000;
/// What is more than this between two looks is nobody's slewing (some hundred microseconds a second): the calendar was set.
const STEP: i128 = 1_000_000_000;

/// Translates CLOCK_BOOTTIME, in which the kernel side measures, to UTC.
#[derive(Debug, Clone, Copy)]
pub struct BootClock {
    /// Nanoseconds from the epoch to the boot.
    boot: i128,
    steps: Steps,
}

/// How the calendar was set since the clock was first read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// How often, by more than a second.
    pub count: u64,
    /// By how much the last time, in nanoseconds; positive is forward.
    pub last: i64,
}

impl BootClock {
    /// Reads both clocks.
    ///
    /// # Errors
    /// The kernel knows no CLOCK_BOOTTIME (before Linux 2.6.39).
    pub fn now() -> nix::Result<Self> {
        let nanoseconds = |clock: ClockId| -> nix::Result<i128> {
            let time = clock_gettime(clock)?;
            Ok(i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()))
        };
        // The two are read apart, and the thread may lose its CPU in between: the closest pair of a few counts.
        let mut best: Option<(i128, i128)> = None;
        for _ in 0..5 {
            let before = nanoseconds(ClockId::CLOCK_BOOTTIME)?;
            let real = nanoseconds(ClockId::CLOCK_REALTIME)?;
            let apart = nanoseconds(ClockId::CLOCK_BOOTTIME)? - before;
            if best.is_none_or(|(closest, _)| apart < closest) {
                best = Some((apart, real - before - apart / 2));
            }
        }
        Ok(Self {
            boot: best.map_or(0, |(_, boot)| boot),
            steps: Steps::default(),
        })
    }

    /// Follows the calendar's clock when it was set or slewed. Smaller differences are the error of the reading, and to
    /// follow them would give one process many start times.
    ///
    /// # Errors
    /// As [`Self::now`].
    pub fn refresh(&mut self) -> nix::Result<()> {
        self.follow(Self::now()?.boot);
        Ok(())
    }

    fn follow(&mut self, boot: i128) {
        let by = boot - self.boot;
        if by.abs() > STEP {
            self.steps.count += 1;
            self.steps.last = clamped(by);
        }
        if by.abs() > TOLERANCE {
            self.boot = boot;
        }
    }

    /// How the calendar was set since this clock was first read.
    #[must_use]
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// Nanoseconds from the epoch to the boot.
    #[must_use]
    pub fn boot(&self) -> i64 {
        clamped(self.boot)
    }

    /// The calendar time of a kernel time stamp.
    #[must_use]
    pub fn utc(&self, boottime: u64) -> Timestamp {
        let nanoseconds = self.boot + i128::from(boottime);
        // Divided as 64 bits, which every time until 2262 fits in: 128 bits take ten times as long, twice per event.
        let time = match i64::try_from(nanoseconds) {
            Ok(nanoseconds) => Timestamp::new(
                nanoseconds / 1_000_000_000,
                i32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
            ),
            Err(_) => Timestamp::from_nanosecond(nanoseconds),
        };
        time.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// How long ago a kernel time stamp was taken.
    #[must_use]
    pub fn since(boottime: u64) -> Duration {
        Self::reading().map_or(Duration::ZERO, |now| Duration::from_nanos(now.saturating_sub(boottime)))
    }

    /// What a hook that runs now would stamp its record with, in nanoseconds. Never goes back.
    ///
    /// # Errors
    /// As [`Self::now`].
    pub fn reading() -> nix::Result<u64> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        Ok(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    }

    /// A clock that stands still: that of a machine that was booted so many nanoseconds after the epoch.
    #[must_use]
    pub fn of_boot(boot: i64) -> Self {
        Self {
            boot: boot.into(),
            steps: Steps::default(),
        }
    }

    /// A clock whose boot was at the epoch, for tests.
    #[cfg(test)]
    pub(crate) fn at_epoch() -> Self {
        Self {
            boot: 0,
            steps: Steps::default(),
        }
    }
}

/// 64 bits hold every time until 2262.
fn clamped(nanoseconds: i128) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

/// RFC 3339 with nanoseconds, always nine digits, so that text sorts as time does.
pub(crate) fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.9}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_that_is_set_is_told_from_one_that_drifts() {
        let mut clock = BootClock::at_epoch();
        let second = 1_000_000_000;
        // Noise is not followed, slewing is and counts for nothing.
        clock.follow(900_000);
        assert_eq!(clock.boot(), 0);
        for drift in 1..=4000 {
            clock.follow(drift * 1_500_000);
        }
        assert_eq!((clock.boot(), clock.steps()), (6_000_000_000, Steps::default()));
        clock.follow(6 * second + 3600 * second);
        let forward = Steps {
            count: 1,
            last: 3600 * 1_000_000_000,
        };
        assert_eq!(clock.steps(), forward);
        clock.follow(2 * second);
        assert_eq!((clock.steps().count, clock.steps().last), (2, -3604 * 1_000_000_000));
        assert_eq!(clock.boot(), 2 * 1_000_000_000);
    }
}
