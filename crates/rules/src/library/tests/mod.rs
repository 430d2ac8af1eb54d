//! What rule files come to.

mod amended;
mod any;
mod excepted;
mod resolved;
mod upstream;

use std::sync::Arc;

use super::{Library, load};
use crate::problem::Problem;
use crate::source::Source;
use crate::syntax::{Expression, Node, Operand};

/// Files `a`, `b`, … in their order.
fn loaded(files: &[&str]) -> Library {
    let named = |(index, text): (usize, &&str)| {
        let name = char::from(b'a' + u8::try_from(index).expect("few files")).to_string();
        Arc::new(Source {
            name,
            text: (*text).to_owned(),
        })
    };
    let sources: Vec<_> = files.iter().enumerate().map(named).collect();
    load(&sources, &["syscall"])
}

/// The same, where nothing may be wrong.
#[track_caller]
fn fine(files: &[&str]) -> Library {
    let library = loaded(files);
    assert!(library.problems.is_empty(), "{:#?}", problems(&library));
    library
}

fn problems(library: &Library) -> Vec<String> {
    library.problems.iter().map(Problem::to_string).collect()
}

/// The conditions of all rules, as they could be written.
fn conditions(library: &Library) -> Vec<String> {
    library.rules.iter().map(|rule| written(&rule.condition)).collect()
}

/// A rule of this condition, with its further lines.
fn rule(condition: &str, further: &str) -> String {
    format!("- rule: R\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n{further}")
}

fn written(node: &Node) -> String {
    let joined = |parts: &[Node], word: &str| {
        let parts: Vec<_> = parts.iter().map(written).collect();
        format!("({})", parts.join(word))
    };
    match &node.expression {
        Expression::And(parts) => joined(parts, " and "),
        Expression::Or(parts) => joined(parts, " or "),
        Expression::Not(inner) => format!("not {}", written(inner)),
        Expression::Macro(name) => panic!("the macro {name} is left"),
        Expression::Exists(left) => format!("{} exists", operand(left)),
        Expression::Compare(comparison) => {
            let right: Vec<_> = comparison.right.iter().map(operand).collect();
            let right = match (comparison.operator.takes_list(), comparison.quantifier) {
                (false, None) => right.join(" "),
                (_, None) => format!("({})", right.join(", ")),
                (_, Some(quantifier)) => format!("{} ({})", quantifier.word(), right.join(", ")),
            };
            format!("{} {} {right}", operand(&comparison.left), comparison.operator.word())
        }
    }
}

fn operand(of: &Operand) -> String {
    match of {
        Operand::Constant(word) if word.quoted => format!("{:?}", word.text),
        Operand::Constant(word) => word.text.clone(),
        Operand::Field { name, argument: None } => name.text.clone(),
        Operand::Field {
            name,
            argument: Some(argument),
        } => format!("{}[{}]", name.text, argument.text),
        Operand::Transformed {
            transformer, operands, ..
        } => {
            let operands: Vec<_> = operands.iter().map(operand).collect();
            format!("{}({})", transformer.word(), operands.join(", "))
        }
    }
}
