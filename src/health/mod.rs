//! What it means that the agent works: conditions of readiness and liveness, and the numbers behind them.
//!
//! This room owns the conditions, their judgement from a snapshot of facts ([`evaluator`], pure: one evaluator for the
//! probes, the metrics and whoever else asks), and the words in which they are told over HTTP. Facts come through
//! [`Source`]; it reads no counter, asks no runtime and holds nothing up. It serves its own port ([`port`]), on the
//! thread of whoever calls it, and opens no socket there. No name of a container, a pod or a process is told here.

pub mod answer;
pub mod condition;
pub mod evaluator;
pub mod exposition;
pub mod facts;
#[cfg(test)]
pub(crate) mod fixture;
mod judge;
mod losses;
mod metrics;
mod monitor;
pub mod port;
pub mod process;

pub use condition::{Condition, Met, Report};
pub use evaluator::Evaluator;
pub use facts::{Canary, Facts, Numbers, Source};
pub(crate) use metrics::write::classic;
pub use metrics::{METRICS, Metric};
pub use monitor::Monitor;
