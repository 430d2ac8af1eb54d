//! The table of metrics: what each is called, counts and means. What is exported is made from it, and a test compares it
//! with what is exported and with `docs/health.md`.
//!
//! Names follow Prometheus' conventions: base units, the unit at the end, `_total` after counters. Labels have few values:
//! hooks, words of this program, sockets of runtimes. What the process itself uses bears the names that every exporter
//! uses for it.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

pub(super) mod write;

/// What values are in.
#[derive(Debug, Clone, Copy)]
enum In {
    Seconds,
    Bytes,
}

impl In {
    fn unit(self) -> Unit {
        match self {
            Self::Seconds => Unit::Seconds,
            Self::Bytes => Unit::Bytes,
        }
    }
}

/// A family of metrics.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name without the unit, and without what its kind puts behind it.
    base: &'static str,
    unit: Option<In>,
    kind: MetricType,
    /// The keys of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in a line.
    pub help: &'static str,
}

impl Metric {
    const fn new(kind: MetricType, base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self {
            base,
            unit: None,
            kind,
            labels,
            help,
        }
    }

    const fn counter(base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self::new(MetricType::Counter, base, labels, help)
    }

    const fn gauge(base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self::new(MetricType::Gauge, base, labels, help)
    }

    const fn info(base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self::new(MetricType::Info, base, labels, help)
    }

    const fn histogram(base: &'static str, help: &'static str) -> Self {
        Self::new(MetricType::Histogram, base, &[], help).in_unit(In::Seconds)
    }

    const fn in_unit(self, unit: In) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// The name, as queries have it.
    #[must_use]
    pub fn name(&self) -> String {
        let unit = match self.unit {
            Some(In::Seconds) => "_seconds",
            Some(In::Bytes) => "_bytes",
            None => "",
        };
        let end = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        format!("{}{unit}{end}", self.base)
    }

    /// Its type in the words of Prometheus.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.kind {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::Info => "info",
            MetricType::Unknown => "unknown",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident = $metric:expr;)*) => {
        $(static $constant: Metric = $metric;)*

        /// Every metric, in the order in which they are exported.
        pub static METRICS: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD = Metric::info("pinhole_build", &["version"], "The agent");
    CAPTURE = Metric::info("pinhole_capture", &["profile", "programs", "backend"], "How events are captured, and by which profile");
    READY = Metric::gauge("pinhole_ready", &[], "Whether every condition of readiness is met, 1 or 0");
    LIVE = Metric::gauge("pinhole_live", &[], "Whether the pipeline advances, 1 or 0");
    CONDITION = Metric::gauge("pinhole_condition", &["probe", "condition", "check"], "Whether a condition is met, 1 or 0, and the doctor's check that it belongs to; absent where the agent cannot find out");
    TURN_AGE = Metric::gauge("pinhole_turn_age", &[], "How long ago the pipeline began its present turn").in_unit(In::Seconds);
    CANARY_AGE = Metric::gauge("pinhole_canary_age", &[], "How long ago the youngest canary that came through the pipeline was sent").in_unit(In::Seconds);
    CANARY_ROUND_TRIP = Metric::gauge("pinhole_canary_round_trip", &[], "What that canary took from the kernel to the output").in_unit(In::Seconds);
    SEEN = Metric::counter("pinhole_events_seen", &["hook"], "Runs of a hook: filtered, delivered and dropped ones together");
    FILTERED = Metric::counter("pinhole_events_filtered", &["hook"], "Runs that were deliberately not reported");
    DELIVERED = Metric::counter("pinhole_events_delivered", &["hook"], "Events that reached the agent");
    DROPPED = Metric::counter("pinhole_events_dropped", &["hook"], "Events that were lost because the ring buffer was full");
    TRUNCATED = Metric::counter("pinhole_events_truncated", &["hook"], "Delivered events with a part that was cut off at its limit");
    UNREADABLE = Metric::counter("pinhole_events_unreadable", &["hook"], "Delivered events with a part that could not be read");
    MISSED = Metric::counter("pinhole_events_missed", &["hook"], "Runs that the kernel skipped, no part of those seen; only of hooks whose kernel counts them");
    HOOK_REPORTS = Metric::gauge("pinhole_hook_reports", &["hook"], "Whether an attached hook reports, 1, or was turned off, 0");
    RING = Metric::gauge("pinhole_ring_size", &[], "The ring buffer between kernel and agent").in_unit(In::Bytes);
    LATENCY = Metric::histogram("pinhole_event_latency", "Of printed events, the time from the hook to the output");
    WRITTEN = Metric::counter("pinhole_output_written", &[], "Written to standard output").in_unit(In::Bytes);
    BLOCKED = Metric::counter("pinhole_output_blocked", &[], "How long writing has waited for who reads standard output").in_unit(In::Seconds);
    OUTPUT_FAILURES = Metric::counter("pinhole_output_failures", &[], "Writes to standard output that failed for lack of room");
    LOST_LINES = Metric::counter("pinhole_output_lost_lines", &[], "Lines that were lost with them");
    RULES_LOADED = Metric::gauge("pinhole_rules", &[], "Rules in force; absent where no files are named");
    RULES_CURRENT = Metric::gauge("pinhole_rules_current", &[], "Whether the rules in force are those that the files have now, 1, or the files are refused, 0");
    RULES_HOOKS = Metric::gauge("pinhole_rules_unattached_hooks", &[], "Hooks that rules in force need and that are not attached");
    RULES = Metric::counter("pinhole_rule_outcomes", &["rule", "outcome"], "Outcomes of rules: matched; undecided, because metadata is unknown, and alerted; held_back, the same and only counted; limited, of the alerts those that delivery.limit held back");
    DELIVERY_UP = Metric::gauge("pinhole_delivery_up", &[], "Whether the process that delivers alerts is there, 1 or 0; absent where no channel is on");
    DELIVERY_LOST = Metric::counter("pinhole_delivery_lost", &[], "Alerts that could not be handed over to that process");
    DELIVERY = Metric::counter("pinhole_delivery_alerts", &["channel", "outcome"], "Alerts by what became of them: delivered; failed, refused or given up; dropped, for want of room; below the channel's priority");
    DELIVERY_WAITING = Metric::gauge("pinhole_delivery_waiting", &["channel"], "Alerts that wait");
    DELIVERY_FAILING = Metric::gauge("pinhole_delivery_failing", &["channel"], "Whether a channel's last attempt failed, 1 or 0");
    STATUS = Metric::counter("pinhole_metadata_events", &["status"], "Events by how complete their metadata is");
    REASON = Metric::counter("pinhole_metadata_reasons", &["reason"], "Events whose metadata is not complete, by reason");
    FIELD = Metric::counter("pinhole_metadata_fields", &["field", "presence"], "Events of containers by what became of a field: present, inapplicable or missing");
    FIELD_MISSING = Metric::counter("pinhole_metadata_fields_missing", &["field", "reason"], "Events of containers whose field is missing, by reason");
    LOOKUPS = Metric::histogram("pinhole_lookup_duration", "What lookups of containers took the runtimes");
    HITS = Metric::counter("pinhole_lookup_hits", &[], "Events whose container was known");
    STARTED = Metric::counter("pinhole_lookups_started", &["cause"], "Lookups that no event asked for: prefetch, because a cgroup appeared; inventory, because a runtime listed the container");
    FIRST = Metric::counter("pinhole_first_events", &["answer"], "First events of containers by how these were known: known before, joined a lookup, asked for");
    WAITED = Metric::counter("pinhole_lookup_wait", &[], "How long events have waited for runtimes").in_unit(In::Seconds);
    LONGEST_WAIT = Metric::gauge("pinhole_lookup_longest_wait", &[], "The longest that one event has waited").in_unit(In::Seconds);
    IN_FLIGHT = Metric::gauge("pinhole_lookups_in_flight", &[], "Lookups under way");
    OVERFLOWED = Metric::counter("pinhole_lookups_refused", &[], "Lookups that were not started because there were too many");
    CONTAINERS = Metric::gauge("pinhole_containers", &[], "Containers that are remembered, unknown ones included");
    EVICTED = Metric::counter("pinhole_containers_evicted", &[], "Containers that were forgotten because their cgroup had gone");
    RUNTIME = Metric::info("pinhole_runtime", &["socket", "name", "version"], "A container runtime that has answered");
    RUNTIME_UP = Metric::gauge("pinhole_runtime_up", &["socket"], "Whether a container runtime answers, 1 or 0; absent for sockets that are not there and never answered");
    CAPABILITIES = Metric::gauge("pinhole_capabilities", &["set"], "Capabilities that any of the agent's threads holds in a set: 0 after the start");
    CPU = Metric::counter("process_cpu", &[], "User and system time").in_unit(In::Seconds);
    RESIDENT = Metric::gauge("process_resident_memory", &[], "Resident memory").in_unit(In::Bytes);
    VIRTUAL = Metric::gauge("process_virtual_memory", &[], "Virtual memory").in_unit(In::Bytes);
    THREADS = Metric::gauge("process_threads", &[], "Threads");
    DESCRIPTORS = Metric::gauge("process_open_fds", &[], "Open file descriptors");
    MOST_DESCRIPTORS = Metric::gauge("process_max_fds", &[], "How many there may be; absent for no limit");
    START = Metric::gauge("process_start_time", &[], "When the agent started, in seconds since the epoch").in_unit(In::Seconds);
}

#[cfg(test)]
mod tests;
