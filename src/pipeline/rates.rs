//! Rates: how many events a second, over three windows, from readings of the account at irregular moments; and the readings
//! themselves, for a picture.
//!
//! Keeps readings, not rates: what is said is exact for the time between two of them. Fixed in size.

use std::collections::VecDeque;
use std::time::Duration;

use crate::capture::HookCounters;
use crate::container::Status;
use crate::event::loss::Counts;
use crate::event::summary::{Rate, Rates};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Readings are kept at least this far apart, fine ones and coarse ones; a reader that came early by a scheduler's tick
/// must not make them last shorter.
const FINE: Duration = Duration::from_millis(950);
const COARSE: Duration = Duration::from_secs(59);
/// Enough of each for its longest window, and one before it.
const KEPT: usize = 70;

/// Events by metadata status, in the order of [`Status::ALL`].
pub(super) type Statuses = [u64; Status::ALL.len()];

/// The account at a moment of CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) at: Duration,
    pub(super) sum: Counts,
    pub(super) statuses: Statuses,
}

impl Reading {
    /// `now` in nanoseconds of CLOCK_BOOTTIME.
    pub(super) fn new(now: u64, sum: Counts, statuses: Statuses) -> Self {
        Self {
            at: Duration::from_nanos(now),
            sum,
            statuses,
        }
    }
}

/// Past readings.
#[derive(Debug)]
pub(super) struct History {
    fine: VecDeque<Reading>,
    coarse: VecDeque<Reading>,
}

/// The account of several hooks together.
pub(super) fn sum<'a>(lines: impl IntoIterator<Item = &'a HookCounters>) -> Counts {
    lines.into_iter().fold(Counts::default(), |sum, line| Counts {
        seen: sum.seen.saturating_add(line.seen),
        delivered: sum.delivered.saturating_add(line.delivered),
        dropped: sum.dropped.saturating_add(line.dropped),
    })
}

impl History {
    /// Nothing was seen before `start`, nanoseconds of CLOCK_BOOTTIME.
    pub(super) fn new(start: u64) -> Self {
        let first = Reading::new(start, Counts::default(), Statuses::default());
        let kept = || {
            let mut kept = VecDeque::with_capacity(KEPT);
            kept.push_back(first);
            kept
        };
        Self {
            fine: kept(),
            coarse: kept(),
        }
    }

    /// Takes a reading in.
    pub(super) fn note(&mut self, reading: Reading) {
        let at = reading.at;
        for (kept, apart) in [(&mut self.fine, FINE), (&mut self.coarse, COARSE)] {
            if kept.back().is_some_and(|last| at.saturating_sub(last.at) < apart) {
                continue;
            }
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(reading);
        }
    }

    /// What is kept, oldest first: of the last minute the fine readings, of the time before them the coarse ones, and `now`.
    pub(super) fn readings(&self, now: Reading) -> Vec<Reading> {
        let recent = self.fine.iter().filter(|it| now.at.saturating_sub(it.at) <= MINUTE);
        let began = recent.clone().next().map_or(now.at, |it| it.at);
        let before = self
            .coarse
            .iter()
            .filter(|it| it.at < began && now.at.saturating_sub(it.at) <= HOUR);
        before.chain(recent).copied().chain([now]).collect()
    }

    /// The rates up to now.
    pub(super) fn rates(&self, now: u64, sum: Counts) -> Rates {
        let now = Reading::new(now, sum, Statuses::default());
        Rates {
            ten_seconds: rate(&self.fine, now, Duration::from_secs(10)),
            minute: rate(&self.fine, now, MINUTE),
            hour: rate(&self.coarse, now, HOUR),
        }
    }
}

/// From the youngest reading that is at least a window old, or from the oldest there is.
fn rate(kept: &VecDeque<Reading>, now: Reading, window: Duration) -> Rate {
    let old_enough = |reading: &&Reading| now.at.saturating_sub(reading.at) >= window;
    let Some(then) = kept.iter().rev().find(old_enough).or_else(|| kept.front()) else {
        return Rate::default();
    };
    let elapsed = now.at.saturating_sub(then.at);
    if elapsed.is_zero() {
        return Rate::default();
    }
    let seconds = elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people and thresholds")]
    let per_second = |now: u64, then: u64| rounded(now.saturating_sub(then) as f64 / seconds);
    Rate {
        seconds: rounded(seconds),
        seen: per_second(now.sum.seen, then.sum.seen),
        delivered: per_second(now.sum.delivered, then.sum.delivered),
        dropped: per_second(now.sum.dropped, then.sum.dropped),
    }
}

/// To the millionth: one event in an hour still shows.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn counts(seen: u64, dropped: u64) -> Counts {
        Counts {
            seen,
            delivered: seen - dropped,
            dropped,
        }
    }

    fn reading(second: u64, sum: Counts) -> Reading {
        Reading::new(second * SECOND, sum, [second, 0, 0, 0])
    }

    #[test]
    fn the_picture_has_each_second_of_a_minute_and_each_minute_of_an_hour() {
        let mut history = History::new(0);
        assert_eq!(history.readings(reading(0, counts(0, 0))).len(), 2);
        for second in 1..=2 * 3600 {
            history.note(reading(second, counts(second * 100, second)));
        }
        let now = reading(7200, counts(720_000, 7200));
        let told = history.readings(now);
        let ages: Vec<u64> = told.iter().map(|it| (now.at - it.at).as_secs()).collect();
        assert!(ages.is_sorted_by(|one, next| one >= next), "oldest first: {ages:?}");
        assert_eq!(
            ages.iter().filter(|age| **age <= 60).count(),
            62,
            "with the present one"
        );
        let minutes: Vec<u64> = ages.iter().copied().filter(|age| *age > 60).collect();
        assert!((58..=60).contains(&minutes.len()) && minutes[0] > 3500, "{minutes:?}");
        for it in &told {
            let second = it.at.as_secs();
            assert_eq!((it.sum, it.statuses[0]), (counts(second * 100, second), second));
        }
        assert!(told.len() <= 2 * KEPT + 1);
    }

    #[test]
    fn a_steady_load_has_the_same_rate_in_every_window() {
        let mut history = History::new(0);
        for second in 1..=2 * 3600 {
            history.note(reading(second, counts(second * 100, second)));
            assert!(history.fine.len() <= KEPT && history.coarse.len() <= KEPT);
        }
        let rates = history.rates(7200 * SECOND, counts(720_000, 7200));
        for (rate, at_least, at_most) in [
            (rates.ten_seconds, 10.0, 11.0),
            (rates.minute, 60.0, 61.0),
            (rates.hour, 3600.0, 3661.0),
        ] {
            assert!((at_least..=at_most).contains(&rate.seconds), "{rate:?}");
            assert!((rate.seen - 100.0).abs() < 1e-3, "{rate:?}");
            assert!((rate.delivered - 99.0).abs() < 1e-3, "{rate:?}");
            assert!((rate.dropped - 1.0).abs() < 1e-3, "{rate:?}");
        }
    }

    #[test]
    fn a_burst_leaves_the_short_window_first() {
        let mut history = History::new(0);
        for second in 1..=100 {
            history.note(reading(second, counts(1000, if second < 50 { 0 } else { 600 })));
        }
        let rates = history.rates(100 * SECOND, counts(1000, 600));
        assert_eq!(rates.ten_seconds.dropped, 0.0);
        assert_eq!(rates.minute.dropped, 10.0);
        assert_eq!((rates.hour.seconds, rates.hour.dropped), (100.0, 6.0));
    }

    #[test]
    fn a_reader_that_was_held_up_says_over_how_long() {
        let mut history = History::new(0);
        history.note(reading(1, counts(10, 0)));
        let rates = history.rates(41 * SECOND, counts(410, 0));
        assert_eq!((rates.ten_seconds.seconds, rates.ten_seconds.seen), (40.0, 10.0));
        assert_eq!(rates.minute.seconds, 41.0);
        assert_eq!(History::new(5).rates(5, counts(1, 0)), Rates::default());
    }
}
