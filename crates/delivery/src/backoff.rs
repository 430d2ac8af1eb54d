//! How long to wait before another attempt.

use std::time::Duration;

/// The longest wait that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(15 * 60);

/// Doubling pauses, each between its half and its whole, so that the nodes of a cluster that lost the same receiver do not come
/// back in step.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first.min(longest),
        }
    }

    /// The next pause; `asked` is what the receiver wants, which counts where it is longer.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let pause = whole.mul_f64(fastrand::f64().mul_add(0.5, 0.5));
        // Jitter goes on top of what was asked: to come earlier would be impolite, to come in step useless.
        match asked {
            Some(asked) => pause.max(asked.min(LONGEST_ASKED) + pause / 4),
            None => pause,
        }
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(SECOND, 5 * SECOND);
        for whole in [1, 2, 4, 5, 5] {
            let pause = backoff.pause(None);
            assert!(
                pause >= SECOND * whole / 2 && pause <= SECOND * whole,
                "{pause:?} for {whole}"
            );
        }
        backoff.reset();
        assert!(backoff.pause(None) <= SECOND);
    }

    #[test]
    fn a_receiver_may_ask_for_more_but_not_for_everything() {
        let mut backoff = Backoff::new(SECOND, SECOND);
        assert!(backoff.pause(Some(30 * SECOND)) >= 30 * SECOND);
        assert!(backoff.pause(Some(Duration::MAX)) <= LONGEST_ASKED + SECOND);
        assert!(backoff.pause(Some(Duration::ZERO)) >= SECOND / 2);
    }
}
