//! A host program with a few fields: what the targets of the rule language hold their rules against.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use pinhole_rules::catalogue::{Catalogue, Event as EventName, EventType};
use pinhole_rules::engine::Subject;
use pinhole_rules::engine::necessary::{Axis, Means, Part, Patterns, Seen, Values, Vocabulary, Word};
use pinhole_rules::field::{self, Argument, Definition, Field, Kind, Several};
use pinhole_rules::value::{Answer, Value};

const fn field(name: &'static str, kind: Kind, several: Several, argument: Argument) -> Definition {
    Definition {
        name,
        kind,
        several,
        argument,
        values: field::Values::Any,
    }
}

const NAMES: [&str; 3] = ["open", "execve", "connect"];

static EVENTS: [EventName; 3] = [
    EventName {
        name: NAMES[0],
        never: None,
    },
    EventName {
        name: NAMES[1],
        never: None,
    },
    EventName {
        name: NAMES[2],
        never: None,
    },
];

static FIELDS: [Definition; 13] = [
    field("evt.type", Kind::Text, Several::One, Argument::None),
    field("evt.rawres", Kind::Number, Several::One, Argument::None),
    field("evt.is_open_read", Kind::Boolean, Several::One, Argument::None),
    field("evt.arg.", Kind::Text, Several::One, Argument::Key),
    field("proc.name", Kind::Text, Several::One, Argument::None),
    field("proc.aname", Kind::Text, Several::Any, Argument::OptionalIndex),
    field("proc.args", Kind::Text, Several::List, Argument::None),
    field("fd.name", Kind::Text, Several::One, Argument::None),
    field("fd.directory", Kind::Text, Several::One, Argument::None),
    field("fd.filename", Kind::Text, Several::One, Argument::None),
    field("fd.ip", Kind::Address, Several::Either, Argument::None),
    field("container.id", Kind::Text, Several::One, Argument::None),
    field("k8s.ns.name", Kind::Text, Several::One, Argument::None),
];

/// What rules may name.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::new(&FIELDS, &EVENTS));

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Its type.
    pub kind: EventType,
    path: Option<&'static str>,
    reads: Option<bool>,
    flags: &'static str,
    container: Result<&'static str, &'static str>,
}

/// One of each kind: of one much is known, of another little.
pub fn events() -> [Event; 3] {
    [
        Event {
            kind: EventType(0),
            path: Some("/etc/shadow"),
            reads: Some(true),
            flags: "O_RDONLY|O_CREAT",
            container: Ok("host"),
        },
        Event {
            kind: EventType(1),
            path: None,
            reads: None,
            flags: "",
            container: Err("runtime_timeout"),
        },
        Event {
            kind: EventType(2),
            path: Some("/"),
            reads: Some(false),
            flags: "O_RDONLY",
            container: Ok("0123456789ab"),
        },
    ]
}

static PATH: Axis = axis("path", &[]);
static READS: Axis = axis("reads", &["no", "yes"]);
static CREATES: Axis = axis("creates", &["no", "yes"]);
static WHERE: Axis = axis("where", &["host", "container"]);
static WORDS: [Word; 2] = [
    Word {
        text: "O_CREAT",
        axis: Some(&CREATES),
    },
    Word {
        text: "O_RDONLY",
        axis: None,
    },
];

const fn axis(name: &'static str, classes: &'static [&'static str]) -> Axis {
    Axis {
        name,
        classes,
        certain: false,
    }
}

/// What a filter could test.
#[derive(Debug)]
pub struct Filter;

impl Vocabulary for Filter {
    fn means(&self, _: EventType, field: &Field) -> Option<Means> {
        let path = |part| Means::Text {
            axis: &PATH,
            part,
            patterns: Patterns {
                equal: true,
                name: true,
                begins: true,
                ends: true,
                contains: true,
            },
            clean: true,
        };
        Some(match CATALOGUE.name(field).as_str() {
            "fd.name" => path(Part::Whole),
            "fd.directory" => path(Part::Directory),
            "fd.filename" => path(Part::Name),
            "evt.is_open_read" => Means::Classes {
                axis: &READS,
                values: &[Values::Truth(false), Values::Truth(true)],
            },
            "container.id" => Means::Classes {
                axis: &WHERE,
                values: &[Values::Texts(&["host"]), Values::Others],
            },
            "evt.arg.flags" => Means::Words {
                separator: b'|',
                words: &WORDS,
            },
            _ => return None,
        })
    }
}

impl Event {
    /// What a filter would see on an axis.
    pub fn seen(&self, axis: &Axis) -> Seen<'_> {
        match axis.name {
            "path" => self.path.map_or(Seen::Absent, |path| Seen::Text(path.as_bytes())),
            "reads" => self.reads.map_or(Seen::Absent, |reads| Seen::Class(reads.into())),
            "creates" if self.flags.is_empty() => Seen::Absent,
            "creates" => Seen::Class(self.flags.contains("O_CREAT").into()),
            "where" => match self.container {
                Ok(id) => Seen::Class((id != "host").into()),
                Err(_) => Seen::Unknown,
            },
            _ => Seen::Unknown,
        }
    }

    fn part(&self, part: fn(&'static str, usize) -> &'static str) -> Answer<'_> {
        match self.path.and_then(|path| Some((path, path.rfind('/')?))) {
            Some((path, slash)) => text(part(path, slash)),
            None => Answer::Absent,
        }
    }
}

fn text(text: &str) -> Answer<'_> {
    Answer::Known(Value::Text(Cow::Borrowed(text.as_bytes())))
}

fn texts<'a>(texts: &[&'a str]) -> Vec<Value<'a>> {
    let text = |text: &&'a str| Value::Text(Cow::Borrowed(text.as_bytes()));
    texts.iter().map(text).collect()
}

impl Subject for Event {
    fn answer(&self, field: &Field) -> Answer<'_> {
        match CATALOGUE.name(field).as_str() {
            "evt.type" => text(NAMES[usize::from(self.kind.0)]),
            "evt.rawres" => Answer::Known(Value::Number(3)),
            "evt.is_open_read" => self
                .reads
                .map_or(Answer::Absent, |reads| Answer::Known(Value::Boolean(reads))),
            "evt.arg.flags" if !self.flags.is_empty() => text(self.flags),
            "proc.name" => text("cat"),
            "proc.aname" => Answer::Partly(texts(&["bash", "sshd"]), "ancestors_lost"),
            "proc.args" => Answer::Known(Value::List(texts(&["-n", "/etc/shadow"]))),
            "fd.name" => self.path.map_or(Answer::Absent, text),
            "fd.directory" => self.part(|path, slash| &path[..slash.max(1)]),
            "fd.filename" => self.part(|path, slash| &path[slash + 1..]),
            "fd.ip" => Answer::Known(Value::List(vec![Value::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))])),
            "container.id" => match self.container {
                Ok(id) => text(id),
                Err(why) => Answer::Unknown(why),
            },
            "k8s.ns.name" => Answer::Unknown("runtime_timeout"),
            _ => Answer::Absent,
        }
    }
}
