//! A histogram of times: fixed in size, exact to an eighth, written and read from any thread without a lock.
//!
//! Each power of two is divided into eight buckets, so a bucket is at most an eighth of its values wide. The largest value
//! is kept exactly. Knows neither clocks nor what is measured.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of each power of two.
const STEPS: usize = 8;
/// Microseconds up to 2^42: 51 days. What is longer counts in the last bucket.
const BUCKETS: usize = STEPS * 40;
/// The bounds of a [`Spread`], as powers of two of microseconds: at each of them a bucket ends.
const SPREAD: RangeInclusive<u32> = 6..=23;

/// What a histogram says, in microseconds. All zero when nothing was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Quantiles {
    /// How many values there are.
    pub count: u64,
    /// Half of them are at most this; exact to an eighth, as the next two.
    #[serde(rename = "p50")]
    pub p50_us: u64,
    /// 90 of 100 are at most this.
    #[serde(rename = "p90")]
    pub p90_us: u64,
    /// 99 of 100 are at most this.
    #[serde(rename = "p99")]
    pub p99_us: u64,
    /// The largest, exact.
    #[serde(rename = "max")]
    pub max_us: u64,
}

/// A histogram in few and wide buckets, as Prometheus wants it. Of the same values it is always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// For each upper bound, in order, how many values are below it and not below the one before.
    pub buckets: Vec<(Duration, u64)>,
    /// How many are beyond the last bound.
    pub beyond: u64,
    /// All values together, each rounded down to a microsecond.
    pub sum: Duration,
}

/// A histogram as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(Box<[u64; BUCKETS]>);

impl Default for Counts {
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

impl Counts {
    /// What was recorded after `then`.
    #[must_use]
    pub fn since(&self, then: &Self) -> Self {
        Self(Box::new(std::array::from_fn(|index| {
            self.0[index].saturating_sub(then.0[index])
        })))
    }

    /// What these say. The largest value is known to an eighth only, and not to be beyond `max_us`.
    #[must_use]
    pub fn quantiles(&self, max_us: u64) -> Quantiles {
        let count = self.0.iter().sum();
        let quantile = |percent| quantile(&self.0, count, percent).min(max_us);
        Quantiles {
            count,
            p50_us: quantile(50),
            p90_us: quantile(90),
            p99_us: quantile(99),
            max_us: quantile(100),
        }
    }
}

/// Counts by time. Never reallocated.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    /// Microseconds.
    sum: AtomicU64,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
        // Mostly not the largest: a look is cheaper than a locked instruction.
        if micros > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(micros, Ordering::Relaxed);
        }
    }

    /// How many values were recorded so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// What was recorded so far, by powers of two from 64 µs to 8.4 s.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let count = |buckets: &[AtomicU64]| buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum();
        let mut from = 0;
        let buckets = SPREAD.map(|power| {
            let to = (power as usize - 2) * STEPS;
            let bucket = (Duration::from_micros(1 << power), count(&self.buckets[from..to]));
            from = to;
            bucket
        });
        Spread {
            buckets: buckets.collect(),
            beyond: count(&self.buckets[(*SPREAD.end() as usize - 2) * STEPS..]),
            sum: Duration::from_micros(self.sum.load(Ordering::Relaxed)),
        }
    }

    /// The largest value so far, in microseconds.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// The counts as they are. Values that come in meanwhile may count or not.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts(Box::new(std::array::from_fn(|index| {
            self.buckets[index].load(Ordering::Relaxed)
        })))
    }

    /// What was recorded so far. Values that come in meanwhile may count or not.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let max_us = self.max_us();
        Quantiles {
            max_us,
            ..self.counts().quantiles(max_us)
        }
    }
}

/// The upper bound of the bucket in which the given percentile lies.
fn quantile(counts: &[u64; BUCKETS], count: u64, percent: u64) -> u64 {
    let rank = count.saturating_mul(percent).div_ceil(100);
    let mut below = 0;
    for (index, count) in counts.iter().enumerate() {
        below += count;
        if rank > 0 && below >= rank {
            return upper(index);
        }
    }
    0
}

fn bucket(micros: u64) -> usize {
    let steps = STEPS as u64;
    if micros < steps {
        return usize::try_from(micros).unwrap_or(0);
    }
    let power = u64::from(micros.ilog2());
    let step = (micros >> (power - 3)) & (steps - 1);
    let index = (power - 2) * steps + step;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper(index: usize) -> u64 {
    // The last bucket has no upper bound; the largest value is one.
    if index == BUCKETS - 1 {
        return u64::MAX;
    }
    if index < STEPS {
        return index as u64;
    }
    let (power, step) = (index / STEPS + 2, (index % STEPS) as u64);
    let width = 1u64 << (power - 3);
    (1u64 << power) + (step + 1) * width - 1
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_lies_below_its_bucket_and_above_the_one_before() {
        for micros in (0..100_000).chain([1 << 30, (1 << 41) - 1]) {
            let index = bucket(micros);
            assert!(micros <= upper(index), "{micros}: {}", upper(index));
            assert!(
                index == 0 || micros > upper(index - 1),
                "{micros}: {}",
                upper(index - 1)
            );
            assert!(upper(index) - micros <= micros / 8, "{micros}: {}", upper(index));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Histogram::default().quantiles(), Quantiles::default());
    }

    #[test]
    fn what_came_later_is_told_by_itself() {
        let histogram = Histogram::default();
        for _ in 0..100 {
            histogram.record(Duration::from_secs(3));
        }
        let then = histogram.counts();
        for _ in 0..50 {
            histogram.record(Duration::from_micros(100));
        }
        let said = histogram.counts().since(&then).quantiles(histogram.max_us());
        assert_eq!((said.count, said.p50_us, said.p99_us, said.max_us), (50, 103, 103, 103));
        assert_eq!(histogram.quantiles().max_us, 3_000_000);
    }

    #[test]
    fn a_value_beyond_the_last_bucket_is_still_the_largest() {
        let histogram = Histogram::default();
        histogram.record(Duration::MAX);
        let said = histogram.quantiles();
        assert_eq!((said.count, said.p50_us, said.max_us), (1, u64::MAX, u64::MAX));
    }

    /// The percentile by its definition: the smallest value that `percent` of 100 values do not exceed.
    fn exact(sorted: &[u64], percent: usize) -> u64 {
        sorted[(sorted.len() * percent).div_ceil(100) - 1]
    }

    proptest! {
        #[test]
        fn a_spread_counts_what_is_below_each_bound(values in vec(prop_oneof![0_u64..200, 0_u64..1 << 26], 0..200)) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.record(Duration::from_micros(*value));
            }
            let spread = histogram.spread();
            let mut below = 0;
            for (bound, count) in &spread.buckets {
                below += count;
                let exact = values.iter().filter(|value| Duration::from_micros(**value) < *bound).count();
                prop_assert_eq!(below, exact as u64, "{:?}", bound);
            }
            prop_assert_eq!(below + spread.beyond, values.len() as u64);
            prop_assert_eq!(spread.sum, Duration::from_micros(values.iter().sum()));
        }

        #[test]
        fn percentiles_are_never_below_the_exact_ones_and_at_most_an_eighth_above(
            mut values in vec(prop_oneof![0_u64..200, 0_u64..100_000, 0_u64..1 << 41], 1..400),
        ) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.record(Duration::from_micros(*value));
            }
            values.sort_unstable();
            let said = histogram.quantiles();
            prop_assert_eq!(said.count, values.len() as u64);
            prop_assert_eq!(said.max_us, values[values.len() - 1]);
            for (percent, said) in [(50, said.p50_us), (90, said.p90_us), (99, said.p99_us)] {
                let exact = exact(&values, percent);
                prop_assert!(exact <= said && said - exact <= exact / 8, "p{}: {} for {}", percent, said, exact);
            }
        }
    }
}
