//! Where a channel's alerts wait: in memory, or in a directory that outlives the process. Both are bounded, and when they are
//! full it is the newest that is refused: what began an attack is worth more than its thousandth repetition.

mod disk;
mod memory;
mod segment;

use std::fmt;
use std::sync::Arc;

pub(crate) use disk::Disk;
pub use disk::OpenError;
pub(crate) use memory::Memory;

use crate::alert::Alert;

/// Alerts that wait, the oldest first.
#[derive(Debug)]
pub(crate) enum Queue {
    Memory(Memory),
    Disk {
        store: Box<dyn Store>,
        /// What may wait in memory in front of it, in bytes, because a disk takes its time.
        memory: usize,
    },
}

/// What is kept on a disk. Every call may wait for that, for as long as it likes.
pub(crate) trait Store: fmt::Debug + Send {
    /// Takes an alert in.
    fn push(&mut self, alert: &Arc<Alert>) -> Result<(), PushError>;

    /// The oldest ones, at most so many. They stay until [`Store::pop`].
    fn front(&mut self, count: usize) -> Vec<Arc<Alert>>;

    /// Forgets so many of those that [`Store::front`] told last.
    fn pop(&mut self, count: usize);

    /// How many wait.
    fn len(&self) -> u64;

    /// How many turned out to be unreadable since this was last asked.
    fn take_damaged(&mut self) -> u64;
}

/// Why an alert was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    #[error("the queue is full")]
    Full,
    #[error("the queue on disk cannot be written: {0}")]
    Disk(#[from] std::io::Error),
    #[error("the disk of the queue is too slow or hangs, and the memory in front of it is full")]
    Behind,
    #[error("the thread of the queue on disk has ended")]
    NoThread,
}

impl Queue {
    /// How many wait.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.len(),
            Self::Disk { store, .. } => store.len(),
        }
    }
}
