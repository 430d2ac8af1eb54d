//! The loss ledger: what became of every run of every hook. The kernel side counts, this reads.
//!
//! For each hook `seen = filtered + delivered + dropped`, exactly, once no hook is in the middle of a run. A snapshot
//! taken under load reads the parts before the whole, so that it never claims more than was seen.

use std::sync::atomic::Ordering;

use super::hook::{Hook, HookSet};
use super::shared::CounterLines;

/// One hook's account, summed over all CPUs, since the programs were loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct HookCounters {
    /// How often the hook ran.
    pub seen: u64,
    /// Deliberately not reported: not asked for, a new thread, the agent itself.
    pub filtered: u64,
    /// Handed over.
    pub delivered: u64,
    /// Lost because the ring was full.
    pub dropped: u64,
    /// Handed over with a part cut off at its limit.
    pub truncated: u64,
    /// Handed over with a part that could not be read.
    pub unreadable: u64,
}

impl HookCounters {
    /// Whether every run is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.seen == self.filtered + self.delivered + self.dropped
    }
}

/// Reads the counters, from any thread, without a system call.
#[derive(Debug)]
pub struct Ledger {
    lines: CounterLines,
    hooks: HookSet,
}

impl Ledger {
    pub(crate) fn new(lines: CounterLines, hooks: HookSet) -> Self {
        Self { lines, hooks }
    }

    /// The account of one hook.
    #[must_use]
    pub fn hook(&self, hook: Hook) -> HookCounters {
        let mut sum = HookCounters::default();
        for line in self.lines.of(hook) {
            let word = |index: usize| line[index].load(Ordering::Acquire);
            sum.unreadable += word(5);
            sum.truncated += word(4);
            sum.dropped += word(3);
            sum.delivered += word(2);
            sum.filtered += word(1);
            sum.seen += word(0);
        }
        sum
    }

    /// The account of every hook that is loaded, in wire order.
    pub fn all(&self) -> impl Iterator<Item = (Hook, HookCounters)> {
        self.hooks.iter().map(|hook| (hook, self.hook(hook)))
    }
}
