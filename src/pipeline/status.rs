//! The status of the running agent, put together when somebody asks. Everything in it is bounded: a reply is some 30 kB.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::rates::{self, sum};
use super::ring::{average, needed};
use super::vitals::{Vitals, own_threads};
use super::{reporting, told};
use crate::control::api;
use crate::control::containers::Busy;
use crate::control::server::StatusSource;
use crate::event::BootClock;
use crate::event::loss::Counts;
use crate::event::summary::Rates;

impl StatusSource for Vitals {
    fn containers(
        &self,
        question: api::GetContainersRequest,
    ) -> Result<oneshot::Receiver<api::GetContainersReply>, Busy> {
        self.questions.ask(question)
    }

    fn status(&self) -> api::GetStatusReply {
        let (lookups, runtimes) = {
            let runtimes = self.runtimes();
            let now = |socket: &Path| runtimes.answering.iter().find(|it| it.socket == socket);
            let candidates = runtimes.candidates.iter();
            let candidates = candidates.map(|candidate| told::runtime(candidate, now(&candidate.socket)));
            (runtimes.lookups, candidates.collect())
        };
        // The clock is there: the pipeline would not have begun without it.
        let now = BootClock::reading().unwrap_or_default();
        let account = self.account(now);
        let all = sum(account.hooks.iter().map(|(_, line)| line));
        let steps = self.calendar.steps();
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
            hooks: told::hooks(&account.hooks),
            metadata_status: told::statuses(&account.statuses),
            metadata_reason: told::reasons(&account.reasons),
            metadata_fields: told::fields(&account.fields),
            lookups: Some(told::lookups(lookups)),
            runtimes,
            threads: own_threads().into_iter().map(told::thread).collect(),
            ring_size: self.ring_size,
            rates: {
                let Rates {
                    ten_seconds,
                    minute,
                    hour,
                } = self.rates();
                [("10s", ten_seconds), ("1m", minute), ("1h", hour)]
                    .map(|(window, it)| (window.to_owned(), told::rate(it)))
                    .into()
            },
            latency: Some(told::latency(self.latency.quantiles())),
            dispatcher_missed: self.ledger.dispatcher_missed(),
            reporting: Some(reporting::told(self.reporting.on_and_off().1)),
            canary_age_ms: canary.map(|seen| told::milliseconds(seen.age)),
            canary_round_trip_us: canary.map(|seen| told::microseconds(seen.round_trip)),
            canary_status: canary.map(|seen| seen.status.as_str().to_owned()),
            canary_reason: canary
                .and_then(|seen| seen.reason)
                .map(|reason| reason.as_str().to_owned()),
            turn_age_ms: Some(told::milliseconds(self.pulse.turn_age(now))),
            landlock: self.given.landlocked.as_ref().map(|it| api::Landlock {
                abi: it.abi,
                restricted: it.restricted.as_str().to_owned(),
                why: it.why.clone(),
                refused: it.refused,
            }),
            privilege_checks: self.guard().map(|guard| api::PrivilegeChecks {
                count: guard.checks(),
                age_ms: told::milliseconds(guard.age()),
            }),
            // The server's to fill in: it has the evaluator.
            conditions: Vec::new(),
            history: self.moments(now, all),
            window: Some(told::window(&self.windows().until(&account), self.latency.max_us())),
            ring: Some(self.ring_account(now, all)),
            output: Some(told::output(self.given.output.said())),
            log: told::log(&self.given.log),
            settings: self.given.settings.iter().map(told::setting).collect(),
            unix_time_ns: self.calendar.unix_time(now),
            clock_steps: steps.count,
            last_step_ms: steps.last / 1_000_000,
            process: self.process().as_ref().map(told::process),
            rules: self.rules().map(|standing| told::rules(&standing, Instant::now())),
            delivery: self.alerts().delivered.as_ref().map(told::delivery),
            health_listen: self
                .given
                .health_listen
                .map_or_else(String::new, |address| address.to_string()),
        }
    }
}

impl Vitals {
    fn moments(&self, now: u64, all: Counts) -> Vec<api::Moment> {
        let present = rates::Reading::new(now, all, self.statuses_now());
        let readings = self.history().readings(present);
        let now = Duration::from_nanos(now);
        readings.iter().map(|reading| told::moment(now, reading)).collect()
    }

    fn ring_account(&self, now: u64, all: Counts) -> api::Ring {
        let average = average(self.ledger.ring_bytes(), all.delivered);
        let ring = self.ring();
        let worst = ring.worst(now, all.dropped);
        api::Ring {
            size: self.ring_size,
            fill_max_bytes: ring.peak(),
            window_fill_max_bytes: ring.window_peak(now),
            average_record_bytes: average,
            burst_dropped: worst.dropped,
            burst_ms: told::milliseconds(worst.lasted),
            needed_bytes: needed(self.ring_size, worst.dropped, average),
        }
    }
}
