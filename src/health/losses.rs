//! What was lost within a window: from readings of the account at irregular moments. Fixed in size.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::loss::Counts;

/// Readings within a window: what leaves it does so in steps of a sixtieth.
const PARTS: u32 = 60;

/// The account at a moment of CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Duration,
    counts: Counts,
}

/// Past readings, as many as the window needs.
#[derive(Debug)]
pub(super) struct LossWindow {
    window: Duration,
    readings: VecDeque<Reading>,
}

impl LossWindow {
    /// Nothing counted before the first reading belongs to the window.
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            readings: VecDeque::new(),
        }
    }

    /// Takes a reading in, and says what became of the events in the window that it ends.
    pub(super) fn note(&mut self, at: Duration, counts: Counts) -> Counts {
        let apart = self.window / PARTS;
        if self
            .readings
            .back()
            .is_none_or(|last| at.saturating_sub(last.at) >= apart)
        {
            self.readings.push_back(Reading { at, counts });
        }
        // One that is a window old is where the window begins, and the only such.
        while self
            .readings
            .get(1)
            .is_some_and(|second| at.saturating_sub(second.at) >= self.window)
        {
            self.readings.pop_front();
        }
        let begin = self.readings.front().map_or(counts, |reading| reading.counts);
        Counts {
            seen: counts.seen.saturating_sub(begin.seen),
            delivered: counts.delivered.saturating_sub(begin.delivered),
            dropped: counts.dropped.saturating_sub(begin.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn counts(dropped: u64) -> Counts {
        Counts {
            seen: 100 * dropped,
            delivered: 99 * dropped,
            dropped,
        }
    }

    #[test]
    fn a_loss_leaves_the_window_when_that_has_passed() {
        let mut window = LossWindow::new(Duration::from_secs(10));
        let mut note = |seconds, dropped| window.note(Duration::from_secs(seconds), counts(dropped)).dropped;
        assert_eq!(note(0, 5), 0, "what was before is not in it");
        assert_eq!(note(1, 5), 0);
        assert_eq!(note(2, 8), 3);
        assert_eq!(note(11, 8), 3);
        assert_eq!(note(12, 8), 0);
        // Nobody asked for long: the window is as long as that.
        assert_eq!(note(100, 9), 1);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_says_at_least_what_the_window_lost(
            steps in vec((1_u64..30_000, 0_u64..10), 1..400),
        ) {
            let length = Duration::from_secs(10);
            let mut window = LossWindow::new(length);
            let (mut at, mut dropped) = (Duration::ZERO, 0);
            let mut all = vec![(at, dropped)];
            window.note(at, counts(dropped));
            for (millis, more) in steps {
                at += Duration::from_millis(millis);
                dropped += more;
                all.push((at, dropped));
                let said = window.note(at, counts(dropped)).dropped;
                let before = all.iter().rev().find(|(then, _)| at - *then >= length).unwrap_or(&all[0]).1;
                prop_assert!(said >= dropped - before, "{said} of {}", dropped - before);
                prop_assert!(window.readings.len() <= PARTS as usize + 2, "{}", window.readings.len());
            }
        }
    }
}
