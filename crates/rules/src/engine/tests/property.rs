//! The engine and the slow evaluator agree on any condition and any event.

use proptest::prelude::*;

use super::slow;
use crate::engine::{Outcome, Scratch};
use crate::host::{Event, all, compiled, rule, text_of};
use crate::value::{Answer, Truth, Value};

/// Few words, so that they are often equal, within one another and around one another.
const WORDS: [&str; 8] = ["a", "ab", "b", "/a/b", "/a", "A", "", "open"];
const NETWORKS: [&str; 5] = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "fe80::1"];
const ADDRESSES: [&str; 4] = ["10.1.2.3", "10.9.9.9", "192.168.0.1", "fe80::1"];

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(quoted)
}

fn words() -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 0..4).prop_map(|words| format!("({})", words.join(", ")))
}

fn some_words() -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 1..4).prop_map(|words| format!("({})", words.join(", ")))
}

fn number() -> impl Strategy<Value = String> {
    (-2_i64..3).prop_map(|number| number.to_string())
}

/// A comparison.
pub(in crate::engine) fn comparison() -> impl Strategy<Value = String> {
    let text = || {
        prop::sample::select(vec![
            "proc.name",
            "proc.pname",
            "proc.exe",
            "fd.name",
            "proc.aname",
            "proc.aname[1]",
            "toupper(proc.name)",
        ])
    };
    let operator = || {
        prop::sample::select(vec![
            "=",
            "!=",
            "contains",
            "icontains",
            "startswith",
            "endswith",
            "glob",
        ])
    };
    let pattern = prop::sample::select(vec!["*", "a*", "?", "*b", "/*/b", "a?"]).prop_map(quoted);
    let list = prop::sample::select(vec!["in", "intersects"]);
    let quantifier = prop::sample::select(vec!["oneof", "anyof", "allof"]);
    let order = || prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let equality = || prop::sample::select(vec!["=", "!="]);
    let address = || prop::sample::select(vec!["fd.ip", "fd.sip"]);
    let network = || prop::sample::select(&NETWORKS[..]).prop_map(quoted);
    let types = prop::sample::select(vec![
        "evt.type = open",
        "evt.type != execve",
        "evt.type in (open, connect)",
        "evt.type in ()",
        "evt.type startswith op",
        "toupper(evt.type) = OPEN",
        "evt.type = val(proc.name)",
    ]);
    prop_oneof![
        3 => (text(), operator(), word()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => (text(), pattern).prop_map(|(left, right)| format!("{left} glob {right}")),
        2 => (text(), list.clone(), words()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => (list, words()).prop_map(|(operator, right)| format!("proc.args {operator} {right}")),
        1 => (text(), some_words()).prop_map(|(left, right)| format!("{left} pmatch {right}")),
        1 => (text(), operator(), quantifier, some_words())
            .prop_map(|(left, operator, quantifier, right)| format!("{left} {operator} {quantifier} {right}")),
        1 => (prop::sample::select(vec!["fd.num", "evt.rawres", "len(proc.name)"]), order(), number())
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => prop::collection::vec(number(), 0..4).prop_map(|numbers| format!("fd.num in ({})", numbers.join(", "))),
        1 => (equality(), any::<bool>()).prop_map(|(operator, truth)| format!("evt.is_open_read {operator} {truth}")),
        1 => (address(), equality(), network()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => (address(), prop::collection::vec(network(), 0..3))
            .prop_map(|(left, right)| format!("{left} in ({})", right.join(", "))),
        1 => (equality(), prop::sample::select(vec!["val(proc.pname)", "toupper(proc.pname)"]))
            .prop_map(|(operator, right)| format!("proc.name {operator} {right}")),
        1 => prop::sample::select(vec!["proc.name exists", "proc.aname exists", "proc.args exists", "fd.num exists"])
            .prop_map(str::to_owned),
        2 => types.prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    joined(comparison())
}

/// Comparisons, joined in all ways.
pub(in crate::engine) fn joined(comparison: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    comparison.prop_recursive(4, 24, 4, |inner| {
        let joined = |word: &'static str| {
            prop::collection::vec(inner.clone(), 2..4).prop_map(move |parts| format!("({})", parts.join(word)))
        };
        prop_oneof![
            joined(" and "),
            joined(" or "),
            inner.clone().prop_map(|of| format!("not ({of})")),
        ]
    })
}

fn answer(value: impl Strategy<Value = Value<'static>> + 'static) -> BoxedStrategy<Answer<'static>> {
    prop_oneof![
        4 => value.prop_map(Answer::Known),
        1 => Just(Answer::Absent),
        1 => Just(Answer::Unknown("why")),
    ]
    .boxed()
}

fn text() -> impl Strategy<Value = Value<'static>> + Clone {
    prop::sample::select(&WORDS[..]).prop_map(text_of)
}

fn several(
    value: impl Strategy<Value = Value<'static>> + Clone + 'static,
    least: usize,
) -> BoxedStrategy<Answer<'static>> {
    let values = prop::collection::vec(value, least..4);
    prop_oneof![
        1 => values.clone().prop_map(|values| Answer::Partly(values, "why")),
        4 => answer(values.prop_map(Value::List)),
    ]
    .boxed()
}

pub(in crate::engine) fn event() -> impl Strategy<Value = Event> {
    let address =
        || prop::sample::select(&ADDRESSES[..]).prop_map(|text| Value::Address(text.parse().expect("an address")));
    let answers = [
        ("proc.name", answer(text())),
        ("proc.pname", answer(text())),
        ("proc.exe", answer(text())),
        ("fd.name", answer(text())),
        ("proc.aname[1]", answer(text())),
        ("proc.aname", several(text(), 0)),
        ("proc.args", several(text(), 0)),
        ("fd.num", answer((-2_i64..3).prop_map(Value::Number))),
        ("evt.rawres", answer((-2_i64..3).prop_map(Value::Number))),
        ("evt.is_open_read", answer(any::<bool>().prop_map(Value::Boolean))),
        ("fd.sip", answer(address())),
        ("fd.ip", several(address(), 1)),
    ];
    let (names, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let kinds = prop::sample::select(vec!["open", "openat", "execve", "connect", "ptrace"]);
    (kinds, answers).prop_map(move |(kind, answers)| {
        names
            .iter()
            .zip(answers)
            .fold(Event::of(kind), |event, (name, answer)| event.with(name, answer))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several rules, because they share what they ask for, and several events, because they share the scratch.
    #[test]
    fn as_the_slow_one(
        conditions in prop::collection::vec(condition(), 1..5),
        events in prop::collection::vec(event(), 1..4),
    ) {
        let rules: Vec<_> = conditions
            .iter()
            .enumerate()
            .map(|(number, condition)| rule(&number.to_string(), condition))
            .collect();
        let set = compiled(&rules, &all());
        let mut scratch = Scratch::default();
        for event in &events {
            let mut truths = vec![Truth::False; rules.len()];
            set.evaluate(event.kind(), event, &mut scratch, |outcome| match outcome {
                Outcome::Match { number, .. } => truths[number as usize] = Truth::True,
                Outcome::Unknown { number, reasons, .. } => {
                    truths[number as usize] = Truth::Unknown;
                    assert!(!reasons.is_empty(), "it hangs on something");
                }
            });
            let wanted: Vec<_> = rules.iter().map(|rule| slow::truth(&rule.condition, event)).collect();
            prop_assert_eq!(&truths, &wanted, "{:#?}\n{:#?}", conditions, event);
        }
    }
}
