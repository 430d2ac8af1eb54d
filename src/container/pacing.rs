//! How often something that failed is tried again. Pure: time is handed in.

use std::time::{Duration, Instant};

use crate::config::Share;

/// Doubling pauses between attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { most, next: first }
    }

    /// The pause after one more failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.most);
        pause
    }
}

/// Leaves a peer alone that fails repeatedly, so that a hung runtime costs a bounded time once and not per event.
///
/// Calls run beside each other: those that were under way when the circuit opened fail later for the same cause, and
/// count no more; after the cool-down one of them is the trial, and the others wait for what becomes of it.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    open: Option<Open>,
    /// How often it was opened.
    opened: u32,
    /// When the peer answered last. A call that began before and fails later says nothing about it as it is now.
    answered: Option<Instant>,
    cooldown: Backoff,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// What began before this has been judged.
    since: Instant,
    until: Instant,
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
            open: None,
            opened: 0,
            answered: None,
            cooldown: Backoff::new(Self::COOLDOWN, Self::COOLDOWN_MOST),
        }
    }

    /// Whether a call may be made: always while closed, one trial when the cool-down has passed. `trial` is how long
    /// that call may take at most.
    pub(crate) fn allows(&mut self, now: Instant, trial: Duration) -> bool {
        match self.open {
            None => true,
            Some(Open { until, .. }) if now < until => false,
            Some(_) => {
                self.open = Some(Open {
                    since: now,
                    until: now + trial,
                });
                true
            }
        }
    }

    pub(crate) fn succeeded(&mut self, now: Instant) {
        *self = Self {
            opened: self.opened,
            answered: Some(now),
            ..Self::new()
        };
    }

    /// A number while it is open, another one each time it opens anew.
    pub(crate) fn opened(&self) -> Option<u32> {
        self.open.map(|_| self.opened)
    }

    /// A call that `began` then has failed `now`.
    pub(crate) fn failed(&mut self, began: Instant, now: Instant) {
        let judged = self.open.map(|open| open.since).max(self.answered);
        if judged.is_some_and(|judged| began < judged) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= Self::FAILURES {
            self.opened = self.opened.wrapping_add(1);
            self.open = Some(Open {
                since: now,
                until: now + self.cooldown.pause(),
            });
        }
    }
}

/// How much of the pipeline's time may be spent waiting for runtimes: a bucket that fills with a share of the time that
/// passes, and from which all waiting is taken. What it holds at most may be waited in one go.
#[derive(Debug)]
pub(crate) struct Patience {
    share: Share,
    capacity: Duration,
    left: Duration,
    filled: Instant,
}

impl Patience {
    /// Full at first; of no share, empty for ever.
    pub(crate) fn new(share: Share, capacity: Duration, now: Instant) -> Self {
        let capacity = if share == Share::default() {
            Duration::ZERO
        } else {
            capacity
        };
        Self {
            share,
            capacity,
            left: capacity,
            filled: now,
        }
    }

    /// What may be waited now.
    pub(crate) fn left(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        self.left = (self.left + self.share.of(passed)).min(self.capacity);
        self.left
    }

    pub(crate) fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }
}

/// How often something may be done that others can bring about at will: so often in one go, and then once each so often.
#[derive(Debug)]
pub(crate) struct Allowance {
    most: u32,
    each: Duration,
    left: u32,
    /// Until when what has come back is counted in `left`.
    counted: Instant,
}

impl Allowance {
    /// Full at first.
    pub(crate) const fn new(most: u32, each: Duration, now: Instant) -> Self {
        Self {
            most,
            each,
            left: most,
            counted: now,
        }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted);
        let back = passed.as_nanos() / self.each.as_nanos().max(1);
        match u32::try_from(back) {
            Ok(back) if back < self.most - self.left => {
                self.left += back;
                self.counted += self.each * back;
            }
            _ => {
                self.left = self.most;
                self.counted = now;
            }
        }
        let rest = self.left.checked_sub(1);
        self.left = rest.unwrap_or(0);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(1));
        let pauses: Vec<_> = (0..4).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 1000]);
    }

    const CALL: Duration = Duration::from_secs(1);

    #[test]
    fn breaker_opens_after_three_and_lets_one_trial_through() {
        let start = Instant::now();
        let mut breaker = Breaker::new();
        breaker.failed(start, start);
        breaker.failed(start, start);
        assert!(breaker.allows(start, CALL));
        breaker.failed(start, start);
        assert!(!breaker.allows(start, CALL));
        assert!(!breaker.allows(start + Breaker::COOLDOWN - Duration::from_millis(1), CALL));
        let trial = start + Breaker::COOLDOWN;
        assert!(breaker.allows(trial, CALL));
        assert!(!breaker.allows(trial, CALL), "one trial");
        breaker.failed(trial, trial);
        assert!(
            !breaker.allows(trial + Breaker::COOLDOWN, CALL),
            "a failed trial doubles the pause"
        );
        assert!(breaker.allows(trial + 2 * Breaker::COOLDOWN, CALL));
        breaker.succeeded(trial);
        breaker.failed(trial, trial);
        assert!(breaker.allows(trial, CALL), "one success forgets every failure");
    }

    /// Thirty calls that hang together are one hang: the pause is the first one.
    #[test]
    fn what_was_under_way_when_the_circuit_opened_counts_no_more() {
        let start = Instant::now();
        let late = start + CALL;
        let mut breaker = Breaker::new();
        for _ in 0..30 {
            breaker.failed(start, late);
        }
        assert!(!breaker.allows(late, CALL));
        assert!(breaker.allows(late + Breaker::COOLDOWN, CALL));
    }

    /// Calls that hung time out one after the other, while the peer answers others again.
    #[test]
    fn what_was_under_way_when_the_peer_answered_counts_no_more() {
        let start = Instant::now();
        let late = start + CALL;
        let mut breaker = Breaker::new();
        breaker.failed(start, late);
        breaker.succeeded(late);
        (0..30).for_each(|_| breaker.failed(start, late));
        assert!(breaker.allows(late, CALL));
        (0..Breaker::FAILURES).for_each(|_| breaker.failed(late, late + CALL));
        assert!(!breaker.allows(late + CALL, CALL));
    }

    #[test]
    fn each_opening_has_its_number() {
        let start = Instant::now();
        let mut breaker = Breaker::new();
        assert_eq!(breaker.opened(), None);
        (0..Breaker::FAILURES).for_each(|_| breaker.failed(start, start));
        let first = breaker.opened();
        assert!(first.is_some());
        let trial = start + Breaker::COOLDOWN;
        assert!(breaker.allows(trial, CALL));
        assert_eq!(breaker.opened(), first);
        breaker.failed(trial, trial);
        assert!(breaker.opened().is_some_and(|second| Some(second) != first));
        breaker.succeeded(trial);
        assert_eq!(breaker.opened(), None);
    }

    /// A trial whose caller has gone never says how it went.
    #[test]
    fn a_trial_that_is_never_heard_of_is_followed_by_another() {
        let start = Instant::now();
        let mut breaker = Breaker::new();
        (0..Breaker::FAILURES).for_each(|_| breaker.failed(start, start));
        let trial = start + Breaker::COOLDOWN;
        assert!(breaker.allows(trial, CALL));
        assert!(breaker.allows(trial + CALL, CALL));
    }

    #[test]
    fn breaker_counts_consecutive_failures_only() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..10 {
            breaker.failed(now, now);
            breaker.failed(now, now);
            breaker.succeeded(now);
        }
        assert!(breaker.allows(now, CALL));
    }

    #[test]
    fn an_allowance_comes_back_bit_by_bit() {
        let start = Instant::now();
        let each = Duration::from_millis(10);
        let mut allowance = Allowance::new(3, each, start);
        let taken = |allowance: &mut Allowance, after: u64| {
            let now = start + Duration::from_millis(after);
            (0..10).filter(|_| allowance.take(now)).count()
        };
        assert_eq!(taken(&mut allowance, 0), 3);
        assert_eq!(taken(&mut allowance, 9), 0);
        // What is left of the time is not lost.
        assert_eq!(taken(&mut allowance, 19), 1);
        assert_eq!(taken(&mut allowance, 20), 1);
        assert_eq!(taken(&mut allowance, 39), 1);
        assert_eq!(taken(&mut allowance, 40), 1);
        assert_eq!(taken(&mut allowance, 1_000_000), 3);
        assert_eq!(taken(&mut allowance, 0), 0, "a clock that goes back gives nothing");
    }

    #[test]
    fn patience_runs_out_and_comes_back_slowly() {
        let start = Instant::now();
        let quarter = Share::of_millionths(250_000);
        let mut patience = Patience::new(quarter, Duration::from_secs(2), start);
        patience.spend(Duration::from_secs(3));
        assert_eq!(patience.left(start), Duration::ZERO);
        assert_eq!(patience.left(start + Duration::from_secs(4)), Duration::from_secs(1));
        assert_eq!(patience.left(start + Duration::from_secs(60)), Duration::from_secs(2));
        let mut none = Patience::new(Share::default(), Duration::from_secs(2), start);
        assert_eq!(none.left(start + Duration::from_secs(60)), Duration::ZERO);
    }
}
