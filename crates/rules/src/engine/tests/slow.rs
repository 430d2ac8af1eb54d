//! Another evaluator, straight over the tree: slow, without a catalogue's help but for the kinds of fields, and written apart
//! from the engine, so that both being wrong in the same way takes two mistakes.

use std::net::IpAddr;

use crate::field::{Given, Kind, Several};
use crate::host::{Event, catalogue};
use crate::syntax::{Comparison, Expression, Node, Operand, Operator, Quantifier};
use crate::value::{Answer, Truth, Value};

pub(super) fn truth(node: &Node, event: &Event) -> Truth {
    match &node.expression {
        Expression::And(nodes) => least(nodes.iter().map(|it| truth(it, event))),
        Expression::Or(nodes) => most(nodes.iter().map(|it| truth(it, event))),
        Expression::Not(of) => match truth(of, event) {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        },
        Expression::Macro(name) => panic!("the macro {name}"),
        Expression::Exists(operand) => match side(operand, event) {
            Answer::Known(_) => Truth::True,
            Answer::Absent => Truth::False,
            Answer::Partly(values, _) if !values.is_empty() => Truth::True,
            Answer::Partly(..) | Answer::Unknown(_) => Truth::Unknown,
        },
        Expression::Compare(comparison) => compare(comparison, event),
    }
}

fn least(truths: impl Iterator<Item = Truth>) -> Truth {
    let truths: Vec<_> = truths.collect();
    [Truth::False, Truth::Unknown]
        .into_iter()
        .find(|truth| truths.contains(truth))
        .unwrap_or(Truth::True)
}

fn most(truths: impl Iterator<Item = Truth>) -> Truth {
    let truths: Vec<_> = truths.collect();
    [Truth::True, Truth::Unknown]
        .into_iter()
        .find(|truth| truths.contains(truth))
        .unwrap_or(Truth::False)
}

fn compare(comparison: &Comparison, event: &Event) -> Truth {
    let Some(quantifier) = comparison.quantifier else {
        return once(&comparison.left, comparison.operator, &comparison.right, event);
    };
    let truths: Vec<_> = comparison
        .right
        .iter()
        .map(|right| {
            once(
                &comparison.left,
                comparison.operator,
                std::slice::from_ref(right),
                event,
            )
        })
        .collect();
    let count = |truth| truths.iter().filter(|it| **it == truth).count();
    match quantifier {
        Quantifier::AnyOf => most(truths.into_iter()),
        Quantifier::AllOf => least(truths.into_iter()),
        Quantifier::OneOf => match (count(Truth::True), count(Truth::Unknown)) {
            (2.., _) => Truth::False,
            (_, 1..) => Truth::Unknown,
            (holds, _) => (holds == 1).into(),
        },
    }
}

fn once(left: &Operand, operator: Operator, right: &[Operand], event: &Event) -> Truth {
    let (kind, several) = shape(left);
    let answer = side(left, event);
    let mut wanted = Vec::new();
    if let [other @ (Operand::Field { .. } | Operand::Transformed { .. })] = right {
        match (&answer, side(other, event)) {
            (Answer::Absent, _) | (_, Answer::Absent) => return Truth::False,
            (Answer::Known(_), Answer::Known(value)) => wanted.push(value),
            _ => return Truth::Unknown,
        }
    }
    for constant in right {
        if let Operand::Constant(word) = constant {
            wanted.push(match kind {
                Kind::Number => Value::Number(word.text.parse().expect("a number")),
                Kind::Boolean => Value::Boolean(word.text == "true"),
                Kind::Text | Kind::Address => Value::Text(word.text.clone().into_bytes().into()),
            });
        }
    }
    if right.is_empty() && several != Several::List {
        return Truth::False;
    }
    // Different from one of these is what `!=` asks; it is never asked with several.
    let fits = |value: &Value<'_>| wanted.iter().any(|wanted| single(operator, value, wanted));
    let over = |values: &[Value<'_>], whole: bool| -> Truth {
        let all = match several {
            Several::List => operator == Operator::In,
            Several::Either => operator == Operator::NotEqual,
            Several::Any | Several::One => false,
        };
        let found = if all {
            values.iter().all(&fits)
        } else {
            values.iter().any(&fits)
        };
        if whole || found != all {
            found.into()
        } else {
            Truth::Unknown
        }
    };
    match answer {
        Answer::Absent => Truth::False,
        Answer::Unknown(_) => Truth::Unknown,
        Answer::Known(Value::List(values)) => over(&values, true),
        Answer::Known(value) => over(&[value], true),
        Answer::Partly(values, _) => over(&values, false),
    }
}

fn shape(operand: &Operand) -> (Kind, Several) {
    match operand {
        Operand::Field { name, argument } => {
            let catalogue = catalogue();
            let field = catalogue
                .field(&name.text, argument.as_ref().map(|it| it.text.as_str()))
                .expect("a field");
            let definition = catalogue.definition(field.id);
            let several = match field.argument {
                Given::Nothing => definition.several,
                _ => Several::One,
            };
            (definition.kind, several)
        }
        Operand::Transformed { transformer, .. } if transformer.word() == "len" => (Kind::Number, Several::One),
        Operand::Transformed { .. } | Operand::Constant(_) => (Kind::Text, Several::One),
    }
}

fn side<'e>(operand: &Operand, event: &'e Event) -> Answer<'e> {
    match operand {
        Operand::Constant(word) => Answer::Known(Value::Text(word.text.clone().into_bytes().into())),
        Operand::Field { name, argument } => {
            let name = match argument {
                Some(argument) => format!("{}[{}]", name.text, argument.text),
                None => name.text.clone(),
            };
            event.0.get(&name).cloned().unwrap_or(Answer::Absent)
        }
        Operand::Transformed {
            transformer, operands, ..
        } => match (side(&operands[0], event), transformer.word()) {
            (Answer::Known(Value::Text(text)), "toupper") => {
                Answer::Known(Value::Text(text.iter().map(u8::to_ascii_uppercase).collect()))
            }
            (Answer::Known(Value::Text(text)), "len") => {
                Answer::Known(Value::Number(i64::try_from(text.len()).expect("a length")))
            }
            (Answer::Known(value), other) => panic!("{other} of {value:?}"),
            (other, _) => other,
        },
    }
}

/// One value against one.
fn single(operator: Operator, value: &Value<'_>, wanted: &Value<'_>) -> bool {
    use Operator as O;
    if let Value::Address(address) = value
        && let Value::Text(network) = wanted
    {
        return within(*address, &String::from_utf8_lossy(network)) != (operator == O::NotEqual);
    }
    if let (Value::Text(value), Value::Text(wanted)) = (value, wanted) {
        let (value, wanted): (&[u8], &[u8]) = (value, wanted);
        let within = |value: &[u8], wanted: &[u8]| (0..=value.len()).any(|at| value[at..].starts_with(wanted));
        match operator {
            O::Contains => return within(value, wanted),
            O::ContainsIgnoringCase => return within(&value.to_ascii_lowercase(), &wanted.to_ascii_lowercase()),
            O::StartsWith => return value.len() >= wanted.len() && &value[..wanted.len()] == wanted,
            O::EndsWith => return value.len() >= wanted.len() && &value[value.len() - wanted.len()..] == wanted,
            O::Glob => return glob(wanted, value),
            O::PathMatch => return above(wanted, value),
            _ => {}
        }
    }
    let order = match (value, wanted) {
        (Value::Number(value), Value::Number(wanted)) => value.cmp(wanted),
        (Value::Text(value), Value::Text(wanted)) => value.cmp(wanted),
        (Value::Boolean(value), Value::Boolean(wanted)) => value.cmp(wanted),
        (Value::Address(value), Value::Address(wanted)) => value.cmp(wanted),
        _ => return false,
    };
    match operator {
        O::NotEqual => order.is_ne(),
        O::Less => order.is_lt(),
        O::LessOrEqual => order.is_le(),
        O::Greater => order.is_gt(),
        O::GreaterOrEqual => order.is_ge(),
        _ => order.is_eq(),
    }
}

/// `*` and `?` only, by trying everything.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        ([b'?', rest @ ..], [_, text @ ..]) => glob(rest, text),
        ([one, rest @ ..], [other, text @ ..]) => one == other && glob(rest, text),
        _ => false,
    }
}

fn above(wanted: &[u8], path: &[u8]) -> bool {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    parts(path).starts_with(&parts(wanted))
}

/// Bit by bit.
fn within(address: IpAddr, network: &str) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes
            .into_iter()
            .flat_map(|byte| (0..8).map(move |bit| byte & (128 >> bit) != 0))
            .collect()
    };
    let (first, prefix) = match network.split_once('/') {
        Some((first, prefix)) => (first, Some(prefix.parse().expect("a prefix"))),
        None => (network, None),
    };
    let first = bits(first.parse().expect("an address"));
    let address = bits(address);
    let prefix = prefix.unwrap_or(first.len());
    first.len() == address.len() && first[..prefix] == address[..prefix]
}
