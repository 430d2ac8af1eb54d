//! `agent rules fields`: the fields that rules may use.

use std::collections::{BTreeMap, BTreeSet};

use pinhole_rules::field::{Given, Values};

use crate::cli::exit::Exit;
use crate::cli::{complain, say};
use crate::rules::catalogue;

/// A beginning that no field has.
#[derive(Debug, thiserror::Error)]
#[error("no field's name begins with `{0}`{1}")]
struct Unknown(String, String);

/// Prints those whose names begin so.
pub(super) fn run(prefix: &str) -> Exit {
    let mut page = String::new();
    // An argument belongs to no field's name: what stands before it does.
    let prefix = prefix.split('[').next().unwrap_or_default();
    let is_asked = |name: &str| name.starts_with(prefix) || is_key_of(name, prefix);
    for row in catalogue::rows().filter(|row| is_asked(row.definition.name)) {
        let what = match row.definition.never(&Given::Nothing) {
            None => row.from.to_owned(),
            Some(why) => format!("never known: {why}"),
        };
        page.push_str(&format!("{:<34} {:<8} {what}\n", row.name(), row.kind()));
        // Whoever asks for one family wants its members.
        if let (Values::Keyed(keys), false) = (row.definition.values, prefix.is_empty()) {
            page.push_str(&names(keys()));
        }
    }
    if page.is_empty() {
        let names = catalogue::rows().map(|row| row.definition.name);
        let help = pinhole_rules::problem::did_you_mean(prefix, names);
        let help = help.map(|help| format!("; {help}")).unwrap_or_default();
        return complain(&Unknown(prefix.to_owned(), help), Exit::Usage);
    }
    say(page.as_bytes())
}

/// Whether it is a member of a family whose members are written behind a dot, such as `evt.arg.flags`.
fn is_key_of(family: &str, asked: &str) -> bool {
    matches!(family, "evt.arg" | "evt.rawarg") && asked.strip_prefix(family).is_some_and(|rest| rest.starts_with('.'))
}

/// What may stand for `NAME` or `KEY`.
fn names(keys: &BTreeMap<&'static str, Option<&'static str>>) -> String {
    let of = |wanted: Option<&str>| -> Vec<&str> {
        let these = keys.iter().filter(|(_, never)| **never == wanted);
        these.map(|(name, _)| *name).collect()
    };
    let mut text = format!("    names: {}\n", of(None).join(", "));
    let reasons: BTreeSet<&str> = keys.values().copied().flatten().collect();
    for why in reasons {
        text += &format!("    never known, as {why}: {}\n", of(Some(why)).join(", "));
    }
    text
}
