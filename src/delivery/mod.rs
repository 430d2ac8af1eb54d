//! Where alerts go: standard output, and the channels of [`pinhole_delivery`], which another process serves.
//!
//! [`outlet`] is the sensor's side: it limits each rule, hands alerts over and knows what became of them ([`account`]).
//! [`process`] makes the other process and is what runs there: it has no capability, no ring and no socket of a runtime, and may
//! do what its channels need ([`confine`]) and nothing else. This module knows no channel by itself, and decides nothing about what
//! an alert says.

pub mod account;
pub mod confine;
pub mod outlet;
pub mod process;

pub use account::Delivered;
pub use outlet::Outlet;
