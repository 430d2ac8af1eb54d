//! The fields, a table per family: name, type, from what of ours it comes, and how it is answered.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pinhole_rules::field::{Argument, Definition, Given, Kind, Several, Values};
use pinhole_rules::value::{Answer, Value};

use super::descriptor::Name;
use super::lineage::Looked;
use super::subject::Subject;

mod ancestors;
mod container;
mod events;
mod evt;
mod executable;
mod fd;
mod fs_path;
mod group;
mod k8s;
mod labels;
mod mounts;
mod proc;
mod session;
mod thread;
mod user;

/// A field.
#[derive(Debug)]
pub struct Row {
    /// What the language knows of it.
    pub definition: Definition,
    /// What it is taken from, for the table in `docs/rules-fields.md`; how it differs from upstream's, where it does.
    pub from: &'static str,
    /// What an event answers.
    pub answer: Get,
}

impl Row {
    /// How it is written, with what stands in brackets.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.definition.name;
        match self.definition.argument {
            Argument::None => name.to_owned(),
            Argument::OptionalIndex => format!("{name}, {name}[N]"),
            Argument::Index => format!("{name}[N]"),
            Argument::OptionalKey => format!("{name}, {name}[KEY]"),
            Argument::Key if name.ends_with('.') => format!("{name}NAME"),
            Argument::Key => format!("{name}[KEY]"),
        }
    }

    /// The type of its values, in words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.definition.kind {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Address => "address",
        }
    }
}

/// What an event answers for a field with what stands in brackets.
pub type Get = for<'s, 'e, 'g> fn(&'s Subject<'e>, &'g Given) -> Answer<'s>;

pub(super) use user::{group_name, name as user_name};

pub use events::{EVENTS, event_of, hooks, type_of};

/// A field that has one value and takes nothing in brackets.
const fn one(name: &'static str, kind: Kind, from: &'static str, answer: Get) -> Row {
    row(name, kind, Several::One, Argument::None, from, answer)
}

/// A field.
const fn row(
    name: &'static str,
    kind: Kind,
    several: Several,
    argument: Argument,
    from: &'static str,
    answer: Get,
) -> Row {
    Row {
        definition: Definition {
            name,
            kind,
            several,
            argument,
            values: Values::Any,
        },
        from,
        answer,
    }
}

/// A field that has one value only.
const fn always(name: &'static str, kind: Kind, value: &'static str, from: &'static str, answer: Get) -> Row {
    let mut row = one(name, kind, from, answer);
    row.definition.values = Values::Always(value);
    row
}

/// A field that has no other keys than these; beside a key stands why no event has a value of it, where none has.
const fn keyed(mut row: Row, keys: fn() -> &'static BTreeMap<&'static str, Option<&'static str>>) -> Row {
    row.definition.values = Values::Keyed(keys);
    row
}

/// A field of upstream that has no value here, ever.
const fn never(name: &'static str, kind: Kind, argument: Argument, why: &'static str) -> Row {
    Row {
        definition: Definition {
            name,
            kind,
            several: Several::One,
            argument,
            values: Values::Never(why),
        },
        from: "",
        answer: absent,
    }
}

fn absent<'s>(_: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    Answer::Absent
}

fn text(text: &str) -> Answer<'_> {
    Answer::Known(Value::Text(Cow::Borrowed(text.as_bytes())))
}

fn owned<'s>(text: String) -> Answer<'s> {
    Answer::Known(Value::Text(Cow::Owned(text.into_bytes())))
}

const fn number<'s>(number: i64) -> Answer<'s> {
    Answer::Known(Value::Number(number))
}

const fn truth<'s>(truth: bool) -> Answer<'s> {
    Answer::Known(Value::Boolean(truth))
}

/// All families, in the order of the documentation.
pub static FAMILIES: &[&[Row]] = &[
    evt::ROWS,
    evt::RAW_NUMBERS,
    evt::SYSCALL,
    proc::ROWS,
    session::ROWS,
    executable::ROWS,
    thread::ROWS,
    fd::ROWS,
    fd::ADDRESS_ROWS,
    fd::PORT_ROWS,
    fd::PROTOCOL_ROWS,
    fd::NAME_ROWS,
    fd::LISTS,
    fs_path::ROWS,
    user::ROWS,
    group::ROWS,
    container::ROWS,
    k8s::ROWS,
];

fn bytes<'s>(text: Vec<u8>) -> Answer<'s> {
    Answer::Known(Value::Text(Cow::Owned(text)))
}

fn named(name: Name<'_>) -> Answer<'_> {
    match name {
        Name::Known(text) => Answer::Known(Value::Text(text)),
        Name::Absent => Answer::Absent,
        Name::Unknown(why) => Answer::Unknown(why),
    }
}

/// The answer for what was looked for.
fn looked<'s, T>(looked: Looked<T>, answer: impl FnOnce(T) -> Answer<'s>) -> Answer<'s> {
    match looked {
        Ok(Some(found)) => answer(found),
        Ok(None) => Answer::Absent,
        Err(why) => Answer::Unknown(why),
    }
}

/// The answer for what is always there, if it could be found out.
fn found<'s, T>(found: Result<T, &'static str>, answer: impl FnOnce(T) -> Answer<'s>) -> Answer<'s> {
    looked(found.map(Some), answer)
}
