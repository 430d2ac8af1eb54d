//! An entry of a rule file key by key: each getter tells what is wrong with what it finds.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::yaml::{Kind, Yaml};
use crate::problem::{Problem, did_you_mean, shortened};
use crate::source::Span;
use crate::text::Text;

/// A mapping whose values are asked for by key.
pub(super) struct Item<'a> {
    /// How messages name it, e.g. `rule NAME`.
    pub(super) name: String,
    /// Where it begins.
    pub(super) span: Span,
    pairs: &'a [(Rc<Yaml>, Rc<Yaml>)],
    pub(super) problems: &'a mut Vec<Problem>,
}

impl<'a> Item<'a> {
    /// Takes a mapping; what is none is told as such.
    pub(super) fn of(node: &'a Yaml, name: &str, what: &str, problems: &'a mut Vec<Problem>) -> Option<Self> {
        let Kind::Mapping(pairs) = &node.kind else {
            problems.push(Problem::error(
                node.span.clone(),
                name,
                format!("{what} must be a mapping of keys to values"),
            ));
            return None;
        };
        let item = Self {
            name: name.to_owned(),
            span: node.span.clone(),
            pairs,
            problems,
        };
        Some(item)
    }

    /// A mapping within this one.
    pub(super) fn inner<'b>(&'b mut self, node: &'b Yaml, what: &str) -> Option<Item<'b>> {
        Item::of(node, &self.name, what, self.problems)
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Problem::error(span, &self.name, message));
    }

    pub(super) fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Problem::warning(span, &self.name, message));
    }

    /// The value of a key; of several the first, as yaml-cpp has it.
    pub(super) fn get(&self, key: &str) -> Option<&'a Rc<Yaml>> {
        self.pairs
            .iter()
            .find(|(name, _)| is(name, key))
            .map(|(_, value)| value)
    }

    /// The place of a key.
    pub(super) fn key(&self, key: &str) -> Span {
        let found = self.pairs.iter().find(|(name, _)| is(name, key));
        found.map_or_else(|| self.span.clone(), |(name, _)| name.span.clone())
    }

    /// Tells keys that mean nothing, and those that stand twice.
    pub(super) fn check(&mut self, known: &[&str]) {
        let mut seen = BTreeSet::new();
        for (key, _) in self.pairs {
            let span = key.span.clone();
            let Kind::Scalar(text) = &key.kind else {
                self.warn(span, "a key is no name and means nothing");
                continue;
            };
            let name = text.as_str();
            if !known.contains(&name) {
                let help = did_you_mean(name, known.iter().copied());
                let message = format!("the key `{}` means nothing here", shortened(name));
                self.problems
                    .push(Problem::warning(span, &self.name, message).with_help(help));
            } else if !seen.insert(name) {
                self.warn(
                    span,
                    format!("the key `{name}` stands here twice, and the first one counts"),
                );
            }
        }
    }

    /// A value that must be there.
    pub(super) fn text(&mut self, key: &str) -> Option<Text> {
        if self.get(key).is_none() {
            self.error(self.span.clone(), format!("the key `{key}` is missing"));
        }
        self.optional_text(key)
    }

    /// A value that may be there.
    pub(super) fn optional_text(&mut self, key: &str) -> Option<Text> {
        let node = self.get(key)?;
        let message = match &node.kind {
            Kind::Scalar(text) if !text.as_str().is_empty() => return Some(text.clone()),
            Kind::Scalar(_) | Kind::Null => format!("`{key}` is empty"),
            Kind::Sequence(_) | Kind::Mapping(_) => format!("`{key}` must be a single value"),
        };
        let span = if matches!(node.kind, Kind::Null) {
            self.key(key)
        } else {
            node.span.clone()
        };
        self.error(span, message);
        None
    }

    /// A truth that may be there.
    pub(super) fn optional_truth(&mut self, key: &str) -> Option<bool> {
        let text = self.optional_text(key)?;
        let truth = truth(text.as_str());
        if truth.is_none() {
            let message = format!("`{key}` must be `true` or `false`, not `{}`", shortened(text.as_str()));
            self.error(text.whole_span(), message);
        }
        truth
    }

    /// Several values that may be there.
    pub(super) fn optional_texts(&mut self, key: &str) -> Option<Vec<Text>> {
        let node = self.get(key)?;
        let Kind::Sequence(members) = &node.kind else {
            let span = if matches!(node.kind, Kind::Null) {
                self.key(key)
            } else {
                node.span.clone()
            };
            self.error(span, format!("`{key}` must be a list of values"));
            return None;
        };
        let mut texts = Vec::with_capacity(members.len());
        for member in members {
            match &member.kind {
                Kind::Scalar(text) => texts.push(text.clone()),
                Kind::Null => self.error(member.span.clone(), format!("an item of `{key}` is empty")),
                Kind::Sequence(_) | Kind::Mapping(_) => {
                    self.error(
                        member.span.clone(),
                        format!("an item of `{key}` must be a single value"),
                    );
                }
            }
        }
        Some(texts)
    }
}

/// Whether a key is this one.
fn is(key: &Yaml, name: &str) -> bool {
    matches!(&key.kind, Kind::Scalar(text) if text.as_str() == name)
}

/// The truths of YAML 1.1, which yaml-cpp reads.
fn truth(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let mixed = text != lower && text != text.to_ascii_uppercase() && text.get(1..) != lower.get(1..);
    match lower.as_str() {
        _ if mixed => None,
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}
