//! The suppressions that were given, and which of them are still in force.

/// A file of suppressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionFacts {
    /// Its name.
    pub file: String,
    /// What it holds, in its order.
    pub entries: Vec<SuppressionFact>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionFact {
    /// The check that it is for.
    pub id: String,
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
    /// That day is over.
    pub expired: bool,
}
