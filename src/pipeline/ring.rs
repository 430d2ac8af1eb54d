//! What the ring buffer had to hold: its highest fill, and the worst run of seconds in which it was too small.
//!
//! Fed with the readings of the ledger that are taken each second; reads nothing itself. Fixed in size.

use std::collections::VecDeque;
use std::time::Duration;

use super::window::WINDOW;

/// Peaks are kept by minutes, of the window and the one that it begins in.
const MINUTE: Duration = Duration::from_secs(60);
const KEPT: usize = 12;

/// Seconds in a row with drops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Burst {
    /// Records that were dropped.
    pub(super) dropped: u64,
    /// From the last reading without a drop to the last one with some.
    pub(super) lasted: Duration,
}

/// Past readings, as far as they matter.
#[derive(Debug)]
pub(super) struct RingAccount {
    peak: Option<u64>,
    /// The highest of each minute, with its beginning.
    peaks: VecDeque<(Duration, u64)>,
    at: Duration,
    dropped: u64,
    /// The run that is going on.
    burst: Burst,
    worst: Burst,
}

impl RingAccount {
    /// Nothing was dropped before `start`, nanoseconds of CLOCK_BOOTTIME.
    pub(super) fn new(start: u64) -> Self {
        Self {
            peak: None,
            peaks: VecDeque::with_capacity(KEPT),
            at: Duration::from_nanos(start),
            dropped: 0,
            burst: Burst::default(),
            worst: Burst::default(),
        }
    }

    /// Takes a reading in: what was dropped since the start, and the most unread bytes since the reading before.
    pub(super) fn note(&mut self, now: u64, dropped: u64, peak: Option<u64>) {
        let now = Duration::from_nanos(now);
        if let Some(peak) = peak {
            self.note_peak(now, peak);
        }
        self.burst = self.burst_at(now, dropped);
        self.worst = worse(self.worst, self.burst);
        (self.at, self.dropped) = (now, dropped);
    }

    fn note_peak(&mut self, now: Duration, peak: u64) {
        self.peak = self.peak.max(Some(peak));
        match self.peaks.back_mut() {
            Some((began, highest)) if now.saturating_sub(*began) < MINUTE => *highest = peak.max(*highest),
            _ => {
                if self.peaks.len() == KEPT {
                    self.peaks.pop_front();
                }
                self.peaks.push_back((now, peak));
            }
        }
    }

    /// The run that is going on, if the reading were taken now.
    fn burst_at(&self, now: Duration, dropped: u64) -> Burst {
        let more = dropped.saturating_sub(self.dropped);
        if more == 0 {
            return Burst::default();
        }
        Burst {
            dropped: self.burst.dropped.saturating_add(more),
            lasted: self.burst.lasted + now.saturating_sub(self.at),
        }
    }

    /// The most unread bytes since the start.
    pub(super) fn peak(&self) -> Option<u64> {
        self.peak
    }

    /// The same of the last ten minutes.
    pub(super) fn window_peak(&self, now: u64) -> Option<u64> {
        let now = Duration::from_nanos(now);
        let recent = |(began, _): &&(Duration, u64)| now.saturating_sub(*began) < WINDOW + MINUTE;
        self.peaks.iter().filter(recent).map(|(_, peak)| *peak).max()
    }

    /// The run in which most was dropped, up to now.
    pub(super) fn worst(&self, now: u64, dropped: u64) -> Burst {
        worse(self.worst, self.burst_at(Duration::from_nanos(now), dropped))
    }
}

fn worse(one: Burst, other: Burst) -> Burst {
    if other.dropped > one.dropped { other } else { one }
}

/// The size of a ring that would have held what was dropped as well, a power of two; 0 where nothing was.
pub(super) fn needed(size: u64, dropped: u64, average: Option<u64>) -> u64 {
    match average {
        Some(average) if dropped > 0 => size
            .saturating_add(dropped.saturating_mul(average))
            .checked_next_power_of_two()
            .unwrap_or(1 << 63),
        _ => 0,
    }
}

/// What a record takes on average; `None` before the first.
pub(super) fn average(bytes: u64, records: u64) -> Option<u64> {
    // Rounded up: a ring of so many averages holds so many records.
    (records > 0).then(|| bytes.div_ceil(records))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn seconds_with_drops_in_a_row_are_one_burst_and_the_worst_counts() {
        let mut ring = RingAccount::new(0);
        let dropped = [0, 10, 30, 30, 30, 35, 35];
        for (second, dropped) in (1..).zip(dropped) {
            ring.note(second * SECOND, dropped, None);
        }
        let worst = Burst {
            dropped: 30,
            lasted: Duration::from_secs(2),
        };
        assert_eq!(ring.worst(7 * SECOND, 35), worst);
        // What goes on counts at once, whether or not its second is over.
        ring.note(8 * SECOND, 60, None);
        let going_on = Burst {
            dropped: 40,
            lasted: Duration::from_millis(1500),
        };
        assert_eq!(ring.worst(8 * SECOND + SECOND / 2, 75), going_on);
        assert_eq!(RingAccount::new(0).worst(SECOND, 0), Burst::default());
    }

    #[test]
    fn a_peak_leaves_the_window_and_stays_the_highest_of_all() {
        let mut ring = RingAccount::new(0);
        assert_eq!((ring.peak(), ring.window_peak(SECOND)), (None, None));
        ring.note(SECOND, 0, Some(9000));
        for second in 2..=3600 {
            ring.note(second * SECOND, 0, (second % 5 == 0).then_some(100));
            assert!(ring.peaks.len() <= KEPT);
            if second == 600 {
                assert_eq!(ring.window_peak(600 * SECOND), Some(9000));
            }
        }
        assert_eq!((ring.peak(), ring.window_peak(3600 * SECOND)), (Some(9000), Some(100)));
        assert_eq!(ring.window_peak(5000 * SECOND), None);
    }

    #[test]
    fn the_size_that_is_needed_is_a_power_of_two_that_holds_the_burst() {
        assert_eq!(needed(8 << 20, 0, Some(200)), 0);
        assert_eq!(needed(8 << 20, 5, None), 0);
        assert_eq!(needed(8 << 20, 1, Some(200)), 16 << 20);
        assert_eq!(needed(64 << 10, 1000, Some(200)), 512 << 10);
        assert_eq!(needed(u64::MAX, u64::MAX, Some(u64::MAX)), 1 << 63);
        assert_eq!((average(1000, 0), average(1001, 10)), (None, Some(101)));
    }
}
