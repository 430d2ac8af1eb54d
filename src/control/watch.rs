//! Exec watches: how a question on the admin socket ("tell me when you see this program start") reaches the pipeline.
//!
//! The pipeline asks [`ExecWatches::armed`] for every exec, which is one atomic load; only while a watch is armed does it
//! take the lock. A watch ends with its first match, or when the one who asked goes away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many watches may be armed at once.
pub const MAX_WATCHES: usize = 16;
/// How every token begins: the watch is for canaries, not a way to be told what others run.
pub const TOKEN_PREFIX: &str = "pinhole-canary-";
/// Shortest token: long enough not to match by chance.
pub const MIN_TOKEN: usize = TOKEN_PREFIX.len() + 1;
/// Longest token.
pub const MAX_TOKEN: usize = 128;

/// Why a watch was not armed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArmError {
    /// The token does not begin as it must, is too short, too long, or not printable ASCII.
    #[error(
        "the token must begin with {TOKEN_PREFIX} and be {MIN_TOKEN} to {MAX_TOKEN} printable ASCII characters without blanks"
    )]
    Token,
    /// All places are taken.
    #[error("{MAX_WATCHES} watches are armed already")]
    Full,
}

/// The watches that are armed, shared between the control thread and the pipeline.
#[derive(Debug, Default)]
pub struct ExecWatches {
    count: AtomicUsize,
    watches: Mutex<Watches>,
}

#[derive(Debug, Default)]
struct Watches {
    next: u64,
    armed: Vec<Watch>,
}

#[derive(Debug)]
struct Watch {
    number: u64,
    token: String,
    sender: oneshot::Sender<String>,
}

impl ExecWatches {
    /// No watch armed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether any watch is armed: one atomic load, for the hot path.
    #[must_use]
    pub fn armed(&self) -> bool {
        // A watch is answered as armed only after the store, so a program that is run after that answer is seen.
        self.count.load(Ordering::Acquire) > 0
    }

    /// Shows an exec to the watches. `event`, the JSON of the event, is made only when an argument is the token of
    /// at least one watch.
    pub fn offer(&self, args: &[String], event: impl FnOnce() -> String) {
        if !self.armed() {
            return;
        }
        let matching: Vec<Watch> = {
            let mut watches = self.lock();
            let matching = watches
                .armed
                .extract_if(.., |watch| args.contains(&watch.token))
                .collect();
            self.count.store(watches.armed.len(), Ordering::Release);
            matching
        };
        if matching.is_empty() {
            return;
        }
        let event = event();
        for watch in matching {
            // The one who asked may have gone: then nobody misses the event.
            let _ = watch.sender.send(event.clone());
        }
    }

    /// Arms a watch. It is disarmed by its first match or when the returned [`Armed`] is dropped.
    ///
    /// # Errors
    /// When the token is unsuitable or [`MAX_WATCHES`] are armed.
    pub fn arm(self: &Arc<Self>, token: &str) -> Result<Armed, ArmError> {
        if !token.starts_with(TOKEN_PREFIX)
            || !(MIN_TOKEN..=MAX_TOKEN).contains(&token.len())
            || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ArmError::Token);
        }
        let mut watches = self.lock();
        if watches.armed.len() >= MAX_WATCHES {
            return Err(ArmError::Full);
        }
        let (sender, receiver) = oneshot::channel();
        let number = watches.next;
        watches.next = number.wrapping_add(1);
        watches.armed.push(Watch {
            number,
            token: token.to_owned(),
            sender,
        });
        self.count.store(watches.armed.len(), Ordering::Release);
        Ok(Armed {
            registry: Arc::clone(self),
            number,
            event: receiver,
        })
    }

    /// The tokens that are waited for.
    #[cfg(test)]
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.lock().armed.iter().map(|watch| watch.token.clone()).collect()
    }

    fn disarm(&self, number: u64) {
        let mut watches = self.lock();
        watches.armed.retain(|watch| watch.number != number);
        self.count.store(watches.armed.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Watches> {
        // Nothing can panic half-way through a change of the list, so a poisoned one is still whole.
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An armed watch: the event arrives here.
#[derive(Debug)]
pub struct Armed {
    registry: Arc<ExecWatches>,
    number: u64,
    event: oneshot::Receiver<String>,
}

impl Armed {
    /// Polls for the event's JSON.
    pub(super) fn event(&mut self) -> &mut oneshot::Receiver<String> {
        &mut self.event
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.registry.disarm(self.number);
    }
}
