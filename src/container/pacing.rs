//! How often something that failed is tried again. Pure: time is handed in.

use std::time::{Duration, Instant};

/// Doubling pauses between attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            next: first,
        }
    }

    /// The pause after one more failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.most);
        pause
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Leaves a peer alone that fails repeatedly, so that a hung runtime costs a bounded time once and not per event.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
    cooldown: Backoff,
}

impl Breaker {
    /// Consecutive failures that open the circuit.
    pub(crate) const FAILURES: u32 = 3;
    /// How long it stays open the first time; each failed trial doubles that.
    pub(crate) const COOLDOWN: Duration = Duration::from_secs(5);
    const COOLDOWN_MOST: Duration = Duration::from_secs(30);

    pub(crate) const fn new() -> Self {
        Self {
            failures: 0,
            open_until: None,
            cooldown: Backoff::new(Self::COOLDOWN, Self::COOLDOWN_MOST),
        }
    }

    /// Whether a call may be made: always while closed, one trial when the cool-down has passed.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.open_until.is_none_or(|until| now >= until)
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= Self::FAILURES {
            self.open_until = Some(now + self.cooldown.pause());
        }
    }
}

/// How much of the pipeline's time may be spent waiting for runtimes to learn of a container: a bucket that fills with
/// a share of the time that passes. Without it every id that no runtime will ever know would cost a full lookup budget.
#[derive(Debug)]
pub(crate) struct Patience {
    capacity: Duration,
    left: Duration,
    filled: Instant,
}

impl Patience {
    /// One part in this many of the passing time.
    const SHARE: u32 = 4;

    pub(crate) fn new(capacity: Duration, now: Instant) -> Self {
        Self {
            capacity,
            left: capacity,
            filled: now,
        }
    }

    /// What may be waited now.
    pub(crate) fn left(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        self.left = (self.left + passed / Self::SHARE).min(self.capacity);
        self.left
    }

    pub(crate) fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_limit_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(1));
        let pauses: Vec<_> = (0..4).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.pause().as_millis(), 250);
    }

    #[test]
    fn breaker_opens_after_three_and_lets_one_trial_through() {
        let start = Instant::now();
        let mut breaker = Breaker::new();
        breaker.failed(start);
        breaker.failed(start);
        assert!(breaker.allows(start));
        breaker.failed(start);
        assert!(!breaker.allows(start));
        assert!(!breaker.allows(start + Breaker::COOLDOWN - Duration::from_millis(1)));
        let trial = start + Breaker::COOLDOWN;
        assert!(breaker.allows(trial));
        breaker.failed(trial);
        assert!(
            !breaker.allows(trial + Breaker::COOLDOWN),
            "a failed trial doubles the pause"
        );
        assert!(breaker.allows(trial + 2 * Breaker::COOLDOWN));
        breaker.succeeded();
        breaker.failed(trial);
        assert!(breaker.allows(trial), "one success forgets every failure");
    }

    #[test]
    fn breaker_counts_consecutive_failures_only() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..10 {
            breaker.failed(now);
            breaker.failed(now);
            breaker.succeeded();
        }
        assert!(breaker.allows(now));
    }

    #[test]
    fn patience_runs_out_and_comes_back_slowly() {
        let start = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(2), start);
        patience.spend(Duration::from_secs(3));
        assert_eq!(patience.left(start), Duration::ZERO);
        assert_eq!(patience.left(start + Duration::from_secs(4)), Duration::from_secs(1));
        assert_eq!(patience.left(start + Duration::from_secs(60)), Duration::from_secs(2));
    }
}
