//! The admin socket: what the running agent answers about itself, and the client that asks it.
//!
//! This room owns the socket file, the thread that serves it and the port for health and does what is due each second
//! ([`duties`]), and the registry of exec watches. It reads snapshots and
//! offers seams to the pipeline; it never blocks the pipeline, changes nothing itself (it hands on who wishes what, see
//! [`switch`]) and never spawns another thread: after [`server::spawn`] has returned, nothing here makes a thread, or opens
//! a file other than those of its own process below `/proc`.

pub mod bind;
pub mod client;
mod conditions;
mod connection;
pub mod containers;
pub mod duties;
pub mod peer;
pub mod server;
pub mod switch;
pub mod watch;

#[cfg(test)]
mod tests;

pub use bind::bind;
pub use client::Client;
pub use duties::Duty;
pub use peer::Peer;
pub use server::{Answers, Doors, Handle, StatusSource, spawn};
pub use switch::ReportSwitch;
pub use watch::ExecWatches;

/// Messages, client and server generated from `proto/pinhole.admin.v1.proto`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
pub mod api {
    tonic::include_proto!("pinhole.admin.v1");
}
