//! How many lookups were made and what they cost.

use std::time::Duration;

use crate::histogram::Histogram;

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

/// Counts of lookups, by what they cost.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    histogram: Histogram,
    pub(crate) hits: u64,
}

impl Costs {
    pub(crate) fn record(&self, cost: Duration) {
        self.histogram.record(cost);
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.count()
    }

    pub(crate) fn snapshot(&self) -> LookupStats {
        let said = self.histogram.quantiles();
        LookupStats {
            count: said.count,
            hits: self.hits,
            p50_us: said.p50_us,
            p99_us: said.p99_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_known_load() {
        let costs = Costs::default();
        assert_eq!(costs.snapshot(), LookupStats::default());
        for micros in 1..=100 {
            costs.record(Duration::from_micros(micros));
        }
        let stats = costs.snapshot();
        assert_eq!((stats.count, stats.p50_us, stats.p99_us), (100, 51, 100));
    }
}
