//! What must stand on an axis so that a comparison can come out as wanted.

use std::ops::RangeInclusive;

use super::condition::{Any, MOST_PARTS};
use super::pattern::{Pattern, Patterns};
use super::set::{Set, all};
use super::vocabulary::{Axis, Means, Part, Values, Vocabulary, Word};
use crate::catalogue::EventType;
use crate::engine::matcher::Matcher;
use crate::engine::operand::Operand;
use crate::engine::test::{Check, Test};
use crate::value::Value;

/// What must hold so that a comparison can be `wanted` or unknown.
pub(super) fn may(test: &Test, event: EventType, wanted: bool, vocabulary: &dyn Vocabulary) -> Any {
    let Operand::Field(field) = &test.left else {
        return Any::always();
    };
    let Some(means) = vocabulary.means(event, field) else {
        return Any::always();
    };
    match (&test.check, means) {
        (Check::Exists, Means::Classes { axis, .. }) => {
            let members = if wanted { all(axis.classes.len()) } else { 0 };
            Any::one(
                axis,
                Set::Classes {
                    members,
                    absent: !wanted,
                },
            )
        }
        (
            Check::Values {
                matcher,
                negated,
                one_value: true,
                ..
            },
            means,
        ) => match means {
            Means::Classes { axis, values } => classes(matcher, *negated, wanted, axis, values),
            Means::Words { separator, words } => self::words(matcher, *negated, wanted, separator, words),
            // What does not fit some patterns is no pattern.
            Means::Text { .. } if *negated || !wanted => Any::always(),
            Means::Text {
                axis,
                part,
                patterns,
                clean,
            } => text(matcher, axis, part, patterns, clean),
        },
        _ => Any::always(),
    }
}

fn classes(matcher: &Matcher, negated: bool, wanted: bool, axis: &'static Axis, values: &[Values]) -> Any {
    let mut members = 0;
    if values.len() != axis.classes.len() || values.len() > 64 {
        return Any::always();
    }
    for (at, class) in values.iter().enumerate() {
        let (fits, fails) = outcomes(matcher, class, values);
        // The truth of the comparison is whether it fits, turned around by `negated`.
        let possible = if wanted == negated { fails } else { fits };
        members |= u64::from(possible) << at;
    }
    // Every comparison with what is absent is false.
    Any::one(
        axis,
        Set::Classes {
            members,
            absent: !wanted,
        },
    )
}

/// Whether some value of a class may fit, and whether some may not.
fn outcomes(matcher: &Matcher, class: &Values, values: &[Values]) -> (bool, bool) {
    let each =
        |fits: &mut dyn Iterator<Item = bool>| fits.fold((false, false), |(yes, no), fits| (yes || fits, no || !fits));
    match (class, matcher) {
        (Values::Texts(texts), _) => each(
            &mut texts
                .iter()
                .map(|text| matcher.fits(&Value::Text(text.as_bytes().into()))),
        ),
        (Values::Truth(truth), _) => each(&mut [matcher.fits(&Value::Boolean(*truth))].into_iter()),
        (Values::Numbers(ranges), Matcher::Numbers(numbers)) => {
            ranges.iter().fold((false, false), |(yes, no), range| {
                let there = numbers.iter().filter(|number| range.contains(number)).count();
                (yes || there > 0, no || !fills(there, range))
            })
        }
        // An order turns around at most once within a range.
        (Values::Numbers(ranges), Matcher::NumberOrder(..)) => each(
            &mut ranges
                .iter()
                .flat_map(|range| [*range.start(), *range.end()])
                .map(|number| matcher.fits(&Value::Number(number))),
        ),
        (Values::Others, Matcher::Texts(texts)) => {
            let known = |text: &[u8]| {
                values.iter().any(
                    |class| matches!(class, Values::Texts(texts) if texts.iter().any(|other| other.as_bytes() == text)),
                )
            };
            (!texts.iter().all(known), true)
        }
        (Values::Others, Matcher::Numbers(numbers)) => {
            let known = |number: &i64| {
                values.iter().any(|class| {
                    matches!(class, Values::Numbers(ranges) if ranges.iter().any(|range| range.contains(number)))
                })
            };
            (!numbers.iter().all(known), true)
        }
        _ => (true, true),
    }
}

/// Whether so many different numbers are all of a range.
fn fills(numbers: usize, range: &RangeInclusive<i64>) -> bool {
    range.end().abs_diff(*range.start()) < numbers as u64
}

fn words(matcher: &Matcher, negated: bool, wanted: bool, separator: u8, words: &'static [Word]) -> Any {
    let within = |word: &Word| match matcher {
        Matcher::Contains(part) => part.find(word.text.as_bytes()).is_some(),
        _ => matcher.fits(&Value::Text(word.text.as_bytes().into())),
    };
    // A part that reaches over two words says something about their order.
    let sought = match matcher {
        Matcher::Contains(part) => part.needle(),
        Matcher::ContainsIgnoringCase(part) => part.small(),
        _ => return Any::always(),
    };
    // Bits without a name stand there as a number.
    let in_a_number = sought.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'x');
    if in_a_number || sought.contains(&separator) || negated {
        return Any::always();
    }
    let axes: Option<Vec<_>> = words.iter().filter(|word| within(word)).map(|word| word.axis).collect();
    let Some(axes) = axes else {
        return Any::always();
    };
    // In none: false, unless what stands there cannot be told.
    if axes.is_empty() && wanted {
        let nothing = Set::Classes {
            members: 0,
            absent: false,
        };
        let any = words.iter().find_map(|word| word.axis);
        return any.map_or_else(Any::always, |axis| Any::one(axis, nothing));
    }
    let stands = |axis: &'static Axis, stands: bool| {
        Any::one(
            axis,
            Set::Classes {
                members: if stands { 0b10 } else { 0b01 },
                absent: !stands,
            },
        )
    };
    if wanted {
        axes.into_iter()
            .fold(Any::never(), |any, axis| any.or(stands(axis, true), MOST_PARTS))
    } else {
        axes.into_iter()
            .fold(Any::always(), |any, axis| any.and(stands(axis, false)))
    }
}

fn text(matcher: &Matcher, axis: &'static Axis, part: Part, can: Patterns, clean: bool) -> Any {
    let Some(patterns) = patterns(matcher, part, can, clean) else {
        return Any::always();
    };
    let says_nothing = |pattern: &Pattern| match pattern {
        Pattern::Begins(text) | Pattern::Ends(text) | Pattern::Contains(text) => text.is_empty(),
        Pattern::Equal(_) | Pattern::Name(_) => false,
    };
    if patterns
        .iter()
        .any(|pattern| !can.can(pattern) || says_nothing(pattern))
    {
        return Any::always();
    }
    // Together, which leaves out those that are within others.
    let set = Set::Texts(Vec::new()).either(&Set::Texts(patterns), axis);
    set.map_or_else(Any::always, |set| Any::one(axis, set))
}

/// Patterns of the whole text of which one fits where the part of it fits; nothing where there are none.
fn patterns(matcher: &Matcher, part: Part, can: Patterns, clean: bool) -> Option<Vec<Pattern>> {
    let equal = |text: &[u8]| match part {
        Part::Whole => vec![Pattern::Equal(text.into())],
        Part::Directory if text.ends_with(b"/") => vec![Pattern::Begins(text.into())],
        // That of a directory that was opened is itself.
        Part::Directory => vec![
            Pattern::Begins([text, b"/"].concat().into()),
            Pattern::Equal(text.into()),
        ],
        Part::Name => vec![Pattern::Name(text.into())],
    };
    let begins = |text: &[u8]| match part {
        // The directory is the beginning of the whole.
        Part::Whole | Part::Directory => Pattern::Begins(text.into()),
        Part::Name => Pattern::Contains(text.into()),
    };
    let ends = |text: &[u8]| match part {
        // The name is the end of the whole.
        Part::Whole | Part::Name => Pattern::Ends(text.into()),
        Part::Directory => Pattern::Contains(text.into()),
    };
    match matcher {
        Matcher::Texts(texts) => Some(texts.iter().flat_map(equal).collect()),
        Matcher::StartsWith(text) => Some(vec![begins(text)]),
        Matcher::EndsWith(text) => Some(vec![ends(text)]),
        Matcher::Contains(text) => Some(vec![Pattern::Contains(text.needle().into())]),
        Matcher::Glob(glob) => {
            let literals = glob.literals()?;
            if let Some(whole) = literals.whole {
                return Some(equal(&whole));
            }
            // A single slash says little of a path.
            let short = |text: &[u8]| text.len() < 2;
            let found = [
                (begins(&literals.start), short(&literals.start)),
                (ends(&literals.end), short(&literals.end)),
                (
                    Pattern::Contains(literals.longest.as_slice().into()),
                    short(&literals.longest),
                ),
            ];
            let usable = found.iter().filter(|(pattern, _)| can.can(pattern));
            usable
                .min_by_key(|(_, short)| *short)
                .map(|(pattern, _)| vec![pattern.clone()])
        }
        Matcher::Paths(paths) if clean && part != Part::Name => Some(
            paths
                .beginnings()
                .flat_map(|(path, open)| {
                    let below = || Pattern::Begins([path.as_slice(), b"/"].concat().into());
                    if open {
                        vec![Pattern::Begins(path.into())]
                    } else {
                        vec![below(), Pattern::Equal(path.into())]
                    }
                })
                .collect(),
        ),
        _ => None,
    }
}
