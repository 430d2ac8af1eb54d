//! What is known about the running agent, shared between the pipeline, which writes, and the control thread, which
//! reads. Reading never holds the pipeline up. How the status tells it is in `status.rs`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::calendar::Calendar;
use super::field_counts::{self, FieldCounts};
use super::loss::{Reading, Told};
use super::pulse::Pulse;
use super::rates::{self, History, Statuses, rounded, sum};
use super::reporting::{self, Reporting};
use super::ring::RingAccount;
use super::window::{Account, Windows};
use crate::capture::backend::Choice;
use crate::capture::{Capture, Hook, HookSet, Ledger};
use crate::config::Effective;
use crate::container::{Answering, Candidate, LookupStats, Outcome, Reason, Resolver, Status};
use crate::control::containers::Questions;
use crate::delivery::Delivered;
use crate::event::loss::{Ring, Window};
use crate::event::summary::{Dispatcher, MetadataCounts, Output, Rates, RuleCount};
use crate::event::{self, BootClock, Loss, Summary};
use crate::health::process::ProcessNumbers;
use crate::health::{self, Canary, Facts, Numbers, process};
use crate::histogram::Histogram;
use crate::output::{self, log};
use crate::privilege::guard::Guard;
use crate::privilege::landlock::Landlocked;
use crate::privilege::status::{self, ThreadStatus};
use crate::rules::Reloader;
use crate::rules::reload::Standing;

/// The agent's state in numbers.
#[derive(Debug)]
pub struct Vitals {
    pub(super) node: String,
    pub(super) profile: String,
    pub(super) started: Instant,
    pub(super) choice: Choice,
    pub(super) ring_size: u64,
    pub(super) ledger: Arc<Ledger>,
    pub(super) reporting: Arc<Reporting>,
    pub(super) questions: Questions,
    pub(super) statuses: [AtomicU64; Status::ALL.len()],
    pub(super) reasons: [AtomicU64; Reason::ALL.len()],
    pub(super) fields: FieldCounts,
    pub(super) runtimes: Mutex<Runtimes>,
    pub(super) latency: Histogram,
    pub(super) pulse: Pulse,
    pub(super) history: Mutex<History>,
    pub(super) given: Given,
    pub(super) ring: Mutex<RingAccount>,
    pub(super) windows: Mutex<Windows>,
    pub(super) calendar: Calendar,
    pub(super) guard: OnceLock<Guard>,
    reloader: OnceLock<Arc<Reloader>>,
    pub(super) own: Option<process::Own>,
    alerts: Mutex<Alerts>,
}

/// What others know or count, for the status to tell.
#[derive(Debug, Default)]
pub struct Given {
    /// What Landlock keeps from the agent.
    pub landlocked: Option<Landlocked>,
    /// What it runs with.
    pub settings: Vec<Effective>,
    /// Where its log goes.
    pub log: log::Destination,
    /// Where probes and scrapers are answered.
    pub health_listen: Option<SocketAddr>,
    /// What became of what was written.
    pub output: Arc<output::Account>,
}

/// What became of rules and their alerts; nothing where there are none.
#[derive(Debug, Clone, Default)]
pub(super) struct Alerts {
    pub(super) rules: Option<BTreeMap<String, RuleCount>>,
    pub(super) delivered: Option<Delivered>,
}

#[derive(Debug, Default)]
pub(super) struct Runtimes {
    pub(super) lookups: LookupStats,
    pub(super) candidates: Vec<Candidate>,
    pub(super) answering: Vec<Answering>,
    pub(super) times: Option<Arc<Histogram>>,
}

impl Vitals {
    /// The state of an agent that begins now.
    #[must_use]
    pub fn new(node: String, profile: String, given: Given, capture: &Capture) -> Self {
        Self {
            node,
            profile,
            started: Instant::now(),
            choice: capture.choice().clone(),
            ring_size: u64::from(capture.ring_size()),
            ledger: capture.ledger(),
            reporting: Arc::new(Reporting::new(capture.ledger().hooks())),
            questions: Questions::default(),
            statuses: Default::default(),
            reasons: Default::default(),
            fields: FieldCounts::default(),
            runtimes: Mutex::default(),
            latency: Histogram::default(),
            pulse: Pulse::new(capture.started()),
            history: Mutex::new(History::new(capture.started())),
            given,
            ring: Mutex::new(RingAccount::new(capture.started())),
            windows: Mutex::new(Windows::new(capture.started())),
            calendar: Calendar::default(),
            guard: OnceLock::new(),
            reloader: OnceLock::new(),
            own: process::Own::new().ok(),
            alerts: Mutex::default(),
        }
    }

    /// Takes over who verifies the agent's privileges from now on. A second one is not taken.
    pub fn guarded(&self, guard: Guard) {
        let _ = self.guard.set(guard);
    }

    /// Who verifies the agent's privileges, once the start is over.
    #[must_use]
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.get()
    }

    /// Takes over who knows how it stands with the rules. A second one is not taken.
    pub fn ruled(&self, reloader: Arc<Reloader>) {
        let _ = self.reloader.set(reloader);
    }

    /// How it stands with the rules; `None` where there are none.
    pub(super) fn rules(&self) -> Option<Standing> {
        self.reloader.get().map(|reloader| reloader.standing())
    }

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// What is asked about containers.
    pub(super) fn questions(&self) -> &Questions {
        &self.questions
    }

    /// Takes over what became of rules and of their alerts.
    pub(super) fn publish_rules(&self, counts: BTreeMap<String, RuleCount>, delivered: Option<Delivered>) {
        *self.alerts.lock().unwrap_or_else(PoisonError::into_inner) = Alerts {
            rules: Some(counts),
            delivered,
        };
    }

    pub(super) fn alerts(&self) -> Alerts {
        // Replaced as a whole, likewise.
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The hooks that are attached.
    #[must_use]
    pub fn attached(&self) -> HookSet {
        self.ledger.hooks()
    }

    /// Which hooks report.
    #[must_use]
    pub fn reporting(&self) -> &Arc<Reporting> {
        &self.reporting
    }

    /// Counts an event by how complete its metadata is. For the pipeline's thread only.
    pub fn count(&self, outcome: &Outcome) {
        let metadata = outcome.metadata;
        self.fields.count(outcome);
        self.statuses[metadata.status as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(reason) = metadata.reason {
            self.reasons[reason as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes over what is new about the container runtimes.
    pub fn publish_runtimes(&self, resolver: &Resolver) {
        let news = Runtimes {
            lookups: resolver.stats(),
            candidates: resolver.runtimes(),
            answering: resolver.answering(),
            times: Some(resolver.lookup_times()),
        };
        *self.runtimes() = news;
    }

    /// How old events are once they are written.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// Whether the pipeline turns, and the canary.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Takes a reading of the ledger, from which rates, history and the ring's account are made. `now` in nanoseconds of
    /// CLOCK_BOOTTIME; `peak` is the ring's fill since the reading before, at most.
    pub fn read_ledger(&self, now: u64, peak: Option<u64>) -> Reading {
        let hooks = self.ledger.counters();
        let sum = sum(hooks.iter().map(|(_, line)| line));
        self.history().note(rates::Reading::new(now, sum, self.statuses_now()));
        self.ring().note(now, sum.dropped, peak);
        Reading { at: now, hooks, peak }
    }

    /// Takes over the calendar as the pipeline's events have it.
    pub fn follow(&self, clock: &BootClock) {
        self.calendar.follow(clock);
    }

    /// Keeps the account of each minute, for what happened within the last ones. To be called each second, by one thread: that
    /// which answers, not the pipeline's, because a file is read for each program.
    pub fn keep_account(&self) {
        let Ok(now) = BootClock::reading() else { return };
        if self.windows().is_due(Duration::from_nanos(now)) {
            let account = self.account(now);
            self.windows().keep(account);
        }
    }

    /// Everything that is counted.
    pub(super) fn account(&self, now: u64) -> Account {
        Account {
            at: Duration::from_nanos(now),
            hooks: self.ledger.all().collect(),
            statuses: self.statuses_now(),
            reasons: std::array::from_fn(|index| self.reasons[index].load(Ordering::Relaxed)),
            fields: self.fields.read(),
            latency: self.latency.counts(),
        }
    }

    /// What the process uses; `None` where it cannot be read.
    pub(super) fn process(&self) -> Option<ProcessNumbers> {
        let boot = BootClock::now().map_or(Timestamp::UNIX_EPOCH, |clock| clock.utc(0));
        self.own.as_ref().and_then(|own| {
            own.read(boot.as_duration().as_secs_f64())
                .inspect_err(|error| tracing::debug!(%error, "what the own process uses cannot be read"))
                .ok()
        })
    }

    /// The event of a loss.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shares for people and thresholds")]
    pub fn loss(&self, told: &Told, clock: &BootClock) -> Loss {
        let wanted = told.all.delivered.saturating_add(told.all.dropped);
        Loss {
            time: clock.utc(told.to),
            node: self.node.clone(),
            kind: "loss",
            window: Window {
                from: clock.utc(told.from),
                to: clock.utc(told.to),
            },
            all: told.all,
            share: rounded(told.all.dropped as f64 / wanted.max(1) as f64),
            hooks: told.hooks.clone(),
            ring: Ring {
                size: self.ring_size,
                peak: told.peak,
                peak_share: told
                    .peak
                    .map(|peak| rounded(peak as f64 / self.ring_size.max(1) as f64)),
            },
            rates: self.rates(),
        }
    }

    /// The rates as of now: the pipeline may be held up, and with it the readings.
    pub(super) fn rates(&self) -> Rates {
        let hooks = self.ledger.counters();
        // The clock is there: the pipeline would not have begun without it.
        BootClock::reading().map_or_else(
            |_| Rates::default(),
            |now| self.history().rates(now, sum(hooks.iter().map(|(_, line)| line))),
        )
    }

    pub(super) fn runtimes(&self) -> MutexGuard<'_, Runtimes> {
        // Replaced as a whole: a poisoned lock guards a whole value.
        self.runtimes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ring(&self) -> MutexGuard<'_, RingAccount> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events by metadata status.
    pub(super) fn statuses_now(&self) -> Statuses {
        std::array::from_fn(|index| self.statuses[index].load(Ordering::Relaxed))
    }

    fn status_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Status::ALL
            .into_iter()
            .map(|status| (status.as_str(), self.statuses[status as usize].load(Ordering::Relaxed)))
    }

    fn reason_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::ALL
            .into_iter()
            .map(|reason| (reason.as_str(), self.reasons[reason as usize].load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }

    /// The account of the run so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let Alerts { rules, delivered } = self.alerts();
        Summary {
            time: Timestamp::now(),
            node: self.node.clone(),
            kind: "summary",
            capture: self.choice.programs().as_str(),
            backend: self.choice.backend.as_str(),
            reporting: {
                let (on, off) = self.reporting.on_and_off();
                event::summary::Reporting {
                    on: on.iter().count(),
                    off: reporting::names(off),
                }
            },
            hooks: self
                .ledger
                .all()
                .map(|(hook, counters)| (hook.name(), counters))
                .collect(),
            dispatcher: self.ledger.dispatcher_missed().map(|missed| Dispatcher { missed }),
            rates: self.rates(),
            latency_us: self.latency.quantiles(),
            metadata: MetadataCounts {
                status: self.status_counts().collect(),
                reason: self.reason_counts().collect(),
                fields: field_counts::told(&self.fields.read()),
            },
            lookups: self.runtimes().lookups,
            output: {
                let said = self.given.output.said();
                Output {
                    failures: said.failures,
                    lost_lines: said.lost_lines,
                }
            },
            rules,
            delivery: delivered,
        }
    }
}

impl health::Source for Vitals {
    fn facts(&self) -> Facts {
        // The clock is there: the pipeline would not have begun without it.
        let now = BootClock::reading().unwrap_or_default();
        let seen = self.pulse.last_canary(now);
        let hooks = self.ledger.counters();
        Facts {
            at: Duration::from_nanos(now),
            attached: self.ledger.hooks(),
            off: self.reporting.on_and_off().1,
            canary: self.ledger.hooks().contains(Hook::CANARY).then(|| Canary {
                age: seen.map(|seen| seen.age),
                round_trip: seen.map(|seen| seen.round_trip),
            }),
            turn_age: Some(self.pulse.turn_age(now)),
            runtimes: self.runtimes().answering.clone(),
            counts: sum(hooks.iter().map(|(_, line)| line)),
            delivery: self.alerts().delivered,
        }
    }

    fn numbers(&self) -> Numbers {
        let (runtimes, times) = {
            let runtimes = self.runtimes();
            (runtimes.answering.clone(), runtimes.times.clone())
        };
        Numbers {
            summary: self.summary(),
            rules: self.rules(),
            profile: self.profile.clone(),
            ring_size: self.ring_size,
            latency: self.latency.spread(),
            lookups: times.unwrap_or_default().spread(),
            runtimes,
            threads: own_threads(),
            process: self.process(),
            output: self.given.output.said(),
        }
    }
}

pub(super) fn own_threads() -> Vec<ThreadStatus> {
    status::own_threads().unwrap_or_else(|error| {
        // Whoever scrapes decides how often: not for the log.
        tracing::debug!(%error, "cannot read the status of the own threads");
        Vec::new()
    })
}
