//! Cgroups that have gone and are still remembered: events of their last moments may be on the way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a cgroup is remembered after it has gone.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// How many wait for that; of more, the oldest is forgotten early.
const WAITING: usize = 4096;

/// A cgroup that has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) cgroup_id: u64,
    /// The container whose own cgroup it was by its name: the id, and the path.
    pub(crate) container: Option<(String, String)>,
}

/// Those that wait, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    waiting: VecDeque<(Instant, Removed)>,
}

impl Removals {
    pub(crate) fn add(&mut self, removed: Removed, now: Instant) {
        self.waiting.push_back((now + GRACE, removed));
    }

    /// The next one whose time is over.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Removed> {
        let (until, _) = self.waiting.front()?;
        if now < *until && self.waiting.len() <= WAITING {
            return None;
        }
        self.waiting.pop_front().map(|(_, removed)| removed)
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(cgroup_id: u64) -> Removed {
        Removed {
            cgroup_id,
            container: None,
        }
    }

    #[test]
    fn each_has_its_grace() {
        let start = Instant::now();
        let mut removals = Removals::default();
        removals.add(removed(1), start);
        removals.add(removed(2), start + GRACE / 2);
        assert_eq!(removals.due(start + GRACE / 2), None);
        assert_eq!(removals.due(start + GRACE), Some(removed(1)));
        assert_eq!(removals.due(start + GRACE), None);
        assert_eq!(removals.due(start + 2 * GRACE), Some(removed(2)));
        assert!(removals.is_empty());
    }

    #[test]
    fn of_too_many_the_oldest_goes_early() {
        let start = Instant::now();
        let mut removals = Removals::default();
        (0..=WAITING as u64).for_each(|id| removals.add(removed(id), start));
        assert_eq!(removals.due(start), Some(removed(0)));
        assert_eq!(removals.due(start), None);
    }
}
