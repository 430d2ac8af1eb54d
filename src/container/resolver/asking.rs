//! What an event learns of a container, and how long it waits for it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{BRIEFLY, Resolver};
use crate::container::cgroup::Manager;
use crate::container::entry::{Asked, ContainerEntry};
use crate::container::flight::{Arrival, Cause, Flight, until};
use crate::container::lookup::Ending;
use crate::container::runtime::Runtime;

/// A wait that is not worth its system calls.
const TOO_SHORT: Duration = Duration::from_millis(1);

/// How much an answer is worth to whoever asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How long an id that is unknown is asked for again.
    pub(super) poll: Duration,
    /// How long the answer is waited for at most.
    pub(super) wait: Duration,
    /// The waiting comes out of the pipeline's share, and out of what was waited for this lookup before.
    pub(super) charged: bool,
}

impl Resolver {
    /// What is known of a container, wherever it is; a lookup is joined or started for one that is not known, or not
    /// whole, or no more.
    pub(super) fn lookup(&mut self, id: &str, manager: Option<Manager>, terms: Terms) -> ContainerEntry {
        self.land();
        let recoveries = self.runtimes.recoveries();
        if let Some(entry) = self.by_container.get_mut(id)
            && entry.is_fresh(recoveries, self.clock)
        {
            self.costs.hits += 1;
            if !std::mem::replace(&mut entry.told, true) {
                self.costs.first.known += 1;
            }
            return entry.clone();
        }
        self.sockets_changed();
        let last = self.by_container.peek(id).cloned();
        let terms = Terms {
            // Only the first lookup of an id waits for it to become known.
            poll: if last.is_some() { Duration::ZERO } else { terms.poll },
            ..terms
        };
        let flight = self.join_or_start(id, manager, terms, last.as_ref().is_some_and(|last| last.told));
        if let Some(flight) = &flight {
            self.wait_for(flight, terms, last.is_some());
        }
        let now = (self.clock)();
        match self.by_container.peek(id) {
            Some(entry) if flight.as_ref().is_some_and(|flight| flight.has_landed()) => entry.clone(),
            _ => ContainerEntry::pending(id, flight.as_deref(), last, now + BRIEFLY),
        }
    }

    /// `None`: there are too many lookups already.
    fn join_or_start(&mut self, id: &str, manager: Option<Manager>, terms: Terms, told: bool) -> Option<Rc<Flight>> {
        if let Some(flight) = self.flights.of(id) {
            let flight = Rc::clone(flight);
            if flight.join(manager, terms.poll) && !told {
                self.costs.first.joined += 1;
            }
            return Some(flight);
        }
        let started = self
            .flights
            .start(&self.runtimes, id, manager, Cause::Event, terms.poll);
        self.revision += 1;
        self.costs.first.asked += u64::from(!told);
        started
    }

    /// Lets an event wait for a lookup, as long as its terms, and those of all events together, allow.
    fn wait_for(&mut self, flight: &Flight, terms: Terms, known: bool) {
        let most = if terms.charged {
            let most = if known { terms.wait.min(BRIEFLY) } else { terms.wait };
            most.min(self.budget.saturating_sub(flight.waited()))
                .min(self.patience.left((self.clock)()))
        } else {
            terms.wait
        };
        if most < TOO_SHORT && !flight.has_landed() {
            return;
        }
        let asleep = Instant::now();
        self.block_on(async { until(flight.arrival(), tokio::time::sleep(most)).await });
        let waited = asleep.elapsed();
        if terms.charged {
            flight.add_wait(waited);
            self.patience.spend(waited);
            self.costs.wait(waited);
        }
        self.land();
    }

    /// Takes what the lookups have brought.
    pub(super) fn land(&mut self) {
        let arrivals = self.flights.take();
        if arrivals.is_empty() {
            return;
        }
        for arrival in arrivals {
            match arrival {
                Arrival::Lookup(flight, ending) => self.remember(&flight, ending),
                Arrival::Listed(ids) => self.look_up_listed(&ids),
            }
        }
        self.look_around();
        self.look_after();
        if !self.flights.is_busy() {
            self.runtimes.all().iter().for_each(Runtime::rest);
        }
        self.inventory.tell_when_done((self.clock)());
        self.landings += 1;
        self.revision += 1;
    }

    /// Keeps an answer. That a container is unknown which no event has asked for is not kept: its first event asks.
    fn remember(&mut self, flight: &Flight, ending: Ending) {
        self.costs.record(ending.cost);
        if flight.cause() == Cause::Inventory {
            self.inventory.lookup_ended(ending.result.is_ok());
        }
        if ending.result.is_err() && !flight.is_awaited() {
            return;
        }
        let now = (self.runtimes.recoveries(), (self.clock)());
        let last = self.by_container.pop(flight.id());
        let asked = Asked {
            id: flight.id(),
            cause: flight.cause(),
            told: flight.is_awaited(),
        };
        let entry = ContainerEntry::after(asked, ending, last, now);
        self.by_container.put(flight.id(), entry);
    }
}
