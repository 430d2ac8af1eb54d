//! Functions of values. Nothing comes of a value that they cannot take, e.g. of a text that is no base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::field::{Kind, Several};
use crate::syntax::Transformer;
use crate::value::Value;

use super::operand::Shape;

/// Padding may be there or not, as upstream decodes it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The shape of what a function gives.
///
/// # Errors
///
/// What it takes instead, where it does not take these.
pub(crate) fn shape(transformer: Transformer, operands: &[Shape]) -> Result<Shape, &'static str> {
    const TEXT: Shape = Shape {
        kind: Kind::Text,
        several: Several::One,
    };
    const LIST: Shape = Shape {
        kind: Kind::Text,
        several: Several::List,
    };
    const NUMBER: Shape = Shape {
        kind: Kind::Number,
        several: Several::One,
    };
    match (transformer, operands) {
        (
            Transformer::ToLower | Transformer::ToUpper | Transformer::Base64 | Transformer::BaseName,
            [text @ Shape { kind: Kind::Text, .. }],
        ) if matches!(text.several, Several::One | Several::List) => Ok(*text),
        (Transformer::ToLower | Transformer::ToUpper | Transformer::Base64 | Transformer::BaseName, _) => {
            Err("one text")
        }
        (
            Transformer::Length,
            [
                Shape {
                    several: Several::List, ..
                },
            ]
            | [TEXT],
        ) => Ok(NUMBER),
        (Transformer::Length, _) => Err("one text or list"),
        (Transformer::Join, [TEXT, Shape { kind: Kind::Text, .. }]) => Ok(TEXT),
        (Transformer::Join, [TEXT, parts @ ..]) if parts.len() > 1 && parts.iter().all(|it| *it == TEXT) => Ok(TEXT),
        (Transformer::Join, _) => Err("a separator, and a list of texts or texts"),
        (Transformer::Concat, operands) if operands.len() > 1 && operands.iter().all(|it| *it == TEXT) => Ok(TEXT),
        (Transformer::Concat, _) => Err("two texts or more"),
        (Transformer::GetOpt, [LIST | TEXT, TEXT]) => Ok(LIST),
        (Transformer::GetOpt, [LIST | TEXT, TEXT, TEXT]) => Ok(TEXT),
        (Transformer::GetOpt, _) => Err("arguments, the options as \"ab:\", and perhaps one option"),
    }
}

/// What a function gives.
pub(super) fn apply(transformer: Transformer, mut values: Vec<Value<'_>>) -> Option<Value<'_>> {
    match transformer {
        Transformer::ToLower => each(values.pop()?, |text| Some(text.to_ascii_lowercase())),
        Transformer::ToUpper => each(values.pop()?, |text| Some(text.to_ascii_uppercase())),
        Transformer::Base64 => each(values.pop()?, |text| BASE64.decode(text).ok()),
        Transformer::BaseName => each(values.pop()?, |text| {
            let from = text.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
            Some(text[from..].to_vec())
        }),
        Transformer::Length => {
            let length = match values.pop()? {
                Value::Text(text) => text.len(),
                Value::List(values) => values.len(),
                Value::Number(_) | Value::Boolean(_) | Value::Address(_) => return None,
            };
            i64::try_from(length).ok().map(Value::Number)
        }
        Transformer::Join => match values.as_slice() {
            [Value::Text(separator), Value::List(values)] => Some(owned(texts(values)?.join(&**separator))),
            [Value::Text(separator), values @ ..] => Some(owned(texts(values)?.join(&**separator))),
            _ => None,
        },
        Transformer::Concat => Some(owned(texts(&values)?.concat())),
        Transformer::GetOpt => {
            let (arguments, options, only) = match values.as_slice() {
                [arguments, Value::Text(options)] => (arguments, options, None),
                [arguments, Value::Text(options), Value::Text(only)] => (arguments, options, Some(only)),
                _ => return None,
            };
            let arguments = match arguments {
                Value::List(arguments) => texts(arguments)?,
                // A command line in one text: its blanks are all that is left of its arguments.
                Value::Text(line) => line
                    .split(u8::is_ascii_whitespace)
                    .filter(|it| !it.is_empty())
                    .collect(),
                Value::Number(_) | Value::Boolean(_) | Value::Address(_) => return None,
            };
            let found = options_of(&arguments, options);
            match only {
                None => Some(Value::List(found.into_iter().flat_map(Found::all).map(owned).collect())),
                // The last one counts.
                Some(only) => {
                    let last = found
                        .into_iter()
                        .rev()
                        .find(|found| Some(found.option) == only.first().copied());
                    last.filter(|_| only.len() == 1).map(|found| owned(found.one()))
                }
            }
        }
    }
}

fn owned<'a>(text: Vec<u8>) -> Value<'a> {
    Value::Text(Cow::Owned(text))
}

fn texts<'v>(values: &'v [Value<'_>]) -> Option<Vec<&'v [u8]>> {
    values
        .iter()
        .map(|value| match value {
            Value::Text(text) => Some(&**text),
            Value::Number(_) | Value::Boolean(_) | Value::Address(_) | Value::List(_) => None,
        })
        .collect()
}

/// A function of a text, or of each text of a list.
fn each(value: Value<'_>, function: fn(&[u8]) -> Option<Vec<u8>>) -> Option<Value<'_>> {
    match value {
        Value::Text(text) => function(&text).map(owned),
        Value::List(values) => Some(Value::List(
            texts(&values)?
                .into_iter()
                .map(|text| function(text).map(owned))
                .collect::<Option<_>>()?,
        )),
        Value::Number(_) | Value::Boolean(_) | Value::Address(_) => None,
    }
}

/// An option of a command line.
struct Found {
    option: u8,
    value: Option<Vec<u8>>,
    /// Whether it takes a value and has none.
    lacks: bool,
}

impl Found {
    /// As it stands among all options.
    fn all(self) -> Vec<Vec<u8>> {
        if self.lacks {
            return vec![Vec::new()];
        }
        [vec![self.option]].into_iter().chain(self.value).collect()
    }

    /// As it stands alone: its value, where it takes one.
    fn one(self) -> Vec<u8> {
        match self.value {
            _ if self.lacks => Vec::new(),
            Some(value) => value,
            None => vec![self.option],
        }
    }
}

/// The short options of a command line and their values, in order, as getopt(3) finds them with `options`; `?` for one that
/// is none of them, an empty text for one that lacks its value. Long options are passed over, and the first argument that is
/// no option ends them.
fn options_of(arguments: &[&[u8]], options: &[u8]) -> Vec<Found> {
    let takes_value = |option: u8| {
        let at = options.iter().position(|known| *known == option && option != b':')?;
        Some(options.get(at + 1) == Some(&b':'))
    };
    let mut found = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(&argument) = arguments.next() {
        let cluster = match argument {
            b"--" => break,
            [b'-', b'-', ..] => continue,
            [b'-', cluster @ ..] if !cluster.is_empty() => cluster,
            _ => break,
        };
        for (at, &option) in cluster.iter().enumerate() {
            let takes = takes_value(option);
            let value = match (takes, &cluster[at + 1..]) {
                (Some(true), []) => arguments.next().copied(),
                (Some(true), rest) => Some(rest),
                _ => None,
            };
            found.push(Found {
                option: if takes.is_none() { b'?' } else { option },
                lacks: takes == Some(true) && value.is_none(),
                value: value.map(<[u8]>::to_vec),
            });
            if takes == Some(true) {
                break;
            }
        }
    }
    found
}
