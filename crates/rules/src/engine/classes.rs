//! Values of a field in classes: all texts that some rule holds a field's value against, numbered, so that a value is looked
//! up once and each of the comparisons asks for a bit.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::matcher::Lengths;

/// The number of a text; [`OTHER`] for all that no rule names.
pub(super) type Class = u32;

/// No rule names it.
pub(super) const OTHER: Class = 0;

/// The texts of a field.
#[derive(Debug, Default)]
pub(super) struct Classes {
    numbers: HashMap<Box<[u8]>, Class, FixedState>,
    lengths: Lengths,
}

impl Classes {
    pub(super) fn add(&mut self, text: &[u8]) -> Class {
        let next = Class::try_from(self.numbers.len() + 1).unwrap_or(Class::MAX);
        self.lengths.add(text);
        *self.numbers.entry(text.into()).or_insert(next)
    }

    pub(super) fn of(&self, text: &[u8]) -> Class {
        if !self.lengths.may_have(text) {
            return OTHER;
        }
        self.numbers.get(text).copied().unwrap_or(OTHER)
    }
}

/// Some of a field's classes.
#[derive(Debug, Clone)]
pub(super) struct Members(Box<[u64]>);

impl Members {
    pub(super) fn new(classes: impl IntoIterator<Item = Class>) -> Self {
        let mut bits = Vec::new();
        for class in classes {
            let (word, bit) = place(class);
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            bits[word] |= bit;
        }
        Self(bits.into())
    }

    /// Those of either, or those of both.
    pub(super) fn joined(&self, other: &Self, either: bool) -> Self {
        let word = |members: &Self, at: usize| members.0.get(at).copied().unwrap_or(0);
        let words = (0..self.0.len().max(other.0.len())).map(|at| {
            let (one, two) = (word(self, at), word(other, at));
            if either { one | two } else { one & two }
        });
        Self(words.collect())
    }

    pub(super) fn has(&self, class: Class) -> bool {
        let (word, bit) = place(class);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

fn place(class: Class) -> (usize, u64) {
    ((class / 64) as usize, 1 << (class % 64))
}
