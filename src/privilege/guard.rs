//! Verifying, for as long as the agent runs, that it cannot do more than it said.
//!
//! Nothing that the agent does can give a thread a capability, another user or fewer filters once the start is over; should one
//! have them all the same, the kernel or the agent has a defect that somebody may be using, and the agent must not go on. The
//! guard finds it and names it. It changes nothing, and it does not end the process: that is its caller's to do.
//!
//! The status files of the threads are opened once. A check reads them again by their descriptors, so it opens nothing, cannot
//! be starved of descriptors, and costs some microseconds for each thread. A thread that is not among them shows in the number
//! of threads that the kernel gives with each status.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::status::{self, Held, ThreadStatus};
use super::{drop, seccomp};

/// How often the threads are verified.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// What a check found.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A thread holds a capability, or could gain one.
    #[error(transparent)]
    Privilege(#[from] drop::Error),
    /// A thread is not filtered as the agent filters itself.
    #[error(transparent)]
    Filter(#[from] seccomp::Error),
    /// A thread runs as another user or group than at the start.
    #[error("thread {tid} ({name}) runs as {now}, the agent as {before}")]
    Identity {
        /// The thread.
        tid: u32,
        /// Its name.
        name: String,
        /// Its user and group ids: real, effective, saved, file system.
        now: String,
        /// Those of the start.
        before: String,
    },
    /// A thread runs that the agent did not start.
    #[error("{running} threads run, and the agent started {known} of them")]
    Stranger {
        /// Threads that are known and run.
        known: usize,
        /// Threads of the process by the kernel's count.
        running: u32,
    },
    /// The kernel did not tell. No proof of anything: what was verified before cannot have changed by this.
    #[error("cannot verify the privileges of the agent's threads: {0}")]
    Unreadable(#[from] status::Error),
}

impl Violation {
    /// Whether the agent must end at once.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Unreadable(_))
    }
}

/// The threads of the agent and what must stay true of them.
#[derive(Debug)]
pub struct Guard {
    threads: Vec<Held>,
    expected: Expected,
    begun: Instant,
    checks: AtomicU64,
    /// When the last check ended, in milliseconds after `begun`.
    last: AtomicU64,
}

/// What must be true of every thread.
#[derive(Debug, Clone, Copy)]
struct Expected {
    uid: [u32; 4],
    gid: [u32; 4],
    filters: seccomp::Installed,
}

impl Guard {
    /// Takes note of the threads that run now, which must be as many as the agent made, and checks them.
    ///
    /// # Errors
    /// What the first check found; also one that is not fatal later: an agent that cannot verify itself does not start.
    pub fn begin(filters: seccomp::Installed, threads: usize) -> Result<Self, Violation> {
        let own = status::own_thread()?;
        let guard = Self {
            threads: status::hold_own_threads()?,
            expected: Expected {
                uid: own.uid,
                gid: own.gid,
                filters,
            },
            begun: Instant::now(),
            checks: AtomicU64::new(0),
            last: AtomicU64::new(0),
        };
        if guard.threads.len() > threads {
            return Err(Violation::Stranger {
                known: threads,
                running: own.threads,
            });
        }
        guard.check()?;
        Ok(guard)
    }

    /// Reads what the kernel says of every thread, and judges it.
    ///
    /// # Errors
    /// The first violation, naming the thread.
    pub fn check(&self) -> Result<(), Violation> {
        let mut statuses = Vec::with_capacity(self.threads.len());
        let mut running = None;
        for thread in &self.threads {
            statuses.extend(thread.read()?);
        }
        // The number is read after the threads were: one that ends in between makes it smaller, never larger than those known.
        for thread in &self.threads {
            if let Some(status) = thread.read()? {
                running = Some(status.threads);
                break;
            }
        }
        self.expected.judge(&statuses, running.unwrap_or_default())?;
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
        self.checks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether [`INTERVAL`] has passed since the last check that found nothing.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.age() >= INTERVAL
    }

    /// How long ago the threads were last found as they must be.
    #[must_use]
    pub fn age(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }

    /// How many checks found nothing.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }
}

impl Expected {
    fn judge(&self, threads: &[ThreadStatus], running: u32) -> Result<(), Violation> {
        drop::judge(threads)?;
        self.filters.judge(threads)?;
        let ids = |uid: [u32; 4], gid: [u32; 4]| format!("uid {uid:?} gid {gid:?}");
        if let Some(other) = threads
            .iter()
            .find(|thread| (thread.uid, thread.gid) != (self.uid, self.gid))
        {
            return Err(Violation::Identity {
                tid: other.tid,
                name: other.name.clone(),
                now: ids(other.uid, other.gid),
                before: ids(self.uid, self.gid),
            });
        }
        if running as usize > threads.len() {
            return Err(Violation::Stranger {
                known: threads.len(),
                running,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
