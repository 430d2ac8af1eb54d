//! Conditions as they are written: the syntax tree, and its parser.
//!
//! The grammar is that of libsinsp (`userspace/libsinsp/filter/parser.cpp`), with two liberties that refuse nothing which
//! it takes: `a or(b) and c` needs no blank, and a backslash may end a value (`"a\\"`).

mod comparison;
mod error;
mod escape;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod tree;
mod words;

pub use error::Error;
pub use parser::{parse, parse_members};
pub use tree::{Comparison, Expression, Node, Operand, Operator, Quantifier, Transformer, Word};
