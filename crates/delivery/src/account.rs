//! What became of alerts, channel by channel. Counts, and judges nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// How much of an error's words is kept, in bytes: they may be a receiver's.
const WORDS: usize = 300;

/// One channel. Every alert that reached the channel is delivered, failed, dropped, or still waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Alerts that the receiver took.
    pub delivered: u64,
    /// Alerts that the receiver refused for good, or that were given up after too long.
    pub failed: u64,
    /// Alerts for which the queue had no room, and those that were still waiting when all ended.
    pub dropped: u64,
    /// Alerts that are not bad enough for the channel's threshold.
    pub below: u64,
    /// Attempts after the first one.
    pub retried: u64,
    /// Alerts that wait.
    pub waiting: u64,
    /// Whether the last attempt failed.
    pub failing: bool,
    /// Why the last attempt that failed did.
    pub last_error: Option<String>,
}

/// All channels, and what came before them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Alerts that arrived.
    pub received: u64,
    /// Alerts that the sensor says it could not hand over.
    pub lost: u64,
    /// Frames that could not be read.
    pub unreadable: u64,
    /// Each channel by its name.
    pub channels: BTreeMap<String, Account>,
}

/// An account that a channel's worker writes and others read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Account>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many that waited are settled, as the counter that is chosen says. At no moment is an alert counted twice or not at all.
    pub(crate) fn settle(&self, alerts: u64, counter: impl FnOnce(&mut Account) -> &mut u64) {
        let mut account = self.lock();
        account.waiting = account.waiting.saturating_sub(alerts);
        *counter(&mut account) += alerts;
    }

    /// Notes a failure. True if it is the first after a success, which is when it is worth a line in the log.
    pub(crate) fn fails(&self, error: &str) -> bool {
        let mut account = self.lock();
        account.last_error = Some(shortened(error).to_owned());
        !std::mem::replace(&mut account.failing, true)
    }

    /// Notes a success. True if it is the first after a failure.
    pub(crate) fn works(&self) -> bool {
        std::mem::take(&mut self.lock().failing)
    }
}

/// The beginning of a text.
pub(crate) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(WORDS)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_and_the_first_success_are_told() {
        let shared = Shared::default();
        assert!(!shared.works());
        assert!(shared.fails("a"));
        assert!(!shared.fails(&"ä".repeat(1000)));
        assert!(shared.lock().last_error.as_ref().unwrap().len() <= WORDS);
        assert!(shared.works());
        assert!(!shared.works());
        assert!(shared.lock().last_error.is_some(), "the last error stays to be read");
    }
}
