//! What happened within the last minutes: the account as it was each minute, and the difference to what it is now.
//!
//! Fixed in size; reads nothing itself.

use std::collections::VecDeque;
use std::time::Duration;

use super::field_counts::Fields;
use crate::capture::{Hook, HookCounters};
use crate::container::{Reason, Status};
use crate::histogram::Counts;

/// What a window is at least, where the agent is as old.
pub(super) const WINDOW: Duration = Duration::from_secs(600);
/// How far apart accounts are kept: a minute, and a reader that came early by a scheduler's tick must not make them last
/// shorter.
const APART: Duration = Duration::from_secs(59);
/// Enough for a window where each came early, and one that it begins in.
const KEPT: usize = 12;

/// Everything that is counted, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// On CLOCK_BOOTTIME.
    pub(super) at: Duration,
    /// In wire order: the same hooks in each account of a run.
    pub(super) hooks: Vec<(Hook, HookCounters)>,
    pub(super) statuses: [u64; Status::ALL.len()],
    pub(super) reasons: [u64; Reason::ALL.len()],
    pub(super) fields: Fields,
    /// How long events took to be written.
    pub(super) latency: Counts,
}

/// Past accounts.
#[derive(Debug)]
pub(super) struct Windows {
    kept: VecDeque<Account>,
}

impl Windows {
    /// Nothing was counted before `start`, nanoseconds of CLOCK_BOOTTIME.
    pub(super) fn new(start: u64) -> Self {
        let first = Account {
            at: Duration::from_nanos(start),
            ..Account::default()
        };
        let mut kept = VecDeque::with_capacity(KEPT);
        kept.push_back(first);
        Self { kept }
    }

    /// Whether another account is wanted.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.kept.back().is_none_or(|last| now.saturating_sub(last.at) >= APART)
    }

    /// Keeps one.
    pub(super) fn keep(&mut self, account: Account) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(account);
    }

    /// What happened from the youngest account that is a window old, or from the oldest there is. `at` is how long that was.
    pub(super) fn until(&self, now: &Account) -> Account {
        let old_enough = |then: &&Account| now.at.saturating_sub(then.at) >= WINDOW;
        let then = self.kept.iter().rev().find(old_enough).or_else(|| self.kept.front());
        then.map_or_else(|| now.clone(), |then| difference(now, then))
    }
}

fn difference(now: &Account, then: &Account) -> Account {
    Account {
        at: now.at.saturating_sub(then.at),
        hooks: now
            .hooks
            .iter()
            .map(|(hook, line)| {
                let before = then.hooks.iter().find(|(known, _)| known == hook);
                (*hook, since(line, &before.map(|(_, line)| *line).unwrap_or_default()))
            })
            .collect(),
        statuses: less(now.statuses, then.statuses),
        reasons: less(now.reasons, then.reasons),
        fields: std::array::from_fn(|field| less(now.fields[field], then.fields[field])),
        latency: now.latency.since(&then.latency),
    }
}

fn since(now: &HookCounters, then: &HookCounters) -> HookCounters {
    HookCounters {
        seen: now.seen.saturating_sub(then.seen),
        filtered: now.filtered.saturating_sub(then.filtered),
        delivered: now.delivered.saturating_sub(then.delivered),
        dropped: now.dropped.saturating_sub(then.dropped),
        truncated: now.truncated.saturating_sub(then.truncated),
        unreadable: now.unreadable.saturating_sub(then.unreadable),
        missed: now
            .missed
            .map(|missed| missed.saturating_sub(then.missed.unwrap_or_default())),
    }
}

fn less<const N: usize>(now: [u64; N], then: [u64; N]) -> [u64; N] {
    std::array::from_fn(|index| now[index].saturating_sub(then[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(second: u64, count: u64) -> Account {
        let mut account = Account {
            at: Duration::from_secs(second),
            hooks: vec![(
                Hook::EXEC,
                HookCounters {
                    seen: 2 * count,
                    delivered: count,
                    missed: Some(count),
                    ..HookCounters::default()
                },
            )],
            ..Account::default()
        };
        account.statuses[1] = count;
        account.reasons[3] = count;
        account.fields[2][0] = count;
        account
    }

    #[test]
    fn a_window_is_ten_minutes_or_as_long_as_the_agent_has_run() {
        let mut windows = Windows::new(5_000_000_000);
        // One event each second, looked at each second.
        for second in 6..=7200 {
            if windows.is_due(Duration::from_secs(second)) {
                windows.keep(account(second, second - 5));
            }
            assert!(windows.kept.len() <= KEPT);
            let told = windows.until(&account(second, second - 5));
            let seconds = told.at.as_secs();
            assert!(
                seconds >= (second - 5).min(600) && seconds <= 660,
                "{second}: {seconds}"
            );
            let (hook, line) = told.hooks[0];
            assert_eq!((hook, line.seen, line.delivered), (Hook::EXEC, 2 * seconds, seconds));
            assert_eq!(line.missed, Some(seconds));
            assert_eq!(
                (told.statuses[1], told.reasons[3], told.fields[2][0]),
                (seconds, seconds, seconds)
            );
        }
    }

    #[test]
    fn what_a_kernel_does_not_count_stays_absent() {
        let mut now = account(20, 7);
        now.hooks[0].1.missed = None;
        let told = Windows::new(0).until(&now);
        assert_eq!((told.hooks[0].1.missed, told.hooks[0].1.seen), (None, 14));
    }
}
