//! What holds for every field.

use std::collections::BTreeSet;

use pinhole_rules::field::{Argument, Field, Given, Id, Kind, Several};
use pinhole_rules::value::{Answer, Value};

use super::scene::Scene;
use crate::container::{Outcome, Reason};
use crate::rules::catalogue::ROWS;
use crate::rules::fields::Row;
use crate::rules::reasons;

#[test]
fn names_are_there_once_and_each_says_where_it_comes_from_or_why_not() {
    let mut names = BTreeSet::new();
    for row in ROWS.iter() {
        let definition = &row.definition;
        assert!(names.insert(definition.name), "{}", definition.name);
        assert_eq!(
            row.from.is_empty(),
            definition.never(&Given::Nothing).is_some(),
            "{}",
            definition.name
        );
        let says = definition.never(&Given::Nothing).unwrap_or(row.from);
        assert!(!says.ends_with('.') && !says.contains('\n'), "{}", definition.name);
        if definition.name.ends_with('.') {
            assert_eq!(definition.argument, Argument::Key, "{}", definition.name);
        }
    }
}

#[test]
fn words_for_reasons_are_words() {
    let mut words = BTreeSet::new();
    for (word, meaning) in reasons::ALL {
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        assert!(words.insert(word) && !meaning.is_empty(), "{word}");
    }
}

/// What may stand in brackets.
fn given(argument: Argument) -> Vec<Given> {
    let key = || Given::Key("app".into());
    match argument {
        Argument::None => vec![Given::Nothing],
        Argument::Index => vec![Given::Index(0), Given::Index(u32::MAX)],
        Argument::OptionalIndex => vec![Given::Nothing, Given::Index(0), Given::Index(u32::MAX)],
        Argument::Key => vec![key()],
        Argument::OptionalKey => vec![Given::Nothing, key()],
    }
}

fn check(row: &Row, given: &Given, answer: &Answer<'_>) {
    let definition = &row.definition;
    let listed = definition.several != Several::One && *given == Given::Nothing;
    let of_kind = |value: &Value<'_>| {
        matches!(
            (value, definition.kind),
            (Value::Text(_), Kind::Text)
                | (Value::Number(_), Kind::Number)
                | (Value::Boolean(_), Kind::Boolean)
                | (Value::Address(_), Kind::Address)
        )
    };
    let named = |why: &str| {
        reasons::ALL.iter().any(|(word, _)| *word == why) || Reason::ALL.iter().any(|reason| reason.as_str() == why)
    };
    let fits = match answer {
        Answer::Absent => true,
        Answer::Known(Value::List(values)) => listed && values.iter().all(of_kind),
        Answer::Known(value) => of_kind(value),
        Answer::Unknown(why) => named(why),
        // Of a text that is put together from several arguments or flags, some may be known.
        Answer::Partly(values, why) => {
            (listed || definition.name.starts_with("evt.")) && values.iter().all(of_kind) && named(why)
        }
    };
    assert!(fits, "{}{given}: {answer:?}", definition.name);
}

#[test]
fn every_answer_is_of_the_kind_that_the_catalogue_says_and_every_reason_is_listed() {
    let mut unknown = Scene::plain();
    unknown.process = None;
    unknown.outcome = Outcome::cgroup_unknown(7);
    for scene in [Scene::plain(), unknown] {
        for (row, number) in ROWS.iter().zip(0..) {
            for given in given(row.definition.argument) {
                let field = Field {
                    id: Id(number),
                    argument: given,
                };
                scene.with(|subject| {
                    let answer = pinhole_rules::engine::Subject::answer(subject, &field);
                    check(row, &field.argument, &answer);
                });
            }
        }
    }
}
