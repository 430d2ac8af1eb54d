//! Fields: the catalogue of what a host program can answer, and a field as a rule names it.

use std::collections::BTreeMap;
use std::fmt;

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An address of IPv4 or IPv6, compared with addresses and networks.
    Address,
}

/// How many values a field has, and what is asked of them (falcosecurity/libs, `compare_rhs_multi`, and the comparisons of
/// their own of `proc.aname` and `fd.ip`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Several {
    /// One.
    One,
    /// A list: `in` asks whether all are in, `intersects` whether any is; no other operator compares it.
    List,
    /// Several of which any may fit, whatever the operator: ancestors.
    Any,
    /// Several of which any may be equal; different is what is equal to none: the two ends of a connection.
    Either,
}

/// What stands in brackets behind a field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Argument {
    /// Nothing.
    None,
    /// A number from 0, or nothing.
    OptionalIndex,
    /// A number from 0.
    Index,
    /// A word, or nothing.
    OptionalKey,
    /// A word.
    Key,
}

/// What values a field can have in this host program, whatever the event.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Those of its type.
    Any,
    /// This one, always, as a rule would write it.
    Always(&'static str),
    /// None, ever, for this reason: a rule that hangs on it cannot match.
    Never(&'static str),
    /// What stands in brackets or behind the dot decides, and there are no other words than these. Those that never have a
    /// value have the reason beside them. Numbers may stand there too.
    Keyed(fn() -> &'static BTreeMap<&'static str, Option<&'static str>>),
}

/// A field that a host program knows.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name, e.g. `proc.aname`; with a dot at its end, every name that begins like this and has one word more
    /// (`evt.arg.`), which is the argument.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// How many values it has where nothing stands in brackets; where something does, it has one.
    pub several: Several,
    /// What stands in brackets.
    pub argument: Argument,
    /// What values it can have.
    pub values: Values,
}

impl Definition {
    /// Why it never has a value with what stands in brackets, where it never has one.
    #[must_use]
    pub fn never(&self, given: &Given) -> Option<&'static str> {
        match (self.values, given) {
            (Values::Never(why), _) => Some(why),
            (Values::Keyed(keys), Given::Key(key)) => keys().get(&**key).copied().flatten(),
            _ => None,
        }
    }
}

/// The number of a definition in the host's catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u16);

/// A field as a rule asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// Which.
    pub id: Id,
    /// What stands in brackets.
    pub argument: Given,
}

/// What stands in brackets, read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Given {
    /// Nothing.
    Nothing,
    /// A number.
    Index(u32),
    /// A word.
    Key(Box<str>),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(key) => write!(f, "[{key}]"),
        }
    }
}
