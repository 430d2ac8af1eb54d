//! How much a pod or a process could do to its node and cluster if somebody took it over: a score from 0.0 to 10.0 in the
//! manner of `systemd-analyze security`.
//!
//! It owns the table of rows with their weights ([`rows`]), the judgement of each from [`Facts`] ([`judge`]), the arithmetic
//! ([`score`]), and where the facts come from: manifests ([`manifest`], what is granted at the start) or `/proc` ([`live`],
//! what a running process still has). It refuses to know whose pod it looks at: there is no row, weight or exception for the
//! agent, and nothing is credited that the facts do not show. docs/exposure.md says why each weight is what it is.

pub mod facts;
pub mod hostpath;
pub mod judge;
pub mod live;
pub mod manifest;
mod mounted;
pub mod render;
pub mod rights;
pub mod rows;
pub mod score;

#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use score::{Report, assess};
