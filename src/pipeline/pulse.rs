//! Whether the agent is alive and sees: turns of the pipeline's loop, and the canary.
//!
//! The agent cannot exec or fork once its seccomp filter is set, so it proves by a deed that it is still allowed that it sees:
//! a thread gives itself the name that it has already. The hook `canary` records that, and the record takes the way of every
//! other, through ring, reader, decoder, process table and container lookup to where an event would be written.
//!
//! Owns what became of it, for whoever judges the agent's health; judges nothing itself. Written by the pipeline and by
//! whoever sends the canary, read by anybody, and nobody holds the pipeline up: atomics, and a mutex that is held for a copy.
//! All times are nanoseconds of CLOCK_BOOTTIME, which the hooks measure in, and are handed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;

use crate::container::{Metadata, Reason, Status};

/// The canary and the turns of one running agent.
#[derive(Debug)]
pub struct Pulse {
    /// When there was nothing yet to be seen: the age of what has not happened counts from here.
    began: u64,
    turns: AtomicU64,
    turned: AtomicU64,
    canary: Mutex<Flown>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flown {
    sent: Option<u64>,
    seen: Option<Arrival>,
}

/// A canary that came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arrival {
    /// When the hook ran.
    kernel: u64,
    /// When it was where an event would be written.
    written: u64,
    metadata: Metadata,
}

/// The turns of the pipeline's loop. One takes a tenth of a second where nothing happens, less under load, and longer only
/// where events wait for container runtimes or for who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// How many have begun.
    pub count: u64,
    /// How long ago the last one began; before the first, the pulse.
    pub age: Duration,
}

/// What is known of the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastCanary {
    /// How long ago the last one was sent. Absent where none was: nobody sends any, or the agent has just begun.
    pub sent: Option<Duration>,
    /// The last one that came through.
    pub seen: Option<Seen>,
    /// For how long none has been seen: the age of the last one, and before the first the age of the agent.
    pub silent: Duration,
}

/// A canary that came through the whole pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How long ago the hook ran.
    pub age: Duration,
    /// From the hook to where an event would be written; a lookup of the agent's own container is part of it.
    pub round_trip: Duration,
    /// How much is known of the container that the agent runs in; `host` where it runs in none.
    pub status: Status,
    /// Why not all.
    pub reason: Option<Reason>,
}

impl Pulse {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            began: now,
            turns: AtomicU64::new(0),
            turned: AtomicU64::new(now),
            canary: Mutex::default(),
        }
    }

    /// Sends a canary from the calling thread: renames it to the name that it has. Two system calls, no waiting.
    ///
    /// # Errors
    /// The kernel refused, as it does under a seccomp filter without these operations of prctl(2).
    pub fn send(&self, now: u64) -> Result<(), Errno> {
        let name = prctl::get_name()?;
        // Before the deed, so that what is seen was sent.
        self.canary().sent = Some(now);
        prctl::set_name(&name)
    }

    /// Notes that a canary which the hook saw at `kernel` was where an event would be written at `written`. For the
    /// pipeline's thread only.
    pub fn arrived(&self, kernel: u64, written: u64, metadata: Metadata) {
        self.canary().seen = Some(Arrival {
            kernel,
            written,
            metadata,
        });
    }

    /// Notes that a turn of the pipeline's loop begins. For the pipeline's thread only.
    pub fn turn(&self, now: u64) {
        self.turned.store(now, Ordering::Release);
        self.turns.fetch_add(1, Ordering::Release);
    }

    /// The turns as of now.
    #[must_use]
    pub fn turns(&self, now: u64) -> Turns {
        Turns {
            count: self.turns.load(Ordering::Acquire),
            age: between(self.turned.load(Ordering::Acquire), now),
        }
    }

    /// The canary as of now.
    #[must_use]
    pub fn last_canary(&self, now: u64) -> LastCanary {
        let Flown { sent, seen } = *self.canary();
        LastCanary {
            sent: sent.map(|sent| between(sent, now)),
            seen: seen.map(|seen| Seen {
                age: between(seen.kernel, now),
                round_trip: between(seen.kernel, seen.written),
                status: seen.metadata.status,
                reason: seen.metadata.reason,
            }),
            silent: between(seen.map_or(self.began, |seen| seen.kernel), now),
        }
    }

    fn canary(&self) -> MutexGuard<'_, Flown> {
        // Each of the two is replaced at once: a poisoned lock guards a whole state.
        self.canary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readings of two threads may cross: what seems to lie ahead is now.
fn between(from: u64, to: u64) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn before_the_first_everything_is_as_old_as_the_agent() {
        let pulse = Pulse::new(5 * SECOND);
        let turns = pulse.turns(7 * SECOND);
        assert_eq!((turns.count, turns.age), (0, Duration::from_secs(2)));
        let canary = pulse.last_canary(7 * SECOND);
        assert_eq!((canary.sent, canary.seen), (None, None));
        assert_eq!(canary.silent, Duration::from_secs(2));
    }

    #[test]
    fn what_came_through_is_told_with_its_age_and_what_it_took() {
        let pulse = Pulse::new(0);
        pulse.send(SECOND).unwrap();
        assert_eq!(pulse.last_canary(3 * SECOND).sent, Some(Duration::from_secs(2)));
        assert_eq!(
            pulse.last_canary(3 * SECOND).silent,
            Duration::from_secs(3),
            "none came"
        );
        let metadata = Metadata {
            status: Status::Missing,
            reason: Some(Reason::ALL[0]),
            source: None,
            lookup_us: None,
            cgroup_id: None,
        };
        pulse.arrived(SECOND + 10, SECOND + 250, metadata);
        let canary = pulse.last_canary(3 * SECOND + 10);
        assert_eq!(
            canary.seen,
            Some(Seen {
                age: Duration::from_secs(2),
                round_trip: Duration::from_nanos(240),
                status: Status::Missing,
                reason: Some(Reason::ALL[0]),
            })
        );
        assert_eq!(canary.silent, Duration::from_secs(2));
    }

    #[test]
    fn sending_changes_no_name() {
        let before = prctl::get_name().unwrap();
        Pulse::new(0).send(1).unwrap();
        assert_eq!(prctl::get_name().unwrap(), before);
    }

    #[test]
    fn each_turn_is_counted_and_the_last_one_has_an_age() {
        let pulse = Pulse::new(0);
        for turn in 1..=3 {
            pulse.turn(turn * SECOND);
        }
        let turns = pulse.turns(5 * SECOND);
        assert_eq!((turns.count, turns.age), (3, Duration::from_secs(2)));
        assert_eq!(
            pulse.turns(SECOND).age,
            Duration::ZERO,
            "a clock read by another thread"
        );
    }
}
