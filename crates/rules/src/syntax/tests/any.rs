//! What holds for any text.

use proptest::prelude::*;

use super::{parse, shown};
use crate::text::Text;

/// Pieces that make conditions which are nearly right more often than random letters do.
fn condition() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("and"),
        Just("or"),
        Just("not"),
        Just("("),
        Just(")"),
        Just("a"),
        Just("proc.name"),
        Just("[2]"),
        Just("="),
        Just("!="),
        Just("<="),
        Just("in"),
        Just("exists"),
        Just("contains"),
        Just("anyof"),
        Just("tolower("),
        Just("val("),
        Just(","),
        Just("\"x y\""),
        Just("'\\''"),
        Just("7"),
        Just("é"),
        Just("\""),
        Just("\\"),
        Just("join("),
    ];
    let blank = prop_oneof![Just(""), Just(" "), Just("\n")];
    prop::collection::vec((word, blank), 0..24).prop_map(|words| {
        words
            .into_iter()
            .map(|(word, blank)| format!("{word}{blank}"))
            .collect()
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_places_lie_in_the_text(text in condition()) {
        let whole = Text::whole("condition", &text);
        match parse(&whole) {
            Ok(node) => {
                prop_assert!(node.span.range.end <= text.len());
                // What a tree was read from says the same by itself.
                let again = parse(&Text::whole("condition", node.span.text()));
                prop_assert_eq!(again.map(|node| shown(&node)), Ok(shown(&node)));
            }
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.span.range.start));
                prop_assert!(error.span.range.end <= text.len());
            }
        }
    }

    #[test]
    fn any_characters_are_read_or_refused(text in "\\PC{0,40}") {
        let _ = parse(&Text::whole("condition", &text));
    }
}
