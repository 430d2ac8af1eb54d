//! `agent rules fields`: the fields that rules may use.

use std::collections::{BTreeMap, BTreeSet};

use pinhole_rules::field::{Given, Values};

use crate::cli::exit::Exit;
use crate::cli::{complain, say};
use crate::rules::catalogue;

/// A beginning that no field has.
#[derive(Debug, thiserror::Error)]
#[error("no field's name begins with `{0}`")]
struct Unknown(String);

/// Prints those whose names begin so.
pub(super) fn run(prefix: &str) -> Exit {
    let mut page = String::new();
    for row in catalogue::rows().filter(|row| row.definition.name.starts_with(prefix)) {
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
        return complain(&Unknown(prefix.to_owned()), Exit::Usage);
    }
    say(page.as_bytes())
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
