//! The front door: [`args`] is the command line, [`exit`] what the agent ends with.

pub mod args;
pub mod exit;
