//! Conditions as they are written: the syntax tree, and its parser.

mod tree;

pub use tree::{Comparison, Expression, Node, Operand, Operator, Quantifier, Transformer, Word};
