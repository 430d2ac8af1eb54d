//! The words that the language keeps for itself: operators, quantifiers and transformers by name.

use super::tree::{Operator, Quantifier, Transformer};

/// What may stand right of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// A number.
    Number,
    /// A value.
    Value,
    /// A list.
    List,
}

/// Operators by their signs; one that begins another stands behind it.
pub(super) const SIGNS: [(&str, Operator); 7] = [
    ("<=", Operator::LessOrEqual),
    ("<", Operator::Less),
    (">=", Operator::GreaterOrEqual),
    (">", Operator::Greater),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("!=", Operator::NotEqual),
];

/// Operators by their words.
pub(super) const OPERATORS: [(&str, Operator); 12] = [
    ("contains", Operator::Contains),
    ("icontains", Operator::ContainsIgnoringCase),
    ("bcontains", Operator::ContainsBytes),
    ("startswith", Operator::StartsWith),
    ("bstartswith", Operator::StartsWithBytes),
    ("endswith", Operator::EndsWith),
    ("glob", Operator::Glob),
    ("iglob", Operator::GlobIgnoringCase),
    ("regex", Operator::Regex),
    ("in", Operator::In),
    ("intersects", Operator::Intersects),
    ("pmatch", Operator::PathMatch),
];

/// Quantifiers.
pub(super) const QUANTIFIERS: [(&str, Quantifier); 3] = [
    ("oneof", Quantifier::OneOf),
    ("anyof", Quantifier::AnyOf),
    ("allof", Quantifier::AllOf),
];

/// Transformers, and how many operands each takes.
pub(super) const TRANSFORMERS: [(&str, Transformer, std::ops::RangeInclusive<usize>); 8] = [
    ("tolower", Transformer::ToLower, 1..=1),
    ("toupper", Transformer::ToUpper, 1..=1),
    ("b64", Transformer::Base64, 1..=1),
    ("basename", Transformer::BaseName, 1..=1),
    ("len", Transformer::Length, 1..=1),
    ("join", Transformer::Join, 2..=usize::MAX),
    ("concat", Transformer::Concat, 1..=usize::MAX),
    ("getopt", Transformer::GetOpt, 2..=3),
];

/// Words that name no macro.
pub(super) const RESERVED: [&str; 4] = ["and", "or", "not", "exists"];

impl Operator {
    /// What stands right of it, without a quantifier.
    pub(super) fn right(self) -> Right {
        match self {
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => Right::Number,
            Self::In | Self::Intersects | Self::PathMatch => Right::List,
            Self::Equal
            | Self::NotEqual
            | Self::Contains
            | Self::ContainsIgnoringCase
            | Self::ContainsBytes
            | Self::StartsWith
            | Self::StartsWithBytes
            | Self::EndsWith
            | Self::Glob
            | Self::GlobIgnoringCase
            | Self::Regex => Right::Value,
        }
    }

    /// Whether a list stands right of it.
    #[must_use]
    pub fn takes_list(self) -> bool {
        self.right() == Right::List
    }

    /// As conditions write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let known = SIGNS.iter().chain(&OPERATORS);
        // From behind: `=` is written more often than `==`, which stands before it.
        known
            .rev()
            .find(|(_, operator)| *operator == self)
            .map(|(word, _)| *word)
            .unwrap_or_default()
    }

    /// The one that is written so.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        SIGNS
            .iter()
            .chain(&OPERATORS)
            .find(|(known, _)| *known == word)
            .map(|(_, operator)| *operator)
    }
}

impl Quantifier {
    /// As conditions write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        QUANTIFIERS
            .iter()
            .find(|(_, quantifier)| *quantifier == self)
            .map(|(word, _)| *word)
            .unwrap_or_default()
    }

    /// The one that is written so.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        QUANTIFIERS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, quantifier)| *quantifier)
    }
}

impl Transformer {
    /// As conditions and outputs write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        TRANSFORMERS
            .iter()
            .find(|(_, transformer, _)| *transformer == self)
            .map(|(word, _, _)| *word)
            .unwrap_or_default()
    }

    /// The one that is written so.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        TRANSFORMERS
            .iter()
            .find(|(known, _, _)| *known == word)
            .map(|(_, transformer, _)| *transformer)
    }
}
