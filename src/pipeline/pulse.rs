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
    /// When the last turn began; before the first, when the pulse did.
    turned: AtomicU64,
    canary: Mutex<Option<Arrival>>,
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
            turned: AtomicU64::new(now),
            canary: Mutex::default(),
        }
    }

    /// Notes that a canary which the hook saw at `kernel` was where an event would be written at `written`. For the
    /// pipeline's thread only.
    pub fn arrived(&self, kernel: u64, written: u64, metadata: Metadata) {
        *self.canary() = Some(Arrival {
            kernel,
            written,
            metadata,
        });
    }

    /// Notes that a turn of the pipeline's loop begins. For the pipeline's thread only.
    pub fn turn(&self, now: u64) {
        self.turned.store(now, Ordering::Release);
    }

    /// How long ago the last turn of the pipeline's loop began; before the first, the pulse. A turn takes a quarter of a
    /// second where nothing happens, less under load, and longer only where events wait for container runtimes or for who reads the output.
    #[must_use]
    pub fn turn_age(&self, now: u64) -> Duration {
        between(self.turned.load(Ordering::Acquire), now)
    }

    /// The last canary that came through, as of now.
    #[must_use]
    pub fn last_canary(&self, now: u64) -> Option<Seen> {
        let seen = *self.canary();
        seen.map(|seen| Seen {
            age: between(seen.kernel, now),
            round_trip: between(seen.kernel, seen.written),
            status: seen.metadata.status,
            reason: seen.metadata.reason,
        })
    }

    fn canary(&self) -> MutexGuard<'_, Option<Arrival>> {
        // It is replaced at once: a poisoned lock guards a whole state.
        self.canary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a canary from the calling thread: renames it to the name that it has. Two system calls, no waiting.
///
/// # Errors
/// The kernel refused.
pub fn send() -> Result<(), Errno> {
    prctl::set_name(&prctl::get_name()?)
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
        assert_eq!(pulse.turn_age(7 * SECOND), Duration::from_secs(2));
        assert_eq!(pulse.last_canary(7 * SECOND), None);
    }

    #[test]
    fn what_came_through_is_told_with_its_age_and_what_it_took() {
        let pulse = Pulse::new(0);
        let metadata = Metadata {
            status: Status::Missing,
            reason: Some(Reason::ALL[0]),
            source: None,
            lookup_us: None,
            cgroup_id: None,
        };
        pulse.arrived(SECOND + 10, SECOND + 250, metadata);
        assert_eq!(
            pulse.last_canary(3 * SECOND + 10),
            Some(Seen {
                age: Duration::from_secs(2),
                round_trip: Duration::from_nanos(240),
                status: Status::Missing,
                reason: Some(Reason::ALL[0]),
            })
        );
        let early = pulse.last_canary(SECOND).unwrap();
        assert_eq!(early.age, Duration::ZERO, "readings of two threads may cross");
    }

    #[test]
    fn a_turn_makes_it_young() {
        let pulse = Pulse::new(0);
        pulse.turn(4 * SECOND);
        assert_eq!(pulse.turn_age(5 * SECOND), Duration::from_secs(1));
    }

    #[test]
    fn sending_leaves_the_name_as_it_is() {
        let before = prctl::get_name().unwrap();
        send().unwrap();
        assert_eq!(prctl::get_name().unwrap(), before);
    }
}
