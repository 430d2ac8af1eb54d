//! Exceptions of a rule as conditions: each is written as the condition that it stands for and read like any other, with
//! the places of its parts.

use super::lists::quoted;
use crate::file::{Exception, Row, Values};
use crate::problem::{Problem, shortened};
use crate::source::Span;
use crate::syntax::{Expression, Node, Operator, Quantifier, parse};
use crate::text::Text;

/// The condition under which an exception holds. Without a row, there is none.
pub(super) fn condition(exception: &Exception, item: &str) -> Result<Option<Node>, Vec<Problem>> {
    let text = match &exception.fields {
        None => {
            return Err(vec![wrong(
                exception.name.whole_span(),
                item,
                exception,
                "has no `fields`",
            )]);
        }
        Some(Values::One(field)) => one_field(exception, field, item)?,
        Some(Values::Many(fields, span)) => many_fields(exception, fields, span, item)?,
    };
    if exception.rows.is_empty() {
        return Ok(None);
    }
    match parse(&text) {
        Ok(node) => Ok(Some(node)),
        Err(error) => {
            let message = format!("makes no condition: {}", error.message);
            Err(vec![wrong(error.span, item, exception, &message).with_help(error.help)])
        }
    }
}

/// `condition and not exception`, for each exception.
pub(super) fn excluded(condition: Node, exceptions: Vec<Node>) -> Node {
    if exceptions.is_empty() {
        return condition;
    }
    let span = condition.span.clone();
    let excluded = exceptions.into_iter().map(|exception| Node {
        span: exception.span.clone(),
        expression: Expression::Not(Box::new(exception)),
    });
    Node {
        span,
        expression: Expression::And(std::iter::once(condition).chain(excluded).collect()),
    }
}

/// `field in (a, b)`.
fn one_field(exception: &Exception, field: &Text, item: &str) -> Result<Text, Vec<Problem>> {
    let mut text = field.clone();
    match &exception.comparisons {
        None => glue(&mut text, " in "),
        Some(Values::One(comparison)) => {
            match comparison_of(comparison) {
                Some(Comparison { list: true }) => {}
                _ => {
                    let message = format!(
                        "compares one field with `{}`, where `in`, `pmatch`, `intersects` or e.g. `startswith anyof` can \
                         stand",
                        shortened(comparison.as_str())
                    );
                    return Err(vec![wrong(comparison.whole_span(), item, exception, &message)]);
                }
            }
            text.append(comparison);
            glue(&mut text, " ");
        }
        Some(Values::Many(_, span)) => {
            return Err(vec![wrong(
                span.clone(),
                item,
                exception,
                "has several `comps` for one field",
            )]);
        }
    }
    let mut problems = Vec::new();
    glue(&mut text, "(");
    for (index, row) in exception.rows.iter().enumerate() {
        match row {
            Row::One(value) => {
                glue(&mut text, if index == 0 { "" } else { ", " });
                text.extend(&quoted(value));
            }
            Row::Many(_, span) => problems.push(wrong(
                span.clone(),
                item,
                exception,
                "has several values in a row for one field",
            )),
        }
    }
    glue(&mut text, ")");
    if problems.is_empty() { Ok(text) } else { Err(problems) }
}

/// `(a = x and b in (y, z)) or (…)`.
fn many_fields(exception: &Exception, fields: &[Text], span: &Span, item: &str) -> Result<Text, Vec<Problem>> {
    let mut problems = Vec::new();
    let equal = Text::new(
        "=",
        Span {
            source: span.source.clone(),
            range: span.range.start..span.range.start,
        },
    );
    let comparisons = match &exception.comparisons {
        None => vec![equal; fields.len()],
        Some(Values::Many(comparisons, _)) if comparisons.len() == fields.len() => comparisons.clone(),
        Some(other) => {
            let message = format!("has {} for {} fields", counted(other, "comps"), fields.len());
            return Err(vec![wrong(other.span(), item, exception, &message)]);
        }
    };
    let mut lists = Vec::with_capacity(fields.len());
    for comparison in &comparisons {
        match comparison_of(comparison) {
            Some(Comparison { list }) => lists.push(list),
            None => {
                let message = format!(
                    "compares with `{}`, which is no operator",
                    shortened(comparison.as_str())
                );
                problems.push(wrong(comparison.whole_span(), item, exception, &message));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut text = Text::default();
    for (index, row) in exception.rows.iter().enumerate() {
        let columns = match row {
            Row::Many(columns, _) if columns.len() == fields.len() => columns,
            Row::Many(columns, span) => {
                let message = format!("has {} values in a row for {} fields", columns.len(), fields.len());
                problems.push(wrong(span.clone(), item, exception, &message));
                continue;
            }
            Row::One(value) => {
                let message = format!("has a single value in a row for {} fields", fields.len());
                problems.push(wrong(value.whole_span(), item, exception, &message));
                continue;
            }
        };
        let start = row.span();
        text.push(
            if index == 0 { "(" } else { " or (" },
            Span {
                range: start.range.start..start.range.start,
                ..start
            },
        );
        for (column, value) in columns.iter().enumerate() {
            glue(&mut text, if column == 0 { "" } else { " and " });
            text.extend(&fields[column]);
            text.append(&comparisons[column]);
            glue(&mut text, " ");
            put(&mut text, value, lists[column]);
        }
        glue(&mut text, ")");
    }
    if problems.is_empty() { Ok(text) } else { Err(problems) }
}

/// A value in its column.
fn put(text: &mut Text, value: &Values, list: bool) {
    match value {
        Values::Many(values, _) => {
            glue(text, "(");
            for (index, value) in values.iter().enumerate() {
                glue(text, if index == 0 { "" } else { ", " });
                text.extend(&quoted(value));
            }
            glue(text, ")");
        }
        Values::One(value) if !list => text.extend(&quoted(value)),
        // A list may be written as one value that has its brackets.
        Values::One(value) if value.as_str().starts_with('(') => text.extend(value),
        Values::One(value) => {
            glue(text, "(");
            text.extend(value);
            glue(text, ")");
        }
    }
}

/// How an exception compares.
struct Comparison {
    /// Whether a list stands right of it.
    list: bool,
}

fn comparison_of(text: &Text) -> Option<Comparison> {
    let mut words = text.as_str().split_whitespace();
    let operator = Operator::parse(words.next()?)?;
    let quantifier = words.next();
    let known = quantifier.is_none_or(|word| Quantifier::parse(word).is_some()) && words.next().is_none();
    known.then_some(Comparison {
        list: quantifier.is_some() || operator.takes_list(),
    })
}

fn counted(values: &Values, what: &str) -> String {
    match values {
        Values::One(_) => format!("a single value of `{what}`"),
        Values::Many(values, _) => format!("{} `{what}`", values.len()),
    }
}

/// Adds what is written nowhere, behind what is.
fn glue(text: &mut Text, words: &str) {
    let span = text.whole_span();
    text.push(
        words,
        Span {
            range: span.range.end..span.range.end,
            ..span
        },
    );
}

fn wrong(span: Span, item: &str, exception: &Exception, message: &str) -> Problem {
    Problem::error(
        span,
        item,
        format!("the exception `{}` {message}", shortened(exception.name.as_str())),
    )
}
