//! Later declarations.

use super::{conditions, fine, loaded, problems, rule, written};
use pinhole_priority::Priority;

#[test]
fn later_definitions_replace() {
    let macros = [
        "- {macro: a, condition: evt.num = 0}\n",
        "- {macro: a, condition: evt.num = 1}\n",
    ];
    let lists = ["- {list: l, items: [x]}\n", "- {list: l, items: [y]}\n"];
    let rule = rule("a and proc.name in (l)", "");
    let library = fine(&[macros[0], lists[0], &rule, macros[1], lists[1]]);
    assert_eq!(conditions(&library), ["(evt.num = 1 and proc.name in (y))"]);
    let second = rule.replace("desc: d", "desc: e").replace("a and", "not a and");
    let library = fine(&[macros[0], lists[0], &rule, &second]);
    assert_eq!(conditions(&library), ["(not evt.num = 0 and proc.name in (x))"]);
    assert_eq!(library.rules[0].description, "e");
    assert_eq!(library.rules[0].span.source.name, "d");
}

#[test]
fn a_replaced_rule_keeps_its_turn() {
    let named = |name: &str| rule("evt.num = 0", "").replacen('R', name, 1);
    let library = fine(&[&named("A"), &named("B"), &named("A")]);
    let names: Vec<_> = library.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
}

#[test]
fn overrides_append() {
    let first = format!(
        "- {{list: l, items: [x]}}\n- {{macro: m, condition: evt.num = 0}}\n{}",
        rule("m and proc.name in (l)", "  tags: [b, a]\n")
    );
    let second = "- list: l\n  items: [y]\n  override: {items: append}\n- macro: m\n  condition: or evt.num = 1\n  override:\n    \
                  condition: append\n- rule: R\n  condition: and fd.num = 2\n  output: ' and %fd.num '\n  desc: and e\n  \
                  tags: [c, a]\n  override: {condition: append, output: append, desc: append, tags: append}\n";
    let library = fine(&[&first, second]);
    assert_eq!(
        conditions(&library),
        ["((evt.num = 0 or evt.num = 1) and proc.name in (x, y) and fd.num = 2)"]
    );
    let rule = &library.rules[0];
    assert_eq!(rule.output.as_str(), "o and %fd.num");
    assert_eq!(rule.description, "d and e");
    assert_eq!(
        rule.tags.iter().map(String::as_str).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    let at = rule.output.as_str().find('%').expect("a field");
    let span = rule.output.span(at..at + 7);
    assert_eq!((span.source.name.as_str(), span.text()), ("b", "%fd.num"));
    let crate::syntax::Expression::And(parts) = &rule.condition.expression else {
        panic!("{rule:?}")
    };
    assert_eq!(
        (parts[2].span.source.name.as_str(), parts[2].span.text()),
        ("b", "fd.num = 2")
    );
    assert_eq!(rule.condition.span.text(), "m and proc.name in (l)");
}

#[test]
fn append_of_old_appends() {
    let first = format!(
        "- {{list: l, items: [x]}}\n- {{macro: m, condition: evt.num = 0}}\n{}",
        rule("m", "")
    );
    let second = "- {list: l, items: [y], append: true}\n- {macro: m, condition: or proc.name in (l), append: true}\n\
                  - {rule: R, condition: and fd.num = 2, append: true}\n";
    let library = loaded(&[&first, second]);
    assert_eq!(
        conditions(&library),
        ["((evt.num = 0 or proc.name in (x, y)) and fd.num = 2)"]
    );
    assert!(!library.is_refused());
    assert_eq!(library.problems.len(), 3);
    assert!(problems(&library).iter().all(|problem| problem.contains("deprecated")));
}

#[test]
fn overrides_replace() {
    let first = rule("evt.num = 0", "  tags: [b, a]\n");
    let second = "- rule: R\n  condition: evt.num = 1\n  output: p\n  desc: e\n  tags: [c]\n  priority: ERROR\n  enabled: false\n  \
                  warn_evttypes: false\n  skip-if-unknown-filter: true\n  override:\n    condition: replace\n    output: \
                  replace\n    desc: replace\n    tags: replace\n    priority: replace\n    enabled: replace\n    \
                  warn_evttypes: replace\n    skip-if-unknown-filter: replace\n";
    let library = fine(&[&first, second]);
    let rule = &library.rules[0];
    assert_eq!(written(&rule.condition), "evt.num = 1");
    assert_eq!(
        (rule.output.as_str(), rule.description.as_str(), rule.priority),
        ("p", "e", Priority::Error)
    );
    assert_eq!(rule.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["c"]);
    assert!(!rule.enabled && !rule.warn_event_types && rule.skip_if_unknown);
    let mixed = "- rule: R\n  condition: and fd.num = 2\n  priority: ERROR\n  override: {condition: append, priority: replace}\n";
    let library = fine(&[&first, mixed]);
    assert_eq!(conditions(&library), ["(evt.num = 0 and fd.num = 2)"]);
    assert_eq!(library.rules[0].priority, Priority::Error);
    let list = [
        "- {list: l, items: [x]}\n",
        "- {list: l, items: [y], override: {items: replace}}\n",
    ];
    let library = fine(&[list[0], list[1], &super::rule("proc.name in (l)", "")]);
    assert_eq!(conditions(&library), ["proc.name in (y)"]);
}

#[test]
fn rules_are_switched_off_and_on() {
    let first = rule("evt.num = 0", "  enabled: false\n");
    assert!(!fine(&[&first]).rules[0].enabled);
    let on = loaded(&[&first, "- {rule: R, enabled: true}\n"]);
    assert!(on.rules[0].enabled && !on.is_refused());
}

#[test]
fn what_is_not_there_is_not_changed() {
    let first = format!(
        "- {{list: shells, items: []}}\n- {{macro: shell, condition: evt.num=0}}\n{}",
        rule("shell", "")
    );
    let corpus = [
        (
            "- {list: shels, items: [y], override: {items: append}}\n",
            "b:1:10: error: list shels: changes a list that is not declared before it (did you mean `shells`?)",
        ),
        (
            "- {macro: shel, condition: or a, override: {condition: append}}\n",
            "b:1:11: error: macro shel: changes a macro that is not declared before it (did you mean `shell`?)",
        ),
        (
            "- {rule: Q, condition: and a, override: {condition: append}}\n",
            "b:1:10: error: rule Q: changes a rule that is not declared before it (did you mean `R`?)",
        ),
        (
            "- {rule: Other, priority: ERROR, override: {priority: replace}}\n",
            "b:1:10: error: rule Other: changes a rule that is not declared before it",
        ),
        (
            "- {rule: R, desc: d, condition: evt.num = 0, output: o, priority: INFO, source: k8s_audit}\n",
            "b:1:10: error: rule R: watches `k8s_audit`, and an earlier rule of its name `syscall`",
        ),
        (
            "- {rule: R, condition: 'fd.num = 1', override: {condition: append}}\n",
            "b:1:25: error: rule R: expected `and`, `or` or the end, found `fd.num`",
        ),
    ];
    for (second, expected) in corpus {
        assert_eq!(problems(&loaded(&[&first, second])), [expected], "{expected}");
    }
}

#[test]
fn an_amended_condition_breaks_where_it_is_amended() {
    let first = "- macro: m\n  condition: evt.num = 0\n";
    let second = "- macro: m\n  condition: >\n    and\n      fd.num =\n  override: {condition: append}\n";
    let told = "b:4:15: error: macro m: expected a value, a transformer or `val(field)`, found the end";
    assert_eq!(problems(&loaded(&[first, second])), [told]);
}
