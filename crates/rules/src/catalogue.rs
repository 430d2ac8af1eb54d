//! The fields and the types of events that the host program knows: names are looked up here, and the nearest known name is
//! told where one is not known. What the fields of an event hold is not known here.

use std::collections::HashMap;

use thiserror::Error;

use crate::field::{Argument, Definition, Field, Given, Id, Kind, Several, Values};
use crate::problem::did_you_mean;

/// The name of the field that rules are sorted by.
pub const EVENT_TYPE: &str = "evt.type";

/// A type of events as rules name it, e.g. `openat`.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its name: the value of `evt.type`.
    pub name: &'static str,
    /// Why none is ever seen by this host program, where none is.
    pub never: Option<&'static str>,
}

/// The number of a type of events in the host's catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub u16);

/// Why a field cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such field.
    #[error("the field `{name}` is not known")]
    Unknown {
        /// As it was written.
        name: String,
        /// What was meant, perhaps.
        help: Option<String>,
    },
    /// Something stands in brackets where nothing may.
    #[error("`{name}` takes nothing in brackets")]
    Superfluous {
        /// The field.
        name: String,
    },
    /// Nothing stands in brackets where something must.
    #[error("`{name}` needs {what} in brackets")]
    Missing {
        /// The field.
        name: String,
        /// What must stand there.
        what: &'static str,
    },
    /// What stands in brackets is no number.
    #[error("`{name}` takes a number from 0 in brackets, not `{argument}`")]
    NotIndex {
        /// The field.
        name: String,
        /// What stands in brackets.
        argument: String,
    },
}

/// All fields and types of events of a host program.
#[derive(Debug)]
pub struct Catalogue {
    definitions: &'static [Definition],
    events: &'static [Event],
    /// Fields by their whole name.
    names: HashMap<&'static str, Id>,
    /// Fields whose name goes on behind a dot, the longest name first.
    families: Vec<(&'static str, Id)>,
    types: HashMap<&'static str, EventType>,
}

impl Catalogue {
    /// A catalogue of these. Numbers are places in them; what is behind the 65536th is left out.
    #[must_use]
    pub fn new(definitions: &'static [Definition], events: &'static [Event]) -> Self {
        let numbered = || definitions.iter().zip(0..=u16::MAX).map(|(it, at)| (it.name, Id(at)));
        let mut families: Vec<_> = numbered().filter(|(name, _)| name.ends_with('.')).collect();
        families.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self {
            definitions,
            events,
            names: numbered().filter(|(name, _)| !name.ends_with('.')).collect(),
            families,
            types: events
                .iter()
                .zip(0..=u16::MAX)
                .map(|(it, at)| (it.name, EventType(at)))
                .collect(),
        }
    }

    /// What a number stands for. One that this catalogue did not give stands for a field without a name and a value.
    #[must_use]
    pub fn definition(&self, id: Id) -> &'static Definition {
        static NOTHING: Definition = Definition {
            name: "",
            kind: Kind::Text,
            several: Several::One,
            argument: Argument::None,
            values: Values::Never("it is not of this catalogue"),
        };
        self.definitions.get(usize::from(id.0)).unwrap_or(&NOTHING)
    }

    /// How a field is written.
    #[must_use]
    pub fn name(&self, field: &Field) -> String {
        let name = self.definition(field.id).name;
        match &field.argument {
            Given::Key(key) if name.ends_with('.') => format!("{name}{key}"),
            argument => format!("{name}{argument}"),
        }
    }

    /// Looks a field up.
    ///
    /// # Errors
    ///
    /// Where there is none of this name, or it takes something else in brackets.
    pub fn field(&self, name: &str, argument: Option<&str>) -> Result<Field, Refusal> {
        if let Some(&id) = self.names.get(name) {
            let argument = read(self.definition(id).argument, name, argument)?;
            return self.keyed(Field { id, argument });
        }
        let member = self
            .families
            .iter()
            .find_map(|&(family, id)| Some((id, name.strip_prefix(family).filter(|rest| !rest.is_empty())?)));
        match (member, argument) {
            (Some((id, rest)), None) => self.keyed(Field {
                id,
                argument: Given::Key(rest.into()),
            }),
            (Some(_), Some(_)) => Err(Refusal::Superfluous { name: name.to_owned() }),
            (None, _) => Err(Refusal::Unknown {
                name: name.to_owned(),
                help: did_you_mean(name, self.definitions.iter().map(|it| it.name)),
            }),
        }
    }

    /// The field, where its key is one that there is.
    fn keyed(&self, field: Field) -> Result<Field, Refusal> {
        if let (Values::Keyed(keys), Given::Key(key)) = (self.definition(field.id).values, &field.argument)
            && !keys().contains_key(&**key)
            && !key.bytes().all(|byte| byte.is_ascii_digit())
        {
            let named = |key: &str| {
                self.name(&Field {
                    id: field.id,
                    argument: Given::Key(key.into()),
                })
            };
            let others: Vec<String> = keys().keys().map(|key| named(key)).collect();
            let name = named(key);
            let help = did_you_mean(&name, others.iter().map(String::as_str));
            return Err(Refusal::Unknown { name, help });
        }
        Ok(field)
    }

    /// All types of events.
    pub fn events(&self) -> impl Iterator<Item = (EventType, &'static Event)> {
        self.events.iter().zip(0..=u16::MAX).map(|(it, at)| (EventType(at), it))
    }

    /// Looks a type of events up.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<EventType> {
        self.types.get(name).copied()
    }

    /// What type of events was meant, perhaps.
    #[must_use]
    pub fn event_meant(&self, name: &str) -> Option<String> {
        did_you_mean(name, self.events.iter().map(|it| it.name))
    }
}

/// Reads what stands in brackets.
fn read(takes: Argument, name: &str, given: Option<&str>) -> Result<Given, Refusal> {
    let name = || name.to_owned();
    let missing = |what| Err(Refusal::Missing { name: name(), what });
    match (takes, given) {
        (Argument::None | Argument::OptionalIndex | Argument::OptionalKey, None) => Ok(Given::Nothing),
        (Argument::None, Some(_)) => Err(Refusal::Superfluous { name: name() }),
        (Argument::Index, None) => missing("a number"),
        (Argument::Key, None) => missing("a word"),
        (Argument::Index | Argument::OptionalIndex, Some(text)) => {
            // `u32::from_str` takes a sign, which is no index.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse() {
                Ok(index) if digits => Ok(Given::Index(index)),
                _ => Err(Refusal::NotIndex {
                    name: name(),
                    argument: text.to_owned(),
                }),
            }
        }
        (Argument::Key | Argument::OptionalKey, Some(word)) => Ok(Given::Key(word.into())),
    }
}
