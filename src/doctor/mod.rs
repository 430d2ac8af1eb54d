//! The doctor: what works, what does not, why, what that costs, and what mends it.
//!
//! This room owns the checks and the report. It changes nothing on the machine: it reads files, connects to sockets, asks
//! the running agent, loads small programs that it throws away, and runs one harmless program, the canary.
//!
//! * [`gather`] is the thin edge: it turns the machine into [`facts`], each step within its deadline.
//! * `check` holds the checks, one file per area: definitions as data beside pure functions from facts to a verdict.
//!   [`registry`] lists the areas.
//! * [`graph`] folds what follows from a failure under its root and says what to mend first; [`examine`] makes the
//!   [`report`] of it all.
//! * [`render`] writes the report, in each format; [`redact`] takes names and everything private out of it before.
//!
//! Around the report: [`suppress`] marks what somebody accepts, [`baseline`] says what is different from an earlier report,
//! [`merge`] counts those of many nodes, [`bundle`] packs one up with what explains it, [`saved`] reads them again.
//!
//! [`offline`] judges manifests before they are applied.
//!
//! [`explain`] walks the lookup of one container step by step.
//!
//! `docs/doctor.md` explains every check.

pub mod baseline;
pub mod bundle;
pub mod change;
mod check;
pub mod examine;
pub mod explain;
pub mod facts;
mod finding;
pub mod gather;
pub mod graph;
pub mod markdown;
pub mod merge;
pub mod offline;
pub mod pages;
pub mod past;
pub mod redact;
pub mod registry;
pub mod render;
pub mod report;
mod rules;
pub mod saved;
pub mod suppress;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod grid;
#[cfg(test)]
mod tests;

pub use examine::{examine, report};
pub use finding::Finding;
pub use report::{FailOn, Report};
