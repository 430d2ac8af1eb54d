//! The lookups that are under way: each container's is started once and shared by everyone who asks for it.
//!
//! A lookup is a task on the resolver's own event loop, which turns only while the pipeline waits or gives it a turn.
//! What came of it lies here until the resolver takes it. Knows neither caches nor what an answer is worth.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::cgroup::Manager;
use super::lookup::{Ending, Runtimes};
use super::outcome::Reason;

/// How many lookups may be under way when one more is started that no event waits for.
const QUEUE: usize = 4096;
/// How many more there may be that events have started.
const QUEUE_OF_EVENTS: usize = 1024;

/// Who wanted a lookup first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An event of a container that nobody knew.
    Event,
    /// Its cgroup appeared.
    Prefetch,
    /// A runtime listed it when it first answered.
    Inventory,
}

impl Cause {
    /// The word for it on the admin socket.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Prefetch => "prefetch",
            Self::Inventory => "inventory",
        }
    }
}

/// One lookup, from the moment it is wanted until its answer is taken.
#[derive(Debug)]
pub(crate) struct Flight {
    id: String,
    cause: Cause,
    started: Instant,
    manager: Cell<Option<Manager>>,
    /// Until when an id that is unknown is asked for again.
    poll_until: Cell<Instant>,
    /// An event asked for it.
    awaited: Cell<bool>,
    hurry: Notify,
    /// What the runtimes said last.
    said: Cell<Option<Reason>>,
    /// How long events have waited for it.
    waited: Cell<Duration>,
    landed: Cell<bool>,
    arrived: Notify,
}

impl Flight {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    pub(crate) fn manager(&self) -> Option<Manager> {
        self.manager.get()
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.get()
    }

    /// An event asks for it too: from now on it goes first and pauses less. Says whether it is the first one.
    pub(crate) fn join(&self, manager: Option<Manager>, poll: Duration) -> bool {
        self.manager.set(self.manager.get().or(manager));
        self.poll_at_least(poll);
        let first = !self.awaited.replace(true);
        if first {
            self.hurry.notify_one();
        }
        first
    }

    /// Asks again for at least so long from now.
    pub(crate) fn poll_at_least(&self, poll: Duration) {
        let until = Instant::now() + poll;
        self.poll_until.set(self.poll_until.get().max(until));
    }

    /// Ends when an event asks for it.
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    pub(crate) fn time_left(&self) -> Duration {
        self.poll_until.get().saturating_duration_since(Instant::now())
    }

    pub(crate) fn say(&self, reason: Reason) {
        self.said.set(Some(reason));
    }

    /// What the runtimes said when they were last asked; `None` while the first answer is out.
    pub(crate) fn said(&self) -> Option<Reason> {
        self.said.get()
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long events have waited for it so far.
    pub(crate) fn waited(&self) -> Duration {
        self.waited.get()
    }

    pub(crate) fn add_wait(&self, waited: Duration) {
        self.waited.set(self.waited.get() + waited);
    }

    /// Whether it has ended; its answer may still lie there to be taken.
    pub(crate) fn has_landed(&self) -> bool {
        self.landed.get()
    }

    /// Ends when the answer is there to be taken.
    pub(crate) async fn arrival(&self) {
        if !self.has_landed() {
            self.arrived.notified().await;
        }
    }

    fn land(&self) {
        self.landed.set(true);
        self.arrived.notify_one();
    }
}

/// What background tasks have brought.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A lookup ended.
    Lookup(Rc<Flight>, Ending),
    /// A runtime listed what it has, or could not.
    Listed(Vec<String>),
}

/// What lies here to be taken, and who works on more.
#[derive(Debug, Default)]
struct Board {
    arrivals: RefCell<Vec<Arrival>>,
    /// Tasks that have not ended.
    running: Cell<usize>,
    /// A task ended that was no lookup.
    turned: Notify,
}

impl Board {
    fn post(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push(arrival);
    }
}

/// One task that has not ended, whichever way it does.
struct Running(Rc<Board>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get().saturating_sub(1));
    }
}

/// The lookups that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    tasks: LocalSet,
    open: HashMap<String, Rc<Flight>>,
    board: Rc<Board>,
    overflowed: u64,
}

impl Flights {
    pub(crate) fn tasks(&self) -> &LocalSet {
        &self.tasks
    }

    /// The lookup of this id, if there is one.
    pub(crate) fn of(&self, id: &str) -> Option<&Rc<Flight>> {
        self.open.get(id)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Rc<Flight>> {
        self.open.values()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// How often one more did not fit.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Whether the event loop has anything to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.board.running.get() > 0
    }

    /// Starts a lookup, unless there are too many.
    pub(crate) fn start(
        &mut self,
        runtimes: &Rc<Runtimes>,
        id: &str,
        manager: Option<Manager>,
        cause: Cause,
        poll: Duration,
    ) -> Option<Rc<Flight>> {
        let room = match cause {
            Cause::Event => QUEUE + QUEUE_OF_EVENTS,
            Cause::Prefetch | Cause::Inventory => QUEUE,
        };
        if self.open.len() >= room {
            self.overflowed += 1;
            return None;
        }
        let flight = Rc::new(Flight {
            id: id.to_owned(),
            cause,
            started: Instant::now(),
            manager: Cell::new(manager),
            poll_until: Cell::new(Instant::now() + poll),
            awaited: Cell::new(cause == Cause::Event),
            hurry: Notify::new(),
            said: Cell::new(None),
            waited: Cell::new(Duration::ZERO),
            landed: Cell::new(false),
            arrived: Notify::new(),
        });
        self.open.insert(id.to_owned(), Rc::clone(&flight));
        let (runtimes, flying) = (Rc::clone(runtimes), Rc::clone(&flight));
        self.spawn(async move |board| {
            let ending = runtimes.find(&flying).await;
            flying.land();
            board.post(Arrival::Lookup(flying, ending));
        });
        Some(flight)
    }

    /// Runs something that is no lookup; whoever waits in [`Self::turned`] wakes when it has ended.
    pub(crate) fn run(&self, task: impl Future<Output = Option<Arrival>> + 'static) {
        self.spawn(async move |board| {
            if let Some(arrival) = task.await {
                board.post(arrival);
            }
            board.turned.notify_one();
        });
    }

    fn spawn(&self, task: impl AsyncFnOnce(Rc<Board>) + 'static) {
        let board = Rc::clone(&self.board);
        board.running.set(board.running.get() + 1);
        let running = Running(Rc::clone(&board));
        self.tasks.spawn_local(async move {
            let _running = running;
            task(board).await;
        });
    }

    /// Ends when a task of [`Self::run`] has.
    pub(crate) async fn turned(&self) {
        self.board.turned.notified().await;
    }

    /// Takes what has arrived. A lookup that is taken is under way no more.
    pub(crate) fn take(&mut self) -> Vec<Arrival> {
        let arrivals = std::mem::take(&mut *self.board.arrivals.borrow_mut());
        for arrival in &arrivals {
            if let Arrival::Lookup(flight, _) = arrival {
                self.open.remove(flight.id());
            }
        }
        arrivals
    }
}

/// What comes of `future`, unless `end` comes first.
pub(crate) async fn until<F: Future>(future: F, end: impl Future<Output = ()>) -> Option<F::Output> {
    let (mut future, mut end) = (pin!(future), pin!(end));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
