//! Texts that were read out of a source: what a YAML scalar says is not what its file holds byte by byte, and an amended
//! condition stands in several files. Each byte still knows its place.

use std::ops::Range;
use std::sync::Arc;

use crate::source::{Source, Span};

/// A text and the places of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    value: String,
    /// In order of `from`, the first at 0.
    pieces: Vec<Piece>,
}

/// A part of the value that stands in one piece in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// Where it begins in the value.
    from: usize,
    /// Where it stands. Bytes are matched one by one where both are equally long; else (an escape, a folded line break)
    /// the whole of it is the place of each byte.
    place: Span,
}

impl Text {
    /// A text that stands at `place` as it is, or that has no finer place than this.
    #[must_use]
    pub fn new(value: impl Into<String>, place: Span) -> Self {
        Self {
            value: value.into(),
            pieces: vec![Piece { from: 0, place }],
        }
    }

    /// A whole text that was handed in by itself, e.g. in a test.
    #[must_use]
    pub fn whole(name: &str, value: &str) -> Self {
        let source = Arc::new(Source {
            name: name.to_owned(),
            text: value.to_owned(),
        });
        Self::new(
            value,
            Span {
                source,
                range: 0..value.len(),
            },
        )
    }

    /// What it says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Adds what stands at `place`.
    pub fn push(&mut self, value: &str, place: Span) {
        self.pieces.push(Piece {
            from: self.value.len(),
            place,
        });
        self.value.push_str(value);
    }

    /// Adds another text behind a blank, as amendments of conditions and outputs are added.
    pub fn append(&mut self, other: &Self) {
        if let Some(first) = other.pieces.first() {
            let mut blank = first.place.clone();
            blank.range.end = blank.range.start;
            self.push(" ", blank);
        }
        let shift = self.value.len();
        self.value.push_str(&other.value);
        self.pieces.extend(other.pieces.iter().map(|piece| Piece {
            from: piece.from + shift,
            place: piece.place.clone(),
        }));
    }

    /// Where a part of the value stands. A part that reaches into another source ends with the first one.
    #[must_use]
    pub fn span(&self, part: Range<usize>) -> Span {
        let (first, start) = self.place(part.start);
        let last = self.piece_at(part.end.saturating_sub(1).max(part.start));
        if part.is_empty() {
            return Span {
                source: Arc::clone(&first.source),
                range: start.start..start.start,
            };
        }
        let (_, end) = self.place(part.end - 1);
        let end = if Arc::ptr_eq(&first.source, &self.pieces[last].place.source) {
            end.end
        } else {
            first.range.end
        };
        Span {
            source: Arc::clone(&first.source),
            range: start.start..end.max(start.end),
        }
    }

    /// The number of the piece that a byte of the value belongs to.
    fn piece_at(&self, offset: usize) -> usize {
        self.pieces
            .partition_point(|piece| piece.from <= offset)
            .saturating_sub(1)
    }

    /// The bytes of the source that a byte of the value comes from.
    fn place(&self, offset: usize) -> (&Span, Range<usize>) {
        let index = self.piece_at(offset);
        let piece = &self.pieces[index];
        let end = self.pieces.get(index + 1).map_or(self.value.len(), |next| next.from);
        let range = &piece.place.range;
        let place = if range.len() == end - piece.from {
            let at = range.start + (offset - piece.from);
            at..(at + 1).min(range.end.max(at))
        } else {
            range.clone()
        };
        (&piece.place, place)
    }
}
