//! The event of a loss: what was dropped, in which window, and how full the ring was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::summary::Rates;

/// Records were dropped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loss {
    /// The end of the window.
    #[serde(serialize_with = "super::clock::rfc3339")]
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// Always `loss`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it happened.
    pub window: Window,
    /// What became of the window's events, all hooks together.
    #[serde(flatten)]
    pub all: Counts,
    /// Dropped, of what was dropped and delivered.
    pub share: f64,
    /// The hooks that lost something.
    pub hooks: BTreeMap<&'static str, Counts>,
    /// The ring buffer.
    pub ring: Ring,
    /// Over 10 s, 1 min and 1 h, as of now.
    pub rates: Rates,
}

/// From the end of the last window that was told, or from the last reading without a loss, to this reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Its beginning.
    #[serde(serialize_with = "super::clock::rfc3339")]
    pub from: Timestamp,
    /// Its end.
    #[serde(serialize_with = "super::clock::rfc3339")]
    pub to: Timestamp,
}

/// What became of the events of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Seen by a hook, what was filtered included.
    pub seen: u64,
    /// Handed over.
    pub delivered: u64,
    /// Lost.
    pub dropped: u64,
}

/// The ring buffer in the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ring {
    /// Its size in bytes.
    pub size: u64,
    /// Unread data at most, in bytes; absent where the kernel side did not look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak: Option<u64>,
    /// The same as a share of the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_share: Option<f64>,
}
