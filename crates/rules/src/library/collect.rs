//! Declarations in their order: what counts in the end of each list, macro and rule.

use super::load::ENGINE;
use super::named::Named;
use crate::file::{Amendment, Change, Declaration, Definition, Exception, List, Macro, Parts, Requirement, Version};
use crate::problem::{Problem, did_you_mean, shortened};
use crate::source::Span;
use crate::text::Text;

/// What counts so far.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) lists: Named<List>,
    pub(super) macros: Named<Macro>,
    pub(super) rules: Named<(Text, Definition)>,
    pub(super) engine: Option<Version>,
    pub(super) plugins: Vec<Vec<Requirement>>,
    pub(super) problems: Vec<Problem>,
}

impl Collected {
    pub(super) fn new() -> Self {
        Self {
            lists: Named::new(),
            macros: Named::new(),
            rules: Named::new(),
            engine: None,
            plugins: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Takes the next declaration.
    pub(super) fn take(&mut self, declaration: Declaration) {
        match declaration {
            Declaration::Engine(version, span) => self.engine(version, span),
            Declaration::Plugin(any) => self.plugins.push(any),
            Declaration::List(list) => self.list(list),
            Declaration::Macro(declared) => self.condition_macro(declared),
            Declaration::Rule(rule) => match rule.change {
                Change::Define(definition) => self.define(rule.name, *definition),
                Change::Amend(amendment) => self.amend(&rule.name, *amendment),
                Change::Enable(enabled) => {
                    if let Some(earlier) = self.earlier(&rule.name) {
                        earlier.enabled = enabled;
                    }
                }
            },
        }
    }

    fn engine(&mut self, version: Version, span: Span) {
        if !ENGINE.serves(version) {
            let message = format!("needs version {version} of the rule language; this is {ENGINE}");
            self.problems.push(Problem::error(span, "", message));
        }
        self.engine = self.engine.max(Some(version));
    }

    fn list(&mut self, list: List) {
        let name = list.name.as_str();
        if !list.append {
            let name = name.to_owned();
            self.lists.put(&name, list);
        } else if let Some(earlier) = self.lists.get_mut(name) {
            earlier.items.extend(list.items);
        } else {
            let help = did_you_mean(name, self.lists.names());
            self.missing(&list.name, "list", help);
        }
    }

    fn condition_macro(&mut self, declared: Macro) {
        let name = declared.name.as_str();
        if !declared.append {
            let name = name.to_owned();
            self.macros.put(&name, declared);
        } else if let Some(earlier) = self.macros.get_mut(name) {
            earlier.condition.append(&declared.condition);
        } else {
            let help = did_you_mean(name, self.macros.names());
            self.missing(&declared.name, "macro", help);
        }
    }

    fn define(&mut self, name: Text, definition: Definition) {
        if let Some((_, earlier)) = self
            .rules
            .get(name.as_str())
            .filter(|(_, earlier)| earlier.source != definition.source)
        {
            let message = format!(
                "watches `{}`, and an earlier rule of its name `{}`",
                definition.source, earlier.source
            );
            self.problems
                .push(Problem::error(name.whole_span(), &called("rule", &name), message));
            return;
        }
        let key = name.as_str().to_owned();
        self.rules.put(&key, (name, definition));
    }

    fn amend(&mut self, name: &Text, amendment: Amendment) {
        let Some(earlier) = self.earlier(name) else { return };
        let added = append(earlier, amendment.append, &called("rule", name));
        replace(earlier, amendment.replace);
        self.problems.extend(added);
    }

    /// The rule that a declaration changes.
    fn earlier(&mut self, name: &Text) -> Option<&mut Definition> {
        if self.rules.get(name.as_str()).is_none() {
            let help = did_you_mean(name.as_str(), self.rules.names());
            self.missing(name, "rule", help);
        }
        self.rules.get_mut(name.as_str()).map(|(_, definition)| definition)
    }

    fn missing(&mut self, name: &Text, what: &str, help: Option<String>) {
        let message = format!("changes a {what} that is not declared before it");
        self.problems
            .push(Problem::error(name.whole_span(), &called(what, name), message).with_help(help));
    }
}

/// How messages name an item.
pub(super) fn called(what: &str, name: &Text) -> String {
    format!("{what} {}", shortened(name.as_str()))
}

/// Adds parts to a rule.
fn append(earlier: &mut Definition, parts: Parts, item: &str) -> Vec<Problem> {
    if let Some(condition) = parts.condition {
        earlier.condition.append(&condition);
    }
    if let Some(output) = parts.output {
        earlier.output.append(&output.trimmed());
    }
    if let Some(description) = parts.description {
        earlier.description.append(&description);
    }
    earlier.tags.extend(parts.tags.unwrap_or_default());
    let exceptions = parts.exceptions.unwrap_or_default();
    exceptions
        .into_iter()
        .filter_map(|exception| append_exception(earlier, exception, item))
        .collect()
}

/// Adds values to an exception of a rule, or an exception to the rule.
fn append_exception(rule: &mut Definition, exception: Exception, item: &str) -> Option<Problem> {
    let name = exception.name.as_str();
    let wrong = |span: Span, message: &str| {
        Some(Problem::error(
            span,
            item,
            format!("the exception `{}` {message}", shortened(name)),
        ))
    };
    match rule.exceptions.iter_mut().find(|earlier| earlier.name.as_str() == name) {
        Some(earlier) => {
            if let Some(fields) = exception.fields.as_ref().or(exception.comparisons.as_ref()) {
                return wrong(fields.span(), "is there already: only `values` can be appended to it");
            }
            earlier.rows.extend(exception.rows);
        }
        None if exception.fields.is_none() => {
            return wrong(
                exception.name.whole_span(),
                "has no `fields`, and the rule has none of its name",
            );
        }
        None if exception.rows.is_empty() => {
            return wrong(
                exception.name.whole_span(),
                "has no `values`, and the rule has none of its name",
            );
        }
        None => rule.exceptions.push(exception),
    }
    None
}

/// Puts parts in the place of those that a rule has.
fn replace(earlier: &mut Definition, parts: Parts) {
    fn set<T>(earlier: &mut T, part: Option<T>) {
        if let Some(part) = part {
            *earlier = part;
        }
    }
    set(&mut earlier.condition, parts.condition);
    set(&mut earlier.output, parts.output.map(|output| output.trimmed()));
    set(&mut earlier.description, parts.description);
    set(&mut earlier.priority, parts.priority);
    set(&mut earlier.tags, parts.tags);
    set(&mut earlier.enabled, parts.enabled);
    set(&mut earlier.skip_if_unknown, parts.skip_if_unknown);
    set(&mut earlier.warn_event_types, parts.warn_event_types);
    set(&mut earlier.exceptions, parts.exceptions);
}
