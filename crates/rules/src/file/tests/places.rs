//! Where the words of scalars stand.

use proptest::prelude::*;

use super::{Declaration, declared};
use crate::text::Text;

#[track_caller]
fn condition(text: &str) -> Text {
    let (declarations, problems) = declared(text);
    assert!(problems.is_empty(), "{problems:?}");
    match declarations.into_iter().next() {
        Some(Declaration::Macro(declared)) => declared.condition,
        other => panic!("{other:?}"),
    }
}

/// Every letter of the value must stand where it is said to stand.
#[track_caller]
fn in_place(text: &Text) {
    for (at, letter) in text
        .as_str()
        .char_indices()
        .filter(|(_, letter)| letter.is_alphanumeric())
    {
        let span = text.span(at..at + letter.len_utf8());
        assert_eq!(span.text(), letter.to_string(), "byte {at} of {:?}", text.as_str());
    }
}

#[track_caller]
fn at(text: &Text, word: &str) -> (usize, usize) {
    let start = text
        .as_str()
        .find(word)
        .unwrap_or_else(|| panic!("{word} in {:?}", text.as_str()));
    let position = text.span(start..start + word.len()).position();
    (position.line, position.column)
}

#[test]
fn places_in_each_kind_of_scalar() {
    let plain = condition("- macro: m\n  condition: alpha and\n    beta\n\n      or gamma # delta\n");
    assert_eq!(plain.as_str(), "alpha and beta\nor gamma");
    in_place(&plain);
    assert_eq!(at(&plain, "alpha"), (2, 14));
    assert_eq!(at(&plain, "beta"), (3, 5));
    assert_eq!(at(&plain, "gamma"), (5, 10));

    let folded =
        condition("- macro: m\n  condition: >\n    alpha\n    and beta\n      or gamma\n\n\n    or é delta\n\n");
    assert_eq!(folded.as_str(), "alpha and beta\n  or gamma\n\n\nor é delta\n");
    in_place(&folded);
    assert_eq!(at(&folded, "beta"), (4, 9));
    assert_eq!(at(&folded, "gamma"), (5, 10));
    assert_eq!(at(&folded, "delta"), (8, 10));

    let literal = condition("- macro: m\n  condition: |2-\n      alpha\n    and beta");
    assert_eq!(literal.as_str(), "  alpha\nand beta");
    in_place(&literal);
    assert_eq!(at(&literal, "beta"), (4, 9));

    let single = condition("- macro: m\n  condition: 'alpha = ''x''  \n     and beta'\n");
    assert_eq!(single.as_str(), "alpha = 'x' and beta");
    in_place(&single);
    assert_eq!(at(&single, "'x'"), (2, 23));
    assert_eq!(at(&single, "beta"), (3, 10));

    let double = condition("- macro: m\n  condition: \"alpha \\\"x\\\\\\u00e9\\x41 \\\n    y\\n z\n\n    beta\"\n");
    assert_eq!(double.as_str(), "alpha \"x\\éA y\n z\nbeta");
    assert_eq!(at(&double, "\"x"), (2, 21));
    assert_eq!(at(&double, "y"), (3, 5));
    assert_eq!(at(&double, "z"), (3, 9));
    assert_eq!(at(&double, "beta"), (5, 5));
}

#[test]
fn line_ends_of_another_system() {
    let folded = condition("- macro: m\r\n  condition: >\r\n    alpha\r\n    and beta\r\n");
    in_place(&folded);
    assert_eq!(at(&folded, "beta"), (4, 9));
    let plain = condition("\u{feff}- macro: m\r\n  condition: alpha\r\n    and beta\r\n");
    in_place(&plain);
    assert_eq!(at(&plain, "beta"), (3, 9));
}

#[test]
fn empty_lines_at_the_ends() {
    let folded = condition("- macro: m\n  condition: >\n\n\n    alpha\n- list: l\n  items: []\n");
    in_place(&folded);
    assert_eq!(at(&folded, "alpha"), (5, 5));
    let double = condition("- macro: m\n  condition: \"\n\n    alpha\n    \"\n");
    in_place(&double);
    assert_eq!(at(&double, "alpha"), (4, 5));
}

/// Lines for a scalar of several lines.
fn words() -> impl Strategy<Value = Vec<(usize, String)>> {
    prop::collection::vec((0..3_usize, "([a-z]{1,4}|é)( {1,2}[a-z]{1,3}){0,3}"), 1..6)
}

proptest! {
    #[test]
    fn every_letter_has_its_place(
        lines in words(), style in 0..5_usize, chomp in 0..3_usize, more in 0..3_usize, carriage in any::<bool>(),
    ) {
        let end = if carriage { "\r\n" } else { "\n" };
        let mut text = format!("- macro: m{end}  condition:");
        let chomp = ["", "-", "+"][chomp];
        let (open, close) = [(" ", ""), (" '", "'"), (" \"", "\""), (" |", ""), (" >", "")][style];
        text.push_str(open);
        if style > 2 {
            text.push_str(&format!("{chomp}{end}    "));
        }
        for (index, (blank, words)) in lines.iter().enumerate() {
            if index > 0 {
                let indent = 4 + if style > 2 && index % 2 == 1 { more } else { 0 };
                text.push_str(&format!("{end}{}{}", end.repeat(*blank), " ".repeat(indent)));
            }
            let words = match style {
                1 => words.replacen(' ', " ''", 1),
                2 => words.replacen(' ', " \\\"", 1),
                _ => words.clone(),
            };
            text.push_str(&words);
        }
        text.push_str(close);
        text.push_str(end);
        in_place(&condition(&text));
    }

    #[test]
    fn any_file_is_read_or_refused(text in "([-:>|'\"&*#{}\\[\\], \n]|macro|rule|list|items|condition|a|é){0,60}") {
        let (_, problems) = declared(&text);
        prop_assert!(problems.iter().all(|problem| problem.starts_with("f:")));
    }
}
