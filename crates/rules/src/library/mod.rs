//! Declarations become rules: later ones replace or amend earlier ones, macros and lists are put in where they are named,
//! and exceptions become part of the condition.

mod rule;

pub use rule::{Priority, Rule};
