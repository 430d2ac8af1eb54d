//! Texts that were read out of a source: what a YAML scalar says is not what its file holds byte by byte, and an amended
//! condition stands in several files. Each byte still knows its place.

use std::ops::Range;
use std::sync::Arc;

use crate::source::{Source, Span};

/// A text and the places of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    value: String,
    /// In order of `from`, the first at 0; none is in a text of nothing.
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
        if value.is_empty() {
            return;
        }
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
        self.extend(other);
    }

    /// Adds another text.
    pub fn extend(&mut self, other: &Self) {
        let shift = self.value.len();
        self.value.push_str(&other.value);
        self.pieces.extend(other.pieces.iter().map(|piece| Piece {
            from: piece.from + shift,
            place: piece.place.clone(),
        }));
    }

    /// Of how many pieces it is.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The text without blanks and line breaks around it.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let kept = self.value.trim();
        let start = self.value.len() - self.value.trim_start().len();
        let mut text = Self::default();
        for (index, piece) in self.pieces.iter().enumerate() {
            let end = self.end(index).min(start + kept.len());
            let begin = piece.from.max(start);
            if begin < end {
                let whole = begin == piece.from && end == self.end(index);
                let place = if whole {
                    piece.place.clone()
                } else {
                    self.span(begin..end)
                };
                text.push(&self.value[begin..end], place);
            }
        }
        text
    }

    /// Where all of it stands.
    #[must_use]
    pub fn whole_span(&self) -> Span {
        self.span(0..self.value.len())
    }

    /// Where a part of the value stands. A part that reaches into another source ends with the first one.
    #[must_use]
    pub fn span(&self, part: Range<usize>) -> Span {
        let Some((first, start)) = self.place(part.start) else {
            return Span::nowhere();
        };
        let mut range = start.start..start.start;
        if !part.is_empty() {
            range.end = self
                .last_place(&first.source, &part)
                .map_or(start.end, |end| end.max(range.start));
        }
        Span {
            source: Arc::clone(&first.source),
            range,
        }
    }

    /// Where the part ends in a source in which it begins.
    fn last_place(&self, source: &Arc<Source>, part: &Range<usize>) -> Option<usize> {
        let (last, end) = self.place(part.end - 1)?;
        if Arc::ptr_eq(source, &last.source) {
            return Some(end.end);
        }
        let here = |piece: &&Piece| piece.from < part.end && Arc::ptr_eq(source, &piece.place.source);
        let first = self.index(part.start)?;
        let ends = first + self.pieces[first..].iter().take_while(here).count();
        self.place(self.end(ends.checked_sub(1)?).checked_sub(1)?)
            .map(|(_, end)| end.end)
    }

    /// The piece that a byte of the value belongs to.
    fn index(&self, offset: usize) -> Option<usize> {
        self.pieces.partition_point(|piece| piece.from <= offset).checked_sub(1)
    }

    /// Where a piece ends in the value.
    fn end(&self, index: usize) -> usize {
        self.pieces.get(index + 1).map_or(self.value.len(), |next| next.from)
    }

    /// The bytes of the source that a byte of the value comes from; for the end of the value, none behind its last.
    fn place(&self, offset: usize) -> Option<(&Span, Range<usize>)> {
        let index = self
            .pieces
            .partition_point(|piece| piece.from <= offset)
            .checked_sub(1)?;
        let piece = &self.pieces[index];
        let range = &piece.place.range;
        let place = if offset >= self.value.len() {
            let end = if self.value.is_empty() { range.start } else { range.end };
            end..end
        } else if range.len() == self.end(index) - piece.from {
            let at = range.start + (offset - piece.from);
            at..at + 1
        } else {
            range.clone()
        };
        Some((&piece.place, place))
    }
}
