//! One lookup: every usable runtime is asked in turn, and again while what is asked for may still come.
//!
//! Knows no cache and no event: who asks, and how long it is worth asking again, is in the [`Flight`]. Many lookups run
//! beside each other; how many ask at a time is bounded here, and those that nobody waits for leave room for the others.

use std::cell::Cell;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::bundle::Bundles;
use super::cgroup::Manager;
use super::flight::{Flight, until};
use super::outcome::Reason;
use super::pacing::Backoff;
use super::runtime::{Found, Reply, Runtime};
use super::selection::Selection;
use super::trace::{self, Note, Place};

/// How many lookups ask at a time.
const ASKING: usize = 32;
/// How many of these may be lookups that no event waits for.
const ASKING_UNAWAITED: usize = 24;
const POLL_FIRST: Duration = Duration::from_millis(10);
/// The longest pause while an event waits.
const POLL_MOST: Duration = Duration::from_millis(160);
/// The longest pause while none does.
const POLL_MOST_UNAWAITED: Duration = Duration::from_millis(640);
/// What is kept of the time for the call after the last pause.
const LAST_CALL: Duration = Duration::from_millis(50);
/// A round over the runtimes takes at most this many calls that hang; a container takes four that do not.
const CALLS_OF_A_ROUND: u32 = 5;

/// The runtimes, and the right to ask them.
#[derive(Debug)]
pub(crate) struct Runtimes {
    all: Vec<Runtime>,
    /// Looked into when no runtime tells.
    bundles: Bundles,
    /// What of the answers is kept.
    selection: Arc<Selection>,
    /// The runtime that found the last container, asked first.
    favourite: Cell<usize>,
    asking: Semaphore,
    asking_unawaited: Semaphore,
    longest_round: Duration,
    last_call: Duration,
}

/// How a lookup ended, and how long the runtimes took for it, pauses left out.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) result: Result<Box<Found>, Reason>,
    pub(crate) cost: Duration,
    /// [`Runtimes::recoveries`] when the runtimes were last asked.
    pub(crate) as_of: u64,
}

impl Runtimes {
    pub(crate) fn new(
        all: Vec<Runtime>,
        bundles: Bundles,
        selection: Arc<Selection>,
        call_timeout: Duration,
        budget: Duration,
    ) -> Self {
        Self {
            all,
            bundles,
            selection,
            favourite: Cell::new(0),
            asking: Semaphore::new(ASKING),
            asking_unawaited: Semaphore::new(ASKING_UNAWAITED),
            longest_round: CALLS_OF_A_ROUND * call_timeout,
            last_call: LAST_CALL.min(budget / 4),
        }
    }

    pub(crate) fn all(&self) -> &[Runtime] {
        &self.all
    }

    /// How often a runtime has become usable: what was not found before may be found since.
    pub(crate) fn recoveries(&self) -> u64 {
        self.all.iter().map(Runtime::recoveries).sum()
    }

    /// When a call that is made now must be over, with everything that follows from it.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.longest_round
    }

    /// Asks at least once, and again while the flight's time lasts and asking again may help.
    pub(crate) async fn find(&self, flight: &Flight) -> Ending {
        let mut pause = Backoff::new(POLL_FIRST, POLL_MOST_UNAWAITED);
        let mut cost = Duration::ZERO;
        let mut waited = false;
        loop {
            let (round, as_of) = {
                let _turn = self.turn(flight).await;
                let (began, as_of) = (Instant::now(), self.recoveries());
                // In a box, so that lookups that pause or wait for their turn are small.
                let round = Box::pin(self.round(flight, waited)).await;
                cost += began.elapsed();
                (round, as_of)
            };
            let verdict = match round {
                Ok(found) => {
                    let result = Ok(found);
                    return Ending { result, cost, as_of };
                }
                Err(verdict) => verdict,
            };
            let reason = verdict.reason();
            flight.say(reason);
            let may_come = verdict.may_come || !verdict.starting.is_empty();
            let most = if flight.is_awaited() {
                POLL_MOST
            } else {
                POLL_MOST_UNAWAITED
            };
            let step = pause
                .pause()
                .min(most)
                .min(flight.time_left().saturating_sub(self.last_call));
            if !may_come || step.is_zero() {
                if waited && flight.is_awaited() {
                    self.gave_up(&verdict.starting);
                }
                let result = self.bundles.found(flight.id(), reason, &self.selection).map(Box::new);
                return Ending { result, cost, as_of };
            }
            until(tokio::time::sleep(step), flight.hurried()).await;
            waited = true;
        }
    }

    /// Waits for the right to ask: first come, first served, but who is waited for passes those who are not.
    async fn turn(&self, flight: &Flight) -> (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'_>>) {
        // The semaphores are never closed.
        let unawaited = if flight.is_awaited() {
            None
        } else {
            let permit = until(self.asking_unawaited.acquire(), flight.hurried()).await;
            permit.and_then(Result::ok)
        };
        (unawaited, self.asking.acquire().await.ok())
    }

    /// Asks everybody once. `waiting`: it is not the first time.
    async fn round(&self, flight: &Flight, waiting: bool) -> Result<Box<Found>, Verdict> {
        let deadline = self.deadline();
        let mut verdict = Verdict::default();
        let mut record = None;
        let order = self.order(flight.manager());
        trace::note(|| self.places(&order, flight.manager()));
        for index in order {
            match self.all[index].ask(flight.id(), deadline, waiting).await {
                Reply::Found(found) if found.is_dockers_record() => record = Some(found),
                Reply::Found(found) => {
                    self.favourite.set(index);
                    return Ok(Box::new(found.placed_as(record.as_deref())));
                }
                Reply::Unknown { for_good } => verdict.unknown(for_good),
                Reply::Failed { reason, patient } => verdict.failed(index, reason, patient),
            }
        }
        record.ok_or(verdict)
    }

    /// The order of a round, with what put everybody there.
    fn places(&self, order: &[usize], manager: Option<Manager>) -> Note {
        let place = |&index: &usize| {
            let runtime = &self.all[index];
            Place {
                socket: runtime.candidate().socket,
                usable: runtime.is_usable(),
                managed: runtime.is_managed_by(manager),
                rank: runtime.rank(),
                favourite: index == self.favourite.get(),
            }
        };
        Note::Round {
            order: order.iter().map(place).collect(),
        }
    }

    /// These runtimes were waited for in vain: the next lookup does not wait for them.
    fn gave_up(&self, runtimes: &[usize]) {
        for &index in runtimes {
            self.all[index].gave_up();
        }
    }

    /// The runtimes that the cgroup's name points at, then the rest; of either first the one for which most speaks, among
    /// equals the one that answered last, then in their order. Those that cannot be used come last, because looking at
    /// one of them again may take its time.
    fn order(&self, manager: Option<Manager>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|&index| {
            let runtime = &self.all[index];
            (
                !runtime.is_usable(),
                !runtime.is_managed_by(manager),
                Reverse(runtime.rank()),
                index != self.favourite.get(),
                index,
            )
        });
        order
    }
}

/// What all runtimes together said in one round.
#[derive(Debug, Default)]
struct Verdict {
    unknown: bool,
    /// A runtime that does not know the id may just be making the container.
    may_come: bool,
    reason: Option<Reason>,
    /// Runtimes that may just be starting.
    starting: Vec<usize>,
}

impl Verdict {
    fn unknown(&mut self, for_good: bool) {
        self.unknown = true;
        self.may_come |= !for_good;
    }

    fn failed(&mut self, index: usize, reason: Reason, patient: bool) {
        if patient {
            self.starting.push(index);
        }
        if self.reason.is_none_or(|known| weight(reason) > weight(known)) {
            self.reason = Some(reason);
        }
    }

    /// A runtime that is there and could not be asked outweighs another that does not know the id: the container may
    /// well be the former's. That a well-known path is empty says nothing as soon as somebody has answered.
    fn reason(&self) -> Reason {
        match self.reason {
            Some(reason) if !self.unknown || weight(reason) > 0 => reason,
            None if !self.unknown => Reason::NoRuntimeSocket,
            _ => Reason::ContainerUnknown,
        }
    }
}

/// The most telling reason when several runtimes fail in different ways.
fn weight(reason: Reason) -> u8 {
    match reason {
        Reason::RuntimeTimeout | Reason::CircuitOpen => 6,
        Reason::AnswerUnusable | Reason::RuntimeError => 5,
        Reason::SocketPermission => 4,
        Reason::SocketProtocol => 3,
        Reason::SocketRefused => 2,
        Reason::CriUnimplemented => 1,
        _ => 0,
    }
}
