//! The account of a run: its last line, and one on SIGUSR1.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::capture::HookCounters;

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
    /// The capture backend in use.
    pub backend: &'static str,
    /// By hook: seen = filtered + delivered + dropped.
    pub hooks: BTreeMap<&'static str, HookCounters>,
    /// Events by metadata status, and those not complete by reason.
    pub metadata: MetadataCounts,
    /// Lookups made at container runtimes.
    pub lookups: Lookups,
}

/// How complete the metadata of the events was.
#[derive(Debug, Clone, Serialize)]
pub struct MetadataCounts {
    /// Events by `metadata.status`.
    pub status: BTreeMap<&'static str, u64>,
    /// Events by `metadata.reason`; reasons that never occurred are left out.
    pub reason: BTreeMap<&'static str, u64>,
}

/// What the lookups cost.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Lookups {
    /// How many there were.
    pub count: u64,
    /// The median, in microseconds.
    pub p50_us: u64,
    /// The 99th percentile, in microseconds.
    pub p99_us: u64,
}
