//! How many lookups were made and what they cost.

use std::time::Duration;

/// A snapshot. A lookup is one that had to ask a runtime; answers from the cache count as hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupStats {
    /// Lookups that asked a runtime.
    pub count: u64,
    /// Events that were answered from the cache.
    pub hits: u64,
    /// The median cost of a lookup in microseconds, exact to an eighth; 0 when there was none.
    pub p50_us: u64,
    /// 99 of 100 lookups cost at most this, in microseconds, exact to an eighth.
    pub p99_us: u64,
}

/// Each power of two is divided into this many buckets.
const STEPS: usize = 8;
const BUCKETS: usize = STEPS * 40;

/// Counts by cost. Fixed size, never reallocated.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    pub(crate) hits: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            count: 0,
            hits: 0,
        }
    }

    pub(crate) fn record(&mut self, cost: Duration) {
        let micros = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)] += 1;
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn snapshot(&self) -> LookupStats {
        LookupStats {
            count: self.count,
            hits: self.hits,
            p50_us: self.quantile(50),
            p99_us: self.quantile(99),
        }
    }

    /// The upper bound of the bucket in which the given percentile lies.
    fn quantile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut below = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            below += count;
            if rank > 0 && below >= rank {
                return upper(index);
            }
        }
        0
    }
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
    if index < STEPS {
        return index as u64;
    }
    let (power, step) = (index / STEPS + 2, (index % STEPS) as u64);
    let width = 1u64 << (power - 3);
    (1u64 << power) + (step + 1) * width - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_below_its_bucket_and_above_the_one_before() {
        for micros in (0..100_000).chain([1 << 30, (1 << 40) - 1]) {
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
    fn quantiles_of_a_known_load() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.snapshot(), LookupStats::default());
        for micros in 1..=100 {
            histogram.record(Duration::from_micros(micros));
        }
        let stats = histogram.snapshot();
        assert_eq!((stats.count, stats.p50_us, stats.p99_us), (100, 51, 103));
    }
}
