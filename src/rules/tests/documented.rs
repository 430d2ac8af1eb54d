//! The page of fields is made of the tables. `PINHOLE_BLESS=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use pinhole_rules::field::{Argument, Given, Several};

use crate::rules::catalogue::ROWS;
use crate::rules::fields::{EVENTS, Row};
use crate::rules::{params, reasons};

const HEAD: &str = "# Fields of rules

What a rule may name, in the words of Falco's fields, and from what of [an event](events.md) the agent answers it. This page is made of
the tables in `src/rules/fields`: `PINHOLE_BLESS=1 cargo test --lib rules::tests::documented`.

An answer is a value; or nothing, where it is certain that there is none, as the image of a process of the host: every comparison with it is
false; or it is unknown, for a [reason](#reasons). What is cut is unknown: a part of a value is not the value. A field that is *never*
there makes no rule invalid: what hangs on it cannot hold.

In brackets, `n` is a number from 0 and `key` a word. Of fields with several values any may fit.
";

#[test]
fn the_page_in_the_tree_is_that_of_the_tables() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/rules-fields.md");
    let page = page();
    if std::env::var_os("PINHOLE_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == page,
        "docs/rules-fields.md is not what the tables say: PINHOLE_BLESS=1 cargo test --lib rules::tests::documented"
    );
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut family = "";
    for row in ROWS.iter() {
        let of = row.definition.name.split('.').next().unwrap();
        if of != family {
            family = of;
            write!(page, "\n## {family}\n\n| Field | Type | From |\n|---|---|---|\n").unwrap();
        }
        line(&mut page, row);
    }
    arguments(&mut page);
    events(&mut page);
    page.push_str(
        "\n## Reasons\n\nOf what a lookup did not find, the reason is that of the event's [metadata](events.md#reasons). Others:\n\n\
         | Reason | Meaning |\n|---|---|\n",
    );
    for (word, meaning) in reasons::ALL {
        writeln!(page, "| `{word}` | {meaning} |").unwrap();
    }
    page
}

fn line(page: &mut String, row: &Row) {
    let definition = &row.definition;
    let name = definition.name;
    let name = match definition.argument {
        Argument::None => format!("`{name}`"),
        Argument::Index => format!("`{name}[n]`"),
        Argument::OptionalIndex => format!("`{name}`, `{name}[n]`"),
        Argument::Key if name.ends_with('.') => format!("`{name}key`"),
        Argument::Key => format!("`{name}[key]`"),
        Argument::OptionalKey => format!("`{name}`, `{name}[key]`"),
    };
    let kind = row.kind();
    let several = if definition.several == Several::One {
        ""
    } else {
        ", several"
    };
    let from = match definition.never(&Given::Nothing) {
        Some(why) => format!("never: {why}"),
        None => row.from.to_owned(),
    };
    writeln!(page, "| {name} | {kind}{several} | {} |", from.replace('|', "\\|")).unwrap();
}

fn marked(names: &[&str]) -> String {
    let marked: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    marked.join(", ")
}

fn arguments(page: &mut String) {
    let mut by_reason: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for (name, never) in params::keys() {
        by_reason.entry(*never).or_default().push(name);
    }
    let known = by_reason.remove(&None).unwrap();
    writeln!(
        page,
        "\n## Arguments\n\nKeys of `evt.arg` and `evt.rawarg` that some event has a value of:\n\n{}\n\n\
         Those that a rule may name and that never have a value:\n\n| Why | Keys |\n|---|---|",
        marked(&known)
    )
    .unwrap();
    for (why, names) in by_reason {
        writeln!(page, "| {} | {} |", why.unwrap(), marked(&names)).unwrap();
    }
}

fn events(page: &mut String) {
    page.push_str("\n## Types of events\n\nValues of `evt.type` that are seen:\n\n");
    let seen: Vec<_> = EVENTS
        .iter()
        .filter(|event| event.never.is_none())
        .map(|event| event.name)
        .collect();
    writeln!(page, "{}", marked(&seen)).unwrap();
    let mut never: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in EVENTS {
        if let Some(why) = event.never {
            never.entry(why).or_default().push(event.name);
        }
    }
    page.push_str("\nThose that a rule may name and that are never seen:\n\n| Why | Types |\n|---|---|\n");
    for (why, of) in never {
        writeln!(page, "| {why} | {} |", marked(&of)).unwrap();
    }
}
