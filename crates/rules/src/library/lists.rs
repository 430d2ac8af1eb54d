//! Lists with the lists that they name put in.

use super::collect::called;
use super::named::Named;
use super::order::{order, shown};
use super::size::PARTS;
use crate::file;
use crate::problem::{Problem, shortened};
use crate::source::Span;
use crate::syntax::{Word, parse_members};
use crate::text::Text;

/// A list with nothing to look up in it.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) words: Vec<Word>,
}

/// A member as it is written.
enum Item {
    Word(Word),
    /// Another list, by its number.
    List(usize),
}

/// Puts lists into lists.
pub(super) fn expand(lists: &Named<file::List>, problems: &mut Vec<Problem>) -> Named<Members> {
    let items: Vec<Vec<Item>> = lists.all().iter().map(|list| read(list, lists, problems)).collect();
    let uses: Vec<Vec<usize>> = items
        .iter()
        .map(|items| {
            items
                .iter()
                .filter_map(|item| if let Item::List(at) = item { Some(*at) } else { None })
                .collect()
        })
        .collect();
    let order = order(&uses);
    let name = |at: usize| &lists.all()[at].name;
    for circle in &order.circles {
        let message = format!("the list holds itself: {}", shown(circle, |at| name(at).as_str()));
        let first = name(circle[0]);
        problems.push(Problem::error(first.whole_span(), &called("list", first), message));
    }
    let mut expanded: Vec<Members> = lists.all().iter().map(|_| Members::default()).collect();
    for at in order.sorted {
        let length = |item: &Item| {
            if let Item::List(other) = item {
                expanded[*other].words.len()
            } else {
                1
            }
        };
        if items[at].iter().map(length).sum::<usize>() > PARTS {
            problems.push(Problem::error(
                name(at).whole_span(),
                &called("list", name(at)),
                format!("has more than {PARTS} members"),
            ));
            continue;
        }
        let mut words = Vec::new();
        for item in &items[at] {
            match item {
                Item::Word(word) => words.push(word.clone()),
                Item::List(other) => words.extend(expanded[*other].words.iter().cloned()),
            }
        }
        expanded[at].words = words;
    }
    let mut named = Named::new();
    for (list, members) in lists.all().iter().zip(expanded) {
        named.put(list.name.as_str(), members);
    }
    named
}

/// Reads the items of a list as a condition would read them between its brackets.
fn read(list: &file::List, lists: &Named<file::List>, problems: &mut Vec<Problem>) -> Vec<Item> {
    let mut items = Vec::new();
    for text in &list.items {
        match parse_members(&quoted(text)) {
            Ok(words) => items.extend(words.into_iter().map(|word| {
                // A list in itself is not meant: many a list has the name of its first member.
                match lists.position(&word.text) {
                    Some(at) if !word.quoted && word.text != list.name.as_str() => Item::List(at),
                    _ => Item::Word(word),
                }
            })),
            Err(error) => {
                let item = called("list", &list.name);
                let message = format!("`{}` is no value: {}", shortened(text.as_str()), error.message);
                let help = r#"quotes of its own make it one: '"…"'"#.to_owned();
                problems.push(Problem::error(error.span, &item, message).with_help(Some(help)));
            }
        }
    }
    items
}

/// A value as it is put into a condition: one with blanks gets quotes, where it has none.
pub(super) fn quoted(text: &Text) -> Text {
    if !text.as_str().contains(' ') || text.as_str().starts_with(['"', '\'']) {
        return text.clone();
    }
    let span = text.whole_span();
    let edge = |at: usize| Span {
        source: span.source.clone(),
        range: at..at,
    };
    let mut quoted = Text::new("\"", edge(span.range.start));
    quoted.extend(text);
    quoted.push("\"", edge(span.range.end));
    quoted
}
