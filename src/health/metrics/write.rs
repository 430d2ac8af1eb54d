//! From numbers to samples. Each family is written whole, and one without a sample not at all.

use std::fmt::{Error, Write as _};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::*;
use crate::capture::HookCounters;
use crate::container::Now;
use crate::health::condition::{Condition, Met, Report};
use crate::health::facts::{Facts, Numbers};
use crate::histogram::Spread;

/// All that is exported, as it was at one moment.
#[derive(Debug)]
pub(in crate::health) struct Exported {
    pub(in crate::health) facts: Facts,
    pub(in crate::health) report: Report,
    pub(in crate::health) numbers: Numbers,
}

impl Exported {
    /// As OpenMetrics 1.0 text.
    pub(in crate::health) fn into_text(self) -> Result<String, Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// A sample's value.
#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(u64),
    Seconds(f64),
}

impl Value {
    fn encode(self, kind: MetricType, encoder: MetricEncoder<'_>) -> Result<(), Error> {
        match (kind, self) {
            (MetricType::Counter, Self::Whole(value)) => ConstCounter::new(value).encode(encoder),
            (MetricType::Counter, Self::Seconds(value)) => ConstCounter::new(value).encode(encoder),
            (_, Self::Whole(value)) => ConstGauge::new(value).encode(encoder),
            (_, Self::Seconds(value)) => ConstGauge::new(value).encode(encoder),
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Self::Seconds(value.as_secs_f64())
    }
}

/// The values of the labels, in the order of the table, and the sample's.
type Sample<'a> = (Vec<&'a str>, Value);

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family<'s>(&mut self, metric: &Metric, samples: impl IntoIterator<Item = Sample<'s>>) -> Result<(), Error> {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let unit = metric.unit.map(In::unit);
        let mut family = self
            .0
            .encode_descriptor(metric.base, metric.help, unit.as_ref(), metric.kind)?;
        for (values, value) in samples {
            let labels: Vec<(&str, &str)> = metric.labels.iter().copied().zip(values).collect();
            if matches!(metric.kind, MetricType::Info) {
                family.encode_info(&labels)?;
                continue;
            }
            if labels.is_empty() {
                // Without labels there is one sample, and it takes no braces.
                return value.encode(metric.kind, family);
            }
            value.encode(metric.kind, family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn one(&mut self, metric: &Metric, value: impl Into<Value>) -> Result<(), Error> {
        self.family(metric, [(Vec::new(), value.into())])
    }

    fn optional(&mut self, metric: &Metric, value: Option<impl Into<Value>>) -> Result<(), Error> {
        self.family(metric, value.map(|value| (Vec::new(), value.into())))
    }

    fn histogram(&mut self, metric: &Metric, spread: &Spread) -> Result<(), Error> {
        let bounds = spread.buckets.iter();
        let buckets: Vec<(f64, u64)> = bounds
            .map(|(bound, count)| (bound.as_secs_f64(), *count))
            .chain([(f64::INFINITY, spread.beyond)])
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let unit = metric.unit.map(In::unit);
        self.0
            .encode_descriptor(metric.base, metric.help, unit.as_ref(), metric.kind)?
            .encode_histogram::<NoLabelSet>(spread.sum.as_secs_f64(), count, &buckets, None)
    }
}

impl Collector for Exported {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        self.health(&mut page)?;
        self.events(&mut page)?;
        self.metadata(&mut page)?;
        self.lookups(&mut page)?;
        self.runtimes(&mut page)?;
        self.process(&mut page)
    }
}

impl Exported {
    fn health(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let Self { facts, report, numbers } = self;
        let summary = &numbers.summary;
        page.family(&BUILD, [(vec![env!("CARGO_PKG_VERSION")], 1.into())])?;
        let capture = vec![&*numbers.profile, summary.capture, summary.backend];
        page.family(&CAPTURE, [(capture, 1.into())])?;
        page.one(&READY, report.is_ready())?;
        page.one(&LIVE, report.is_live())?;
        let told = |probe: &'static str, condition: &Condition| match condition.met {
            Met::Unknown => None,
            met => Some((vec![probe, condition.name, condition.check], (met == Met::Yes).into())),
        };
        let ready = report.readiness.iter().filter_map(|condition| told("ready", condition));
        let live = report.liveness.iter().filter_map(|condition| told("live", condition));
        page.family(&CONDITION, ready.chain(live))?;
        page.optional(&TURN_AGE, facts.turn_age)?;
        page.optional(&CANARY_AGE, facts.canary.and_then(|canary| canary.age))?;
        page.optional(&CANARY_ROUND_TRIP, facts.canary.and_then(|canary| canary.round_trip))
    }

    fn events(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let Self { facts, numbers, .. } = self;
        let hooks = &numbers.summary.hooks;
        type Count = fn(&HookCounters) -> Option<u64>;
        let counts: [(&Metric, Count); 7] = [
            (&SEEN, |line| Some(line.seen)),
            (&FILTERED, |line| Some(line.filtered)),
            (&DELIVERED, |line| Some(line.delivered)),
            (&DROPPED, |line| Some(line.dropped)),
            (&TRUNCATED, |line| Some(line.truncated)),
            (&UNREADABLE, |line| Some(line.unreadable)),
            (&MISSED, |line| line.missed),
        ];
        for (metric, count) in counts {
            let samples = hooks
                .iter()
                .filter_map(|(hook, line)| Some((vec![*hook], count(line)?.into())));
            page.family(metric, samples)?;
        }
        let reports = facts
            .attached
            .iter()
            .map(|hook| (vec![hook.name()], (!facts.off.contains(hook)).into()));
        page.family(&HOOK_REPORTS, reports)?;
        page.one(&RING, numbers.ring_size)?;
        page.histogram(&LATENCY, &numbers.latency)?;
        let output = &numbers.output;
        page.one(&WRITTEN, output.written)?;
        page.one(&BLOCKED, output.blocked)?;
        page.one(&OUTPUT_FAILURES, output.failures)?;
        page.one(&LOST_LINES, output.lost_lines)?;
        if let Some(standing) = &numbers.rules {
            page.one(&RULES_LOADED, standing.rules as u64)?;
            page.one(&RULES_CURRENT, standing.refused.is_none())?;
            page.one(&RULES_HOOKS, standing.beyond.len() as u64)?;
        }
        let rules = numbers.summary.rules.iter().flatten();
        let outcomes = rules.flat_map(|(rule, count)| {
            [
                (vec![&**rule, "matched"], count.matched.into()),
                (vec![&**rule, "undecided"], count.undecided.into()),
                (vec![&**rule, "held_back"], count.held_back.into()),
                (vec![&**rule, "limited"], count.limited.into()),
            ]
        });
        page.family(&RULES, outcomes)?;
        self.delivery(page)
    }

    fn delivery(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let Some(delivery) = &self.numbers.summary.delivery else {
            return Ok(());
        };
        page.one(&DELIVERY_UP, delivery.running)?;
        page.one(&DELIVERY_LOST, delivery.lost)?;
        let channels = || delivery.channels.iter().map(|(name, account)| (name.as_str(), account));
        let outcomes = channels().flat_map(|(name, account)| {
            [
                (vec![name, "delivered"], account.delivered.into()),
                (vec![name, "failed"], account.failed.into()),
                (vec![name, "dropped"], account.dropped.into()),
                (vec![name, "below"], account.below.into()),
            ]
        });
        page.family(&DELIVERY, outcomes)?;
        let waiting = channels().map(|(name, account)| (vec![name], account.waiting.into()));
        page.family(&DELIVERY_WAITING, waiting)?;
        let failing = channels().map(|(name, account)| (vec![name], account.failing.into()));
        page.family(&DELIVERY_FAILING, failing)
    }

    fn metadata(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let metadata = &self.numbers.summary.metadata;
        page.family(
            &STATUS,
            metadata
                .status
                .iter()
                .map(|(word, count)| (vec![*word], (*count).into())),
        )?;
        page.family(
            &REASON,
            metadata
                .reason
                .iter()
                .map(|(word, count)| (vec![*word], (*count).into())),
        )?;
        let presences = metadata.fields.iter().flat_map(|(field, count)| {
            let missing: u64 = count.missing.values().sum();
            [
                (vec![*field, "present"], count.present.into()),
                (vec![*field, "inapplicable"], count.inapplicable.into()),
                (vec![*field, "missing"], missing.into()),
            ]
        });
        page.family(&FIELD, presences)?;
        let missing = metadata.fields.iter().flat_map(|(field, count)| {
            let reasons = count.missing.iter();
            reasons.map(|(reason, count)| (vec![*field, *reason], (*count).into()))
        });
        page.family(&FIELD_MISSING, missing)
    }

    fn lookups(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let lookups = &self.numbers.summary.lookups;
        page.histogram(&LOOKUPS, &self.numbers.lookups)?;
        page.one(&HITS, lookups.hits)?;
        let started = [("prefetch", lookups.prefetched), ("inventory", lookups.inventoried)];
        page.family(&STARTED, started.map(|(word, count)| (vec![word], count.into())))?;
        let first = [
            ("known", lookups.first.known),
            ("joined", lookups.first.joined),
            ("asked", lookups.first.asked),
        ];
        page.family(&FIRST, first.map(|(word, count)| (vec![word], count.into())))?;
        page.one(&WAITED, Duration::from_micros(lookups.waited_us))?;
        page.one(&LONGEST_WAIT, Duration::from_micros(lookups.longest_wait_us))?;
        page.one(&IN_FLIGHT, lookups.in_flight)?;
        page.one(&OVERFLOWED, lookups.overflowed)?;
        page.one(&CONTAINERS, lookups.containers)?;
        page.one(&EVICTED, lookups.evicted)
    }

    fn runtimes(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let sockets: Vec<(String, _)> = self
            .numbers
            .runtimes
            .iter()
            .filter(|runtime| runtime.has_answered || runtime.now != Now::Absent)
            .map(|runtime| (runtime.socket.display().to_string(), runtime))
            .collect();
        let known = sockets.iter().filter(|(_, runtime)| runtime.has_answered);
        page.family(
            &RUNTIME,
            known.map(|(socket, runtime)| (vec![&**socket, &*runtime.name, &*runtime.version], 1.into())),
        )?;
        let up = sockets
            .iter()
            .map(|(socket, runtime)| (vec![&**socket], (runtime.now == Now::Answers).into()));
        page.family(&RUNTIME_UP, up)
    }

    fn process(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let threads = &self.numbers.threads;
        let sets = [
            (
                "effective",
                threads
                    .iter()
                    .map(|thread| thread.effective.bits())
                    .fold(0, |all, set| all | set),
            ),
            (
                "permitted",
                threads
                    .iter()
                    .map(|thread| thread.permitted.bits())
                    .fold(0, |all, set| all | set),
            ),
            (
                "inheritable",
                threads
                    .iter()
                    .map(|thread| thread.inheritable.bits())
                    .fold(0, |all, set| all | set),
            ),
            (
                "ambient",
                threads
                    .iter()
                    .map(|thread| thread.ambient.bits())
                    .fold(0, |all, set| all | set),
            ),
        ];
        // Of threads that could not be read nothing is claimed.
        let sets = sets.into_iter().filter(|_| !threads.is_empty());
        page.family(
            &CAPABILITIES,
            sets.map(|(set, bits)| (vec![set], u64::from(bits.count_ones()).into())),
        )?;
        let Some(process) = &self.numbers.process else {
            return Ok(());
        };
        page.one(&CPU, process.cpu)?;
        page.one(&RESIDENT, process.resident)?;
        page.one(&VIRTUAL, process.virtual_memory)?;
        page.one(&THREADS, process.threads)?;
        page.one(&DESCRIPTORS, process.descriptors)?;
        page.optional(&MOST_DESCRIPTORS, process.most_descriptors)?;
        page.one(&START, Value::Seconds(process.started))
    }
}

/// The classic text format of Prometheus, from OpenMetrics text: a family is called like its samples, and neither units
/// nor an end are told.
pub(crate) fn classic(open: &str) -> Result<String, Error> {
    let mut text = String::with_capacity(open.len());
    let mut help = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (end, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                writeln!(text, "# HELP {name}{end} {help}")?;
            }
            writeln!(text, "# TYPE {name}{end} {kind}")?;
        } else if !line.starts_with('#') {
            writeln!(text, "{line}")?;
        }
    }
    Ok(text)
}
