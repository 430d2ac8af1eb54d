//! Where a channel's alerts wait: in memory, or in a directory that outlives the process. Both are bounded, and when they are
//! full it is the newest that is refused: what began an attack is worth more than its thousandth repetition.

mod disk;
mod memory;
mod segment;

use std::sync::Arc;

pub(crate) use disk::Disk;
pub use disk::OpenError;
pub(crate) use memory::Memory;

use crate::alert::Alert;

/// Alerts that wait, the oldest first.
#[derive(Debug)]
pub(crate) enum Queue {
    Memory(Memory),
    Disk(Disk),
}

/// Why an alert was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    #[error("the queue is full")]
    Full,
    #[error("the queue on disk cannot be written: {0}")]
    Disk(#[from] std::io::Error),
}

impl Queue {
    /// Takes an alert in.
    pub(crate) fn push(&mut self, alert: &Arc<Alert>) -> Result<(), PushError> {
        match self {
            Self::Memory(memory) => memory.push(alert),
            Self::Disk(disk) => disk.push(alert),
        }
    }

    /// The oldest ones, at most so many. They stay until [`Queue::pop`].
    pub(crate) fn front(&mut self, count: usize) -> Vec<Arc<Alert>> {
        match self {
            Self::Memory(memory) => memory.front(count),
            Self::Disk(disk) => disk.front(count),
        }
    }

    /// Forgets so many of those that [`Queue::front`] told last.
    pub(crate) fn pop(&mut self, count: usize) {
        match self {
            Self::Memory(memory) => memory.pop(count),
            Self::Disk(disk) => disk.pop(count),
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(memory) => memory.len(),
            Self::Disk(disk) => disk.len(),
        }
    }

    /// How many turned out to be unreadable since this was last asked.
    pub(crate) fn take_damaged(&mut self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Disk(disk) => disk.take_damaged(),
        }
    }

    /// Whether what waits is still there after the process has ended.
    pub(crate) fn survives(&self) -> bool {
        matches!(self, Self::Disk(_))
    }
}
