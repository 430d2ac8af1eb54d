//! Outputs: how events leave the agent. JSON lines for programs, text for people, and the agent's own log.
//!
//! Owns the form of what is written and nothing of its content.

pub mod account;
pub mod json;
pub mod log;
mod pieces;
pub mod sink;
mod splice;
pub mod stdout;
pub mod text;

pub use account::Account;
pub use sink::{Format, Sink};
pub use stdout::Stdout;
