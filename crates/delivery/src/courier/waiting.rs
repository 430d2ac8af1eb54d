//! Where a lane's alerts wait, as the lane sees it: what it is given and asked for never keeps the courier's thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::keeper::Keeper;
use super::losses::Losses;
use crate::alert::Alert;
use crate::queue::{Memory, PushError, Queue};

/// See the module.
#[derive(Debug)]
pub(super) enum Waiting {
    Memory(Mutex<Memory>),
    Disk(Keeper),
}

impl Waiting {
    /// Whatever does not get where it should is told to `losses`.
    pub(super) fn new(queue: Queue, losses: &Arc<Losses>) -> Self {
        match queue {
            Queue::Memory(memory) => Self::Memory(Mutex::new(memory)),
            Queue::Disk { store, memory } => Self::Disk(Keeper::start(store, memory, Arc::clone(losses))),
        }
    }

    /// Takes an alert in.
    pub(super) fn push(&self, alert: &Arc<Alert>) -> Result<(), PushError> {
        match self {
            Self::Memory(memory) => lock(memory).push(alert),
            Self::Disk(keeper) => keeper.push(alert),
        }
    }

    /// The oldest ones, at most so many. They stay until [`Waiting::pop`].
    pub(super) async fn front(&self, count: usize) -> Vec<Arc<Alert>> {
        match self {
            Self::Memory(memory) => lock(memory).front(count),
            Self::Disk(keeper) => keeper.front(count).await,
        }
    }

    /// Forgets so many of those that [`Waiting::front`] told last.
    pub(super) fn pop(&self, count: usize) {
        match self {
            Self::Memory(memory) => lock(memory).pop(count),
            Self::Disk(keeper) => keeper.pop(count),
        }
    }

    /// Nothing more comes and nothing more is asked for. A disk may take until the deadline. Tells how many alerts are lost.
    pub(super) async fn end(&self, deadline: Instant) -> u64 {
        match self {
            Self::Memory(memory) => lock(memory).len(),
            Self::Disk(keeper) => keeper.end(deadline).await,
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
