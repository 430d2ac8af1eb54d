//! Constants of a comparison, made ready once: what a single value is held against.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use foldhash::fast::FixedState;
use memchr::memmem::Finder;
use regex::Regex;

use super::glob::Glob;
use super::network::Network;
use super::paths::Paths;
use crate::field::Kind;
use crate::syntax::Operator;
use crate::value::Value;

/// A constant, read by the type of the field that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Constant {
    Text(Box<[u8]>),
    Number(i64),
    Boolean(bool),
    Network(Network),
}

impl Constant {
    /// Reads a constant.
    ///
    /// # Errors
    ///
    /// What should stand there.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, &'static str> {
        match kind {
            Kind::Text => Ok(Self::Text(text.as_bytes().into())),
            Kind::Number => text.parse().map(Self::Number).map_err(|_| "a whole number"),
            Kind::Boolean => text.parse().map(Self::Boolean).map_err(|_| "true or false"),
            Kind::Address => Network::parse(text)
                .map(Self::Network)
                .ok_or("an address or a network as address/prefix"),
        }
    }
}

/// Texts, to look one up in.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: HashSet<Box<[u8]>, FixedState>,
    lengths: Lengths,
}

impl Texts {
    fn insert(&mut self, text: Box<[u8]>) {
        self.lengths.add(&text);
        self.all.insert(text);
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        self.lengths.may_have(text) && self.all.contains(text)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(|text| &**text)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

/// The lengths that some texts have. Most values have another one and so need not be hashed, which for a command line takes
/// its time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lengths(u64);

impl Lengths {
    /// The last bit is for all that are longer.
    fn bit(text: &[u8]) -> u64 {
        1 << text.len().min(63)
    }

    pub(super) fn add(&mut self, text: &[u8]) {
        self.0 |= Self::bit(text);
    }

    /// Whether one of them may be this one.
    pub(super) fn may_have(self, text: &[u8]) -> bool {
        self.0 & Self::bit(text) != 0
    }
}

/// What a value is held against.
#[derive(Debug)]
pub(super) enum Matcher {
    /// Any of these.
    Texts(Texts),
    /// Any of these, in order.
    Numbers(Box<[i64]>),
    /// Whether `false` and whether `true` is meant.
    Booleans([bool; 2]),
    /// Any of these.
    Networks(Box<[Network]>),
    /// How the text is ordered with this one.
    TextOrder(Operator, Box<[u8]>),
    /// How the number is ordered with this one.
    NumberOrder(Operator, i64),
    Contains(Box<Finder<'static>>),
    ContainsIgnoringCase(Part),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Glob(Glob),
    Regex(Regex),
    Paths(Paths),
}

impl Matcher {
    /// Makes constants ready for an operator; `!=` is `=` turned around by the caller.
    ///
    /// # Errors
    ///
    /// Why they cannot be: the operator does not compare such constants, or they are no pattern.
    pub(super) fn new(operator: Operator, constants: &[Constant]) -> Result<Self, String> {
        use Operator as O;
        match (operator, constants) {
            (O::Equal | O::NotEqual | O::In | O::Intersects, constants) => Ok(Self::any(constants)),
            (O::PathMatch, constants) => Ok(Self::Paths(Paths::new(constants.iter().filter_map(Constant::text)))),
            (O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual, [Constant::Number(number)]) => {
                Ok(Self::NumberOrder(operator, *number))
            }
            (operator, [Constant::Text(text)]) => Self::text(operator, text),
            _ => Err("this operator takes one constant on its right side".to_owned()),
        }
    }

    fn any(constants: &[Constant]) -> Self {
        let mut booleans = [false; 2];
        let mut numbers = Vec::new();
        let mut networks = Vec::new();
        let mut texts = Texts::default();
        for constant in constants {
            match constant {
                Constant::Text(text) => {
                    texts.insert(text.clone());
                }
                Constant::Number(number) => numbers.push(*number),
                Constant::Boolean(truth) => booleans[usize::from(*truth)] = true,
                Constant::Network(network) => networks.push(*network),
            }
        }
        numbers.sort_unstable();
        match constants.first() {
            Some(Constant::Number(_)) => Self::Numbers(numbers.into()),
            Some(Constant::Boolean(_)) => Self::Booleans(booleans),
            Some(Constant::Network(_)) => Self::Networks(networks.into()),
            Some(Constant::Text(_)) | None => Self::Texts(texts),
        }
    }

    fn text(operator: Operator, text: &[u8]) -> Result<Self, String> {
        use Operator as O;
        Ok(match operator {
            O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => Self::TextOrder(operator, text.into()),
            O::Contains => Self::Contains(Box::new(Finder::new(text).into_owned())),
            O::ContainsBytes => Self::Contains(Box::new(Finder::new(&bytes(text)?).into_owned())),
            O::ContainsIgnoringCase => Self::ContainsIgnoringCase(Part::new(text)),
            O::StartsWith => Self::StartsWith(text.into()),
            O::StartsWithBytes => Self::StartsWith(bytes(text)?.into()),
            O::EndsWith => Self::EndsWith(text.into()),
            O::Glob => Self::Glob(Glob::new(text, false)),
            O::GlobIgnoringCase => Self::Glob(Glob::new(text, true)),
            O::Regex => Self::Regex(whole(&String::from_utf8_lossy(text))?),
            O::Equal | O::NotEqual | O::In | O::Intersects | O::PathMatch => Self::any(&[Constant::Text(text.into())]),
        })
    }

    /// Whether a value fits. One of another type than the field's does not.
    pub(super) fn fits(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Numbers(numbers), Value::Number(number)) => numbers.binary_search(number).is_ok(),
            (Self::NumberOrder(operator, constant), Value::Number(number)) => ordered(*operator, number.cmp(constant)),
            (Self::Booleans(meant), Value::Boolean(truth)) => meant[usize::from(*truth)],
            (Self::Networks(networks), Value::Address(address)) => networks.iter().any(|it| it.contains(*address)),
            (matcher, Value::Text(text)) => matcher.fits_text(text),
            (_, Value::Number(_) | Value::Boolean(_) | Value::Address(_) | Value::List(_)) => false,
        }
    }

    fn fits_text(&self, text: &[u8]) -> bool {
        match self {
            Self::Texts(texts) => texts.contains(text),
            Self::TextOrder(operator, constant) => ordered(*operator, text.cmp(constant)),
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::ContainsIgnoringCase(part) => part.is_in(text),
            Self::StartsWith(start) => text.starts_with(start),
            Self::EndsWith(end) => text.ends_with(end),
            Self::Glob(glob) => glob.matches(text),
            // What is no UTF-8 is replaced before, as upstream does, and not skipped: a dot stands for it.
            Self::Regex(regex) => match String::from_utf8_lossy(text) {
                Cow::Borrowed(text) => regex.is_match(text),
                Cow::Owned(text) => regex.is_match(&text),
            },
            Self::Paths(paths) => paths.above(text),
            Self::Numbers(_) | Self::NumberOrder(..) | Self::Booleans(_) | Self::Networks(_) => false,
        }
    }
}

impl Constant {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Boolean(_) | Self::Network(_) => None,
        }
    }
}

/// Whether an operator accepts an order.
pub(super) fn ordered(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::NotEqual => order.is_ne(),
        _ => order.is_eq(),
    }
}

/// A part of texts, without regard to ASCII case.
#[derive(Debug)]
pub(super) struct Part {
    /// In small letters.
    small: Box<[u8]>,
    /// The place of its rarest byte: what is looked for first.
    rarest: usize,
}

impl Part {
    pub(super) fn new(part: &[u8]) -> Self {
        /// By how often they stand in texts; what is not here is rarer than all that is.
        const COMMON: &[u8] = b"zqxjkvbpygfwmucldrhsnioate-./ ";
        let small: Box<[u8]> = part.to_ascii_lowercase().into();
        let common = |byte: &u8| COMMON.iter().position(|other| other == byte).map_or(0, |at| at + 1);
        let rarest = (0..small.len()).min_by_key(|&at| common(&small[at])).unwrap_or(0);
        Self { small, rarest }
    }

    /// The place of its rarest byte.
    pub(super) fn rarest(&self) -> usize {
        self.rarest
    }

    /// The part in small letters.
    pub(super) fn small(&self) -> &[u8] {
        &self.small
    }

    fn is_in(&self, text: &[u8]) -> bool {
        let Some(&rare) = self.small.get(self.rarest) else {
            return true;
        };
        memchr::memchr2_iter(rare, rare.to_ascii_uppercase(), text).any(|at| {
            at.checked_sub(self.rarest)
                .and_then(|from| text.get(from..from + self.small.len()))
                .is_some_and(|there| there.eq_ignore_ascii_case(&self.small))
        })
    }
}

/// Bytes that are written in hexadecimal.
pub(super) fn bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| "this operator takes bytes as pairs of hexadecimal digits".to_owned())
}

/// A regular expression for a whole text. What it may cost to compile is bounded by the crate's limits.
fn whole(pattern: &str) -> Result<Regex, String> {
    /// More than any pattern that someone wrote by hand takes.
    const MOST_BYTES: usize = 1 << 20;
    // Alone first: an unbalanced parenthesis must not be balanced by the ones around it.
    regex::RegexBuilder::new(pattern)
        .size_limit(MOST_BYTES)
        .build()
        .and_then(|_| {
            regex::RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
                .size_limit(MOST_BYTES)
                .build()
        })
        .map_err(|error| {
            // The crate shows the place over several lines; the last one says what is wrong.
            let said = error.to_string();
            let said = said.lines().last().unwrap_or_default();
            format!("this is no regular expression: {}", said.trim_start_matches("error: "))
        })
}
