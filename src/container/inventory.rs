//! What the runtimes had when they first answered: how many of it is known by now, told once when it is done.

use std::time::Instant;

/// Counts of one inventory, which may be of several runtimes that answered at about the same time.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Whether runtimes are asked for what they have.
    on: bool,
    began: Option<Instant>,
    lists: usize,
    lookups: usize,
    listed: usize,
    known: usize,
}

impl Inventory {
    pub(crate) fn turn_on(&mut self) {
        self.on = true;
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// A runtime is asked for its list.
    pub(crate) fn list_began(&mut self, now: Instant) {
        self.began.get_or_insert(now);
        self.lists += 1;
    }

    /// A runtime told its list.
    pub(crate) fn list_ended(&mut self, ids: usize) {
        self.lists = self.lists.saturating_sub(1);
        self.listed += ids;
    }

    /// A container of the list is looked up.
    pub(crate) fn lookup_began(&mut self) {
        self.lookups += 1;
    }

    /// That ended; `known`: with the container found.
    pub(crate) fn lookup_ended(&mut self, known: bool) {
        self.lookups = self.lookups.saturating_sub(1);
        self.known += usize::from(known);
    }

    /// Tells how it went, once everything has ended, and begins anew.
    pub(crate) fn tell_when_done(&mut self, now: Instant) {
        let Some(began) = self.began else { return };
        if self.lists > 0 || self.lookups > 0 {
            return;
        }
        tracing::info!(
            listed = self.listed,
            known = self.known,
            milliseconds = u64::try_from(now.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX),
            "containers that were here before are looked up"
        );
        *self = Self {
            on: self.on,
            ..Self::default()
        };
    }
}
