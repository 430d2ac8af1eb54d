//! What steps of a program cost, by which they are ordered.

use super::matcher::Matcher;
use super::operand::Operand;
use super::test::{Check, Reach, Test};

/// What a step costs, in nanoseconds or so, and how likely it is to be true. Guesses; only their order matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) cost: f64,
    pub(super) likely: f64,
}

/// The weight of a comparison, without what it takes to get the answer for its left side.
pub(super) fn of(test: &Test) -> Weight {
    let function = if matches!(test.left, Operand::Transformed(..)) {
        100.0
    } else {
        0.0
    };
    let (cost, likely) = match &test.check {
        Check::Exists => (1.0, 0.9),
        Check::Sides { .. } => (20.0, 0.1),
        Check::Values {
            matcher,
            negated,
            reach,
            one_value,
        } => {
            let (cost, likely) = match matcher {
                Matcher::Booleans(_) => (1.0, 0.4),
                Matcher::Numbers(_) => (2.0, 0.2),
                Matcher::NumberOrder(..) => (1.0, 0.6),
                Matcher::Networks(_) => (10.0, 0.2),
                Matcher::StartsWith(_) | Matcher::EndsWith(_) => (3.0, 0.05),
                Matcher::TextOrder(..) => (5.0, 0.5),
                Matcher::Texts(_) => (10.0, 0.1),
                Matcher::Contains(_) => (15.0, 0.05),
                Matcher::ContainsIgnoringCase(_) => (40.0, 0.05),
                Matcher::Glob(_) => (50.0, 0.1),
                Matcher::Paths(_) => (50.0, 0.1),
                Matcher::Regex(_) => (150.0, 0.1),
            };
            // Several values have to be gathered before they are compared.
            let several = if *one_value { 0.0 } else { 50.0 };
            let turned = *negated || *reach == Reach::All;
            (cost + several, if turned { 1.0 - likely } else { likely })
        }
    };
    Weight {
        cost: cost + function,
        likely,
    }
}
