//! Resolved rules, compiled once and evaluated over events of which the host program answers field by field.
//!
//! Conditions become one `graph`, in which each is there once. For each type of events the type is put in, so that a rule
//! that cannot hold for it is not met at all, and the rest becomes a `program`: what `evaluate` goes through for an event, by
//! a `path` from comparison to comparison as long as nothing is unknown. What an event must have to be worth looking at is
//! said by [`necessary`]; what to do with an outcome that is unknown, by a [`Policy`]. Alerts are not made here.
//!
//! Comparisons are those of the upstream engine (falcosecurity/libs, `filter_compare.cpp` and `sinsp_filtercheck.cpp`):
//! what is absent fits nothing, not even `!=`; texts are bytes; an address is never equal to one of the other family. The
//! text `<NA>` is a text like others: upstream's value for the names of processes and users that it does not know, which a
//! host program either answers as that text or, better, as unknown.

mod classes;
mod compile;
mod evaluate;
mod glob;
mod graph;
mod matcher;
pub mod necessary;
mod network;
mod operand;
mod path;
mod paths;
mod pieces;
mod policy;
mod program;
mod rules;
mod test;
mod transform;
mod weight;

#[cfg(test)]
mod tests;

use crate::field::Field;
use crate::value::Answer;

pub(crate) use compile::Compiler;
pub use evaluate::{Reason, Scratch};
pub(crate) use operand::{Operand, Shape};
pub use policy::{Once, Policy, WhenUnknown};
pub use rules::{Compiled, Matching, Options, Outcome, RuleSet};
pub(crate) use transform::shape;

/// An event, as rules ask for it.
pub trait Subject {
    /// What a field is. The answer is of the type that the catalogue says. It may be asked for several times for one event
    /// and must be the same each time; most often it is asked for once.
    fn answer(&self, field: &Field) -> Answer<'_>;
}
