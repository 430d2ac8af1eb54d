//! When a loss is told: from readings of the ledger to loss events.
//!
//! Decides and counts; reads no clock, no counter and writes nothing. Whatever is held back by threshold or limit stays in
//! the account: the loss events of a run add up to what the ledger says was dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::capture::{Hook, HookCounters};
use crate::config::settings;
use crate::event::loss::Counts;

use super::rates::sum;

/// What the ledger said at one moment.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Nanoseconds of CLOCK_BOOTTIME.
    pub at: u64,
    /// Every hook's account.
    pub hooks: Vec<(Hook, HookCounters)>,
    /// The ring's fill since the reading before, at most, in bytes, where it is known.
    pub peak: Option<u64>,
}

/// A loss to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where the window begins, nanoseconds of CLOCK_BOOTTIME.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// All hooks together.
    pub all: Counts,
    /// Those that lost something.
    pub hooks: BTreeMap<&'static str, Counts>,
    /// The ring's fill in the window, at most, in bytes, where it is known.
    pub peak: Option<u64>,
    /// Nothing had been lost before.
    pub first: bool,
}

/// Watches the ledger for losses.
#[derive(Debug)]
pub struct Losses {
    settings: settings::Loss,
    /// Where the window begins: everything up to here is told, or nothing was lost.
    begin: Reading,
    /// The reading before this one.
    last: Counts,
    peak: Option<u64>,
    /// Something was lost that is worth telling, when the limit allows.
    due: bool,
    told_any: bool,
    tokens: Tokens,
}

impl Losses {
    /// Nothing was seen before `start`, nanoseconds of CLOCK_BOOTTIME.
    #[must_use]
    pub fn new(settings: settings::Loss, start: u64) -> Self {
        Self {
            tokens: Tokens::new(settings.burst, settings.interval, start),
            settings,
            begin: Reading {
                at: start,
                ..Reading::default()
            },
            last: Counts::default(),
            peak: None,
            due: false,
            told_any: false,
        }
    }

    /// Takes a reading in, and says whether a loss is to be told now.
    pub fn note(&mut self, now: &Reading) -> Option<Told> {
        let since_last = self.take_in(now);
        if !self.pending(now) {
            self.restart(now);
            return None;
        }
        let wanted = since_last.delivered.saturating_add(since_last.dropped);
        self.due |= since_last.dropped > 0 && self.settings.threshold.reached(since_last.dropped, wanted);
        // The limit before the rest: only what is told uses it up, and the first one does too.
        if (self.due || !self.told_any) && self.tokens.take(now.at) {
            return Some(self.tell(now));
        }
        None
    }

    /// The last reading of a run: tells what was held back.
    pub fn finish(&mut self, now: &Reading) -> Option<Told> {
        self.take_in(now);
        self.pending(now).then(|| self.tell(now))
    }

    fn take_in(&mut self, now: &Reading) -> Counts {
        self.peak = self.peak.max(now.peak);
        let all = total(now);
        let since = since(all, self.last);
        self.last = all;
        since
    }

    fn pending(&self, now: &Reading) -> bool {
        total(now).dropped > total(&self.begin).dropped
    }

    fn tell(&mut self, now: &Reading) -> Told {
        let before: BTreeMap<&str, Counts> = self
            .begin
            .hooks
            .iter()
            .map(|(hook, line)| (hook.name(), sum([line])))
            .collect();
        let hooks = now
            .hooks
            .iter()
            .map(|(hook, line)| {
                let then = before.get(hook.name()).copied().unwrap_or_default();
                (hook.name(), since(sum([line]), then))
            })
            .filter(|(_, counts)| counts.dropped > 0)
            .collect();
        let told = Told {
            from: self.begin.at,
            to: now.at,
            all: since(total(now), total(&self.begin)),
            hooks,
            peak: self.peak,
            first: !self.told_any,
        };
        self.told_any = true;
        self.restart(now);
        told
    }

    /// Begins a new window.
    fn restart(&mut self, now: &Reading) {
        self.begin = now.clone();
        self.peak = None;
        self.due = false;
    }
}

fn total(reading: &Reading) -> Counts {
    sum(reading.hooks.iter().map(|(_, line)| line))
}

fn since(now: Counts, then: Counts) -> Counts {
    Counts {
        seen: now.seen.saturating_sub(then.seen),
        delivered: now.delivered.saturating_sub(then.delivered),
        dropped: now.dropped.saturating_sub(then.dropped),
    }
}

/// A burst, and one more for each interval that passes.
#[derive(Debug)]
struct Tokens {
    left: u32,
    most: u32,
    interval: u64,
    counted_to: u64,
}

impl Tokens {
    fn new(most: u32, interval: Duration, start: u64) -> Self {
        Self {
            left: most,
            most,
            interval: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1),
            counted_to: start,
        }
    }

    fn take(&mut self, now: u64) -> bool {
        let earned = now.saturating_sub(self.counted_to) / self.interval;
        let left = u64::from(self.left).saturating_add(earned).min(u64::from(self.most));
        self.left = u32::try_from(left).unwrap_or(self.most);
        // With a full burst time does not count: the interval begins with the first that is taken.
        self.counted_to = if self.left == self.most {
            now
        } else {
            self.counted_to.saturating_add(earned.saturating_mul(self.interval))
        };
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
