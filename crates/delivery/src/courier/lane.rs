//! One channel's lane: its queue, its worker, its account. A lane that hangs or fails holds up none of the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinhole_priority::Priority;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::account::{Account, Shared};
use crate::alert::Alert;
use crate::backoff::Backoff;
use crate::channel::{Channel, Failure, Kind};
use crate::config::Retry;
use crate::queue::Queue;

/// A batch is no larger than this, in bytes, unless a single alert is: so many alerts of the largest kind would make a request that
/// receivers refuse (OpenTelemetry's collector: 20 MiB), and memory for several copies of it.
const BATCH_BYTES: usize = 1 << 20;

/// What the courier keeps of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    name: &'static str,
    threshold: Priority,
    state: Arc<State>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    name: &'static str,
    queue: Mutex<Queue>,
    wake: Notify,
    closing: AtomicBool,
    reopen: AtomicBool,
    dropping: AtomicBool,
    account: Shared,
}

impl State {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Begins to work, on the runtime that this is called in.
    pub(super) fn start(
        name: &'static str,
        threshold: Priority,
        queue: Queue,
        retry: &Retry,
        channel: impl Channel,
    ) -> Self {
        let state = Arc::new(State {
            name,
            queue: Mutex::new(queue),
            wake: Notify::new(),
            closing: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            dropping: AtomicBool::new(false),
            account: Shared::default(),
        });
        let worker = Worker {
            state: Arc::clone(&state),
            channel,
            backoff: Backoff::new(retry.first, retry.longest),
            retry: retry.clone(),
            failing_since: None,
            alone: 0,
            is_ending: false,
        };
        Self {
            name,
            threshold,
            state,
            worker: Mutex::new(Some(tokio::spawn(worker.run()))),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Takes an alert in, or counts why not.
    pub(super) fn push(&self, alert: &Arc<Alert>) {
        if !alert.priority.reaches(self.threshold) {
            self.state.account.lock().below += 1;
            return;
        }
        let pushed = self.state.queue().push(alert);
        let was_dropping = self.state.dropping.swap(pushed.is_err(), Ordering::Relaxed);
        match pushed {
            Ok(()) => self.state.wake.notify_one(),
            Err(error) => {
                let mut account = self.state.account.lock();
                account.dropped += 1;
                account.last_error = Some(error.to_string());
                drop(account);
                if !was_dropping {
                    tracing::warn!(channel = self.name, "alerts are dropped: {error}");
                }
            }
        }
    }

    /// Asks the channel to open anew what it has open.
    pub(super) fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Relaxed);
        self.state.wake.notify_one();
    }

    /// The account as of now.
    pub(super) fn account(&self) -> Account {
        let mut account = self.state.account.lock().clone();
        account.waiting = self.state.queue().len();
        account
    }

    /// Nothing more comes: the worker ends when it has delivered all.
    pub(super) fn close(&self) {
        self.state.closing.store(true, Ordering::Relaxed);
        self.state.wake.notify_one();
    }

    /// Waits until all is delivered, but not beyond the deadline. What is left in memory then is lost, and counted.
    pub(super) async fn end(&self, deadline: Instant) {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut worker) = worker
            && tokio::time::timeout_at(deadline, &mut worker).await.is_err()
        {
            worker.abort();
            // It may still be at it until then, and must not count what is counted here.
            let _ = worker.await;
        }
        let mut queue = self.state.queue();
        if !queue.survives() {
            let left = queue.len();
            self.state.account.lock().dropped += left;
            queue.pop(usize::try_from(left).unwrap_or(usize::MAX));
        }
    }
}

struct Worker<C> {
    state: Arc<State>,
    channel: C,
    backoff: Backoff,
    retry: Retry,
    /// Since when the oldest alert has been tried in vain.
    failing_since: Option<Instant>,
    /// So many of the oldest go one by one, because together they were refused.
    alone: usize,
    /// A pause has seen that nothing more comes.
    is_ending: bool,
}

impl<C: Channel> Worker<C> {
    async fn run(mut self) {
        loop {
            if self.state.reopen.swap(false, Ordering::Relaxed)
                && let Err(error) = self.channel.reopen()
            {
                tracing::warn!(channel = self.state.name, "cannot open anew: {error}");
            }
            let batch = self.front();
            if !batch.is_empty() {
                self.attempt(&batch).await;
            } else if self.state.closing.load(Ordering::Relaxed) {
                return self.channel.finish().await;
            } else {
                self.state.wake.notified().await;
            }
        }
    }

    fn front(&self) -> Vec<Arc<Alert>> {
        let count = if self.alone > 0 { 1 } else { self.channel.batch().max(1) };
        let mut queue = self.state.queue();
        let mut front = queue.front(count);
        let damaged = queue.take_damaged();
        drop(queue);
        let mut bytes = 0;
        let fits = front.iter().take_while(|alert| {
            bytes += alert.size();
            bytes <= BATCH_BYTES
        });
        front.truncate(fits.count().max(1));
        if damaged > 0 {
            self.state.account.lock().failed += damaged;
            tracing::warn!(
                channel = self.state.name,
                "{damaged} alerts in the queue on disk are unreadable"
            );
        }
        front
    }

    async fn attempt(&mut self, batch: &[Arc<Alert>]) {
        if self.failing_since.is_some() {
            self.state.account.lock().retried += 1;
        }
        match self.channel.deliver(batch).await {
            Ok(()) => self.delivered(batch.len()),
            Err(failure) => self.failed(batch.len(), &failure).await,
        }
    }

    fn delivered(&mut self, count: usize) {
        self.done(count, true);
        self.backoff.reset();
        if self.state.account.works() {
            tracing::info!(channel = self.state.name, "delivers again");
        }
    }

    async fn failed(&mut self, count: usize, failure: &Failure) {
        if self.state.account.fails(&failure.error) {
            tracing::warn!(channel = self.state.name, "cannot deliver: {}", failure.error);
        }
        let taken = failure.taken.min(count);
        if taken > 0 {
            self.done(taken, true);
        }
        let rest = count - taken;
        match failure.kind {
            Kind::Refused => self.done(rest.min(1), false),
            Kind::RefusedTogether if rest > 1 => self.alone = rest,
            Kind::RefusedTogether | Kind::RefusedAll => self.done(rest, false),
            Kind::Later(asked) => {
                let since = *self.failing_since.get_or_insert_with(Instant::now);
                if !self.retry.give_up.is_zero() && since.elapsed() >= self.retry.give_up {
                    // One alone: perhaps it is the one that the receiver chokes on.
                    self.done(rest.min(1), false);
                    self.alone = rest.saturating_sub(1);
                }
                self.pause(asked).await;
            }
        }
    }

    /// Waits before the next attempt. Whoever asks to open anew may have mended what was wrong, so that ends it. At the end of the
    /// run time is short: there is one attempt at once, and then no pause is longer than the first, whatever the receiver asked for.
    async fn pause(&mut self, asked: Option<Duration>) {
        let mut pause = self.backoff.pause(asked);
        if self.is_ending {
            pause = pause.min(self.retry.first);
        }
        let until = Instant::now() + pause;
        loop {
            if self.state.reopen.load(Ordering::Relaxed) {
                return;
            }
            if !self.is_ending && self.state.closing.load(Ordering::Relaxed) {
                self.is_ending = true;
                return;
            }
            // What else wakes it is a new alert, which waits behind the one that failed.
            if timeout_at(until, self.state.wake.notified()).await.is_err() {
                return;
            }
        }
    }

    /// So many of the oldest are settled.
    fn done(&mut self, count: usize, delivered: bool) {
        self.state.queue().pop(count);
        let mut account = self.state.account.lock();
        match delivered {
            true => account.delivered += count as u64,
            false => account.failed += count as u64,
        }
        drop(account);
        self.failing_since = None;
        self.alone = self.alone.saturating_sub(count);
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
