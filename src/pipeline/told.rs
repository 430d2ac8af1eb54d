//! From the agent's own values to the messages of the admin socket. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pinhole_delivery::account::Account;

use super::field_counts::{self, Fields};
use super::rates::{self, Statuses};
use super::window;
use crate::capture::{Hook, HookCounters};
use crate::config::Effective;
use crate::container::{Answering, Candidate, LookupStats, Now, Reason, Status};
use crate::control::api;
use crate::delivery::Delivered;
use crate::event::summary::{FieldCount, Rate};
use crate::health::process::ProcessNumbers;
use crate::histogram::Quantiles;
use crate::output::account::Said;
use crate::output::log;
use crate::privilege::status::{SeccompMode, ThreadStatus};
use crate::rules::reload::Standing;

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn field((word, count): (&'static str, FieldCount)) -> (String, api::FieldCount) {
    let missing = count.missing.into_iter();
    let count = api::FieldCount {
        present: count.present,
        inapplicable: count.inapplicable,
        missing: missing.map(|(reason, count)| (reason.to_owned(), count)).collect(),
    };
    (word.to_owned(), count)
}

pub(super) fn rate(rate: Rate) -> api::Rate {
    api::Rate {
        seconds: rate.seconds,
        seen: rate.seen,
        delivered: rate.delivered,
        dropped: rate.dropped,
    }
}

pub(super) fn lookups(lookups: LookupStats) -> api::Lookups {
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

pub(super) fn latency(said: Quantiles) -> api::Latency {
    api::Latency {
        count: said.count,
        p50_us: said.p50_us,
        p90_us: said.p90_us,
        p99_us: said.p99_us,
        max_us: said.max_us,
    }
}

pub(super) fn thread(status: ThreadStatus) -> api::Thread {
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

/// `now` is of the same socket; `None` for one that the agent does not use.
pub(super) fn runtime(candidate: &Candidate, now: Option<&Answering>) -> api::Runtime {
    let (name, version, api) = candidate.state.runtime().unwrap_or_default();
    let (word, why) = match now.map(|it| &it.now) {
        Some(Now::Answers) => ("answers", ""),
        Some(Now::Silent(why)) => ("silent", &**why),
        Some(Now::Absent) => ("absent", "there is no socket"),
        None => ("", ""),
    };
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
        now: word.to_owned(),
        why: why.to_owned(),
        circuit_open: now.is_some_and(|it| it.circuit_open),
        version_us: now.and_then(|it| it.took).map(microseconds),
    }
}

pub(super) fn hooks(lines: &[(Hook, HookCounters)]) -> HashMap<String, api::HookCounters> {
    let told = |(hook, line): &(Hook, HookCounters)| {
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
    };
    lines.iter().map(told).collect()
}

pub(super) fn statuses(counts: &Statuses) -> HashMap<String, u64> {
    let word = |(status, count): (Status, &u64)| (status.as_str().to_owned(), *count);
    Status::ALL.into_iter().zip(counts).map(word).collect()
}

/// Those that occurred.
pub(super) fn reasons(counts: &[u64; Reason::ALL.len()]) -> HashMap<String, u64> {
    let occurred = Reason::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0);
    occurred
        .map(|(reason, count)| (reason.as_str().to_owned(), *count))
        .collect()
}

pub(super) fn fields(counts: &Fields) -> HashMap<String, api::FieldCount> {
    field_counts::told(counts).into_iter().map(field).collect()
}

/// What happened in a window; its `at` is how long that is.
/// `max_us` is the largest latency since the start.
pub(super) fn window(happened: &window::Account, max_us: u64) -> api::WindowAccount {
    api::WindowAccount {
        seconds: happened.at.as_secs_f64(),
        hooks: hooks(&happened.hooks),
        metadata_status: statuses(&happened.statuses),
        metadata_reason: reasons(&happened.reasons),
        metadata_fields: fields(&happened.fields),
        latency: Some(latency(happened.latency.quantiles(max_us))),
    }
}

pub(super) fn moment(now: Duration, reading: &rates::Reading) -> api::Moment {
    let events = |status: Status| reading.statuses[status as usize];
    api::Moment {
        age_ms: milliseconds(now.saturating_sub(reading.at)),
        seen: reading.sum.seen,
        delivered: reading.sum.delivered,
        dropped: reading.sum.dropped,
        complete: events(Status::Complete),
        partial: events(Status::Partial),
        missing: events(Status::Missing),
        host: events(Status::Host),
    }
}

/// Of the only output that there is.
pub(super) fn output(said: Said) -> api::Output {
    let (last_failure_age_ms, last_error) = said
        .last
        .map_or((None, String::new()), |(age, error)| (Some(milliseconds(age)), error));
    api::Output {
        kind: "stdout".to_owned(),
        written_bytes: said.written,
        blocked_us: microseconds(said.blocked),
        longest_block_us: microseconds(said.longest),
        failures: said.failures,
        lost_lines: said.lost_lines,
        last_error,
        last_failure_age_ms,
        blocked_now_us: said.blocked_now.map(microseconds),
    }
}

pub(super) fn rules(it: &Standing, now: Instant) -> api::Rules {
    let refused = it.refused.as_ref();
    api::Rules {
        loaded: it.rules as u64,
        refused: refused.map(|(_, why)| why.clone()),
        refused_ms: refused.map(|(since, _)| milliseconds(now.saturating_duration_since(*since))),
        unattached: it
            .beyond
            .iter()
            .map(|(hook, rules)| ((*hook).to_owned(), rules.clone()))
            .collect(),
    }
}

pub(super) fn delivery(it: &Delivered) -> api::Delivery {
    let channel = |account: &Account| api::Channel {
        delivered: account.delivered,
        failed: account.failed,
        dropped: account.dropped,
        below: account.below,
        retried: account.retried,
        waiting: account.waiting,
        failing: account.failing,
        last_error: account.last_error.clone(),
    };
    let channels = it.channels.iter();
    api::Delivery {
        running: it.running,
        hangs: it.hangs(),
        silence_ms: milliseconds(it.silence),
        handed_over: it.handed_over,
        lost: it.lost,
        channels: channels
            .map(|(name, account)| (name.clone(), channel(account)))
            .collect(),
    }
}

/// `None` where no log was set up.
pub(super) fn log(destination: &log::Destination) -> Option<api::Log> {
    destination.target().map(|target| api::Log {
        wanted: destination.wanted().to_owned(),
        used: target.as_str().to_owned(),
        why: destination.trouble(),
        failures: destination.failures(),
    })
}

pub(super) fn setting(it: &Effective) -> api::Setting {
    api::Setting {
        key: it.key.to_owned(),
        value: it.value.clone(),
        origin: it.origin.clone(),
    }
}

pub(super) fn process(it: &ProcessNumbers) -> api::Process {
    api::Process {
        rss_bytes: it.resident,
        peak_rss_bytes: it.peak,
        open_fds: it.descriptors,
        cpu_seconds: it.cpu.as_secs_f64(),
        most_fds: it.most_descriptors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::discovery::Evidence;
    use crate::container::{Origin, State};
    use crate::event::loss::Counts;
    use crate::health::fixture;

    #[test]
    fn a_runtime_is_told_as_it_was_found_and_as_it_is() {
        const SOCKET: &str = "/run/containerd/containerd.sock";
        let candidate = Candidate::new(SOCKET.into(), Origin::Configured, State::Timeout, Evidence::default());
        let unused = runtime(&candidate, None);
        assert_eq!((&*unused.now, &*unused.why, unused.circuit_open), ("", "", false));
        for (now, word, why) in [
            (Now::Answers, "answers", ""),
            (
                Now::Silent("no answer in time".to_owned()),
                "silent",
                "no answer in time",
            ),
            (Now::Absent, "absent", "there is no socket"),
        ] {
            let answering = Answering {
                circuit_open: true,
                took: Some(Duration::from_millis(7)),
                ..fixture::runtime(SOCKET, now)
            };
            let told = runtime(&candidate, Some(&answering));
            assert_eq!((&*told.now, &*told.why), (word, why));
            assert_eq!((told.circuit_open, told.version_us), (true, Some(7000)));
        }
    }

    #[test]
    fn a_moment_keeps_the_statuses_apart() {
        let sum = Counts {
            seen: 10,
            delivered: 9,
            dropped: 1,
        };
        // In the order of the list of statuses, which is not that of the message.
        let counts = Status::ALL.map(|status| match status {
            Status::Host => 1,
            Status::Complete => 2,
            Status::Partial => 3,
            Status::Missing => 4,
        });
        let told = moment(Duration::from_secs(9), &rates::Reading::new(7_500_000_000, sum, counts));
        assert_eq!((told.age_ms, told.seen, told.delivered, told.dropped), (1500, 10, 9, 1));
        assert_eq!((told.host, told.complete, told.partial, told.missing), (1, 2, 3, 4));
        assert_eq!(statuses(&counts)["partial"], 3);
    }

    #[test]
    fn an_output_that_failed_says_when_and_why() {
        let said = Said {
            failures: 2,
            lost_lines: 30,
            last: Some((Duration::from_millis(1234), "full".to_owned())),
            ..Said::default()
        };
        let told = output(said);
        assert_eq!((told.failures, told.lost_lines, &*told.last_error), (2, 30, "full"));
        assert_eq!((told.last_failure_age_ms, told.blocked_now_us), (Some(1234), None));
        assert!(super::log(&log::Destination::default()).is_none());
    }
}
