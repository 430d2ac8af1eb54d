//! Several comparisons with pieces of one field's text, of which any may fit: the text is gone through once for all of them.

use super::matcher::{Matcher, Part};
use super::operand::Operand;
use super::test::{Check, Test};
use super::weight::{self, Weight};
use crate::field::Field;
use crate::value::{Answer, Truth, Value};

/// Pieces that are looked for in a field's text.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) field: Field,
    starts: Box<[Box<[u8]>]>,
    ends: Box<[Box<[u8]>]>,
    /// In groups, because a byte of a table has a bit for each.
    inner: Box<[Inner]>,
    weight: Weight,
}

/// Pieces that may stand anywhere, at most eight.
#[derive(Debug)]
struct Inner {
    /// For each byte, which pieces have it as their rarest one.
    by_byte: Box<[u8; 256]>,
    pieces: Box<[Piece]>,
}

/// A piece that may stand anywhere.
#[derive(Debug)]
struct Piece {
    /// In small letters where case says nothing.
    bytes: Box<[u8]>,
    /// The place of its rarest byte.
    rarest: usize,
    any_case: bool,
}

impl Pieces {
    /// The field, where a comparison looks for a piece in one text.
    pub(super) fn field(test: &Test) -> Option<&Field> {
        let Test {
            left: Operand::Field(field),
            check:
                Check::Values {
                    matcher,
                    negated: false,
                    one_value: true,
                    ..
                },
        } = test
        else {
            return None;
        };
        let looks = match matcher {
            Matcher::StartsWith(_) | Matcher::EndsWith(_) => true,
            Matcher::Contains(part) => !part.needle().is_empty(),
            Matcher::ContainsIgnoringCase(part) => !part.small().is_empty(),
            _ => false,
        };
        looks.then_some(field)
    }

    /// Those of some comparisons with this field.
    pub(super) fn new<'t>(field: &Field, tests: impl Iterator<Item = &'t Test>) -> Self {
        let (mut starts, mut ends, mut inner) = (Vec::new(), Vec::new(), Vec::new());
        let mut weight = Weight {
            cost: 10.0,
            likely: 0.0,
        };
        for test in tests {
            let Check::Values { matcher, .. } = &test.check else {
                continue;
            };
            let one = weight::of(test);
            weight.cost += one.cost / 4.0;
            weight.likely += (1.0 - weight.likely) * one.likely;
            match matcher {
                Matcher::StartsWith(start) => starts.push(start.clone()),
                Matcher::EndsWith(end) => ends.push(end.clone()),
                Matcher::Contains(part) => inner.push(Piece {
                    bytes: part.needle().into(),
                    rarest: Part::new(part.needle()).rarest(),
                    any_case: false,
                }),
                Matcher::ContainsIgnoringCase(part) => inner.push(Piece {
                    bytes: part.small().into(),
                    rarest: part.rarest(),
                    any_case: true,
                }),
                _ => {}
            }
        }
        let mut groups = Vec::new();
        while !inner.is_empty() {
            let more = inner.split_off(inner.len().min(8));
            groups.push(Inner::new(inner));
            inner = more;
        }
        Self {
            field: field.clone(),
            starts: starts.into(),
            ends: ends.into(),
            inner: groups.into(),
            weight,
        }
    }

    pub(super) fn weight(&self) -> Weight {
        self.weight
    }

    /// Whether any piece is there, turned around by `not`.
    pub(super) fn truth(&self, answer: &Answer<'_>, not: bool) -> Truth {
        let there = match answer {
            Answer::Known(Value::Text(text)) => self.fits(text),
            // Another type than the field's fits nothing.
            Answer::Known(_) | Answer::Absent => false,
            Answer::Unknown(_) | Answer::Partly(..) => return Truth::Unknown,
        };
        (there != not).into()
    }

    fn fits(&self, text: &[u8]) -> bool {
        self.starts.iter().any(|start| text.starts_with(start))
            || self.ends.iter().any(|end| text.ends_with(end))
            || self.inner.iter().any(|inner| inner.fits(text))
    }
}

impl Inner {
    fn new(pieces: Vec<Piece>) -> Self {
        let mut by_byte = Box::new([0; 256]);
        for (at, piece) in pieces.iter().enumerate() {
            let rare = piece.bytes[piece.rarest];
            by_byte[usize::from(rare)] |= 1 << at;
            if piece.any_case {
                by_byte[usize::from(rare.to_ascii_uppercase())] |= 1 << at;
            }
        }
        Self {
            by_byte,
            pieces: pieces.into(),
        }
    }

    fn fits(&self, text: &[u8]) -> bool {
        text.iter().enumerate().any(|(at, byte)| {
            let candidates = self.by_byte[usize::from(*byte)];
            candidates != 0 && self.fits_at(text, at, candidates)
        })
    }

    fn fits_at(&self, text: &[u8], at: usize, candidates: u8) -> bool {
        self.pieces.iter().enumerate().any(|(number, piece)| {
            candidates >> number & 1 == 1
                && at
                    .checked_sub(piece.rarest)
                    .and_then(|from| text.get(from..from + piece.bytes.len()))
                    .is_some_and(|there| piece.is(there))
        })
    }
}

impl Piece {
    fn is(&self, there: &[u8]) -> bool {
        if self.any_case {
            there.eq_ignore_ascii_case(&self.bytes)
        } else {
            *there == *self.bytes
        }
    }
}
