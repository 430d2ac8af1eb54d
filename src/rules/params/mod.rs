//! The arguments of an event as upstream names and writes them: what `evt.arg.*` and `evt.args` are about.
//!
//! [`table`] has upstream's names for each system call; [`process`] those of the events that are none, [`names`] all of them
//! together. What of ours stands for each is told with the names of the manual pages ([`crate::event::arguments`]).

mod names;
mod process;
mod table;

use std::borrow::Cow;
use std::fmt::Write as _;

use pinhole_rules::value::{Answer, Value};

pub(super) use self::names::keys;
use self::table::{From, Param};
use super::descriptor::{self, Name};
use super::fields::{group_name, user_name};
use super::path::{self, NoPath};
use super::reasons;
use super::subject::Subject;
use crate::capture::arg::{Bits, Choice, Kind};
use crate::capture::call::CallBody;
use crate::capture::calls::Class as Family;
use crate::event::names::errno::error_name;
use crate::event::value::{Told, Value as Told_};

/// What an argument is, in text and in brackets behind a number.
#[derive(Debug, Clone, PartialEq)]
struct Text {
    /// What `evt.arg.*` answers.
    text: Vec<u8>,
    /// The number before it in `evt.args`, where there is one.
    number: Option<i64>,
}

/// What became of an argument.
enum Given {
    Known(Text),
    Absent,
    Unknown(&'static str),
}

impl Given {
    fn text(text: impl Into<String>) -> Self {
        Self::Known(Text {
            text: text.into().into_bytes(),
            number: None,
        })
    }
}

/// An argument by its name.
pub(super) fn by_name<'s>(subject: &'s Subject<'_>, name: &str) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return process::by_name(subject, name);
    };
    match table::of(subject.header.hook).iter().find(|param| param.name == name) {
        Some(param) => answer(given(subject, call, param)),
        None => Answer::Absent,
    }
}

/// An argument by its place.
pub(super) fn by_index<'s>(subject: &'s Subject<'_>, index: usize) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return process::by_index(subject, index);
    };
    match table::of(subject.header.hook).get(index) {
        Some(param) => answer(given(subject, call, param)),
        None => Answer::Absent,
    }
}

/// All arguments in one text. What the agent does not read is left out.
pub(super) fn all<'s>(subject: &'s Subject<'_>) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return process::all(subject);
    };
    let mut text = Vec::new();
    let mut missing = None;
    for param in table::of(subject.header.hook) {
        match given(subject, call, param) {
            Given::Known(value) => write_one(&mut text, param.name, &value),
            Given::Unknown(reasons::ARGUMENT_NOT_READ) | Given::Absent => {}
            Given::Unknown(why) => missing = Some(why),
        }
    }
    let known = Value::Text(Cow::Owned(text));
    match missing {
        None => Answer::Known(known),
        Some(why) => Answer::Partly(vec![known], why),
    }
}

fn write_one(text: &mut Vec<u8>, name: &str, value: &Text) {
    if !text.is_empty() {
        text.push(b' ');
    }
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    match value.number {
        Some(number) => {
            text.extend_from_slice(number.to_string().as_bytes());
            text.push(b'(');
            text.extend_from_slice(&value.text);
            text.push(b')');
        }
        None => text.extend_from_slice(&value.text),
    }
}

fn answer<'s>(given: Given) -> Answer<'s> {
    match given {
        Given::Known(Text { text, .. }) => Answer::Known(Value::Text(Cow::Owned(text))),
        Given::Absent => Answer::Absent,
        Given::Unknown(why) => Answer::Unknown(why),
    }
}

fn given(subject: &Subject<'_>, call: &CallBody<'_>, param: &Param) -> Given {
    match param.from {
        From::Result => returned(call.ret),
        From::Made if call.ret < 0 => returned(call.ret),
        From::Made => descriptor_text(subject, call.ret),
        From::Unread => Given::Unknown(reasons::ARGUMENT_NOT_READ),
        From::Tuple => match super::connection::Connection::of(subject).map(|it| it.name()) {
            Some(Name::Known(name)) if !name.is_empty() => Given::Known(Text {
                text: name.into_owned(),
                number: None,
            }),
            Some(Name::Unknown(why)) => Given::Unknown(why),
            _ => Given::Absent,
        },
        From::Inode => match subject.descriptor().map(|it| it.behind) {
            Some(descriptor::Behind::File { inode, .. }) => Given::text(inode.to_string()),
            Some(descriptor::Behind::Unreadable) => Given::Unknown(reasons::DESCRIPTOR_UNREADABLE),
            _ => Given::Absent,
        },
        From::Arg(name) => match position(call, name) {
            Some(index) => argument(subject, call, index),
            None => Given::Absent,
        },
        From::Member(name, member) => match told(subject, call, name) {
            Some(Told::Value(Told_::Fields(fields))) => fields
                .iter()
                .find(|(name, _)| *name == member)
                .map_or(Given::Absent, |(_, value)| plain(value)),
            Some(told) => missing(told),
            None => Given::Absent,
        },
    }
}

/// The place of an argument with this name in the manual.
fn position(call: &CallBody<'_>, name: &str) -> Option<usize> {
    call.call.args.iter().position(|arg| arg.name == name)
}

fn told<'s>(subject: &'s Subject<'_>, call: &CallBody<'_>, name: &str) -> Option<&'s Told<'s>> {
    subject.args()?.told.get(position(call, name)?)
}

/// Why there is no value.
fn missing(told: &Told<'_>) -> Given {
    match told {
        Told::Unread => Given::Unknown(reasons::ARGUMENT_UNREADABLE),
        Told::Cut(_) => Given::Unknown(reasons::ARGUMENT_TRUNCATED),
        Told::Nothing | Told::Value(_) => Given::Absent,
    }
}

/// What a call returned: an error by its name.
fn returned(ret: i64) -> Given {
    match error_name(ret) {
        Some(name) => Given::Known(Text {
            text: name.into_owned().into_bytes(),
            number: Some(ret),
        }),
        None => Given::text(ret.to_string()),
    }
}

/// A descriptor that the event is about: its type and its name.
fn descriptor_text(subject: &Subject<'_>, number: i64) -> Given {
    let Some(descriptor) = subject.descriptor() else {
        return Given::text(number.to_string());
    };
    let class = match descriptor::class(subject, descriptor) {
        Ok(Some(class)) => class,
        Ok(None) => return Given::text(number.to_string()),
        Err(why) => return Given::Unknown(why),
    };
    match descriptor.name(subject) {
        Name::Known(name) => {
            let mut text = format!("<{}>", class.character()).into_bytes();
            text.extend_from_slice(&name);
            Given::Known(Text {
                text,
                number: Some(number),
            })
        }
        Name::Absent => Given::text(number.to_string()),
        Name::Unknown(why) => Given::Unknown(why),
    }
}

fn argument(subject: &Subject<'_>, call: &CallBody<'_>, index: usize) -> Given {
    let Some((arg, told)) = call
        .call
        .args
        .get(index)
        .zip(subject.args().and_then(|args| args.told.get(index)))
    else {
        return Given::Absent;
    };
    let value = match (told, arg.kind) {
        (Told::Nothing, Kind::Unread) => return Given::Unknown(reasons::ARGUMENT_NOT_READ),
        (_, Kind::Path(_)) => return path_text(subject, call, index),
        (_, Kind::Text) if !matches!(told, Told::Nothing) => return raw_text(call, index),
        (Told::Value(value), _) => value,
        (told, _) => return missing(told),
    };
    let number = i64::from(descriptor::int(call, index));
    match arg.kind {
        // dup2(2) and dup3(2) take another one, which is closed first: what it was is not read.
        Kind::Fd if index == 0 => descriptor_text(subject, number),
        Kind::Int if matches!(value, Told_::Word(_)) => Given::Known(Text {
            text: value.to_string().into_bytes(),
            number: Some(number),
        }),
        Kind::Mode if call.call.name.contains("chmod") => Given::text(permissions(call, index)),
        Kind::Bits(Bits::Mount | Bits::Umount) => Given::text(without_prefixes(&value.to_string())),
        Kind::Choice(Choice::Ptrace) => Given::text(value.to_string().replace("USER", "USR")),
        Kind::Choice(Choice::Signal) => Given::Known(Text {
            text: value.to_string().into_bytes(),
            number: Some(number),
        }),
        Kind::Id if call.call.class == Family::Privilege => account(subject, arg.name, number),
        Kind::Name => match raw(call, index) {
            Ok(_) => raw_text(call, index),
            Err(_) => plain(value),
        },
        _ => plain(value),
    }
}

/// The name of a user or group where it is known, else the number.
fn account(subject: &Subject<'_>, argument: &str, number: i64) -> Given {
    let name = u32::try_from(number).ok().and_then(|id| {
        let name = if argument.contains("gid") {
            group_name(subject, id)
        } else {
            user_name(subject, id)
        };
        name.ok()
    });
    match name {
        Some(name) => Given::Known(Text {
            text: name.as_bytes().to_vec(),
            number: Some(number),
        }),
        None => Given::text(number.to_string()),
    }
}

/// A value as it is told elsewhere, but for capabilities, which upstream writes as a number.
fn plain(value: &Told_<'_>) -> Given {
    match value {
        Told_::Capabilities(set) => Given::text(format!("{:#x}", set.0)),
        value => Given::text(value.to_string()),
    }
}

/// A path: absolute, with what was asked for before it in `evt.args` where that is another.
fn path_text(subject: &Subject<'_>, call: &CallBody<'_>, index: usize) -> Given {
    match path::absolute(subject, call, index) {
        Ok(text) => Given::Known(Text { text, number: None }),
        Err(NoPath::Absent) => Given::Absent,
        Err(NoPath::Unknown(why)) => Given::Unknown(why),
    }
}

fn raw_text(call: &CallBody<'_>, index: usize) -> Given {
    match raw(call, index) {
        Ok(text) => Given::Known(Text {
            text: text.to_vec(),
            number: None,
        }),
        Err(NoPath::Absent) => Given::Absent,
        Err(NoPath::Unknown(reasons::PATH_TRUNCATED)) => Given::Unknown(reasons::ARGUMENT_TRUNCATED),
        Err(_) => Given::Unknown(reasons::ARGUMENT_UNREADABLE),
    }
}

fn raw<'e>(call: &'e CallBody<'e>, index: usize) -> Result<&'e [u8], NoPath> {
    path::requested(call, index)
}

/// Permission bits by their names, those of others first as upstream has them.
fn permissions(call: &CallBody<'_>, index: usize) -> String {
    const NAMES: [(&str, u32); 12] = [
        ("S_IXOTH", 0o1),
        ("S_IWOTH", 0o2),
        ("S_IROTH", 0o4),
        ("S_IXGRP", 0o10),
        ("S_IWGRP", 0o20),
        ("S_IRGRP", 0o40),
        ("S_IXUSR", 0o100),
        ("S_IWUSR", 0o200),
        ("S_IRUSR", 0o400),
        ("S_ISVTX", 0o1000),
        ("S_ISGID", 0o2000),
        ("S_ISUID", 0o4000),
    ];
    let mode = descriptor::int(call, index).cast_unsigned();
    let mut text = String::new();
    for (name, bit) in NAMES {
        if mode & bit != 0 {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{name}", if text.is_empty() { "" } else { "|" });
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// Flags of mounts as upstream names them: `MS_BIND|MS_REC` is `BIND|REC`.
fn without_prefixes(flags: &str) -> String {
    let names: Vec<_> = flags
        .split('|')
        .map(|flag| {
            ["MS_", "MNT_", "UMOUNT_"]
                .into_iter()
                .find_map(|prefix| flag.strip_prefix(prefix))
                .unwrap_or(flag)
        })
        .collect();
    names.join("|")
}

/// An argument as a number, where it is one to upstream.
pub(super) fn number<'s>(subject: &'s Subject<'_>, name: &str) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return process::number(subject, name);
    };
    let Some(param) = table::of(subject.header.hook).iter().find(|param| param.name == name) else {
        return Answer::Absent;
    };
    let number = match param.from {
        From::Result | From::Made => call.ret,
        From::Unread => return Answer::Unknown(reasons::ARGUMENT_NOT_READ),
        From::Arg(arg) => match position(call, arg) {
            Some(index) => raw_number(call, index),
            None => return Answer::Absent,
        },
        From::Member(arg, member) => match told(subject, call, arg) {
            Some(Told::Value(Told_::Fields(fields))) => match fields.iter().find(|(name, _)| *name == member) {
                Some((_, Told_::Octal(mode))) => i64::from(*mode),
                Some((_, Told_::Capabilities(set))) => set.0.cast_signed(),
                _ => return Answer::Absent,
            },
            Some(told) => return answer(missing(told)),
            None => return Answer::Absent,
        },
        From::Inode | From::Tuple => return Answer::Absent,
    };
    Answer::Known(Value::Number(number))
}

fn raw_number(call: &CallBody<'_>, index: usize) -> i64 {
    let kind = call.call.args.get(index).map(|arg| arg.kind);
    let signed = descriptor::int(call, index);
    match kind {
        Some(Kind::Mode) => i64::from(signed & 0o177_777),
        Some(Kind::Id | Kind::Bits(_)) => i64::from(signed.cast_unsigned()),
        Some(Kind::Size | Kind::Pointer) => call.args.get(index).copied().unwrap_or(0).cast_signed(),
        _ => signed.into(),
    }
}

/// An argument as the process passed it: a path that is not made absolute.
pub(super) fn untouched<'s>(subject: &'s Subject<'_>, name: &str) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return process::by_name(subject, name);
    };
    let Some(param) = table::of(subject.header.hook).iter().find(|param| param.name == name) else {
        return Answer::Absent;
    };
    if let From::Arg(arg) = param.from
        && let Some(index) = position(call, arg)
        && matches!(call.call.args[index].kind, Kind::Path(_) | Kind::Text)
    {
        return match raw(call, index) {
            Ok(text) => Answer::Known(Value::Text(Cow::Borrowed(text))),
            Err(no) => no.into(),
        };
    }
    answer(given(subject, call, param))
}
