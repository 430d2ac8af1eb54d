//! Sides of comparisons, looked up: what a field, a constant or a function of them is for an event.

use std::borrow::Cow;

use super::Subject;
use super::transform;
use crate::field::{Field, Kind, Several};
use crate::syntax::Transformer;
use crate::value::{Answer, Value};

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Operand {
    /// A field.
    Field(Field),
    /// A field that has no value ever.
    Never,
    /// A text: only ever within a function.
    Text(Box<[u8]>),
    /// A function.
    Transformed(Transformer, Box<[Operand]>),
}

/// What values an operand has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Their type.
    pub(crate) kind: Kind,
    /// How many there are.
    pub(crate) several: Several,
}

impl Operand {
    /// What it is for an event.
    pub(crate) fn answer<'s, S: Subject + ?Sized>(&'s self, subject: &'s S) -> Answer<'s> {
        match self {
            Self::Field(field) => subject.answer(field),
            Self::Never => Answer::Absent,
            Self::Text(text) => Answer::Known(Value::Text(Cow::Borrowed(text))),
            Self::Transformed(transformer, operands) => {
                let mut values = Vec::with_capacity(operands.len());
                let mut unknown = None;
                for operand in operands {
                    match operand.answer(subject) {
                        Answer::Known(value) => values.push(value),
                        // Whatever the rest is: what is certainly not there makes the whole so.
                        Answer::Absent => return Answer::Absent,
                        Answer::Unknown(why) | Answer::Partly(_, why) => unknown = Some(why),
                    }
                }
                match unknown {
                    Some(why) => Answer::Unknown(why),
                    None => transform::apply(*transformer, values).map_or(Answer::Absent, Answer::Known),
                }
            }
        }
    }

    /// Whether it never has a value.
    pub(crate) fn never(&self) -> bool {
        match self {
            Self::Never => true,
            Self::Field(_) | Self::Text(_) => false,
            Self::Transformed(_, operands) => operands.iter().any(Self::never),
        }
    }

    /// The fields that it hangs on.
    pub(crate) fn fields(&self, each: &mut impl FnMut(&Field)) {
        match self {
            Self::Field(field) => each(field),
            Self::Never | Self::Text(_) => {}
            Self::Transformed(_, operands) => operands.iter().for_each(|operand| operand.fields(each)),
        }
    }
}
