//! Patterns of texts that a filter can test.

use std::fmt;

use memchr::memmem::find;

/// A pattern of texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// This text.
    Equal(Box<[u8]>),
    /// Texts whose part behind the last slash is this.
    Name(Box<[u8]>),
    /// Texts that begin so.
    Begins(Box<[u8]>),
    /// Texts that end so.
    Ends(Box<[u8]>),
    /// Texts that this stands in.
    Contains(Box<[u8]>),
}

/// The kinds of patterns that a filter can test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Patterns {
    /// [`Pattern::Equal`].
    pub equal: bool,
    /// [`Pattern::Name`].
    pub name: bool,
    /// [`Pattern::Begins`].
    pub begins: bool,
    /// [`Pattern::Ends`].
    pub ends: bool,
    /// [`Pattern::Contains`].
    pub contains: bool,
}

impl Patterns {
    /// What a trie of prefixes can test: where it ends with the text, it is equal.
    pub const PREFIXES: Self = Self {
        equal: true,
        begins: true,
        name: false,
        ends: false,
        contains: false,
    };

    /// Whether a filter can test a pattern.
    #[must_use]
    pub fn can(self, pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Equal(_) => self.equal,
            Pattern::Name(_) => self.name,
            Pattern::Begins(_) => self.begins,
            Pattern::Ends(_) => self.ends,
            Pattern::Contains(_) => self.contains,
        }
    }
}

impl Pattern {
    /// Whether a text fits.
    #[must_use]
    pub fn fits(&self, text: &[u8]) -> bool {
        match self {
            Self::Equal(it) => **it == *text,
            Self::Name(it) => text.rsplit(|byte| *byte == b'/').next() == Some(it),
            Self::Begins(it) => text.starts_with(it),
            Self::Ends(it) => text.ends_with(it),
            Self::Contains(it) => find(text, it).is_some(),
        }
    }

    /// Whether all that fits this one fits another one, as far as that can be seen.
    pub(super) fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equal(text), other) => other.fits(text),
            (Self::Begins(one), Self::Begins(two)) => one.starts_with(two),
            (Self::Name(one) | Self::Ends(one), Self::Ends(two)) => one.ends_with(two),
            (Self::Name(one), Self::Name(two)) => one == two,
            (Self::Name(one) | Self::Begins(one) | Self::Ends(one) | Self::Contains(one), Self::Contains(two)) => {
                find(one, two).is_some()
            }
            _ => false,
        }
    }

    /// A pattern that all fits what fits both; nothing where that is no text.
    pub(super) fn both<'p>(&'p self, other: &'p Self) -> Option<&'p Self> {
        if self.within(other) {
            return Some(self);
        }
        if other.within(self) {
            return Some(other);
        }
        match (self, other) {
            // An equal text that is within the other one was seen above.
            (Self::Equal(_), _)
            | (_, Self::Equal(_))
            | (Self::Begins(_), Self::Begins(_))
            | (Self::Ends(_), Self::Ends(_))
            | (Self::Name(_), Self::Name(_)) => None,
            // Either is weaker than both. The order of the kinds is that of how much they say.
            _ => Some(self.min(other)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, text, after) = match self {
            Self::Equal(text) => ("", text, ""),
            Self::Name(text) => ("**/", text, ""),
            Self::Begins(text) => ("", text, "*"),
            Self::Ends(text) => ("*", text, ""),
            Self::Contains(text) => ("*", text, "*"),
        };
        write!(f, "{before}{}{after}", text.escape_ascii())
    }
}
