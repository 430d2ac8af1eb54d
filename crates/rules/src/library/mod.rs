//! Declarations become rules: later ones replace or amend earlier ones, macros and lists are put in where they are named,
//! and exceptions become part of the condition.
//!
//! The outcome is that of Falco's loader (`userspace/engine/rule_loader_{collector,compiler}.cpp`) for every file that it
//! loads. It puts the members of lists in as text; here they are put into the tree, so that what is wrong has a place.
//! Two liberties: a macro may name one that is declared further down, and everything wrong is told, not the first.

mod collect;
mod exceptions;
mod lists;
mod load;
mod macros;
mod named;
mod order;
mod rule;
mod same;
mod size;
#[cfg(test)]
mod tests;

pub use load::{ENGINE, Library, load};
pub use pinhole_priority::Priority;
pub use rule::Rule;
