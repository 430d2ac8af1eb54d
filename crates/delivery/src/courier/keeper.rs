//! The thread that owns a queue on disk, and the memory in front of it. Whoever has alerts for the queue or wants some of it gives an
//! order and never waits for the disk: one that hangs keeps this thread, and with it this lane alone.
//!
//! Orders are carried out one after the other as they were given, so alerts keep their order and what was settled is forgotten before
//! more is read.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::losses::Losses;
use crate::alert::Alert;
use crate::queue::{PushError, Store};

/// The side that gives orders.
#[derive(Debug)]
pub(super) struct Keeper {
    orders: Sender<Order>,
    unwritten: Arc<Mutex<Unwritten>>,
    /// Of what may be unwritten, in bytes.
    limit: usize,
}

#[derive(Debug)]
enum Order {
    Push(Arc<Alert>),
    Front(usize, oneshot::Sender<Vec<Arc<Alert>>>),
    Pop(usize),
    End(oneshot::Sender<()>),
}

/// What waits in memory for the disk, the alert that is just being written included.
#[derive(Debug, Default)]
struct Unwritten {
    alerts: u64,
    bytes: usize,
    /// Nobody waits for them any more: they are counted as lost.
    given_up: bool,
}

impl Keeper {
    pub(super) fn start(store: Box<dyn Store>, limit: usize, losses: Arc<Losses>) -> Self {
        let (orders, received) = mpsc::channel();
        let unwritten = Arc::default();
        let keep = {
            let unwritten = Arc::clone(&unwritten);
            move || keep(store, &received, &unwritten, &losses)
        };
        // Not one of the runtime's threads, because it stays for good. Without it every order fails, which is counted.
        if let Err(error) = thread::Builder::new().name("queue".to_owned()).spawn(keep) {
            tracing::error!("cannot start the thread of a queue on disk: {error}");
        }
        Self {
            orders,
            unwritten,
            limit,
        }
    }

    /// Takes an alert in. Whether the disk takes it shows later.
    pub(super) fn push(&self, alert: &Arc<Alert>) -> Result<(), PushError> {
        let mut unwritten = lock(&self.unwritten);
        let bytes = unwritten.bytes.saturating_add(alert.size());
        // A single one always fits: the limit is for what piles up.
        if unwritten.alerts > 0 && bytes > self.limit {
            return Err(PushError::Behind);
        }
        let order = Order::Push(Arc::clone(alert));
        self.orders.send(order).map_err(|_| PushError::NoThread)?;
        unwritten.alerts += 1;
        unwritten.bytes = bytes;
        Ok(())
    }

    /// The oldest ones, at most so many; none from a thread that has ended.
    pub(super) async fn front(&self, count: usize) -> Vec<Arc<Alert>> {
        let (answer, front) = oneshot::channel();
        // Where nobody takes the order, the answer's end is dropped with it.
        let _ = self.orders.send(Order::Front(count, answer));
        front.await.unwrap_or_default()
    }

    /// Forgets so many of those that [`Keeper::front`] told last.
    pub(super) fn pop(&self, count: usize) {
        let _ = self.orders.send(Order::Pop(count));
    }

    /// Waits until all is written and the queue is closed, but not beyond the deadline. Tells how many alerts are not written then:
    /// they are lost, but for one that the disk may still take.
    pub(super) async fn end(&self, deadline: Instant) -> u64 {
        let (done, ended) = oneshot::channel();
        let _ = self.orders.send(Order::End(done));
        let _ = timeout_at(deadline, ended).await;
        let mut unwritten = lock(&self.unwritten);
        unwritten.given_up = true;
        unwritten.alerts
    }
}

fn lock(unwritten: &Mutex<Unwritten>) -> MutexGuard<'_, Unwritten> {
    unwritten.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(mut store: Box<dyn Store>, orders: &Receiver<Order>, unwritten: &Mutex<Unwritten>, losses: &Losses) {
    for order in orders {
        match order {
            Order::Push(alert) => push(&mut *store, &alert, unwritten, losses),
            Order::Front(count, answer) => {
                let front = store.front(count);
                losses.unreadable(store.take_damaged());
                // Who asked may have been stopped meanwhile.
                let _ = answer.send(front);
            }
            Order::Pop(count) => store.pop(count),
            Order::End(done) => {
                // Closed before that is told: another process may want the directory.
                drop(store);
                let _ = done.send(());
                return;
            }
        }
    }
}

fn push(store: &mut dyn Store, alert: &Arc<Alert>, unwritten: &Mutex<Unwritten>, losses: &Losses) {
    if lock(unwritten).given_up {
        return;
    }
    let pushed = store.push(alert);
    let mut unwritten = lock(unwritten);
    if unwritten.given_up {
        return;
    }
    unwritten.alerts -= 1;
    unwritten.bytes -= alert.size();
    drop(unwritten);
    if let Err(error) = pushed {
        losses.dropped(&error);
    }
}
