//! A host program for tests: a small catalogue, and events that are maps.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use crate::catalogue::{Catalogue, Event as EventName, EventType};
use crate::engine::{Matching, Options, Outcome, RuleSet, Scratch, Subject};
use crate::field::{Argument, Definition, Field, Kind, Several, Values};
use crate::library::{Priority, Rule};
use crate::problem::Problem;
use crate::syntax;
use crate::text::Text;
use crate::value::{Answer, Truth, Value};

const fn field(name: &'static str, kind: Kind, several: Several, argument: Argument) -> Definition {
    Definition {
        name,
        kind,
        several,
        argument,
        values: Values::Any,
    }
}

const fn one(name: &'static str, kind: Kind) -> Definition {
    field(name, kind, Several::One, Argument::None)
}

static FIELDS: [Definition; 24] = [
    one("evt.type", Kind::Text),
    one("evt.num", Kind::Number),
    one("evt.is_open_read", Kind::Boolean),
    one("evt.rawres", Kind::Number),
    field("evt.arg.", Kind::Text, Several::One, Argument::Key),
    one("proc.name", Kind::Text),
    one("proc.pname", Kind::Text),
    one("proc.exe", Kind::Text),
    one("proc.cmdline", Kind::Text),
    field("proc.aname", Kind::Text, Several::Any, Argument::OptionalIndex),
    field("proc.args", Kind::Text, Several::List, Argument::OptionalIndex),
    field("proc.env", Kind::Text, Several::One, Argument::OptionalKey),
    one("fd.name", Kind::Text),
    one("fd.directory", Kind::Text),
    one("fd.filename", Kind::Text),
    one("fd.num", Kind::Number),
    field("fd.ip", Kind::Address, Several::Either, Argument::None),
    one("fd.sip", Kind::Address),
    one("container.id", Kind::Text),
    one("container.image.repository", Kind::Text),
    field("k8s.pod.label", Kind::Text, Several::One, Argument::Key),
    Definition {
        values: Values::Never("no program measures it"),
        ..one("thread.cpu", Kind::Number)
    },
    Definition {
        values: Values::Always("<"),
        ..one("evt.dir", Kind::Text)
    },
    Definition {
        values: Values::Keyed(keys),
        ..field("evt.rawarg.", Kind::Text, Several::One, Argument::Key)
    },
];

fn keys() -> &'static BTreeMap<&'static str, Option<&'static str>> {
    static KEYS: LazyLock<BTreeMap<&'static str, Option<&'static str>>> =
        LazyLock::new(|| BTreeMap::from([("flags", None), ("whence", Some("nothing reads it"))]));
    &KEYS
}

const fn seen(name: &'static str) -> EventName {
    EventName { name, never: None }
}

static EVENTS: [EventName; 6] = [
    seen("open"),
    seen("openat"),
    seen("execve"),
    seen("connect"),
    seen("ptrace"),
    EventName {
        name: "semop",
        never: Some("nothing watches it"),
    },
];

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(&FIELDS, &EVENTS)
}

/// An event. What it does not tell is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event(pub(crate) HashMap<String, Answer<'static>>);

impl Event {
    pub(crate) fn of(kind: &str) -> Self {
        Self::default().text("evt.type", kind)
    }

    pub(crate) fn with(mut self, name: &str, answer: Answer<'static>) -> Self {
        self.0.insert(name.to_owned(), answer);
        self
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.with(name, known(text))
    }

    pub(crate) fn number(self, name: &str, number: i64) -> Self {
        self.with(name, Answer::Known(Value::Number(number)))
    }

    pub(crate) fn unknown(self, name: &str, why: &'static str) -> Self {
        self.with(name, Answer::Unknown(why))
    }

    pub(crate) fn list(self, name: &str, texts: &[&str]) -> Self {
        self.with(name, Answer::Known(texts_of(texts)))
    }

    pub(crate) fn kind(&self) -> EventType {
        match self.0.get("evt.type") {
            Some(Answer::Known(Value::Text(name))) => catalogue()
                .event(std::str::from_utf8(name).expect("a name"))
                .expect("a known type"),
            _ => panic!("an event has a type"),
        }
    }
}

pub(crate) fn known(text: &str) -> Answer<'static> {
    Answer::Known(text_of(text))
}

pub(crate) fn text_of(text: &str) -> Value<'static> {
    Value::Text(text.as_bytes().to_vec().into())
}

pub(crate) fn texts_of(texts: &[&str]) -> Value<'static> {
    Value::List(texts.iter().map(|text| text_of(text)).collect())
}

impl Subject for Event {
    fn answer(&self, field: &Field) -> Answer<'_> {
        let name = catalogue().name(field);
        self.0.get(&name).cloned().unwrap_or(Answer::Absent)
    }
}

/// A rule with this condition.
pub(crate) fn rule(name: &str, condition: &str) -> Rule {
    let text = Text::whole("rules.yaml", condition);
    let span = text.span(0..condition.len());
    Rule {
        name: name.to_owned(),
        description: String::new(),
        condition: syntax::parse(&text).unwrap_or_else(|error| panic!("{condition:.200}: {error}")),
        output: Text::whole("rules.yaml", "x"),
        priority: Priority::Notice,
        tags: std::collections::BTreeSet::new(),
        source: "syscall".to_owned(),
        enabled: true,
        skip_if_unknown: false,
        warn_event_types: false,
        whole: true,
        span,
    }
}

/// All rules are told of.
pub(crate) fn all() -> Options {
    Options {
        matching: Matching::All,
        ..Options::default()
    }
}

pub(crate) fn compiled(rules: &[Rule], options: &Options) -> RuleSet {
    let (set, problems) = RuleSet::compile(rules, &catalogue(), options);
    set.unwrap_or_else(|| panic!("{}", shown(&problems).join("\n")))
}

pub(crate) fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// What comes of each of some rules, by name.
pub(crate) fn outcomes(set: &RuleSet, event: &Event) -> Vec<(String, Truth)> {
    let mut outcomes = Vec::new();
    set.evaluate(event.kind(), event, &mut Scratch::default(), |outcome| {
        outcomes.push(match outcome {
            Outcome::Match { rule, .. } => (rule.name.clone(), Truth::True),
            Outcome::Unknown { rule, .. } => (rule.name.clone(), Truth::Unknown),
        });
    });
    outcomes
}

/// Whether a condition holds for an event.
pub(crate) fn truth(condition: &str, event: &Event) -> Truth {
    let set = compiled(&[rule("it", condition)], &all());
    outcomes(&set, event).first().map_or(Truth::False, |(_, truth)| *truth)
}
