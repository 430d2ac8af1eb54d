//! Gathering: the only part of the doctor that touches the machine. Every step runs on a thread of its own within a
//! deadline; one that is late or breaks down leaves a gap with its reason, and the others go on.

mod agents;
pub mod build;
mod canary;
mod facts;
mod join;
pub mod kernel;
mod live;
mod log;
pub mod lsm;
pub mod mount;
mod outside;
pub mod process;
pub mod resource;
pub mod runtime;
pub mod seccomp;
mod step;
#[cfg(test)]
mod tests;
pub mod wiring;

pub use canary::{CanarySeen, ColdCanary};
pub use facts::{Input, gather};
pub(crate) use step::now;
