//! From documents to declarations.

use std::rc::Rc;
use std::sync::Arc;

use super::amend::amends;
use super::declaration::{Declaration, List, Macro, Requirement};
use super::item::Item;
use super::rule;
use super::version::Version;
use super::yaml::{Kind, Yaml, documents};
use crate::problem::{Problem, shortened};
use crate::source::Source;
use crate::text::Text;

/// Every key that an entry can begin with.
const ENTRIES: [&str; 5] = [
    "required_engine_version",
    "required_plugin_versions",
    "list",
    "macro",
    "rule",
];
/// Reads a rule file. What could not be read is told and left out.
#[must_use]
pub fn read(source: &Arc<Source>) -> (Vec<Declaration>, Vec<Problem>) {
    let mut declarations = Vec::new();
    let mut problems = Vec::new();
    let documents = match documents(source) {
        Ok(documents) => documents,
        Err(refused) => return (declarations, vec![Problem::error(refused.span, "", refused.message)]),
    };
    for document in &documents {
        match &document.kind {
            Kind::Null => {}
            Kind::Sequence(entries) => {
                for entry in entries.iter().filter(|entry| !matches!(entry.kind, Kind::Null)) {
                    read_entry(entry, &mut declarations, &mut problems);
                }
            }
            Kind::Scalar(_) | Kind::Mapping(_) => {
                let message = "a rule file must be a list of rules, macros and lists";
                problems.push(Problem::error(document.span.clone(), "", message));
            }
        }
    }
    (declarations, problems)
}

fn read_entry(entry: &Yaml, declarations: &mut Vec<Declaration>, problems: &mut Vec<Problem>) {
    let Some(mut item) = Item::of(entry, "", "an entry", problems) else {
        return;
    };
    let item = &mut item;
    match ENTRIES.iter().find(|key| item.get(key).is_some()) {
        Some(&"required_engine_version") => declarations.extend(engine(item)),
        Some(&"required_plugin_versions") => plugins(item, declarations),
        Some(&"list") => declarations.extend(list(item).map(Declaration::List)),
        Some(&"macro") => declarations.extend(condition_macro(item).map(Declaration::Macro)),
        Some(_) => declarations.extend(rule::read(item).map(Declaration::Rule)),
        None => item.warn(item.span.clone(), "is no rule, macro or list, and means nothing"),
    }
}

fn engine(item: &mut Item<'_>) -> Option<Declaration> {
    item.check(&["required_engine_version"]);
    let text = item.text("required_engine_version")?;
    let version = Version::parse_engine(text.as_str());
    if version.is_none() {
        let message = format!("`{}` is no version such as `0.57.0`", shortened(text.as_str()));
        item.error(text.whole_span(), message);
    }
    Some(Declaration::Engine(version?, text.whole_span()))
}

fn plugins(item: &mut Item<'_>, declarations: &mut Vec<Declaration>) {
    item.check(&["required_plugin_versions"]);
    for entry in mappings(item, "required_plugin_versions") {
        let Some(mut inner) = item.inner(entry, "a required plugin") else {
            continue;
        };
        inner.check(&["name", "version", "alternatives"]);
        let mut any: Vec<_> = requirement(&mut inner).into_iter().collect();
        for entry in mappings(&mut inner, "alternatives") {
            let Some(mut inner) = inner.inner(entry, "an alternative") else {
                continue;
            };
            inner.check(&["name", "version"]);
            let Some(found) = requirement(&mut inner) else { continue };
            if any.iter().any(|earlier| earlier.name == found.name) {
                inner.error(
                    found.span,
                    format!("the plugin `{}` stands here twice", shortened(&found.name)),
                );
            } else {
                any.push(found);
            }
        }
        if !any.is_empty() {
            declarations.push(Declaration::Plugin(any));
        }
    }
}

/// The members of a list that may be there.
fn mappings<'a>(item: &mut Item<'a>, key: &str) -> &'a [Rc<Yaml>] {
    match item.get(key).map(|node| (&node.kind, &node.span)) {
        None => &[],
        Some((Kind::Sequence(members), _)) => members,
        Some((_, span)) => {
            item.error(span.clone(), format!("`{key}` must be a list"));
            &[]
        }
    }
}

fn requirement(item: &mut Item<'_>) -> Option<Requirement> {
    let name = item.text("name")?;
    let text = item.text("version")?;
    let version = Version::parse(text.as_str());
    if version.is_none() {
        item.error(
            text.whole_span(),
            format!("`{}` is no version such as `0.4.0`", shortened(text.as_str())),
        );
    }
    Some(Requirement {
        name: name.as_str().to_owned(),
        version: version?,
        span: name.whole_span(),
    })
}

/// Reads the name of an item, by which messages call it from then on.
pub(super) fn named(item: &mut Item<'_>, key: &str) -> Option<Text> {
    let name = item.text(key)?;
    item.name = format!("{key} {}", shortened(name.as_str()));
    Some(name)
}

fn list(item: &mut Item<'_>) -> Option<List> {
    let name = named(item, "list")?;
    item.check(&["list", "items", "append", "override"]);
    if name
        .as_str()
        .contains(|c: char| c.is_whitespace() || "()\"'=,".contains(c))
    {
        item.warn(name.whole_span(), "no condition can name a list of this name");
    }
    if item.get("items").is_none() {
        item.error(item.span.clone(), "the key `items` is missing");
    }
    let append = appends(item, "items");
    Some(List {
        name,
        items: item.optional_texts("items")?,
        append: append?,
    })
}

fn condition_macro(item: &mut Item<'_>) -> Option<Macro> {
    let name = named(item, "macro")?;
    item.check(&["macro", "condition", "append", "override"]);
    let letter = name.as_str().starts_with(|c: char| c.is_ascii_alphabetic());
    if !letter || name.as_str().contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        item.warn(
            name.whole_span(),
            "no condition can name a macro of this name: letters, digits and `_` can",
        );
    }
    let condition = item.text("condition");
    let append = appends(item, "condition");
    Some(Macro {
        name,
        condition: condition?,
        append: append?,
    })
}

/// Whether an item with one part adds to an earlier one. Nothing: a mistake, which is told.
fn appends(item: &mut Item<'_>, part: &str) -> Option<bool> {
    let (append, overrides) = amends(item, &[part], &[part])?;
    Some(append || overrides.get(part) == Some(&true))
}
