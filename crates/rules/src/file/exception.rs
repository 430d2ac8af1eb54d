//! `exceptions` of a rule.

use super::declaration::{Exception, Row, Values};
use super::item::Item;
use super::yaml::{Kind, Yaml};
use crate::problem::shortened;
use crate::text::Text;

/// Reads `exceptions`. With `append`, an exception may be without fields, and one without values says nothing.
pub(super) fn read(item: &mut Item<'_>, append: bool) -> Option<Vec<Exception>> {
    let node = item.get("exceptions")?;
    let members = match &node.kind {
        Kind::Sequence(members) => members,
        Kind::Null => return Some(Vec::new()),
        Kind::Scalar(_) | Kind::Mapping(_) => {
            item.error(node.span.clone(), "`exceptions` must be a list");
            return None;
        }
    };
    let mut exceptions: Vec<Exception> = Vec::new();
    for member in members {
        let Some(mut inner) = item.inner(member, "an exception") else {
            continue;
        };
        let Some(exception) = one(&mut inner, append) else {
            continue;
        };
        let name = exception.name.as_str();
        if exceptions.iter().any(|earlier| earlier.name.as_str() == name) {
            let message = format!("the exception `{}` stands here twice", shortened(name));
            item.warn(exception.name.whole_span(), message);
        }
        exceptions.push(exception);
    }
    Some(exceptions)
}

fn one(item: &mut Item<'_>, append: bool) -> Option<Exception> {
    item.check(&["name", "fields", "comps", "values"]);
    let name = item.text("name")?;
    let fields = values(item, "fields")?;
    if fields.is_none() && !append {
        item.error(
            item.span.clone(),
            format!("the exception `{}` has no `fields`", shortened(name.as_str())),
        );
        return None;
    }
    let comparisons = values(item, "comps")?;
    let mut rows = Vec::new();
    match item.get("values") {
        None if append => {
            item.warn(
                item.span.clone(),
                format!("the exception `{}` adds no `values`", shortened(name.as_str())),
            );
        }
        None => {}
        Some(node) => match &node.kind {
            Kind::Sequence(members) => {
                rows.extend(members.iter().filter_map(|member| row(item, member)));
            }
            _ => {
                item.error(node.span.clone(), "`values` of an exception must be a list");
                return None;
            }
        },
    }
    Some(Exception {
        name,
        fields,
        comparisons,
        rows,
    })
}

/// One value or several. The outer nothing is a mistake, which is told.
fn values(item: &mut Item<'_>, key: &str) -> Option<Option<Values>> {
    match item.get(key) {
        None => Some(None),
        Some(node) => several(item, node, key).map(Some),
    }
}

fn several(item: &mut Item<'_>, node: &Yaml, what: &str) -> Option<Values> {
    match &node.kind {
        Kind::Sequence(members) => {
            let texts: Option<Vec<_>> = members.iter().map(|member| single(item, member, what)).collect();
            Some(Values::Many(texts?, node.span.clone()))
        }
        _ => single(item, node, what).map(Values::One),
    }
}

fn single(item: &mut Item<'_>, node: &Yaml, what: &str) -> Option<Text> {
    match &node.kind {
        Kind::Scalar(text) if !text.as_str().is_empty() => Some(text.clone()),
        Kind::Scalar(_) | Kind::Null => {
            item.error(node.span.clone(), format!("a value of `{what}` is empty"));
            None
        }
        Kind::Sequence(_) | Kind::Mapping(_) => {
            item.error(node.span.clone(), format!("a value of `{what}` must be a single one"));
            None
        }
    }
}

fn row(item: &mut Item<'_>, node: &Yaml) -> Option<Row> {
    match &node.kind {
        Kind::Sequence(members) => {
            let columns: Option<Vec<_>> = members.iter().map(|member| several(item, member, "values")).collect();
            Some(Row::Many(columns?, node.span.clone()))
        }
        _ => single(item, node, "values").map(Row::One),
    }
}
