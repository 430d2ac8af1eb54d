//! Gathering: the only part of the doctor that touches the machine. Every step runs on a thread of its own within a
//! deadline; one that is late or breaks down leaves a gap with its reason, and the others go on.

mod agents;
mod canary;
mod facts;
mod join;
pub mod kernel;
mod live;
mod log;
mod outside;
pub mod process;
pub mod runtime;
mod step;
#[cfg(test)]
mod tests;
pub mod wiring;

pub use canary::{CanarySeen, ColdCanary};
pub use facts::{Input, gather};
pub(crate) use step::now;
