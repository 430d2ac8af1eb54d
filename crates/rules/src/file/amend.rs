//! `append` and `override`: what an item does to an earlier one of its name.

use std::collections::BTreeMap;

use super::item::Item;
use super::yaml::Kind;
use crate::problem::{Problem, did_you_mean, shortened};

/// Reads `append` and `override`: the second one's keys, true for those that are added to.
pub(super) fn amends(
    item: &mut Item<'_>,
    appended: &[&str],
    replaced: &[&str],
) -> Option<(bool, BTreeMap<String, bool>)> {
    let append = item.optional_truth("append").unwrap_or_default();
    if append {
        item.warn(
            item.key("append"),
            "`append: true` is deprecated; `override` says what is appended",
        );
    }
    let mut keys = BTreeMap::new();
    let Some(node) = item.get("override") else {
        return Some((append, keys));
    };
    let Kind::Mapping(pairs) = &node.kind else {
        item.error(
            node.span.clone(),
            "`override` must be a mapping of keys to `append` or `replace`",
        );
        return None;
    };
    if append {
        item.error(item.key("override"), "`append: true` and `override` do not go together");
        return None;
    }
    let mut fine = true;
    for (key, value) in pairs {
        let (Kind::Scalar(name), Kind::Scalar(how)) = (&key.kind, &value.kind) else {
            item.error(
                key.span.clone(),
                "`override` must be a mapping of keys to `append` or `replace`",
            );
            fine = false;
            continue;
        };
        let name = name.as_str();
        let (can_append, can_replace) = (appended.contains(&name), replaced.contains(&name));
        let (span, message) = match how.as_str() {
            "append" if can_append => {
                keys.insert(name.to_owned(), true);
                continue;
            }
            "replace" if can_replace => {
                keys.insert(name.to_owned(), false);
                continue;
            }
            "append" | "replace" if !can_append && !can_replace => {
                (&key.span, format!("`{}` cannot be overridden", shortened(name)))
            }
            "append" => (&value.span, format!("`{name}` cannot be appended to, only replaced")),
            "replace" => (&value.span, format!("`{name}` cannot be replaced, only appended to")),
            other => (
                &value.span,
                format!("expected `append` or `replace`, found `{}`", shortened(other)),
            ),
        };
        let help = did_you_mean(name, replaced.iter().copied());
        item.problems
            .push(Problem::error(span.clone(), &item.name, message).with_help(help));
        fine = false;
    }
    fine.then_some((append, keys))
}
