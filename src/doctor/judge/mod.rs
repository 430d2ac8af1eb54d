//! The judges: pure functions from facts to a verdict, one file per area. They read nothing and know no clock.

pub(super) mod capture;
pub(super) mod config;
pub(super) mod hooks;
pub(super) mod kernel;
pub(super) mod live;
pub(super) mod loss;
pub(super) mod memory;
pub(super) mod metadata;
pub(super) mod privilege;
pub(super) mod pulse;
pub(super) mod runtime;

use super::facts::{Facts, LiveAgent, LiveFacts};

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
