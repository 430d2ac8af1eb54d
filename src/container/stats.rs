//! How many lookups were made, for whom, what they cost, and how long the pipeline waited for them.

use std::sync::Arc;
use std::time::Duration;

use crate::histogram::Histogram;

/// A snapshot. A lookup is one that had to ask a runtime; answers from the cache count as hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LookupStats {
    /// Lookups that asked a runtime and have ended.
    pub count: u64,
    /// Events that were answered from the cache.
    pub hits: u64,
    /// The median of what a lookup took the runtimes, in microseconds, exact to an eighth; 0 when there was none.
    pub p50_us: u64,
    /// 99 of 100 lookups took at most this, in microseconds, exact to an eighth.
    pub p99_us: u64,
    /// Lookups that were started because a cgroup appeared.
    pub prefetched: u64,
    /// Lookups that were started because a runtime listed the container when it first answered.
    pub inventoried: u64,
    /// The first events of containers, by how they were answered.
    pub first: FirstEvents,
    /// How long the pipeline has waited for runtimes, in microseconds.
    pub waited_us: u64,
    /// The longest it waited for one event, in microseconds.
    pub longest_wait_us: u64,
    /// Lookups that are under way.
    pub in_flight: u64,
    /// Containers that are remembered, unknown ones included.
    pub containers: u64,
    /// Containers that were forgotten because their cgroup had gone.
    pub evicted: u64,
    /// Lookups that were not started because too many were under way, or cgroups appeared too fast.
    pub overflowed: u64,
}

/// How the first event of a container got its metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct FirstEvents {
    /// The container was known already, from its cgroup's appearance or a runtime's list.
    pub known: u64,
    /// The lookup was under way.
    pub joined: u64,
    /// The event started the lookup.
    pub asked: u64,
}

/// Counts as they are kept.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    histogram: Arc<Histogram>,
    pub(crate) hits: u64,
    pub(crate) prefetched: u64,
    pub(crate) inventoried: u64,
    pub(crate) first: FirstEvents,
    pub(crate) evicted: u64,
    /// Lookups that were not started because there had just been too many.
    pub(crate) refused: u64,
    waited: Duration,
    longest_wait: Duration,
}

impl Costs {
    pub(crate) fn record(&self, cost: Duration) {
        self.histogram.record(cost);
    }

    pub(crate) fn wait(&mut self, waited: Duration) {
        self.waited += waited;
        self.longest_wait = self.longest_wait.max(waited);
    }

    /// What lookups take, for whoever counts along.
    pub(crate) fn times(&self) -> Arc<Histogram> {
        Arc::clone(&self.histogram)
    }

    /// Everything but what is counted elsewhere.
    pub(crate) fn snapshot(&self) -> LookupStats {
        let said = self.histogram.quantiles();
        LookupStats {
            count: said.count,
            hits: self.hits,
            p50_us: said.p50_us,
            p99_us: said.p99_us,
            prefetched: self.prefetched,
            inventoried: self.inventoried,
            first: self.first,
            waited_us: micros(self.waited),
            longest_wait_us: micros(self.longest_wait),
            evicted: self.evicted,
            ..LookupStats::default()
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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

    #[test]
    fn waits_add_up_and_the_longest_is_kept() {
        let mut costs = Costs::default();
        for millis in [3, 5, 2] {
            costs.wait(Duration::from_millis(millis));
        }
        let stats = costs.snapshot();
        assert_eq!((stats.waited_us, stats.longest_wait_us), (10_000, 5000));
    }
}
