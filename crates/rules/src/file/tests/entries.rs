//! What a file may hold, and mistakes in it.

use super::declared;
use crate::file::{Change, Declaration, Row, Values, Version};
use crate::text::Text;

#[test]
fn everything_that_can_be_declared() {
    let (declarations, problems) = declared(
        "- required_engine_version: 0.57.0\n\
         - required_engine_version: 26\n\
         - required_plugin_versions:\n    - {name: json, version: 0.7.0, alternatives: [{name: other, version: 1.2.3-rc1}]}\n    \
         - {name: container, version: 0.4.0}\n\
         ---\n\
         - list: l\n  items: [a, 7, true, 'b c']\n\
         -\n\
         - macro: m\n  condition: evt.num=0\n\
         - rule: R\n  desc: d\n  condition: m\n  output: ' o '\n  priority: info\n  tags: [x, y]\n  source: syscall\n  \
         enabled: NO\n  warn_evttypes: false\n  skip-if-unknown-filter: true\n  exceptions:\n    - name: e\n      \
         fields: [proc.name, fd.name]\n      comps: [=, in]\n      values:\n        - [a, [b, c]]\n        - [d, e]\n    \
         - name: f\n      fields: proc.name\n      values: [g]\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(declarations.len(), 7);
    assert!(matches!(
        &declarations[0],
        Declaration::Engine(
            Version {
                major: 0,
                minor: 57,
                patch: 0
            },
            _
        )
    ));
    assert!(matches!(
        &declarations[1],
        Declaration::Engine(
            Version {
                major: 0,
                minor: 26,
                patch: 0
            },
            _
        )
    ));
    let Declaration::Plugin(any) = &declarations[2] else {
        panic!("{declarations:?}")
    };
    assert_eq!(
        any.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(),
        ["json", "other"]
    );
    let Declaration::List(list) = &declarations[4] else {
        panic!("{declarations:?}")
    };
    assert_eq!(
        list.items.iter().map(Text::as_str).collect::<Vec<_>>(),
        ["a", "7", "true", "b c"]
    );
    let Declaration::Rule(rule) = &declarations[6] else {
        panic!("{declarations:?}")
    };
    let Change::Define(rule) = &rule.change else {
        panic!("{rule:?}")
    };
    assert_eq!(rule.output.as_str(), "o");
    assert_eq!(
        (
            rule.output.whole_span().position().line,
            rule.output.whole_span().position().column
        ),
        (15, 13)
    );
    assert!(!rule.enabled && !rule.warn_event_types && rule.skip_if_unknown);
    let Row::Many(columns, _) = &rule.exceptions[0].rows[0] else {
        panic!("{rule:?}")
    };
    assert!(matches!(&columns[..], [Values::One(_), Values::Many(several, _)] if several.len() == 2));
    assert!(matches!(&rule.exceptions[1].rows[..], [Row::One(_)]));
}

#[test]
fn an_alias_is_what_it_names() {
    let (declarations, problems) = declared("- list: a\n  items: &x [b, c]\n- list: d\n  items: *x\n");
    assert_eq!(problems, Vec::<String>::new());
    let items = |at: usize| match &declarations[at] {
        Declaration::List(list) => list.items.iter().map(Text::as_str).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(items(0), items(1));
}

#[test]
fn mistakes_have_their_places() {
    let corpus = [
        (
            "a: b\n",
            "f:1:1: error: a rule file must be a list of rules, macros and lists",
        ),
        ("- a\n", "f:1:3: error: an entry must be a mapping of keys to values"),
        (
            "- rul: x\n",
            "f:1:3: warning: is no rule, macro or list, and means nothing",
        ),
        (
            "- list: x\n  items: [a\n",
            "f:2:10: error: is no YAML: unclosed bracket '['",
        ),
        ("- list: x\n", "f:1:3: error: list x: the key `items` is missing"),
        (
            "- list: x\n  items:\n",
            "f:2:3: error: list x: `items` must be a list of values",
        ),
        (
            "- list: x\n  items: a\n",
            "f:2:10: error: list x: `items` must be a list of values",
        ),
        (
            "- list: x\n  items: [a, [b]]\n",
            "f:2:14: error: list x: an item of `items` must be a single value",
        ),
        (
            "- list: x\n  items: [a, ~]\n",
            "f:2:14: error: list x: an item of `items` is empty",
        ),
        (
            "- list: [x]\n  items: []\n",
            "f:1:9: error: `list` must be a single value",
        ),
        (
            "- list: a b\n  items: []\n",
            "f:1:9: warning: list a b: no condition can name a list of this name",
        ),
        (
            "- list: x\n  item: [a]\n  items: []\n",
            "f:2:3: warning: list x: the key `item` means nothing here (did you mean `items`?)",
        ),
        (
            "- list: x\n  items: []\n  items: [a]\n",
            "f:3:3: warning: list x: the key `items` stands here twice, and the first one counts",
        ),
        (
            "- macro: m\n  condition:\n",
            "f:2:3: error: macro m: `condition` is empty",
        ),
        (
            "- macro: m\n  condition: ''\n",
            "f:2:14: error: macro m: `condition` is empty",
        ),
        (
            "- macro: m-n\n  condition: a\n",
            "f:1:10: warning: macro m-n: no condition can name a macro of this name: letters, digits and `_` can",
        ),
        (
            "- macro: m\n  condition: a\n  append: maybe\n",
            "f:3:11: error: macro m: `append` must be `true` or `false`, not `maybe`",
        ),
        (
            "- macro: m\n  condition: a\n  append: true\n",
            "f:3:3: warning: macro m: `append: true` is deprecated; `override` says what is appended",
        ),
        (
            "- macro: m\n  condition: a\n  override: {condition: add}\n",
            "f:3:25: error: macro m: expected `append` or `replace`, found `add`",
        ),
        (
            "- macro: m\n  condition: a\n  override: {conditoin: append}\n",
            "f:3:14: error: macro m: `conditoin` cannot be overridden (did you mean `condition`?)",
        ),
        (
            "- rule: R\n  priority: ERROR\n  override: {priority: append}\n",
            "f:3:24: error: rule R: `priority` cannot be appended to, only replaced",
        ),
        (
            "- rule: R\n  condition: a\n  desc: d\n  override: {condition: append}\n",
            "f:3:3: error: rule R: `override` does not say whether `desc` is appended or replaced",
        ),
        (
            "- rule: R\n  override: {condition: append}\n",
            "f:2:3: error: rule R: `condition` is to be overridden, but is missing",
        ),
        (
            "- rule: R\n",
            "f:1:3: error: rule R: has neither a `condition` nor `enabled`",
        ),
        (
            "- rule: R\n  enabled: false\n",
            "f:2:3: warning: rule R: `enabled` alone is deprecated; `override: {enabled: replace}` says the same",
        ),
        (
            "- rule: R\n  condition: a\n  desc: d\n  output: o\n  priority: WARN\n",
            "f:5:13: error: rule R: `WARN` is no priority (it is one of EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, \
             INFORMATIONAL, DEBUG)",
        ),
        (
            "- rule: R\n  condition: a\n  desc: d\n  output: o\n  priority: Notise\n",
            "f:5:13: error: rule R: `Notise` is no priority (did you mean `Notice`?)",
        ),
        (
            "- rule: R\n  condition: a\n  desc: d\n  output: o\n  priority: INFO\n  capture: true\n",
            "f:6:3: warning: rule R: `capture` does nothing: no recording is made here",
        ),
        (
            "- required_engine_version: new\n",
            "f:1:28: error: `new` is no version such as `0.57.0`",
        ),
        (
            "- required_plugin_versions: x\n",
            "f:1:29: error: `required_plugin_versions` must be a list",
        ),
        (
            "- required_plugin_versions: [{name: x}]\n",
            "f:1:30: error: the key `version` is missing",
        ),
    ];
    for (text, expected) in corpus {
        let (_, problems) = declared(text);
        assert_eq!(problems, [expected], "{text}");
    }
}

#[test]
fn mistakes_in_exceptions_have_their_places() {
    let rule = "- rule: R\n  condition: a\n  desc: d\n  output: o\n  priority: INFO\n  exceptions:";
    let corpus = [
        (" x\n", "f:6:15: error: rule R: `exceptions` must be a list"),
        (
            "\n  - x\n",
            "f:7:5: error: rule R: an exception must be a mapping of keys to values",
        ),
        ("\n  - fields: a\n", "f:7:5: error: rule R: the key `name` is missing"),
        (
            "\n  - name: e\n",
            "f:7:5: error: rule R: the exception `e` has no `fields`",
        ),
        (
            "\n  - {name: e, fields: a, value: [b]}\n",
            "f:7:26: warning: rule R: the key `value` means nothing here (did you mean `values`?)",
        ),
        (
            "\n  - {name: e, fields: [a, [b]]}\n",
            "f:7:27: error: rule R: a value of `fields` must be a single one",
        ),
        (
            "\n  - {name: e, fields: a, values: b}\n",
            "f:7:34: error: rule R: `values` of an exception must be a list",
        ),
        (
            "\n  - {name: e, fields: a, values: ['']}\n",
            "f:7:35: error: rule R: a value of `values` is empty",
        ),
        (
            "\n  - {name: e, fields: a}\n  - {name: e, fields: a}\n",
            "f:8:12: warning: rule R: the exception `e` stands here twice",
        ),
    ];
    for (text, expected) in corpus {
        let (_, problems) = declared(&format!("{rule}{text}"));
        assert_eq!(problems, [expected], "{text}");
    }
}
