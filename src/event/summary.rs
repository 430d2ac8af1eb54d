//! The account of a run: its last line, and one on SIGUSR1.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::capture::HookCounters;
use crate::container::LookupStats;
use crate::delivery::Delivered;
use crate::histogram::Quantiles;

/// What the run saw, lost and looked up.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// When it was taken.
    #[serde(serialize_with = "super::clock::rfc3339")]
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// Always `summary`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `full`, or `reduced` where the kernel refuses programs that read its memory.
    pub capture: &'static str,
    /// The capture backend in use.
    pub backend: &'static str,
    /// Which of the hooks report.
    pub reporting: Reporting,
    /// By hook: seen = filtered + delivered + dropped.
    pub hooks: BTreeMap<&'static str, HookCounters>,
    /// The program of the dispatcher backend, where it is in use and the kernel counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatcher: Option<Dispatcher>,
    /// Events per second, all hooks together.
    pub rates: Rates,
    /// From the hook to the output, of printed events.
    pub latency_us: Quantiles,
    /// Events by metadata status, and those not complete by reason.
    pub metadata: MetadataCounts,
    /// Lookups made at container runtimes.
    pub lookups: LookupStats,
    /// What did not get to the output.
    pub output: Output,
    /// Where there are rules: those that held, or of which it was unknown whether they do, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<BTreeMap<String, RuleCount>>,
    /// Where alerts go to channels: what became of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivered>,
}

/// What became of one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// How often it held.
    pub matched: u64,
    /// How often it was unknown whether it holds, and an alert said so.
    pub undecided: u64,
    /// How often it was unknown and only counted: it had been said of that container, or was not to be.
    pub held_back: u64,
    /// How many alerts, of those that `matched` and `undecided` count, `delivery.limit` held back.
    pub limited: u64,
}

/// What was lost at the output, because there was no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Writes that failed.
    pub failures: u64,
    /// Lines that were lost with them.
    pub lost_lines: u64,
}

/// Which of the attached hooks report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reporting {
    /// How many do.
    pub on: usize,
    /// Those that were turned off on the admin socket.
    pub off: Vec<&'static str>,
}

/// The program that looks at the exit of every system call.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Dispatcher {
    /// Runs that the kernel skipped because it was already running on that CPU; of which system calls, nobody knows.
    pub missed: u64,
}

/// Rates over three windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Over the last 10 s.
    #[serde(rename = "10s")]
    pub ten_seconds: Rate,
    /// Over the last minute.
    #[serde(rename = "1m")]
    pub minute: Rate,
    /// Over the last hour.
    #[serde(rename = "1h")]
    pub hour: Rate,
}

/// Events per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rate {
    /// What it was measured over: the window, or less where the run is shorter.
    pub seconds: f64,
    /// Seen by a hook, what was filtered included.
    pub seen: f64,
    /// Handed over.
    pub delivered: f64,
    /// Lost.
    pub dropped: f64,
}

/// How complete the metadata of the events was.
#[derive(Debug, Clone, Serialize)]
pub struct MetadataCounts {
    /// Events by `metadata.status`.
    pub status: BTreeMap<&'static str, u64>,
    /// Events by `metadata.reason`; reasons that never occurred are left out.
    pub reason: BTreeMap<&'static str, u64>,
    /// Events of containers by what became of each field.
    pub fields: BTreeMap<&'static str, FieldCount>,
}

/// What became of a field in the events of containers: their number is the sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FieldCount {
    /// It is there.
    pub present: u64,
    /// There is none to tell.
    pub inapplicable: u64,
    /// It is not known, by reason; reasons that never occurred are left out.
    pub missing: BTreeMap<&'static str, u64>,
}
