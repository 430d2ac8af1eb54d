//! What is wrong with a condition.

use thiserror::Error;

use crate::source::Span;

/// The first thing in a condition that the language does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Error {
    /// Where.
    pub span: Span,
    /// What is wrong, and what was expected there.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}
