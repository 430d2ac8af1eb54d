//! Golden trees, errors with their places, and what must hold for any text.

mod any;
mod errors;
mod golden;

use super::{Expression, Node, Operand, Word, parse};
use crate::text::Text;

/// A tree in one line: `(operator left right…)`.
fn shown(node: &Node) -> String {
    match &node.expression {
        Expression::And(parts) => group("and", parts.iter().map(shown)),
        Expression::Or(parts) => group("or", parts.iter().map(shown)),
        Expression::Not(inner) => group("not", [shown(inner)]),
        Expression::Macro(name) => name.clone(),
        Expression::Exists(left) => group("exists", [operand(left, false)]),
        Expression::Compare(comparison) => {
            let quantifier = comparison
                .quantifier
                .map(|quantifier| format!("/{}", quantifier.word()));
            let operator = format!("{}{}", comparison.operator.word(), quantifier.unwrap_or_default());
            let right = comparison.right.iter().map(|right| operand(right, true));
            group(&operator, [operand(&comparison.left, false)].into_iter().chain(right))
        }
    }
}

fn operand(operand_: &Operand, right: bool) -> String {
    match operand_ {
        Operand::Constant(constant) => word(constant),
        Operand::Field { name, argument } => {
            let argument = argument
                .as_ref()
                .map(|argument| format!("[{}]", word(argument)))
                .unwrap_or_default();
            if right {
                format!("val({}{argument})", name.text)
            } else {
                format!("{}{argument}", name.text)
            }
        }
        Operand::Transformed {
            transformer, operands, ..
        } => {
            let operands: Vec<_> = operands.iter().map(|inner| operand(inner, false)).collect();
            format!("{}({})", transformer.word(), operands.join(" "))
        }
    }
}

fn word(word: &Word) -> String {
    if word.quoted {
        format!("{:?}", word.text)
    } else {
        word.text.clone()
    }
}

fn group(name: &str, parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<_> = parts.into_iter().collect();
    format!("({name}{}{})", if parts.is_empty() { "" } else { " " }, parts.join(" "))
}

fn tree(condition: &str) -> String {
    match parse(&Text::whole("condition", condition)) {
        Ok(node) => shown(&node),
        Err(error) => {
            let at = error.span.position();
            let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}:{}: {}{help}", at.line, at.column, error.message)
        }
    }
}
