//! One channel's lane: what waits, its worker, its account. A lane that hangs or fails holds up none of the others: nothing here waits
//! for a disk or a receiver on the courier's thread.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pinhole_priority::Priority;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::losses::Losses;
use super::waiting::Waiting;
use crate::account::{Account, Shared};
use crate::alert::Alert;
use crate::backoff::Backoff;
use crate::channel::{Channel, Failure, Kind};
use crate::config::Retry;
use crate::queue::Queue;

/// A batch is no larger than this, in bytes, unless a single alert is: so many alerts of the largest kind would make a request that
/// receivers refuse (OpenTelemetry's collector: 20 MiB), and memory for several copies of it.
const BATCH_BYTES: usize = 1 << 20;
/// How much longer than the grace a disk has for what came last, however much of the grace the receiver has used up.
const LAST_WRITES: Duration = Duration::from_millis(500);
/// A queue that does not answer for so long is worth a word.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// What the courier keeps of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    name: &'static str,
    threshold: Priority,
    state: Arc<State>,
    worker: Mutex<Option<JoinHandle<()>>>,
    teller: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    name: &'static str,
    waiting: Waiting,
    wake: Notify,
    closing: AtomicBool,
    reopen: AtomicBool,
    account: Shared,
    losses: Arc<Losses>,
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
        let account = Shared::default();
        account.lock().waiting = queue.len();
        let losses = Arc::new(Losses::new(name, account.clone()));
        let state = Arc::new(State {
            name,
            waiting: Waiting::new(queue, &losses),
            wake: Notify::new(),
            closing: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            account,
            losses: Arc::clone(&losses),
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
            teller: tokio::spawn(async move { losses.tell().await }),
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
        // First, because the thread that writes it may be done with it before this one goes on.
        self.state.account.lock().waiting += 1;
        match self.state.waiting.push(alert) {
            Ok(()) => self.state.wake.notify_one(),
            Err(error) => self.state.losses.dropped(&error),
        }
    }

    /// Asks the channel to open anew what it has open.
    pub(super) fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Relaxed);
        self.state.wake.notify_one();
    }

    /// The account as of now.
    pub(super) fn account(&self) -> Account {
        self.state.account.lock().clone()
    }

    /// Nothing more comes: the worker ends when it has delivered all.
    pub(super) fn close(&self) {
        self.state.closing.store(true, Ordering::Relaxed);
        self.state.wake.notify_one();
    }

    /// Waits until all is delivered, but not beyond the deadline, and then a little for what a disk has to write. What is left in memory
    /// after that is lost, and counted.
    pub(super) async fn end(&self, deadline: Instant) {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut worker) = worker
            && timeout_at(deadline, &mut worker).await.is_err()
        {
            worker.abort();
            // It may still be at it until then, and must not count what is counted here.
            let _ = worker.await;
        }
        let lost = self.state.waiting.end(deadline + LAST_WRITES).await;
        self.state.account.settle(lost, |account| &mut account.dropped);
        self.teller.abort();
        self.state.losses.tell_untold();
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
                && let Err(error) = self.channel.reopen().await
            {
                tracing::warn!(channel = self.state.name, "cannot open anew: {error}");
            }
            // Before the queue is asked: what comes while it answers is not in the answer.
            let is_closing = self.state.closing.load(Ordering::Relaxed);
            let batch = self.front().await;
            if !batch.is_empty() {
                self.attempt(&batch).await;
            } else if is_closing {
                return self.channel.finish().await;
            } else {
                self.state.wake.notified().await;
            }
        }
    }

    async fn front(&mut self) -> Vec<Arc<Alert>> {
        let count = if self.alone > 0 { 1 } else { self.channel.batch().max(1) };
        let mut front = self.ask(count).await;
        let mut bytes = 0;
        let fits = front.iter().take_while(|alert| {
            bytes += alert.size();
            bytes <= BATCH_BYTES
        });
        front.truncate(fits.count().max(1));
        front
    }

    /// Asks the queue, and says so where it does not answer.
    async fn ask(&mut self, count: usize) -> Vec<Arc<Alert>> {
        let mut answer = pin!(self.state.waiting.front(count));
        if let Ok(front) = timeout(HANGS_AFTER, &mut answer).await {
            return front;
        }
        if self.state.account.fails("the disk of the queue does not answer") {
            tracing::warn!(channel = self.state.name, "the disk of the queue does not answer");
        }
        let front = answer.await;
        if self.state.account.works() {
            tracing::info!(channel = self.state.name, "the disk of the queue answers again");
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
        self.state.waiting.pop(count);
        self.state.account.settle(count as u64, |account| match delivered {
            true => &mut account.delivered,
            false => &mut account.failed,
        });
        self.failing_since = None;
        self.alone = self.alone.saturating_sub(count);
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
