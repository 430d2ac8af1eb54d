//! Conditions with macros and lists put in.

use super::lists::Members;
use super::named::Named;
use super::order::{order, shown};
use super::size::{ALL_PARTS, Size, measure};
use crate::file;
use crate::problem::{Problem, did_you_mean, shortened};
use crate::source::Span;
use crate::syntax::{Comparison, Expression, Node, Operand, Word, parse};
use crate::text::Text;

/// How many problems get a nearest name: finding it is slow, and who has as many has others.
const HELPED: usize = 64;

/// A macro with nothing to look up in it; nothing, where it is wrong, which is told once.
struct Resolved {
    node: Option<Node>,
    size: Size,
}

/// Everything that conditions can name.
pub(super) struct Resolver<'a> {
    lists: &'a Named<Members>,
    macros: Named<Resolved>,
    parts: usize,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl<'a> Resolver<'a> {
    /// Resolves all macros, also those that nothing uses.
    pub(super) fn new(macros: &Named<file::Macro>, lists: &'a Named<Members>, problems: &'a mut Vec<Problem>) -> Self {
        let mut resolver = Resolver {
            lists,
            macros: Named::new(),
            parts: 0,
            problems,
        };
        let called = |at: usize| format!("macro {}", shortened(macros.all()[at].name.as_str()));
        let mut parsed: Vec<Option<Node>> = Vec::with_capacity(macros.all().len());
        for (at, declared) in macros.all().iter().enumerate() {
            parsed.push(resolver.parse(&declared.condition, &called(at)));
            // Each has its place from the first, so that what names it finds it.
            resolver.macros.put(
                declared.name.as_str(),
                Resolved {
                    node: None,
                    size: Size::default(),
                },
            );
        }
        let uses: Vec<Vec<usize>> = parsed
            .iter()
            .map(|node| {
                let mut names = Vec::new();
                node.iter().for_each(|node| named_macros(node, &mut names));
                names.into_iter().filter_map(|name| macros.position(name)).collect()
            })
            .collect();
        let order = order(&uses);
        for circle in &order.circles {
            let message = format!(
                "the macro holds itself: {}",
                shown(circle, |at| macros.all()[at].name.as_str())
            );
            let span = macros.all()[circle[0]].name.whole_span();
            resolver
                .problems
                .push(Problem::error(span, &called(circle[0]), message));
        }
        for at in order.sorted {
            let Some(node) = parsed[at].take() else { continue };
            let name = macros.all()[at].name.as_str();
            if let Some(resolved) = resolver.resolve(node, &called(at)) {
                resolver.macros.put(name, resolved);
            }
        }
        resolver
    }

    /// Reads and resolves the condition of a rule. Of one with something wrong in it, which is told, what is left without the
    /// wrong parts, so that the others are looked at, too.
    pub(super) fn condition(&mut self, node: Node, item: &str) -> Option<Node> {
        self.resolve(node, item)?.node
    }

    /// Reads a condition.
    pub(super) fn parse(&mut self, text: &Text, item: &str) -> Option<Node> {
        match parse(text) {
            Ok(node) => Some(node),
            Err(error) => {
                self.problems
                    .push(Problem::error(error.span, item, error.message).with_help(error.help));
                None
            }
        }
    }

    fn resolve(&mut self, node: Node, item: &str) -> Option<Resolved> {
        let of_macro = |name: &str| self.macros.get(name).map(|resolved| resolved.size).unwrap_or_default();
        let of_list = |name: &str| self.lists.get(name).map_or(1, |members| members.words.len());
        let size = measure(&node, &of_macro, &of_list);
        let excess = size.excess().or_else(|| {
            let all = self.parts.saturating_add(size.parts);
            (all > ALL_PARTS)
                .then(|| format!("makes more than {ALL_PARTS} parts together with the conditions before it"))
        });
        if let Some(excess) = excess {
            self.problems
                .push(Problem::error(node.span, item, format!("the condition {excess}")));
            return None;
        }
        self.parts += size.parts;
        Some(Resolved {
            node: Some(self.filled(node, item)?),
            size,
        })
    }

    /// Puts in what the parts of a condition name, and leaves out those that are wrong.
    fn filled(&mut self, node: Node, item: &str) -> Option<Node> {
        let Node { span, expression } = node;
        let expression = match expression {
            Expression::And(parts) => return joined(span, self.all_filled(parts, item), Expression::And),
            Expression::Or(parts) => return joined(span, self.all_filled(parts, item), Expression::Or),
            Expression::Not(inner) => Expression::Not(Box::new(self.filled(*inner, item)?)),
            Expression::Macro(name) => match self.macros.get(&name) {
                Some(resolved) => return resolved.node.clone(),
                None => {
                    let help = self.instead_of_macro(&name);
                    let message = format!("the macro `{}` is not known", shortened(&name));
                    self.problems.push(Problem::error(span, item, message).with_help(help));
                    return None;
                }
            },
            Expression::Exists(left) => Expression::Exists(left),
            Expression::Compare(comparison) => Expression::Compare(Box::new(self.compared(*comparison, item)?)),
        };
        Some(Node { span, expression })
    }

    /// The parts that nothing is wrong with.
    fn all_filled(&mut self, parts: Vec<Node>, item: &str) -> Vec<Node> {
        parts.into_iter().filter_map(|part| self.filled(part, item)).collect()
    }

    /// What an unknown macro may have been meant to be.
    fn instead_of_macro(&self, name: &str) -> Option<String> {
        if self.lists.get(name).is_some() {
            return Some(format!("`{name}` is a list: `field in ({name})` looks into it"));
        }
        if self.problems.len() > HELPED {
            return None;
        }
        did_you_mean(name, self.macros.names())
    }

    /// Puts the members of lists where their names stand.
    fn compared(&mut self, comparison: Comparison, item: &str) -> Option<Comparison> {
        let takes_list = comparison.operator.takes_list() || comparison.quantifier.is_some();
        let mut right = Vec::with_capacity(comparison.right.len());
        for operand in comparison.right {
            let list = match &operand {
                Operand::Constant(Word {
                    text, quoted: false, ..
                }) => self.lists.get(text),
                _ => None,
            };
            let (Operand::Constant(word), Some(members)) = (&operand, list) else {
                right.push(operand);
                continue;
            };
            // A single value may come out of a list that has no other.
            if !takes_list && members.words.len() != 1 {
                let count = members.words.len();
                let message = format!(
                    "`{}` is a list of {count} members, and `{}` takes one value",
                    shortened(&word.text),
                    comparison.operator.word()
                );
                let help = format!("in quotes, \"{}\" is the value itself", shortened(&word.text));
                self.problems
                    .push(Problem::error(word.span.clone(), item, message).with_help(Some(help)));
                return None;
            }
            right.extend(members.words.iter().cloned().map(Operand::Constant));
        }
        Some(Comparison { right, ..comparison })
    }
}

/// Parts put together again, where there are two at least; else what is left.
fn joined(span: Span, mut parts: Vec<Node>, join: fn(Vec<Node>) -> Expression) -> Option<Node> {
    if parts.len() > 1 {
        let expression = join(parts);
        return Some(Node { span, expression });
    }
    parts.pop()
}

/// The macros that a condition names.
fn named_macros<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
    match &node.expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().for_each(|part| named_macros(part, names)),
        Expression::Not(inner) => named_macros(inner, names),
        Expression::Macro(name) => names.push(name),
        Expression::Exists(_) | Expression::Compare(_) => {}
    }
}
