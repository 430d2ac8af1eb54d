//! What a filter of the host program can test, and how fields of rules map to it.

use std::ops::RangeInclusive;

use super::pattern::Patterns;
use crate::catalogue::EventType;
use crate::field::Field;

/// What a filter of the host program can test.
pub trait Vocabulary {
    /// How a field of events of a type can be tested; nothing where it cannot.
    fn means(&self, event: EventType, field: &Field) -> Option<Means>;

    /// How many conditions there may be for one type of events. Where there would be more, some are put together, which
    /// leaves out what is not in both.
    fn most(&self) -> usize {
        16
    }
}

/// Something of an event that a filter can test, e.g. the path of a file. Several fields may ask for the same one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Axis {
    /// Its name, which no other one has.
    pub name: &'static str,
    /// The names of the classes that its values fall into, at most 64; none where it is a text.
    pub classes: &'static [&'static str],
    /// Whether it can always be told what stands there, by the filter as by those who evaluate rules. Where it cannot, even
    /// what contradicts itself (`fd.name = /a and fd.name = /b`) is unknown and not false, and so told.
    pub certain: bool,
}

/// How a field is tested.
#[derive(Debug, Clone, Copy)]
pub enum Means {
    /// By the class that its value falls into.
    Classes {
        /// On which axis.
        axis: &'static Axis,
        /// The values of the field in each class, in the order of the axis.
        values: &'static [Values],
    },
    /// By the words that its text is made of, e.g. the names of flags. Among them numbers in hexadecimal may stand.
    Words {
        /// What stands between two words.
        separator: u8,
        /// All words that can stand there.
        words: &'static [Word],
    },
    /// By the bytes of a text.
    Text {
        /// On which axis.
        axis: &'static Axis,
        /// What part of the text on that axis the field is.
        part: Part,
        /// What the filter can test there.
        patterns: Patterns,
        /// Whether the text is a path from the root without empty parts, always.
        clean: bool,
    },
}

/// The values of a field that fall into a class.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// These texts.
    Texts(&'static [&'static str]),
    /// These numbers.
    Numbers(&'static [RangeInclusive<i64>]),
    /// This truth.
    Truth(bool),
    /// All that no other class has.
    Others,
}

/// A word of a text that is made of words.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// The word.
    pub text: &'static str,
    /// Where a filter can test whether it stands there: an axis of two classes, the first for no, the second for yes.
    pub axis: Option<&'static Axis>,
}

/// What part of the text on an axis a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// What stands before its last slash, or a slash where that is the first byte.
    Directory,
    /// What stands behind its last slash.
    Name,
}
