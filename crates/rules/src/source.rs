//! Texts and places in them.

use std::ops::Range;
use std::sync::Arc;

/// A rule file, or another text that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How messages name it: the path that was given.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// A part of a source, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Whose part.
    pub source: Arc<Source>,
    /// Which part. Begins and ends at characters.
    pub range: Range<usize>,
}

/// Where a part begins, counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Character in the line.
    pub column: usize,
}

impl Span {
    /// The place of what stands in no source.
    #[must_use]
    pub fn nowhere() -> Self {
        let source = Source {
            name: String::new(),
            text: String::new(),
        };
        Self {
            source: Arc::new(source),
            range: 0..0,
        }
    }

    /// The words of this part.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text.get(self.range.clone()).unwrap_or_default()
    }

    /// Where it begins.
    #[must_use]
    pub fn position(&self) -> Position {
        let before = self.source.text.get(..self.range.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line..].chars().count() + 1,
        }
    }
}
