//! The loss ledger: what became of every run of every hook. The kernel side counts, this reads.
//!
//! For each hook `seen = filtered + delivered + dropped`, exactly, once no hook is in the middle of a run. A snapshot
//! taken under load reads the parts before the whole, so that it never claims more than was seen.

use std::sync::atomic::Ordering;

use super::hook::{Hook, HookSet};
use super::misses::Misses;
use super::shared::{CounterLines, Produced};

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
    /// Runs that the kernel skipped because the program was already running on that CPU. Not part of `seen`. Absent where
    /// the hook has no program of its own, or the kernel does not count (before 5.12).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl HookCounters {
    /// Whether every run is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.seen == self.filtered + self.delivered + self.dropped
    }
}

/// Reads the counters, from any thread.
#[derive(Debug)]
pub struct Ledger {
    lines: CounterLines,
    hooks: HookSet,
    misses: Misses,
    produced: Produced,
}

impl Ledger {
    pub(crate) fn new(lines: CounterLines, hooks: HookSet, misses: Misses, produced: Produced) -> Self {
        Self {
            lines,
            hooks,
            misses,
            produced,
        }
    }

    /// Bytes of the ring that records ever took, their headers among them, and what woke the reader without being a record
    /// (16 bytes each time it had just fallen asleep).
    #[must_use]
    pub fn ring_bytes(&self) -> u64 {
        self.produced.bytes()
    }

    /// The hooks that are loaded.
    #[must_use]
    pub fn hooks(&self) -> HookSet {
        self.hooks
    }

    /// The account of one hook, from mapped memory alone: without a system call, and so without `missed`.
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

    /// The account of every hook that is loaded, in wire order, from mapped memory alone.
    #[must_use]
    pub fn counters(&self) -> Vec<(Hook, HookCounters)> {
        self.hooks.iter().map(|hook| (hook, self.hook(hook))).collect()
    }

    /// The account of every hook that is loaded, in wire order, `missed` included: a read of a file of `/proc` for each
    /// program.
    pub fn all(&self) -> impl Iterator<Item = (Hook, HookCounters)> {
        self.hooks.iter().map(|hook| {
            let missed = self.misses.hook(hook);
            (
                hook,
                HookCounters {
                    missed,
                    ..self.hook(hook)
                },
            )
        })
    }

    /// Runs of the dispatcher that the kernel skipped; absent with trampolines and where the kernel does not count.
    #[must_use]
    pub fn dispatcher_missed(&self) -> Option<u64> {
        self.misses.dispatcher()
    }

    /// The most unread data that any hook found in the ring since the last call, in bytes; absent where none looked. For
    /// one caller: it begins anew with each call, except that a hook may at that moment write what it found just before.
    pub(super) fn take_peak_fill(&self) -> Option<u64> {
        let peak = self
            .hooks
            .iter()
            .flat_map(|hook| self.lines.peak_fill(hook))
            // A line that nobody wrote to stays unwritten, in the caches of all CPUs.
            .filter(|word| word.load(Ordering::Relaxed) > 0)
            .map(|word| word.swap(0, Ordering::Relaxed))
            .max();
        peak.filter(|bytes| *bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::capture::hook::ROOM;
    use crate::capture::wire;

    /// A ledger over a file instead of a map: two CPUs, each line `words` by CPU and hook.
    fn ledger(words: impl Fn(usize, Hook) -> [u64; 8]) -> Ledger {
        let file = tempfile::tempfile().unwrap();
        let line = size_of::<wire::Counters>();
        file.set_len((2 * ROOM * line) as u64).unwrap();
        let ring = tempfile::tempfile().unwrap();
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .unwrap()
            .unwrap();
        ring.write_all_at(&4711_u64.to_ne_bytes(), page.unsigned_abs()).unwrap();
        for cpu in 0..2 {
            for (index, hook) in Hook::all().enumerate() {
                let bytes = words(cpu, hook).map(u64::to_ne_bytes).concat();
                file.write_all_at(&bytes, ((cpu * ROOM + index) * line) as u64).unwrap();
            }
        }
        Ledger::new(
            CounterLines::map(&file, 2).unwrap(),
            HookSet::BASE,
            Misses::default(),
            Produced::map(&ring).unwrap(),
        )
    }

    #[test]
    fn lines_are_summed_over_cpus_and_hooks_are_kept_apart() {
        let ledger = ledger(|cpu, hook| {
            let base = if hook == Hook::EXEC { 10 } else { 0 };
            [base + cpu as u64; 8]
        });
        let exec = ledger.hook(Hook::EXEC);
        assert_eq!((exec.seen, exec.dropped, exec.unreadable), (21, 21, 21));
        assert_eq!(ledger.hook(Hook::EXIT).delivered, 1);
        assert!(ledger.all().all(|(_, line)| line.missed.is_none()));
        assert_eq!(ledger.ring_bytes(), 4711);
    }

    #[test]
    fn the_peak_is_the_highest_of_all_lines_and_is_taken_once() {
        let ledger = ledger(|cpu, hook| {
            let peak = match (cpu, hook) {
                (0, Hook::EXEC) => 4096,
                (1, Hook::EXIT) => 8192,
                _ => 0,
            };
            [1, 1, 0, 0, 0, 0, peak, 0]
        });
        assert_eq!(ledger.take_peak_fill(), Some(8192));
        assert_eq!(ledger.take_peak_fill(), None);
        assert_eq!(ledger.hook(Hook::EXIT).seen, 2, "the account is left alone");
    }
}
