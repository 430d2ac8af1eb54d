//! What the agent would be told to do here: its settings, its profile, and where its log could go.

use std::time::Duration;

use super::{Gap, OsError};
use crate::platform::Confidence;

/// The configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFacts {
    /// What it was merged from, weakest first.
    pub sources: Vec<String>,
    /// What is wrong with it; the defaults were used then.
    pub problem: Option<String>,
    /// `runtime.lookup_budget`.
    pub lookup_budget: Duration,
    /// `runtime.call_timeout`.
    pub call_timeout: Duration,
    /// `runtime.prefetch`: containers are looked up before their first event.
    pub prefetch: bool,
    /// The file that was read.
    pub file: Option<String>,
    /// Every setting, as its file would have it.
    pub settings: Vec<SettingFact>,
}

impl ConfigFacts {
    /// The setting of this key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&SettingFact> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFact {
    /// The key in the file.
    pub key: String,
    /// The value as TOML; empty where nothing is set and nothing is the default.
    pub value: String,
    /// The layer that it comes from, in the words of `config::load`.
    pub origin: String,
}

/// The profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFacts {
    /// The profile in use.
    pub name: String,
    /// Whether it was named (and not detected).
    pub declared: bool,
    /// Where the choice came from.
    pub source: String,
    /// What the platform looks like: a profile's name, or none where nothing in sight tells.
    pub detected: Result<Option<String>, Gap>,
    /// How sure that is.
    pub confidence: Confidence,
    /// What speaks for the detected profile.
    pub evidence: Vec<String>,
}

/// Where a log could go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFacts {
    /// `log.target`: `auto`, `stderr` or `journald`.
    pub target: &'static str,
    /// Whether journald's socket takes a connection of this process.
    pub journald: Result<(), OsError>,
}
