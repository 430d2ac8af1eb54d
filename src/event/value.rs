//! What is told of one argument of a system call, and of all of them.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::names::capability;
use super::names::protocol::ETHERNET;
use super::names::set::{Flags, name_of};
use crate::capture::calls::Call;

/// The most arguments that a system call has.
pub const ARGS: usize = 6;

/// What is told of an argument. In JSON a number where it is always one, else text: one key has one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Signed(i64),
    /// A number.
    Unsigned(u64),
    /// A number in an argument that may also be a word: text.
    Decimal(i64),
    /// Text, with `0` for zero.
    Hex(u64),
    /// An address in the process: text, with `NULL` for zero.
    Address(u64),
    /// Permissions: text, with `0` in front.
    Octal(u16),
    /// A name.
    Word(Cow<'static, str>),
    /// Names.
    Flags(Flags),
    /// Names.
    Capabilities(capability::Set),
    /// A protocol of Ethernet, which is passed in the byte order of the network.
    Ethernet(u16),
    /// Text of the process.
    Text(Cow<'a, str>),
    /// An address of an IP socket.
    Ip(SocketAddr),
    /// A structure.
    Fields(Vec<(&'static str, Value<'a>)>),
}

/// As in strace, text without quotes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(number) | Self::Decimal(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Hex(0) => f.write_str("0"),
            Self::Address(0) => f.write_str("NULL"),
            Self::Hex(number) | Self::Address(number) => write!(f, "{number:#x}"),
            Self::Octal(mode) => write!(f, "0{mode:02o}"),
            Self::Word(word) => f.write_str(word),
            Self::Flags(flags) => flags.fmt(f),
            Self::Capabilities(set) => set.fmt(f),
            Self::Ethernet(protocol) => match name_of(ETHERNET, (*protocol).into()) {
                Some(name) => write!(f, "htons({name})"),
                None => write!(f, "htons({})", Self::Hex((*protocol).into())),
            },
            Self::Text(text) => f.write_str(text),
            Self::Ip(address) => address.fmt(f),
            Self::Fields(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}={value}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flags(flags) => flags.serialize(serializer),
            Self::Fields(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
            other => serializer.collect_str(other),
        }
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.frequent() {
            Some(words) => serializer.serialize_str(words),
            None => serializer.collect_str(self),
        }
    }
}

/// What became of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Told<'a> {
    /// There is nothing to tell: a pointer that is not followed, NULL, what the call does not look at.
    #[default]
    Nothing,
    /// It should have been told and could not be read.
    Unread,
    /// It is told.
    Value(Value<'a>),
    /// It is told, and its end is missing.
    Cut(Value<'a>),
}

impl<'a> Told<'a> {
    /// What is told.
    #[must_use]
    pub const fn value(&self) -> Option<&Value<'a>> {
        match self {
            Self::Value(value) | Self::Cut(value) => Some(value),
            Self::Nothing | Self::Unread => None,
        }
    }
}

impl<'a> From<Value<'a>> for Told<'a> {
    fn from(value: Value<'a>) -> Self {
        Self::Value(value)
    }
}

/// The arguments of a system call, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args<'a> {
    /// The call, which has their names.
    pub call: &'static Call,
    /// What became of each.
    pub told: [Told<'a>; ARGS],
}

impl<'a> Args<'a> {
    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Told<'a>)> {
        self.call.args.iter().map(|arg| arg.name).zip(&self.told)
    }

    /// What is told of an argument, by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.iter().find(|(other, _)| *other == name)?.1.value()
    }

    /// The names of those that should have been told and could not be read.
    #[must_use]
    pub fn unread(&self) -> Listed<'_> {
        Listed(self, |told| matches!(told, Told::Unread))
    }

    /// The names of those whose end is missing.
    #[must_use]
    pub fn truncated(&self) -> Listed<'_> {
        Listed(self, |told| matches!(told, Told::Cut(_)))
    }
}

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, told) in self.iter() {
            if let Some(value) = told.value() {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// Names of some of the arguments.
pub struct Listed<'a>(&'a Args<'a>, fn(&Told<'_>) -> bool);

impl Listed<'_> {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|(_, told)| (self.1)(told)).map(|(name, _)| name)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}
