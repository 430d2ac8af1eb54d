//! Comparisons: a field or a transformer, an operator, and what stands right of it.

use winnow::Parser;
use winnow::combinator::{alt, opt};
use winnow::error::{ErrMode, ParserError};
use winnow::stream::{Location, Stream};
use winnow::token::literal;

use super::lexer::{
    Failure, Input, Parsed, argument, blanks, field_name, is_blank, name, number, plain, quoted, value,
};
use super::parser::{close, keyword, nested, node};
use super::tree::{Comparison, Expression, Node, Operand, Operator, Quantifier, Transformer, Word};
use super::words::{OPERATORS, QUANTIFIERS, Right, SIGNS, TRANSFORMERS};
use crate::problem::did_you_mean;

/// `name` or `name[argument]`.
pub(super) fn field(input: &mut Input<'_>) -> Parsed<Operand> {
    let name = plain(field_name).parse_next(input)?;
    let argument = match opt('[').parse_next(input)? {
        None => None,
        Some(_) => {
            let given = opt(argument).parse_next(input)?;
            let given = given.ok_or_else(|| Failure::expected(input, "what the field is asked for"))?;
            opt(']')
                .parse_next(input)?
                .ok_or_else(|| Failure::expected(input, "`]`"))?;
            Some(given)
        }
    };
    Ok(Operand::Field { name, argument })
}

/// `transformer(operands)`.
pub(super) fn transformed(input: &mut Input<'_>) -> Parsed<Operand> {
    let start = input.current_token_start();
    let before = input.checkpoint();
    let word = name(input)?;
    let known = TRANSFORMERS.iter().find(|(known, _, _)| *known == word);
    let (Some((_, transformer, count)), true) = (known, input.starts_with('(')) else {
        input.reset(&before);
        return Err(ErrMode::Backtrack(Failure::from_input(input)));
    };
    input.next_slice(1);
    let operands = nested(input, |input| operands(input, *transformer))?;
    let range = start..input.current_token_start();
    if !count.contains(&operands.len()) {
        let message = match (*count.start(), *count.end()) {
            (1, 1) => format!("`{word}` takes one operand, not {}", operands.len()),
            (least, usize::MAX) => format!("`{word}` takes at least {least} operands, not {}", operands.len()),
            (least, most) => format!("`{word}` takes {least} or {most} operands, not {}", operands.len()),
        };
        return Err(Failure::cut(range, message, None));
    }
    Ok(Operand::Transformed {
        transformer: *transformer,
        span: input.state.text.span(range),
        operands,
    })
}

/// What stands in the brackets of a transformer, and the closing one. The list of `join` may have brackets of its own.
fn operands(input: &mut Input<'_>, transformer: Transformer) -> Parsed<Vec<Operand>> {
    let mut operands = Vec::new();
    loop {
        blanks(input)?;
        let lists = matches!(transformer, Transformer::Join | Transformer::Concat);
        if lists && opt('(').parse_next(input)?.is_some() {
            operands.extend(nested(input, members_of_transformer)?);
        } else {
            operands.push(operand(input)?);
        }
        blanks(input)?;
        if opt(',').parse_next(input)?.is_none() {
            close(input, "`,` or `)`")?;
            return Ok(operands);
        }
    }
}

/// `a, b)` with an open bracket before it.
fn members_of_transformer(input: &mut Input<'_>) -> Parsed<Vec<Operand>> {
    let mut operands = Vec::new();
    blanks(input)?;
    if opt(')').parse_next(input)?.is_some() {
        return Ok(operands);
    }
    loop {
        blanks(input)?;
        operands.push(operand(input)?);
        blanks(input)?;
        if opt(',').parse_next(input)?.is_none() {
            close(input, "`,` or `)`")?;
            return Ok(operands);
        }
    }
}

/// An operand of a transformer.
fn operand(input: &mut Input<'_>) -> Parsed<Operand> {
    let constant = alt((number, quoted)).map(Operand::Constant);
    let found = opt(alt((constant, transformed, field))).parse_next(input)?;
    found.ok_or_else(|| Failure::expected(input, "a field, a transformer, a number or a value in quotes"))
}

/// What stands behind the left side, which begins at `start`.
pub(super) fn rest(input: &mut Input<'_>, start: usize, left: Operand) -> Parsed<Node> {
    blanks(input)?;
    let at = input.current_token_start();
    if keyword(input, "exists")? {
        return Ok(node(
            input,
            start..input.current_token_start(),
            Expression::Exists(left),
        ));
    }
    let operator = operator(input)?;
    let span = input.state.text.span(at..input.current_token_start());
    blanks(input)?;
    let quantifier = quantifier(input, operator)?;
    let right = match (quantifier, operator.right()) {
        (Some(_), class) => {
            input.next_slice(1);
            let member = if class == Right::Number { number } else { value };
            members(input, member)?
        }
        (None, Right::List) => list(input)?,
        (None, Right::Number) => vec![scalar(input, number, "a number, a transformer or `val(field)`")?],
        (None, Right::Value) => vec![scalar(input, value, "a value, a transformer or `val(field)`")?],
    };
    let comparison = Comparison {
        left,
        quantifier,
        operator,
        right,
        span,
    };
    Ok(node(
        input,
        start..input.current_token_start(),
        Expression::Compare(Box::new(comparison)),
    ))
}

/// An operator.
fn operator(input: &mut Input<'_>) -> Parsed<Operator> {
    for (sign, operator) in SIGNS {
        if opt(literal(sign)).parse_next(input)?.is_some() {
            return Ok(operator);
        }
    }
    for (word, operator) in OPERATORS {
        if keyword(input, word)? {
            return Ok(operator);
        }
    }
    let mut failure = Failure::expected(input, "an operator such as `=`, `in`, `contains` or `exists`");
    let rest: &str = input;
    let found = rest
        .split(|c: char| is_blank(c) || "()\"'=,".contains(c))
        .next()
        .unwrap_or_default();
    let words = OPERATORS.iter().map(|(word, _)| *word).chain(["exists"]);
    if let ErrMode::Cut(failure) = &mut failure {
        failure.help = did_you_mean(found, words);
    }
    Err(failure)
}

/// A quantifier, which has a list in brackets behind it; else it is a value like any other. Stops at the bracket.
fn quantifier(input: &mut Input<'_>, operator: Operator) -> Parsed<Option<Quantifier>> {
    let before = input.checkpoint();
    let at = input.current_token_start();
    for (word, quantifier) in QUANTIFIERS {
        if keyword(input, word)? {
            let range = at..input.current_token_start();
            blanks(input)?;
            if !input.starts_with('(') {
                break;
            }
            if operator.takes_list() {
                let message = format!(
                    "`{word}` does not go with `{}`, which takes a list itself",
                    operator.word()
                );
                return Err(Failure::cut(range, message, None));
            }
            return Ok(Some(quantifier));
        }
    }
    input.reset(&before);
    Ok(None)
}

/// A constant, a transformer or `val(field)`.
fn scalar(input: &mut Input<'_>, constant: fn(&mut Input<'_>) -> Parsed<Word>, expected: &str) -> Parsed<Operand> {
    if let Some(computed) = opt(alt((transformed, other_field))).parse_next(input)? {
        return Ok(computed);
    }
    let found = opt(constant).parse_next(input)?;
    found
        .map(Operand::Constant)
        .ok_or_else(|| Failure::expected(input, expected))
}

/// `val(field)`.
fn other_field(input: &mut Input<'_>) -> Parsed<Operand> {
    literal("val(").parse_next(input)?;
    blanks(input)?;
    let found = opt(field)
        .parse_next(input)?
        .ok_or_else(|| Failure::expected(input, "a field"))?;
    blanks(input)?;
    close(input, "`)`")?;
    Ok(found)
}

/// What stands right of an operator for lists: values in brackets, something computed, or one name.
fn list(input: &mut Input<'_>) -> Parsed<Vec<Operand>> {
    if opt('(').parse_next(input)?.is_some() {
        return members(input, value);
    }
    let word = plain(name).map(Operand::Constant);
    let found = opt(alt((transformed, other_field, word))).parse_next(input)?;
    found
        .map(|one| vec![one])
        .ok_or_else(|| Failure::expected(input, "a list in brackets"))
}

/// `a, b)` with an open bracket before it.
fn members(input: &mut Input<'_>, member: fn(&mut Input<'_>) -> Parsed<Word>) -> Parsed<Vec<Operand>> {
    let mut members = Vec::new();
    blanks(input)?;
    if opt(')').parse_next(input)?.is_some() {
        return Ok(members);
    }
    loop {
        blanks(input)?;
        let found = opt(member)
            .parse_next(input)?
            .ok_or_else(|| Failure::expected(input, "a value"))?;
        members.push(Operand::Constant(found));
        blanks(input)?;
        if opt(',').parse_next(input)?.is_none() {
            close(input, "`,` or `)`")?;
            return Ok(members);
        }
    }
}
