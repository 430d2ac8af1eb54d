//! Capture: kernel hooks, the ring buffer that they fill, and the account of what was lost.
//!
//! Owns everything that touches eBPF: the embedded objects, which programs are loaded and how they are attached
//! ([`backend`]), the wire format ([`wire`]) and its decoding ([`record`]), the reader of the ring ([`source`]) and the
//! ledger ([`ledger`]). Nothing outside this module knows that aya exists, and nothing in here knows what a container
//! is. After [`Capture::start`] no `bpf()` call is ever made again: rings, counters, switches and prefilters are
//! mapped memory.

pub mod arg;
pub mod backend;
mod base;
pub mod call;
pub mod calls;
mod canary;
mod cgroups;
pub mod error;
mod functions;
pub mod hierarchy;
pub mod hook;
pub mod ledger;
pub mod memory;
mod misses;
pub mod object;
pub mod plan;
pub mod prefilter;
pub mod probe;
pub mod record;
mod reduced;
mod shared;
pub mod source;
mod steps;
pub mod types;
pub mod wire;

pub use backend::Backend;
pub use error::{Error, Failure};
pub use hook::{Hook, HookSet};
pub use ledger::{HookCounters, Ledger};
pub use plan::Plan;
pub use prefilter::Prefilters;
pub use record::{Content, Record};
pub use source::{Capture, Options};
pub use steps::Flows;
