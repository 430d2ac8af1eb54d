//! Values of fields, and truth.

use std::borrow::Cow;
use std::net::IpAddr;

/// What an event answers for a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<'a> {
    /// This.
    Known(Value<'a>),
    /// The event has no such thing, which is certain: every comparison with it is false.
    Absent,
    /// These are among its values, and whether there are more could not be found out; the word says why, e.g. a line of
    /// ancestors that breaks off. One of them that fits decides a comparison that one can decide.
    Partly(Vec<Value<'a>>, &'a str),
    /// It could not be found out; the word says why, e.g. `runtime_timeout`. Every comparison with it is unknown.
    Unknown(&'a str),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Text, in bytes as the kernel told it: not always UTF-8.
    Text(Cow<'a, [u8]>),
    /// A number.
    Number(i64),
    /// A truth.
    Boolean(bool),
    /// An address.
    Address(IpAddr),
    /// Several.
    List(Vec<Value<'a>>),
}

/// Kleene's strong three-valued logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not.
    False,
    /// It hangs on something that could not be found out.
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}
