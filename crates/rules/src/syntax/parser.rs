//! From the text of a condition to its tree: `or` binds least, then `and`, then `not`.

use std::ops::Range;

use winnow::Parser;
use winnow::combinator::opt;
use winnow::error::ErrMode;
use winnow::stream::{LocatingSlice, Location, Stateful, Stream};

use super::comparison::{self, field, transformed};
use super::error::Error;
use super::lexer::{Failure, Input, Parsed, State, blanks, is_blank, is_name, name, value};
use super::tree::{Expression, Node, Word};
use super::words::{OPERATORS, RESERVED};
use crate::problem::nearest;
use crate::text::Text;

/// How deep brackets go; libsinsp stops there, too (`parser.cpp`, `m_max_depth`).
const DEPTH: usize = 100;
/// The longest condition, in bytes. The longest of the public rules has less than 8 KiB with its lists.
const LENGTH: usize = 256 * 1024;

/// Reads a condition.
///
/// # Errors
/// What is wrong with it first, with its place.
pub fn parse(text: &Text) -> Result<Node, Error> {
    read(text, |input| {
        let node = alternatives(input)?;
        blanks(input)?;
        if input.is_empty() {
            Ok(node)
        } else {
            Err(Failure::expected(input, "`and`, `or` or the end"))
        }
    })
}

/// Reads what a list holds: values with commas between them.
///
/// # Errors
/// What is wrong with it first, with its place.
pub fn parse_members(text: &Text) -> Result<Vec<Word>, Error> {
    read(text, |input| {
        let mut words = Vec::new();
        loop {
            blanks(input)?;
            words.push(
                opt(value)
                    .parse_next(input)?
                    .ok_or_else(|| Failure::expected(input, "a value"))?,
            );
            blanks(input)?;
            if input.is_empty() {
                return Ok(words);
            }
            opt(',')
                .parse_next(input)?
                .ok_or_else(|| Failure::expected(input, "`,` or the end"))?;
        }
    })
}

/// Runs a parser over a whole text and places its failure.
fn read<T>(text: &Text, parser: impl FnOnce(&mut Input<'_>) -> Parsed<T>) -> Result<T, Error> {
    if text.as_str().len() > LENGTH {
        let message = format!("is longer than {} KiB", LENGTH / 1024);
        return Err(Error {
            span: text.span(0..0),
            message,
            help: None,
        });
    }
    let mut input = Stateful {
        input: LocatingSlice::new(text.as_str()),
        state: State { text, depth: 0 },
    };
    parser(&mut input).map_err(|failure| match failure {
        ErrMode::Backtrack(failure) | ErrMode::Cut(failure) => {
            // What is missing at the end is missing behind the last word, and not behind the lines that follow it.
            let end = text.as_str().trim_end().len();
            let range = failure.range.start.min(end)..failure.range.end.min(end);
            Error {
                span: text.span(range),
                message: failure.message,
                help: failure.help,
            }
        }
        ErrMode::Incomplete(_) => {
            let end = text.as_str().len();
            Error {
                span: text.span(end..end),
                message: "unexpected end".to_owned(),
                help: None,
            }
        }
    })
}

/// `a or b or c`.
fn alternatives(input: &mut Input<'_>) -> Parsed<Node> {
    chain(input, "or", conjunction, Expression::Or)
}

/// `a and b and c`.
fn conjunction(input: &mut Input<'_>) -> Parsed<Node> {
    chain(input, "and", negation, Expression::And)
}

/// Parts with the same word between them.
fn chain(
    input: &mut Input<'_>,
    word: &str,
    part: fn(&mut Input<'_>) -> Parsed<Node>,
    join: fn(Vec<Node>) -> Expression,
) -> Parsed<Node> {
    blanks(input)?;
    let start = input.current_token_start();
    let mut parts = vec![part(input)?];
    let end = loop {
        let end = input.checkpoint();
        let at = input.current_token_start();
        blanks(input)?;
        if !keyword(input, word)? {
            input.reset(&end);
            break at;
        }
        parts.push(part(input)?);
    };
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            parts.extend(last);
            Ok(node(input, start..end, join(parts)))
        }
    }
}

/// `not a`; two of them are none.
fn negation(input: &mut Input<'_>) -> Parsed<Node> {
    blanks(input)?;
    let start = input.current_token_start();
    let mut negated = false;
    while keyword(input, "not")? {
        negated = !negated;
        blanks(input)?;
    }
    let inner = primary(input)?;
    let end = input.current_token_start();
    Ok(if negated {
        node(input, start..end, Expression::Not(Box::new(inner)))
    } else {
        inner
    })
}

/// What `and`, `or` and `not` stand between: brackets, a comparison, or the name of a macro.
fn primary(input: &mut Input<'_>) -> Parsed<Node> {
    blanks(input)?;
    if opt('(').parse_next(input)?.is_some() {
        return nested(input, |input| {
            let inner = alternatives(input)?;
            blanks(input)?;
            close(input, "`and`, `or` or `)`")?;
            Ok(inner)
        });
    }
    let start = input.current_token_start();
    if let Some(left) = opt(field).parse_next(input)? {
        return comparison::rest(input, start, left);
    }
    if let Some(left) = opt(transformed).parse_next(input)? {
        return comparison::rest(input, start, left);
    }
    let Some(found) = opt(name).parse_next(input)? else {
        return Err(Failure::expected(input, "a field, a macro, `not` or `(`"));
    };
    let range = start..start + found.len();
    if RESERVED.contains(&found) || OPERATORS.iter().any(|(word, _)| *word == found) {
        let message = format!("expected a field, a macro, `not` or `(`, found `{found}`");
        return Err(Failure::cut(range, message, None));
    }
    no_field(input, range.clone(), found)?;
    Ok(node(input, range, Expression::Macro(found.to_owned())))
}

/// Refuses what is written like a field or a function but is none.
fn no_field(input: &Input<'_>, range: Range<usize>, found: &str) -> Parsed<()> {
    let rest: &str = input;
    if rest.starts_with('(') {
        let help = nearest(found, super::words::TRANSFORMERS.iter().map(|(word, _, _)| *word));
        let help = help.map(|known| format!("`{known}` is one"));
        return Err(Failure::cut(range, format!("`{found}` is no transformer"), help));
    }
    let behind = rest.trim_start_matches(is_blank);
    let sign = ["=", "!=", "<", ">"].iter().any(|sign| behind.starts_with(sign));
    let word = behind.split(|c: char| !is_name(c)).next().unwrap_or_default();
    if sign || word == "exists" || OPERATORS.iter().any(|(known, _)| *known == word) {
        let message = format!("`{found}` is compared but is no field: those have a dot in their names");
        return Err(Failure::cut(range, message, None));
    }
    Ok(())
}

/// Runs a parser one bracket deeper.
pub(super) fn nested<T>(input: &mut Input<'_>, parser: impl FnOnce(&mut Input<'_>) -> Parsed<T>) -> Parsed<T> {
    if input.state.depth == DEPTH {
        let at = input.current_token_start();
        let message = format!("brackets are nested deeper than {DEPTH}");
        return Err(Failure::cut(at.saturating_sub(1)..at, message, None));
    }
    input.state.depth += 1;
    let result = parser(input);
    input.state.depth -= 1;
    result
}

/// `)`.
pub(super) fn close(input: &mut Input<'_>, expected: &str) -> Parsed<()> {
    opt(')')
        .parse_next(input)?
        .map(|_| ())
        .ok_or_else(|| Failure::expected(input, expected))
}

/// Whether a word stands here that is not the beginning of a longer one; it is passed.
pub(super) fn keyword(input: &mut Input<'_>, word: &str) -> Parsed<bool> {
    let rest: &str = input;
    if rest
        .strip_prefix(word)
        .is_none_or(|rest| rest.starts_with(|c| is_name(c) || c == '.'))
    {
        return Ok(false);
    }
    input.next_slice(word.len());
    Ok(true)
}

/// A part with its place.
pub(super) fn node(input: &Input<'_>, range: Range<usize>, expression: Expression) -> Node {
    Node {
        span: input.state.text.span(range),
        expression,
    }
}
