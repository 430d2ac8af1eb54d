//! What became of what was written: shared between who writes and whoever asks. Counts, and judges nothing.
//!
//! Written by one thread, for each write and never for each event; read by any, which nobody waits for.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The counters of one output.
#[derive(Debug)]
pub struct Account {
    began: Instant,
    written: AtomicU64,
    /// Microseconds.
    blocked: AtomicU64,
    longest: AtomicU64,
    /// Since when it has been blocked, in microseconds after `began` and one more; 0 where it is not.
    blocked_since: AtomicU64,
    failures: AtomicU64,
    lost_lines: AtomicU64,
    last: Mutex<Option<(Instant, String)>>,
}

/// The account at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Bytes that were written.
    pub written: u64,
    /// How long writing has waited for who reads, up to now.
    pub blocked: Duration,
    /// The longest of these waits, up to now.
    pub longest: Duration,
    /// How long the one that is going on lasts.
    pub blocked_now: Option<Duration>,
    /// Writes that failed.
    pub failures: u64,
    /// Lines that were lost with them.
    pub lost_lines: u64,
    /// The last failure: how long ago, and why.
    pub last: Option<(Duration, String)>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            written: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost_lines: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }
}

/// Writing waits as long as this lives.
#[derive(Debug)]
pub(super) struct Blocked<'a>(&'a Account);

impl Account {
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Writing begins to wait.
    pub(super) fn blocked(&self) -> Blocked<'_> {
        self.blocked_since.store(self.micros().max(1), Ordering::Release);
        Blocked(self)
    }

    /// Writing has waited so long, which is known only afterwards.
    pub(super) fn was_blocked(&self, time: Duration) {
        let time = micros(time);
        self.blocked.fetch_add(time, Ordering::Relaxed);
        self.longest.fetch_max(time, Ordering::Relaxed);
    }

    /// A write failed, and these lines with it.
    pub(super) fn failed(&self, error: &io::Error, lost_lines: u64) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.lost_lines.fetch_add(lost_lines, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), error.to_string()));
    }

    /// The account as of now.
    #[must_use]
    pub fn said(&self) -> Said {
        let since = self.blocked_since.load(Ordering::Acquire);
        let blocked_now = (since > 0).then(|| self.micros().saturating_sub(since));
        let now = blocked_now.unwrap_or_default();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Said {
            written: self.written.load(Ordering::Relaxed),
            blocked: Duration::from_micros(self.blocked.load(Ordering::Relaxed).saturating_add(now)),
            longest: Duration::from_micros(self.longest.load(Ordering::Relaxed).max(now)),
            blocked_now: blocked_now.map(Duration::from_micros),
            failures: self.failures.load(Ordering::Relaxed),
            lost_lines: self.lost_lines.load(Ordering::Relaxed),
            last: last.map(|(at, error)| (at.elapsed(), error)),
        }
    }

    fn micros(&self) -> u64 {
        micros(self.began.elapsed())
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        let since = self.0.blocked_since.swap(0, Ordering::AcqRel);
        self.0
            .was_blocked(Duration::from_micros(self.0.micros().saturating_sub(since)));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_counts_while_it_lasts_and_afterwards() {
        let account = Account::default();
        assert_eq!(account.said(), Said::default());
        let blocked = account.blocked();
        let pause = Duration::from_millis(20);
        std::thread::sleep(pause);
        let during = account.said();
        assert!(during.blocked_now >= Some(pause), "{during:?}");
        assert!(during.blocked >= pause && during.longest >= pause, "{during:?}");
        drop(blocked);
        let after = account.said();
        assert!(
            after.blocked_now.is_none() && after.blocked >= during.blocked,
            "{after:?}"
        );
        account.was_blocked(Duration::from_micros(5));
        let more = account.said();
        assert_eq!(more.blocked, after.blocked + Duration::from_micros(5));
        assert_eq!(more.longest, after.longest);
    }

    #[test]
    fn failures_are_counted_and_the_last_one_is_told() {
        let account = Account::default();
        for lines in 0..200 {
            account.failed(&io::Error::from(io::ErrorKind::StorageFull), lines);
        }
        account.wrote(7);
        let said = account.said();
        assert_eq!((said.written, said.failures, said.lost_lines), (7, 200, 199 * 100));
        let (age, error) = said.last.unwrap();
        assert!(age < Duration::from_secs(60) && error == "no storage space", "{error}");
    }
}
