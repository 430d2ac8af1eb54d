//! The form of a recording.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::capture::{Hook, wire};

/// The form that this build writes, and the only one that it reads.
pub(super) const VERSION: u32 = 1;
/// The longest first line.
pub(super) const LONGEST_BEGINNING: u64 = 64 * 1024;
/// The longest frame: records of the ring are shorter than 64 KiB, outcomes are bounded by the lookup.
pub(super) const LONGEST_FRAME: usize = 1 << 20;

/// What a frame holds.
pub(super) mod kind {
    /// A record of the ring.
    pub(in super::super) const RECORD: u32 = 1;
    /// The id of a cgroup, eight bytes, and an outcome as JSON.
    pub(in super::super) const OUTCOME: u32 = 2;
    /// Nanoseconds from the epoch to the boot, which from here on are other ones: the calendar was set or slewed.
    pub(in super::super) const CLOCK: u32 = 3;
}

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// The form of the file.
    pub pinhole_recording: u32,
    /// The agent that wrote it.
    pub agent: String,
    /// The node.
    pub node: String,
    /// Nanoseconds from the epoch to the boot.
    pub boot: i64,
    /// The processor, on which numbers and byte order hang.
    pub architecture: String,
    /// The form of records.
    pub wire: u32,
    /// The names of hooks, by their numbers in records.
    pub hooks: Vec<String>,
}

impl Beginning {
    /// What this build writes.
    pub(super) fn here(node: &str, boot: i64) -> Self {
        Self {
            pinhole_recording: VERSION,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            node: node.to_owned(),
            boot,
            architecture: std::env::consts::ARCH.to_owned(),
            wire: wire::VERSION,
            hooks: Hook::all().map(|hook| hook.name().to_owned()).collect(),
        }
    }
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made.
    #[error("cannot make the recording {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be opened.
    #[error("cannot open the recording {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read on.
    #[error("cannot read the recording: {0}")]
    Read(#[from] io::Error),
    /// It is none.
    #[error("this is no recording: its first line is not that of one ({0})")]
    NoRecording(String),
    /// Another version wrote it.
    #[error(
        "this recording was written by version {agent} on {architecture}, whose records this build cannot read: record anew"
    )]
    Foreign {
        /// The version.
        agent: String,
        /// Its processor.
        architecture: String,
    },
    /// It is broken.
    #[error("the recording is broken {at} bytes from its beginning: {what}")]
    Broken {
        /// Where.
        at: u64,
        /// How.
        what: String,
    },
}
