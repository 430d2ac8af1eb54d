//! Conditions into the graph: fields are looked up, constants read by their type, and what is wrong is told with its place.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::graph::{Graph, NodeId, TestId};
use super::matcher::Constant;
use super::operand::{Operand, Shape};
use super::test::{Key, Right, Test};
use super::transform;
use crate::catalogue::{Catalogue, EVENT_TYPE, Refusal};
use crate::field::{Field, Given, Kind, Several, Values};
use crate::problem::{Problem, Severity, shortened};
use crate::source::Span;
use crate::syntax::{self, Comparison, Expression, Node, Operator, Quantifier, Word};

/// Conditions that nest deeper than this are refused: each level takes its part of the stack. Upstream stops at 100 in one
/// text, and macros put several texts into one another.
const DEEPEST: usize = 500;

/// Where conditions are put together.
pub(crate) struct Compiler<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(super) graph: Graph,
    pub(super) tests: Vec<Test>,
    known: HashMap<Key, TestId, FixedState>,
    pub(crate) problems: Vec<Problem>,
    /// The rule that is being read, as problems name it.
    pub(super) item: String,
    /// Whether it uses a field that is not known.
    pub(super) unknown_field: bool,
    /// The fields of the rule that never have a value.
    pub(super) never: Vec<(Span, String, &'static str)>,
    event_type: Option<Field>,
}

/// A part that cannot be read; the problem is told already.
pub(crate) struct Broken;

impl<'c> Compiler<'c> {
    pub(crate) fn new(catalogue: &'c Catalogue) -> Self {
        Self {
            catalogue,
            graph: Graph::default(),
            tests: Vec::new(),
            known: HashMap::default(),
            problems: Vec::new(),
            item: String::new(),
            unknown_field: false,
            never: Vec::new(),
            event_type: catalogue.field(EVENT_TYPE, None).ok(),
        }
    }

    /// Reads a condition. All that is wrong in it is told, so a broken part does not stop the others.
    pub(super) fn condition(&mut self, node: &Node, depth: usize) -> Result<NodeId, Broken> {
        if depth > DEEPEST {
            return Err(self.error(
                &node.span,
                format!("this condition nests deeper than {DEEPEST} levels"),
                None,
            ));
        }
        let parts = |compiler: &mut Self, nodes: &[Node]| -> Result<Vec<NodeId>, Broken> {
            let read: Vec<_> = nodes.iter().map(|it| compiler.condition(it, depth + 1)).collect();
            read.into_iter().collect()
        };
        match &node.expression {
            Expression::And(nodes) => {
                let nodes = parts(self, nodes)?;
                Ok(self.graph.all(nodes))
            }
            Expression::Or(nodes) => {
                let nodes = parts(self, nodes)?;
                Ok(self.graph.any(nodes))
            }
            Expression::Not(of) => {
                let of = self.condition(of, depth + 1)?;
                Ok(self.graph.not(of))
            }
            Expression::Macro(name) => Err(self.error(&node.span, format!("there is no macro `{name}`"), None)),
            Expression::Exists(operand) => {
                let (left, shape) = self.operand(operand, &node.span, depth)?;
                self.test(
                    Key {
                        left,
                        several: shape.several,
                        right: Right::Nothing,
                    },
                    &node.span,
                )
            }
            Expression::Compare(comparison) => self.comparison(comparison, &node.span, depth),
        }
    }

    fn comparison(&mut self, comparison: &Comparison, span: &Span, depth: usize) -> Result<NodeId, Broken> {
        let operator = comparison.operator;
        let (left, shape) = self.operand(&comparison.left, span, depth)?;
        if !compares(operator, shape) {
            let message = match shape.several {
                Several::List => "lists are compared with in, intersects and exists only".to_owned(),
                _ => format!("this operator does not compare {}", plural(shape.kind)),
            };
            return Err(self.error(&comparison.span, message, None));
        }
        let takes_list = matches!(operator, Operator::In | Operator::Intersects | Operator::PathMatch);
        if !takes_list && comparison.quantifier.is_none() && comparison.right.len() != 1 {
            return Err(self.error(
                &comparison.span,
                "this operator takes one constant on its right side".to_owned(),
                Some("write anyof, allof or oneof behind it".to_owned()),
            ));
        }
        if let [right @ (syntax::Operand::Field { .. } | syntax::Operand::Transformed { .. })] =
            comparison.right.as_slice()
        {
            return self.sides(operator, (left, shape), (right, span), depth);
        }
        let mut constants = Vec::new();
        for right in &comparison.right {
            constants.push(self.constant(right, shape.kind, operator, &left, span));
        }
        let constants = constants.into_iter().collect::<Result<Vec<_>, _>>()?;
        let asks_for_one = matches!(operator, Operator::Equal | Operator::In | Operator::Intersects);
        if asks_for_one && !self.is_possible(&left, shape.kind, &constants, span) {
            return Ok(self.graph.fixed(false));
        }
        let key = |compiler: &mut Self, constants| {
            let key = Key {
                left: left.clone(),
                several: shape.several,
                right: right(operator, constants, shape.several),
            };
            compiler.test(key, &comparison.span)
        };
        let Some(quantifier) = comparison.quantifier else {
            return key(self, constants);
        };
        let each = constants
            .into_iter()
            .map(|constant| key(self, vec![constant]))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(match quantifier {
            // Upstream: of no members none fits, not even all of them.
            _ if each.is_empty() => self.graph.fixed(false),
            Quantifier::AllOf => self.graph.all(each),
            Quantifier::AnyOf => self.graph.any(each),
            Quantifier::OneOf => self.graph.one_of(each),
        })
    }

    fn sides(
        &mut self,
        operator: Operator,
        (left, shape): (Operand, Shape),
        (right, span): (&syntax::Operand, &Span),
        depth: usize,
    ) -> Result<NodeId, Broken> {
        let (right, other) = self.operand(right, span, depth)?;
        let message = if matches!(operator, Operator::PathMatch | Operator::Regex) {
            "this operator takes constants only on its right side"
        } else if matches!(shape.several, Several::Any | Several::Either)
            || matches!(other.several, Several::Any | Several::Either)
        {
            "a field of several values cannot be compared with another field"
        } else if shape.kind != other.kind || shape.several != other.several {
            "the fields on both sides are not of the same type"
        } else {
            let key = Key {
                left,
                several: shape.several,
                right: Right::Operand(operator, right),
            };
            return self.test(key, span);
        };
        Err(self.error(span, message.to_owned(), None))
    }

    fn constant(
        &mut self,
        operand: &syntax::Operand,
        kind: Kind,
        operator: Operator,
        left: &Operand,
        span: &Span,
    ) -> Result<Constant, Broken> {
        let syntax::Operand::Constant(word) = operand else {
            return Err(self.error(span, "a list holds constants only".to_owned(), None));
        };
        if matches!(
            operator,
            Operator::Equal | Operator::NotEqual | Operator::In | Operator::Intersects
        ) {
            self.event(left, word)?;
        }
        Constant::parse(kind, &word.text)
            .map_err(|what| self.error(&word.span, format!("`{}` is not {what}", shortened(&word.text)), None))
    }

    /// Whether a field can be one of these. Tells where it has one value only, which is none of them.
    fn is_possible(&mut self, left: &Operand, kind: Kind, constants: &[Constant], span: &Span) -> bool {
        let Operand::Field(field) = left else {
            return true;
        };
        if let Values::Always(value) = self.catalogue.definition(field.id).values
            && !Constant::parse(kind, value).is_ok_and(|value| constants.contains(&value))
        {
            let message = format!(
                "`{}` is always `{value}`, so this never holds",
                self.catalogue.name(field)
            );
            self.tell(Severity::Warning, span, message, None);
            return false;
        }
        true
    }

    /// Checks the name of a type of events.
    fn event(&mut self, left: &Operand, word: &Word) -> Result<(), Broken> {
        if !matches!(left, Operand::Field(field) if Some(field) == self.event_type.as_ref()) {
            return Ok(());
        }
        match self.catalogue.event(&word.text) {
            Some(event) => {
                let event = self
                    .catalogue
                    .events()
                    .nth(usize::from(event.0))
                    .map(|(_, event)| event);
                if let Some(why) = event.and_then(|event| event.never) {
                    let message = format!("no event of the type `{}` is ever seen: {why}", word.text);
                    self.tell(Severity::Warning, &word.span, message, None);
                }
                Ok(())
            }
            None => {
                let help = self.catalogue.event_meant(&word.text);
                Err(self.error(
                    &word.span,
                    format!("there is no type of events `{}`", shortened(&word.text)),
                    help,
                ))
            }
        }
    }

    pub(super) fn operand(
        &mut self,
        operand: &syntax::Operand,
        span: &Span,
        depth: usize,
    ) -> Result<(Operand, Shape), Broken> {
        if depth > DEEPEST {
            return Err(self.error(span, format!("functions nest deeper than {DEEPEST} levels"), None));
        }
        match operand {
            syntax::Operand::Constant(word) => Ok((
                Operand::Text(word.text.as_bytes().into()),
                Shape {
                    kind: Kind::Text,
                    several: Several::One,
                },
            )),
            syntax::Operand::Field { name, argument } => {
                self.field(&name.text, argument.as_ref().map(|it| it.text.as_str()), &name.span)
            }
            syntax::Operand::Transformed {
                transformer,
                span,
                operands,
            } => {
                let read: Vec<_> = operands.iter().map(|it| self.operand(it, span, depth + 1)).collect();
                let (operands, shapes): (Vec<_>, Vec<_>) =
                    read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
                match transform::shape(*transformer, &shapes) {
                    Ok(shape) => Ok((Operand::Transformed(*transformer, operands.into()), shape)),
                    Err(what) => Err(self.error(span, format!("this function takes {what}"), None)),
                }
            }
        }
    }

    /// Looks a field up.
    pub(crate) fn field(
        &mut self,
        name: &str,
        argument: Option<&str>,
        span: &Span,
    ) -> Result<(Operand, Shape), Broken> {
        let field = match self.catalogue.field(name, argument) {
            Ok(field) => field,
            Err(refusal) => {
                let help = match &refusal {
                    Refusal::Unknown { help, .. } => {
                        self.unknown_field = true;
                        help.clone()
                    }
                    Refusal::Superfluous { .. } | Refusal::Missing { .. } | Refusal::NotIndex { .. } => None,
                };
                return Err(self.error(span, refusal.to_string(), help));
            }
        };
        let definition = self.catalogue.definition(field.id);
        let shape = Shape {
            kind: definition.kind,
            several: match field.argument {
                Given::Nothing => definition.several,
                Given::Index(_) | Given::Key(_) => Several::One,
            },
        };
        match definition.never(&field.argument) {
            None => Ok((Operand::Field(field), shape)),
            Some(why) => {
                self.never.push((span.clone(), self.catalogue.name(&field), why));
                Ok((Operand::Never, shape))
            }
        }
    }

    fn test(&mut self, key: Key, span: &Span) -> Result<NodeId, Broken> {
        // What can never be so needs no answer, and so does not hang on one that cannot be had.
        let one_value = matches!(key.several, Several::One | Several::Any | Several::Either);
        let nothing_fits = matches!(&key.right, Right::Constants(operator, constants)
            if constants.is_empty() && *operator != Operator::NotEqual && one_value);
        let never = key.left.never() || matches!(&key.right, Right::Operand(_, right) if right.never());
        if never || nothing_fits {
            return Ok(self.graph.fixed(false));
        }
        let mut typed = false;
        if let Some(event_type) = &self.event_type {
            let mut see = |field: &Field| typed |= field == event_type;
            key.left.fields(&mut see);
            if let Right::Operand(_, right) = &key.right {
                right.fields(&mut see);
            }
        }
        if let Some(&test) = self.known.get(&key) {
            return Ok(self.graph.test(test, typed));
        }
        let id = TestId(u32::try_from(self.tests.len()).unwrap_or(u32::MAX));
        match Test::new(key.clone()) {
            Ok(test) => {
                self.tests.push(test);
                self.known.insert(key, id);
                Ok(self.graph.test(id, typed))
            }
            Err(message) => Err(self.error(span, message, None)),
        }
    }

    pub(crate) fn error(&mut self, span: &Span, message: String, help: Option<String>) -> Broken {
        self.tell(Severity::Error, span, message, help);
        Broken
    }

    pub(crate) fn tell(&mut self, severity: Severity, span: &Span, message: String, help: Option<String>) {
        self.problems.push(Problem {
            severity,
            span: span.clone(),
            item: self.item.clone(),
            message,
            help,
        });
    }
}

/// Constants in the one form that says the same. `=` is `in` with one member, but for lists, which it does not compare.
fn right(operator: Operator, mut constants: Vec<Constant>, several: Several) -> Right {
    let operator = match operator {
        Operator::Equal => Operator::In,
        Operator::Intersects if several != Several::List => Operator::In,
        other => other,
    };
    if matches!(operator, Operator::In | Operator::Intersects | Operator::PathMatch) {
        constants.sort_unstable();
        constants.dedup();
    }
    Right::Constants(operator, constants.into())
}

/// Whether an operator compares values of a shape (falcosecurity/libs, `flt_is_comparable`). Bytes are texts here, so the
/// operators of bytes compare texts too.
fn compares(operator: Operator, shape: Shape) -> bool {
    use Operator as O;
    match (operator, shape.kind) {
        (O::In | O::Intersects, _) => true,
        _ if shape.several == Several::List => false,
        (O::Equal | O::NotEqual, _) | (_, Kind::Text) => true,
        (O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual, kind) => kind == Kind::Number,
        _ => false,
    }
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "texts",
        Kind::Number => "numbers",
        Kind::Boolean => "booleans",
        Kind::Address => "addresses",
    }
}
