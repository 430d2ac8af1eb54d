//! The checks, one file per area: what is examined, as data, and its judge, a pure function from facts to a verdict. Judges
//! read nothing and know no clock.

pub(super) mod btf;
pub(super) mod build;
pub(super) mod capability;
pub(super) mod capture;
mod cause;
pub(super) mod cgroup;
pub(super) mod clock;
mod commands;
pub(super) mod configuration;
pub(super) mod delivery;
pub(super) mod drift;
mod grant;
pub(super) mod hooks;
pub(super) mod kernel;
pub(super) mod landlock;
pub(super) mod ledger;
pub(super) mod live;
#[cfg(test)]
mod live_tests;
pub(super) mod log;
pub(super) mod loss;
pub(super) mod lsm;
pub(super) mod manifest;
pub(super) mod memory;
pub(super) mod metadata;
pub(super) mod mount;
mod offline;
pub(super) mod output;
pub(super) mod pace;
pub(super) mod port;
pub(super) mod privilege;
pub(super) mod profile;
pub(super) mod pulse;
pub(super) mod ready;
pub(super) mod records;
pub(super) mod resource;
pub(super) mod ring;
pub(super) mod rules;
pub(super) mod runtime;
pub(super) mod scc;
pub(super) mod seccomp;
pub(super) mod seccomp_file;
pub(super) mod suppression;
mod thread;
pub(super) mod version;

use super::facts::{Facts, LiveAgent, LiveFacts};
use crate::platform::model::Thresholds;

/// The running agent, when it answered.
fn agent(facts: &Facts) -> Option<&LiveAgent> {
    match &facts.live.value {
        Ok(LiveFacts::Answers(agent)) => Some(agent),
        _ => None,
    }
}

/// The verdict of a check that cannot be judged without a running agent. The graph turns it into `skipped` with the root.
fn no_agent() -> super::finding::Finding {
    super::finding::Finding::unknown("the running agent did not answer")
}

/// From where on something is wrong on the platform of the profile in use; the usual values where there is no such profile.
pub(super) fn thresholds(facts: &Facts) -> Thresholds {
    const USUAL: Thresholds = Thresholds {
        loss_percent: 1.0,
        lookup_p99_ms: 250,
        complete_percent: 95.0,
    };
    crate::platform::profile::get(&facts.profile.name).map_or(USUAL, |profile| profile.platform.thresholds)
}

/// What an error number means, by name.
fn errno_name(errno: Option<i32>) -> String {
    errno.map_or_else(
        || "no errno".to_owned(),
        |number| format!("{:?}", nix::errno::Errno::from_raw(number)),
    )
}

#[expect(clippy::cast_precision_loss, reason = "one decimal of a file size")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
