//! A single comparison, ready to be made.

use super::Subject;
use super::matcher::{Constant, Matcher, ordered};
use super::operand::Operand;
use crate::field::{Field, Several};
use crate::syntax::Operator;
use crate::value::{Answer, Truth, Value};

/// What makes two comparisons the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) left: Operand,
    pub(super) several: Several,
    pub(super) right: Right,
}

/// What stands right in a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Right {
    /// Nothing: `exists`.
    Nothing,
    /// Constants, ordered where their order says nothing.
    Constants(Operator, Box<[Constant]>),
    /// Another operand of the same shape.
    Operand(Operator, Operand),
}

/// A comparison.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) left: Operand,
    pub(super) check: Check,
}

/// How the left side is compared.
#[derive(Debug)]
pub(super) enum Check {
    Exists,
    Values {
        matcher: Matcher,
        /// Whether a value fits where the matcher says that it does not.
        negated: bool,
        reach: Reach,
        /// Whether the left side has one value, where it has any.
        one_value: bool,
    },
    Sides {
        operator: Operator,
        right: Operand,
    },
}

/// How many values must fit where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Any,
    All,
}

impl Test {
    /// Makes a comparison ready.
    ///
    /// # Errors
    ///
    /// See [`Matcher::new`].
    pub(super) fn new(key: Key) -> Result<Self, String> {
        let check = match key.right {
            Right::Nothing => Check::Exists,
            Right::Operand(operator, right) => Check::Sides { operator, right },
            Right::Constants(operator, constants) => {
                let negated = operator == Operator::NotEqual;
                let all = match key.several {
                    Several::List => operator == Operator::In,
                    Several::Either => negated,
                    Several::One | Several::Any => false,
                };
                Check::Values {
                    matcher: Matcher::new(operator, &constants)?,
                    negated,
                    reach: if all { Reach::All } else { Reach::Any },
                    one_value: key.several == Several::One,
                }
            }
        };
        Ok(Self { left: key.left, check })
    }

    /// Whether it is so, given the answer for the left side.
    pub(super) fn truth<S: Subject + ?Sized>(&self, left: &Answer<'_>, subject: &S) -> Truth {
        match &self.check {
            Check::Exists => match left {
                Answer::Known(_) => Truth::True,
                Answer::Absent => Truth::False,
                Answer::Partly(values, _) if !values.is_empty() => Truth::True,
                Answer::Partly(..) | Answer::Unknown(_) => Truth::Unknown,
            },
            Check::Values {
                matcher,
                negated,
                reach,
                ..
            } => {
                let fits = |value: &Value<'_>| matcher.fits(value) != *negated;
                match left {
                    Answer::Known(Value::List(values)) => reach.over(values, fits).into(),
                    Answer::Known(value) => fits(value).into(),
                    Answer::Absent => Truth::False,
                    // The values that are known decide where one of them can.
                    Answer::Partly(values, _) => match (reach, reach.over(values, fits)) {
                        (Reach::Any, true) => Truth::True,
                        (Reach::All, false) => Truth::False,
                        _ => Truth::Unknown,
                    },
                    Answer::Unknown(_) => Truth::Unknown,
                }
            }
            Check::Sides { operator, right } => match (left, &right.answer(subject)) {
                (Answer::Absent, _) | (_, Answer::Absent) => Truth::False,
                (Answer::Known(left), Answer::Known(right)) => sides(*operator, left, right).into(),
                _ => Truth::Unknown,
            },
        }
    }

    /// The fields that it hangs on.
    pub(super) fn fields(&self, each: &mut impl FnMut(&Field)) {
        self.left.fields(each);
        if let Check::Sides { right, .. } = &self.check {
            right.fields(each);
        }
    }
}

impl Reach {
    fn over(self, values: &[Value<'_>], fits: impl Fn(&Value<'_>) -> bool) -> bool {
        match self {
            Self::Any => values.iter().any(fits),
            // Of no values all fit, as upstream has it.
            Self::All => values.iter().all(fits),
        }
    }
}

/// A comparison of two values of one shape.
fn sides(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    use Operator as O;
    match (left, right) {
        (Value::List(left), Value::List(right)) => match operator {
            O::In => left.iter().all(|value| right.contains(value)),
            _ => left.iter().any(|value| right.contains(value)),
        },
        (left, Value::List(right)) => right.contains(left),
        (Value::Number(left), Value::Number(right)) => ordered(operator, left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => text_sides(operator, left, right),
        (left, right) => (left == right) != (operator == O::NotEqual),
    }
}

/// A comparison of two texts. The right side is read as a pattern anew each time, which such comparisons are too rare to
/// remember.
fn text_sides(operator: Operator, left: &[u8], right: &[u8]) -> bool {
    use Operator as O;
    match operator {
        O::Equal | O::NotEqual | O::In | O::Intersects | O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => {
            ordered(operator, left.cmp(right))
        }
        O::StartsWith => left.starts_with(right),
        O::EndsWith => left.ends_with(right),
        // What cannot be read as the operator wants it fits nothing.
        O::Contains
        | O::ContainsIgnoringCase
        | O::ContainsBytes
        | O::StartsWithBytes
        | O::Glob
        | O::GlobIgnoringCase
        | O::Regex
        | O::PathMatch => Matcher::new(operator, &[Constant::Text(right.into())])
            .is_ok_and(|matcher| matcher.fits(&Value::Text(left.into()))),
    }
}
