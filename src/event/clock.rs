//! From the kernel's clock to the calendar's.

use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use serde::Serializer;

/// Nanoseconds by which the calendar may drift before it is followed.
const TOLERANCE: i128 = 1_000_000;

/// Translates CLOCK_BOOTTIME, in which the kernel side measures, to UTC.
#[derive(Debug, Clone, Copy)]
pub struct BootClock {
    /// Nanoseconds from the epoch to the boot.
    boot: i128,
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
        })
    }

    /// Follows the calendar's clock when it was set or slewed. Smaller differences are the error of the reading, and to
    /// follow them would give one process many start times.
    ///
    /// # Errors
    /// As [`Self::now`].
    pub fn refresh(&mut self) -> nix::Result<()> {
        let fresh = Self::now()?;
        if (fresh.boot - self.boot).abs() > TOLERANCE {
            *self = fresh;
        }
        Ok(())
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

    /// A clock whose boot was at the epoch, for tests.
    #[cfg(test)]
    pub(crate) fn at_epoch() -> Self {
        Self { boot: 0 }
    }
}

/// RFC 3339 with nanoseconds, always nine digits, so that text sorts as time does.
pub(super) fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.9}"))
}
