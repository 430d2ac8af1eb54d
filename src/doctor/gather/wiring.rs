//! The one place where the doctor is joined to the rooms that load programs and talk to runtimes. Each function answers
//! `None` where nothing is joined: the checks then say `unknown` with that reason, never a made-up value.

use std::path::PathBuf;

use super::super::facts::{CaptureFacts, Gap, RuntimeFact};
use super::ColdCanary;
use crate::config::Settings;

/// Tries what the kernel allows to load.
#[must_use]
pub fn capture() -> Option<CaptureFacts> {
    None
}

/// Looks at every candidate for a runtime's socket.
#[must_use]
pub fn runtimes(_settings: &Settings) -> Option<Vec<RuntimeFact>> {
    None
}

/// Asks every runtime that answers for the container `id`, and returns the sockets of those that know it.
#[must_use]
pub fn known_by(_settings: &Settings, _id: &str) -> Option<Vec<PathBuf>> {
    None
}

/// The canary for when no agent runs.
#[must_use]
pub fn cold_canary(_settings: &Settings) -> Option<Box<dyn ColdCanary>> {
    None
}

/// The gap that `None` stands for.
pub(super) fn unwired(what: &str) -> Gap {
    Gap::NotGathered(format!("{what} is not part of this build"))
}
