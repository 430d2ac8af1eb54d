//! What holds for any files.

use proptest::prelude::*;

use super::{loaded, written};

/// Entries that are often right and name each other.
fn entry() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let condition = prop::sample::select(vec![
        "a",
        "b and not c",
        "proc.name in (a, b)",
        "evt.num = 0",
        "(a or b) and c",
        "fd.name pmatch (c)",
        "and a",
        "or b",
        "proc.name startswith anyof (a)",
        "proc.name = a",
        "a b",
        "",
    ]);
    let amends = prop::sample::select(vec!["", "  append: true\n", "  override: {condition: append}\n"]);
    let exception = prop::sample::select(vec![
        "",
        "  exceptions: [{name: e, fields: proc.name, values: [a, b]}]\n",
        "  exceptions: [{name: e, values: [[a]]}]\n",
        "  exceptions: [{name: e, fields: [fd.name], comps: [in], values: [[[a, x]], [b]]}]\n",
    ]);
    let amends_list = prop::sample::select(vec!["", "  append: true\n", "  override: {items: append}\n"]);
    prop_oneof![
        (name.clone(), condition.clone(), amends.clone())
            .prop_map(|(name, condition, amends)| format!("- macro: {name}\n  condition: {condition}\n{amends}")),
        (name.clone(), name.clone(), amends_list)
            .prop_map(|(name, item, amends)| format!("- list: {name}\n  items: [{item}, 'x y']\n{amends}")),
        (name.clone(), condition.clone(), exception.clone()).prop_map(|(name, condition, exception)| format!(
            "- rule: {name}\n  condition: {condition}\n  output: o\n  desc: d\n  priority: INFO\n{exception}"
        )),
        (name, condition, amends, exception).prop_map(|(name, condition, amends, exception)| format!(
            "- rule: {name}\n  condition: {condition}\n{amends}{exception}"
        )),
    ]
}

proptest! {
    #[test]
    fn rules_come_out_whole_or_something_is_wrong(
        first in prop::collection::vec(entry(), 0..8), second in prop::collection::vec(entry(), 0..8),
    ) {
        let (first, second) = (first.concat(), second.concat());
        let library = loaded(&[&first, &second]);
        // `written` refuses a macro that is left.
        for rule in &library.rules {
            prop_assert!(!written(&rule.condition).is_empty());
        }
        let known = ["a", "b"];
        for problem in &library.problems {
            prop_assert!(known.contains(&problem.span.source.name.as_str()), "{problem}");
            prop_assert!(!problem.message.is_empty());
        }
    }
}
