//! Where alerts go, and nothing of how they came about.
//!
//! The sensor, which sees everything, may not open a connection, start a program or create a file. So it hands its alerts
//! over a socket to another process that may, and that holds nothing else: no capability, no ring buffer, no socket of a
//! container runtime. The [`Sender`] is the sensor's end and never makes it wait longer than told; [`frame`] is what passes
//! between them; the [`Courier`] is the other end and fans out to channels, each with a queue and an account of its own, so
//! that one that hangs holds up none of the others. [`limit`] keeps a rule from flooding all of it, and says what it held back.
//!
//! What is promised: an alert that was handed over is, by each channel that is switched on, delivered or counted as lost with a
//! reason. It may be delivered twice: where a receiver's answer is lost, nobody knows whether it took the alert.

pub mod account;
pub mod alert;
mod backoff;
mod channel;
pub mod config;
mod courier;
pub mod frame;
pub mod limit;
#[cfg(test)]
mod logged;
mod queue;
mod sender;

pub use alert::Alert;
pub use channel::TlsError;
pub use courier::{Courier, EndError, Ended, HEARTBEAT, StartError};
pub use pinhole_priority::Priority;
pub use queue::OpenError;
pub use sender::{End, Handed, Sender};
