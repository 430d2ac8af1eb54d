//! What is looked up without an event: cgroups that appear, and what a runtime had before the agent came. And what is
//! forgotten: cgroups that have gone.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Resolver;
use crate::container::cgroup::{self, Claim};
use crate::container::entry::ContainerEntry;
use crate::container::flight::{Arrival, Cause};
use crate::container::placement::{self, Fit};
use crate::container::removal::Removed;

/// How long a container whose cgroup has appeared is asked for: containerd's CRI knows a sandbox 20 to 200 ms after its
/// first process, CRI-O everything after 30 to 180 ms, and a busy node takes its time.
const PREFETCH: Duration = Duration::from_secs(3);

impl Resolver {
    /// A cgroup of this path has appeared: the container that it names is looked up in the background, and asked for
    /// again for some seconds, because its runtime may not know it yet. Never blocks.
    pub fn prefetch(&mut self, path: &str) {
        let claims = cgroup::claims(path, false);
        let Some((innermost, around)) = claims.containers.split_first() else {
            return;
        };
        let Some(id) = innermost.identity.container_id.as_deref() else {
            return;
        };
        // Whoever runs in a container may make cgroups of any name below it.
        if self.by_container.is_told(id) || self.is_any_told(around) {
            return;
        }
        if let Some(flight) = self.flights.of(id) {
            flight.poll_at_least(PREFETCH);
            return;
        }
        if !self.prefetches.take((self.clock)()) {
            self.costs.refused += 1;
            return;
        }
        let manager = innermost.identity.manager;
        let started = self
            .flights
            .start(&self.runtimes, id, manager, Cause::Prefetch, PREFETCH);
        self.costs.prefetched += u64::from(started.is_some());
        self.revision += 1;
    }

    fn is_any_told(&self, claims: &[Claim]) -> bool {
        let mut ids = claims.iter().filter_map(|claim| claim.identity.container_id.as_deref());
        ids.any(|id| self.by_container.is_told(id))
    }

    /// A cgroup has gone: after a while it is forgotten, and the container with it whose own cgroup it was.
    ///
    /// Of what nobody has met nothing is kept: cgroups come and go by the thousand, and would push out those that matter.
    pub fn removed(&mut self, cgroup_id: u64, path: &str) {
        let mut claims = cgroup::claims(path, false).containers.into_iter();
        let innermost = claims.next();
        // What goes in a known container is not another one.
        let inside = self.is_any_told(claims.as_slice());
        let container = innermost
            .filter(|claim| !inside && claim.cgroup.trim_end_matches('/') == path.trim_end_matches('/'))
            .and_then(|claim| Some((claim.identity.container_id?, claim.cgroup)))
            .filter(|(id, _)| self.by_container.contains(id) || self.flights.of(id).is_some());
        if container.is_none() && !self.by_cgroup.contains(&cgroup_id) {
            return;
        }
        let removed = Removed { cgroup_id, container };
        self.removals.add(removed, (self.clock)());
        self.forget_removed();
    }

    pub(super) fn forget_removed(&mut self) {
        if self.removals.is_empty() {
            return;
        }
        let now = (self.clock)();
        while let Some(Removed { cgroup_id, container }) = self.removals.due(now) {
            self.by_cgroup.pop(&cgroup_id);
            let Some((id, cgroup)) = container else { continue };
            // The name of a cgroup is anybody's; only the container's own says that it has gone.
            let gone = self
                .by_container
                .peek(&id)
                .is_some_and(|entry| placement::fit(&cgroup, entry.cgroups_path.as_deref()) != Fit::Elsewhere);
            if gone {
                self.by_container.pop(&id);
                self.costs.evicted += 1;
            }
            self.revision += 1;
        }
    }

    /// Takes note of what happened to the sockets' files, and has such a runtime looked at again in the background, whatever
    /// pause it was in. Never blocks, and cheap when nothing happened: the pipeline's sleep and every new lookup do it.
    pub fn sockets_changed(&mut self) {
        for index in self.watch.changed((self.clock)()) {
            let runtime = &self.runtimes.all()[index];
            tracing::debug!(socket = %runtime.candidate().socket.display(), "the socket has changed");
            runtime.socket_changed();
            let runtimes = Rc::clone(&self.runtimes);
            self.flights.run(async move {
                runtimes.all()[index].follow_change(|| runtimes.deadline()).await;
                None
            });
            self.revision += 1;
        }
    }

    /// From now on runtimes are asked now and then whether they answer, without a lookup's need.
    pub fn start_heartbeats(&mut self) {
        self.heartbeats = true;
    }

    /// Has runtimes looked at again, in the background, that lookups have to go without, and asks the others whether they
    /// answer when it is time to. Never blocks, and cheap when there is nothing to do.
    pub(super) fn look_after(&self) {
        for (index, runtime) in self.runtimes.all().iter().enumerate() {
            let heartbeats = self.heartbeats;
            let (due, hangs) = (runtime.is_due(heartbeats), runtime.wants_a_probe());
            if heartbeats && runtime.wants_a_heartbeat() {
                let (runtimes, timeout) = (Rc::clone(&self.runtimes), self.call_timeout);
                self.flights.run(async move {
                    runtimes.all()[index].beat(timeout).await;
                    None
                });
            }
            if !due && !hangs {
                continue;
            }
            let (runtimes, timeout) = (Rc::clone(&self.runtimes), self.call_timeout);
            self.flights.run(async move {
                let runtime = &runtimes.all()[index];
                if runtime.is_due(heartbeats) {
                    runtime.look(Instant::now() + timeout).await;
                }
                if runtime.wants_a_probe() {
                    runtime.probe(timeout).await;
                }
                None
            });
        }
    }

    /// Has what the runtimes list looked up in the background: of those that answer now, and of the others when they
    /// first do; and again of one that answers after it failed. Never blocks.
    pub fn inventory(&mut self) {
        self.inventory.turn_on();
        self.look_around();
    }

    /// Asks runtimes that answer for the first time, or again, for what they have.
    pub(super) fn look_around(&mut self) {
        if !self.inventory.is_on() {
            return;
        }
        for (index, runtime) in self.runtimes.all().iter().enumerate() {
            if !runtime.take_unlisted() {
                continue;
            }
            self.inventory.list_began((self.clock)());
            let runtimes = Rc::clone(&self.runtimes);
            self.flights.run(async move {
                let listed = runtimes.all()[index].list(runtimes.deadline()).await;
                let listed = listed.unwrap_or_else(|error| {
                    tracing::debug!(%error, "a container runtime does not list what it has");
                    Vec::new()
                });
                let may_run = listed.into_iter().filter(|listed| listed.may_run);
                Some(Arrival::Listed(may_run.map(|listed| listed.id).collect()))
            });
        }
    }

    pub(super) fn look_up_listed(&mut self, ids: &[String]) {
        self.inventory.list_ended(ids.len());
        // More would push each other out.
        for id in ids.iter().take(self.by_container.room()) {
            let settled = |entry: &ContainerEntry| entry.expires.is_none();
            if self.flights.of(id).is_some() || self.by_container.peek(id).is_some_and(settled) {
                continue;
            }
            let started = self
                .flights
                .start(&self.runtimes, id, None, Cause::Inventory, Duration::ZERO);
            if started.is_some() {
                self.inventory.lookup_began();
                self.costs.inventoried += 1;
            }
        }
    }
}
