//! Which of the attached hooks report. Others may wish; the pipeline, which owns the capture, grants.
//!
//! A hook that does not report still runs: what it sees is counted as filtered, so the ledger balances. Turning one on or
//! off is a store to memory that is shared with the kernel side, and takes no capability.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::capture::calls::Class;
use crate::capture::{Hook, HookSet};
use crate::control::api;
use crate::control::peer::Peer;
use crate::control::switch::{Refused, ReportSwitch};

/// Wishes that may wait for the pipeline. It grants them at every turn, so there is rarely more than one.
const MOST_WAITING: usize = 16;

/// What reports, and what is wished for.
#[derive(Debug)]
pub struct Reporting {
    attached: HookSet,
    /// Whether there are wishes: one load for the pipeline's turn.
    asked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    reporting: HookSet,
    waiting: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    change: Change,
    by: Peer,
    granted: oneshot::Sender<api::Reporting>,
}

/// What to turn off, and then what to turn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    off: HookSet,
    on: HookSet,
}

impl Reporting {
    /// All that is attached reports.
    #[must_use]
    pub fn new(attached: HookSet) -> Self {
        Self {
            attached,
            asked: AtomicBool::new(false),
            state: Mutex::new(State {
                reporting: attached,
                waiting: Vec::new(),
            }),
        }
    }

    /// The attached hooks that report, and those that do not.
    #[must_use]
    pub fn on_and_off(&self) -> (HookSet, HookSet) {
        let on = self.lock().reporting;
        (on, self.attached.without(on))
    }

    /// Grants what is wished for: `apply` is called with each new set. For the owner of the hooks.
    pub fn grant(&self, mut apply: impl FnMut(HookSet)) {
        if !self.asked.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut state = self.lock();
        for Asked { change, by, granted } in std::mem::take(&mut state.waiting) {
            // Who gave up waiting was told so, and wishes for nothing any more.
            if granted.is_closed() {
                continue;
            }
            let before = state.reporting;
            state.reporting = before.without(change.off).or(change.on);
            apply(state.reporting);
            let said = |hooks: HookSet| names(hooks).join(",");
            tracing::warn!(
                uid = by.uid,
                pid = by.pid,
                turned_on = said(state.reporting.without(before)),
                turned_off = said(before.without(state.reporting)),
                off = said(self.attached.without(state.reporting)),
                "the admin socket was used to change which hooks report"
            );
            // Who asked may have gone in this moment; the log has it.
            let _ = granted.send(told(self.attached.without(state.reporting)));
        }
    }

    /// Understands the words. The more special one counts: a hook's more than its class's, a class's more than `all`.
    fn understand(&self, wish: &api::SetReportingRequest) -> Result<Change, Refused> {
        if wish.on.is_empty() && wish.off.is_empty() {
            return Err(Refused::Empty);
        }
        if let Some(word) = wish.on.iter().find(|word| wish.off.contains(word)) {
            return Err(Refused::Both(word.clone()));
        }
        let parse = |words: &[String]| {
            words
                .iter()
                .map(|word| Word::parse(word).ok_or_else(|| Refused::Unknown(word.clone())))
                .collect::<Result<Vec<Word>, Refused>>()
        };
        let (on, off) = (parse(&wish.on)?, parse(&wish.off)?);
        if let Some(always) = off.iter().find_map(|word| word.always()) {
            return Err(Refused::Always(always.name()));
        }
        let words = on
            .iter()
            .map(|word| (word, true))
            .chain(off.iter().map(|word| (word, false)));
        let mut words: Vec<(&Word, bool)> = words.collect();
        words.sort_by_key(|(word, _)| word.rank());
        let mut change = Change {
            off: HookSet::NONE,
            on: HookSet::NONE,
        };
        for (word, is_on) in words {
            let mut hooks = word.hooks().and(self.attached).without(HookSet::ALWAYS);
            if !is_on && *word == Word::All {
                // It tells of the agent, not of the host: who wants quiet does not want the agent to call itself blind.
                hooks = hooks.without(HookSet::CANARY);
            }
            if word.hooks().and(self.attached) == HookSet::NONE {
                return Err(Refused::NotAttached(word.name().to_owned()));
            }
            let (to, from) = if is_on {
                (&mut change.on, &mut change.off)
            } else {
                (&mut change.off, &mut change.on)
            };
            *to = to.or(hooks);
            *from = from.without(hooks);
        }
        Ok(change)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A set and a list, each changed at once: a poisoned lock guards a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReportSwitch for Reporting {
    fn ask(&self, wish: &api::SetReportingRequest, by: Peer) -> Result<oneshot::Receiver<api::Reporting>, Refused> {
        let change = self.understand(wish)?;
        let (granted, answer) = oneshot::channel();
        let mut state = self.lock();
        state.waiting.retain(|asked| !asked.granted.is_closed());
        if state.waiting.len() >= MOST_WAITING {
            return Err(Refused::Full);
        }
        state.waiting.push(Asked { change, by, granted });
        self.asked.store(true, Ordering::Release);
        Ok(answer)
    }
}

/// What a wish can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    All,
    Class(Class),
    Hook(Hook),
}

impl Word {
    fn parse(word: &str) -> Option<Self> {
        let class = || {
            Class::ALL
                .into_iter()
                .find(|class| class.as_str() == word)
                .map(Self::Class)
        };
        let hook = || Hook::all().find(|hook| hook.name() == word).map(Self::Hook);
        if word == "all" {
            Some(Self::All)
        } else {
            class().or_else(hook)
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Class(_) => 1,
            Self::Hook(_) => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Class(class) => class.as_str(),
            Self::Hook(hook) => hook.name(),
        }
    }

    fn hooks(self) -> HookSet {
        match self {
            Self::All => Hook::all().fold(HookSet::NONE, HookSet::with),
            Self::Class(class) => HookSet::of_class(class),
            Self::Hook(hook) => HookSet::NONE.with(hook),
        }
    }

    /// The hook, where it is one that always reports.
    fn always(self) -> Option<Hook> {
        match self {
            Self::Hook(hook) => Some(hook).filter(|hook| HookSet::ALWAYS.contains(*hook)),
            Self::All | Self::Class(_) => None,
        }
    }
}

/// The names of hooks, in wire order.
#[must_use]
pub fn names(hooks: HookSet) -> Vec<&'static str> {
    hooks.iter().map(Hook::name).collect()
}

/// As the admin socket tells it.
#[must_use]
pub fn told(off: HookSet) -> api::Reporting {
    api::Reporting {
        off: names(off).into_iter().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: Peer = Peer {
        uid: 0,
        gid: 0,
        pid: Some(1),
    };

    fn attached() -> Reporting {
        let hooks = HookSet::ALWAYS
            .or(HookSet::CANARY)
            .or(HookSet::of_class(Class::File))
            .or(HookSet::of_class(Class::Network));
        Reporting::new(hooks)
    }

    fn wish(on: &[&str], off: &[&str]) -> api::SetReportingRequest {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        api::SetReportingRequest {
            on: owned(on),
            off: owned(off),
        }
    }

    /// Asks, lets the pipeline grant, and gives what is off then.
    fn change(reporting: &Reporting, on: &[&str], off: &[&str]) -> Vec<String> {
        let mut answer = reporting.ask(&wish(on, off), BY).unwrap();
        let mut applied = None;
        reporting.grant(|hooks| applied = Some(hooks));
        let told = answer.try_recv().unwrap();
        let (on, off) = reporting.on_and_off();
        assert_eq!(applied, Some(on));
        assert_eq!(told.off, names(off));
        assert_eq!(HookSet::ALWAYS.and(off), HookSet::NONE);
        told.off
    }

    #[test]
    fn the_more_special_word_counts() {
        let reporting = attached();
        let calls = reporting.attached.calls().count();
        assert_eq!(change(&reporting, &[], &["openat"]), ["openat"]);
        assert_eq!(change(&reporting, &["file"], &[]), [""; 0]);
        let off = change(&reporting, &["file"], &["all", "openat"]);
        assert!(off.contains(&"openat".to_owned()) && off.contains(&"connect".to_owned()));
        assert!(!off.contains(&"open".to_owned()));
        assert_eq!(
            change(&reporting, &[], &["all"]).len(),
            calls,
            "all but the life of processes and of cgroups, and the canary"
        );
        assert_eq!(change(&reporting, &["all"], &["canary"]), ["canary"]);
        assert_eq!(change(&reporting, &["all"], &[]), [""; 0]);
    }

    #[test]
    fn what_cannot_be_granted_is_refused_and_changes_nothing() {
        let reporting = attached();
        let refused = |on: &[&str], off: &[&str]| reporting.ask(&wish(on, off), BY).unwrap_err();
        assert_eq!(refused(&[], &[]), Refused::Empty);
        assert_eq!(refused(&["opnat"], &[]), Refused::Unknown("opnat".to_owned()));
        assert_eq!(refused(&[], &["openat", "exec"]), Refused::Always("exec"));
        assert_eq!(refused(&[], &["cgroup_rmdir"]), Refused::Always("cgroup_rmdir"));
        assert_eq!(refused(&["bpf"], &[]), Refused::NotAttached("bpf".to_owned()));
        assert_eq!(
            refused(&["module"], &["openat"]),
            Refused::NotAttached("module".to_owned())
        );
        assert_eq!(refused(&["openat"], &["openat"]), Refused::Both("openat".to_owned()));
        reporting.grant(|_| unreachable!("nothing was asked for"));
        assert_eq!(reporting.on_and_off(), (reporting.attached, HookSet::NONE));
    }

    #[test]
    fn the_class_of_the_life_of_processes_can_be_named_but_that_stays() {
        let reporting = Reporting::new(HookSet::BASE.or(HookSet::of_class(Class::Process)));
        let off = change(&reporting, &[], &["process"]);
        assert!(
            off.contains(&"kill".to_owned()) && !off.contains(&"exec".to_owned()),
            "{off:?}"
        );
    }

    #[test]
    fn a_pipeline_that_is_held_up_lets_no_more_than_so_many_wait() {
        let reporting = attached();
        let waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| reporting.ask(&wish(&[], &["openat"]), BY).unwrap())
            .collect();
        assert_eq!(reporting.ask(&wish(&["openat"], &[]), BY).unwrap_err(), Refused::Full);
        // Who gives up makes room, and wishes for nothing any more.
        drop(waiting);
        assert!(reporting.ask(&wish(&["openat"], &[]), BY).is_ok());
    }
}
