//! What the walk found, before anybody judges it: plain values.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::facts::SocketFile;
use super::target::Target;
use crate::config::settings;
use crate::container::listed::Listed;
use crate::container::resolver::listing::List;
use crate::container::trace::Taken;
use crate::container::{Candidate, Outcome};
use crate::control::api::HeldContainer;

/// Everything that was found.
#[derive(Debug)]
pub struct Facts {
    /// When the walk began, RFC 3339, UTC.
    pub time: String,
    /// What is explained.
    pub target: Target,
    /// The settings.
    pub config: ConfigSeen,
    /// The user that this process runs as.
    pub uid: u32,
    /// Every candidate socket.
    pub candidates: Vec<CandidateSeen>,
    /// What was done to look at the candidates.
    pub looking: Taken,
    /// What the runtimes list; absent where a full id was given.
    pub lists: Option<Lists>,
    /// The containers, each with the walk of its lookup.
    pub walks: Vec<Walk>,
    /// More fit than are walked.
    pub more: bool,
    /// What the running agent said.
    pub live: Live,
}

/// The settings that decide about lookups, and where they are from.
#[derive(Debug, Clone)]
pub struct ConfigSeen {
    /// The settings.
    pub runtime: settings::Runtime,
    /// Where `runtime.socket` was set.
    pub socket_source: String,
    /// Where `runtime.host_prefix` was set.
    pub prefix_source: String,
    /// Why the settings are the built-in ones although others were given.
    pub problem: Option<String>,
}

/// A candidate and its file.
#[derive(Debug, Clone)]
pub struct CandidateSeen {
    /// The candidate, as it was at the end of the walk.
    pub candidate: Candidate,
    /// Owner and mode, where the file can be seen.
    pub file: Option<SocketFile>,
    /// How long it took to look at it.
    pub took: Option<Duration>,
}

/// What the runtimes listed.
#[derive(Debug)]
pub struct Lists {
    /// One for each runtime that answers.
    pub lists: Vec<List>,
    /// What was done for it.
    pub notes: Taken,
    /// How long it took.
    pub took: Duration,
}

/// The lookup of one container.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The full id.
    pub id: String,
    /// What a list said of it.
    pub listed: Option<Listed>,
    /// What came of it.
    pub outcome: Arc<Outcome>,
    /// What was done.
    pub notes: Taken,
    /// How long it took, pauses included.
    pub took: Duration,
}

/// What the running agent said.
#[derive(Debug, Clone)]
pub enum Live {
    /// The admin socket is disabled.
    Disabled,
    /// There is no admin socket.
    Absent(PathBuf),
    /// It could not be asked.
    Failed {
        /// The socket.
        socket: PathBuf,
        /// Why, in words.
        error: String,
    },
    /// It answered.
    Answered {
        /// The user that the agent runs as.
        uid: Option<u32>,
        /// What it holds of what is explained.
        containers: Vec<HeldContainer>,
        /// It holds more.
        more: bool,
        /// How long the question took.
        took: Duration,
    },
}
