//! What is known about the running agent, shared between the pipeline, which writes, and the control thread, which
//! reads. Reading never holds the pipeline up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::field_counts::FieldCounts;
use super::loss::{Reading, Told};
use super::pulse::Pulse;
use super::rates::{History, rounded, sum};
use super::reporting::{self, Reporting};
use crate::capture::backend::Choice;
use crate::capture::{Capture, Hook, Ledger};
use crate::container::{Answering, Candidate, LookupStats, Outcome, Reason, Resolver, Status};
use crate::control::api;
use crate::control::containers::{Busy, Questions};
use crate::control::server::StatusSource;
use crate::event::loss::{Ring, Window};
use crate::event::summary::{Dispatcher, FieldCount, MetadataCounts, Rate, Rates};
use crate::event::{self, BootClock, Loss, Summary};
use crate::health::{self, Canary, Facts, Numbers, process};
use crate::histogram::{Histogram, Quantiles};
use crate::privilege::guard::Guard;
use crate::privilege::landlock::Landlocked;
use crate::privilege::status::{self, SeccompMode, ThreadStatus};

/// The agent's state in numbers.
#[derive(Debug)]
pub struct Vitals {
    node: String,
    profile: String,
    started: Instant,
    choice: Choice,
    ring_size: u64,
    ledger: Arc<Ledger>,
    reporting: Arc<Reporting>,
    questions: Questions,
    statuses: [AtomicU64; Status::ALL.len()],
    reasons: [AtomicU64; Reason::ALL.len()],
    fields: FieldCounts,
    runtimes: Mutex<Runtimes>,
    latency: Histogram,
    pulse: Pulse,
    history: Mutex<History>,
    landlocked: Option<Landlocked>,
    guard: OnceLock<Guard>,
    own: Option<process::Own>,
}

#[derive(Debug, Default)]
struct Runtimes {
    lookups: LookupStats,
    candidates: Vec<Candidate>,
    answering: Vec<Answering>,
    times: Option<Arc<Histogram>>,
}

impl Vitals {
    /// The state of an agent that begins now.
    #[must_use]
    pub fn new(node: String, profile: String, capture: &Capture) -> Self {
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
            landlocked: None,
            guard: OnceLock::new(),
            own: process::Own::new().ok(),
        }
    }

    /// The same, of an agent that Landlock restricts so.
    #[must_use]
    pub fn landlocked(mut self, landlocked: Landlocked) -> Self {
        self.landlocked = Some(landlocked);
        self
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

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// What is asked about containers.
    pub(super) fn questions(&self) -> &Questions {
        &self.questions
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

    /// Takes a reading of the ledger, from which the rates are made. `now` in nanoseconds of CLOCK_BOOTTIME.
    pub fn read_ledger(&self, now: u64, peak: Option<u64>) -> Reading {
        let hooks = self.ledger.counters();
        self.history().note(now, sum(hooks.iter().map(|(_, line)| line)));
        Reading { at: now, hooks, peak }
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
    fn rates(&self) -> Rates {
        let hooks = self.ledger.counters();
        // The clock is there: the pipeline would not have begun without it.
        BootClock::reading().map_or_else(
            |_| Rates::default(),
            |now| self.history().rates(now, sum(hooks.iter().map(|(_, line)| line))),
        )
    }

    fn runtimes(&self) -> MutexGuard<'_, Runtimes> {
        // Replaced as a whole: a poisoned lock guards a whole value.
        self.runtimes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
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
                fields: self.fields.told(),
            },
            lookups: self.runtimes().lookups,
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
        }
    }

    fn numbers(&self) -> Numbers {
        let (runtimes, times) = {
            let runtimes = self.runtimes();
            (runtimes.answering.clone(), runtimes.times.clone())
        };
        let boot = BootClock::now().map_or(Timestamp::UNIX_EPOCH, |clock| clock.utc(0));
        let process = self.own.as_ref().and_then(|own| {
            own.read(boot.as_duration().as_secs_f64())
                .inspect_err(|error| tracing::debug!(%error, "what the own process uses cannot be read"))
                .ok()
        });
        Numbers {
            summary: self.summary(),
            profile: self.profile.clone(),
            ring_size: self.ring_size,
            latency: self.latency.spread(),
            lookups: times.unwrap_or_default().spread(),
            runtimes,
            threads: own_threads(),
            process,
        }
    }
}

impl StatusSource for Vitals {
    fn containers(
        &self,
        question: api::GetContainersRequest,
    ) -> Result<oneshot::Receiver<api::GetContainersReply>, Busy> {
        self.questions.ask(question)
    }

    fn status(&self) -> api::GetStatusReply {
        let owned = |(word, count): (&'static str, u64)| (word.to_owned(), count);
        let (lookups, runtimes) = {
            let runtimes = self.runtimes();
            (runtimes.lookups, runtimes.candidates.iter().map(runtime).collect())
        };
        // The clock is there: the pipeline would not have begun without it.
        let now = BootClock::reading().unwrap_or_default();
        let canary = self.pulse.last_canary(now);
        api::GetStatusReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            node: self.node.clone(),
            profile: self.profile.clone(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            backend: Some(api::Backend {
                name: self.choice.backend.as_str().to_owned(),
                why: self.choice.why.clone(),
                reduced: self.choice.reduced.clone(),
            }),
            hooks: self
                .ledger
                .all()
                .map(|(hook, line)| {
                    let counters = api::HookCounters {
                        seen: line.seen,
                        filtered: line.filtered,
                        delivered: line.delivered,
                        dropped: line.dropped,
                        truncated: line.truncated,
                        unreadable: line.unreadable,
                        missed: line.missed,
                    };
                    (hook.name().to_owned(), counters)
                })
                .collect(),
            metadata_status: self.status_counts().map(owned).collect(),
            metadata_reason: self.reason_counts().map(owned).collect(),
            metadata_fields: self.fields.told().into_iter().map(field).collect(),
            lookups: Some(told(lookups)),
            runtimes,
            threads: threads(),
            ring_size: self.ring_size,
            rates: {
                let Rates {
                    ten_seconds,
                    minute,
                    hour,
                } = self.rates();
                [("10s", ten_seconds), ("1m", minute), ("1h", hour)]
                    .map(|(window, it)| (window.to_owned(), rate(it)))
                    .into()
            },
            latency: Some(latency(self.latency.quantiles())),
            dispatcher_missed: self.ledger.dispatcher_missed(),
            reporting: Some(reporting::told(self.reporting.on_and_off().1)),
            canary_age_ms: canary.map(|seen| milliseconds(seen.age)),
            canary_round_trip_us: canary.map(|seen| microseconds(seen.round_trip)),
            canary_status: canary.map(|seen| seen.status.as_str().to_owned()),
            canary_reason: canary
                .and_then(|seen| seen.reason)
                .map(|reason| reason.as_str().to_owned()),
            turn_age_ms: Some(milliseconds(self.pulse.turn_age(now))),
            landlock: self.landlocked.as_ref().map(|it| api::Landlock {
                abi: it.abi,
                restricted: it.restricted.as_str().to_owned(),
                why: it.why.clone(),
                refused: it.refused,
            }),
            privilege_checks: self.guard().map(|guard| api::PrivilegeChecks {
                count: guard.checks(),
                age_ms: milliseconds(guard.age()),
            }),
            ..api::GetStatusReply::default()
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn field((word, count): (&'static str, FieldCount)) -> (String, api::FieldCount) {
    let missing = count.missing.into_iter();
    let count = api::FieldCount {
        present: count.present,
        inapplicable: count.inapplicable,
        missing: missing.map(|(reason, count)| (reason.to_owned(), count)).collect(),
    };
    (word.to_owned(), count)
}

fn rate(rate: Rate) -> api::Rate {
    api::Rate {
        seconds: rate.seconds,
        seen: rate.seen,
        delivered: rate.delivered,
        dropped: rate.dropped,
    }
}

fn told(lookups: LookupStats) -> api::Lookups {
    api::Lookups {
        count: lookups.count,
        p50_us: lookups.p50_us,
        p99_us: lookups.p99_us,
        hits: lookups.hits,
        prefetched: lookups.prefetched,
        inventoried: lookups.inventoried,
        first_known: lookups.first.known,
        first_joined: lookups.first.joined,
        first_asked: lookups.first.asked,
        waited_us: lookups.waited_us,
        longest_wait_us: lookups.longest_wait_us,
        in_flight: lookups.in_flight,
        containers: lookups.containers,
        evicted: lookups.evicted,
        overflowed: lookups.overflowed,
    }
}

fn latency(said: Quantiles) -> api::Latency {
    api::Latency {
        count: said.count,
        p50_us: said.p50_us,
        p90_us: said.p90_us,
        p99_us: said.p99_us,
        max_us: said.max_us,
    }
}

fn threads() -> Vec<api::Thread> {
    own_threads().into_iter().map(thread).collect()
}

fn own_threads() -> Vec<ThreadStatus> {
    status::own_threads().unwrap_or_else(|error| {
        // Whoever scrapes decides how often: not for the log.
        tracing::debug!(%error, "cannot read the status of the own threads");
        Vec::new()
    })
}

fn thread(status: ThreadStatus) -> api::Thread {
    api::Thread {
        tid: status.tid,
        name: status.name,
        cap_effective: status.effective.bits(),
        cap_permitted: status.permitted.bits(),
        cap_inheritable: status.inheritable.bits(),
        cap_bounding: status.bounding.bits(),
        cap_ambient: status.ambient.bits(),
        no_new_privs: status.no_new_privs,
        seccomp: match status.seccomp {
            SeccompMode::Disabled => 0,
            SeccompMode::Strict => 1,
            SeccompMode::Filter => 2,
        },
        seccomp_filters: status.seccomp_filters,
    }
}

fn runtime(candidate: &Candidate) -> api::Runtime {
    let (name, version, api) = candidate.state.runtime().unwrap_or_default();
    api::Runtime {
        socket: candidate.socket.display().to_string(),
        state: candidate.state.as_str().to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        api: api.to_owned(),
        detail: candidate.state.detail(),
        protocol: candidate.protocol.as_str().to_owned(),
        rank: candidate.rank().as_str().to_owned(),
        evidence: candidate.evidence.describe(),
        origin: candidate.origin.as_str().to_owned(),
        ..api::Runtime::default()
    }
}
