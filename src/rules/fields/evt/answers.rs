//! What an event answers for fields of `evt.*` that take more than a look.

use jiff::Timestamp;
use pinhole_rules::field::Given;
use pinhole_rules::value::Answer;

use crate::capture::calls::Class as Family;
use crate::capture::record::Body;
use crate::rules::connection::{Connection, End, Side};
use crate::rules::descriptor::{self, Class};
use crate::rules::fields::{EVENTS, bytes, number, owned, text, truth};
use crate::rules::params;
use crate::rules::path;
use crate::rules::subject::Subject;

pub(super) const SECOND: i64 = 1_000_000_000;

/// The name of the event's type.
pub(super) fn name(subject: &Subject<'_>) -> Option<&'static str> {
    EVENTS.get(usize::from(subject.event_type()?.0)).map(|event| event.name)
}

pub(super) fn time(subject: &Subject<'_>) -> Timestamp {
    subject.clock.utc(subject.header.time)
}

pub(super) fn nanoseconds(subject: &Subject<'_>) -> i64 {
    i64::try_from(time(subject).as_nanosecond()).unwrap_or(i64::MAX)
}

/// A part of the time in RFC 3339, whose places are fixed for four-digit years.
pub(super) fn clock<'s>(subject: &Subject<'_>, from: usize, to: usize) -> Answer<'s> {
    let whole = format!("{:.9}", time(subject));
    whole
        .get(from..to)
        .map_or(Answer::Absent, |part| owned(part.to_owned()))
}

pub(super) fn argument<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    match given {
        Given::Key(name) => match name.parse() {
            Ok(index) => params::by_index(subject, index),
            Err(_) => params::by_name(subject, name),
        },
        Given::Index(index) => params::by_index(subject, *index as usize),
        Given::Nothing => Answer::Absent,
    }
}

/// What the call returned; an execution and a new process succeeded.
pub(super) fn returned(subject: &Subject<'_>) -> Option<i64> {
    match subject.body {
        Body::Call(call) => Some(call.ret),
        Body::Process(_) | Body::Fork { .. } => Some(0),
        Body::Exit { .. } => None,
    }
}

pub(super) fn call_name(subject: &Subject<'_>) -> &'static str {
    subject.call().map_or("", |call| call.call.name)
}

pub(super) fn sends(subject: &Subject<'_>) -> bool {
    call_name(subject).starts_with("send")
}

pub(super) fn reads(subject: &Subject<'_>) -> bool {
    call_name(subject) == "finit_module"
}

pub(super) fn is_syslog<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    if !sends(subject) {
        return truth(false);
    }
    match Connection::of(subject).map(|connection| connection.end(Side::Remote)) {
        Some(End::Unix(path)) => truth(path == "/dev/log"),
        Some(End::Unknown(why)) => Answer::Unknown(why),
        _ => truth(false),
    }
}

pub(super) fn errors<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    returned(subject).map_or(Answer::Absent, |ret| number(i64::from(ret < 0)))
}

/// Upstream's groups of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    File,
    Net,
    Memory,
    Other,
}

pub(super) fn of_group<'s>(subject: &'s Subject<'_>, given: &Given, wanted: Group) -> Answer<'s> {
    let call = subject.call();
    let class = match subject.descriptor().map(|it| descriptor::class(subject, it)) {
        Some(Err(why)) => return Answer::Unknown(why),
        Some(Ok(class)) => class,
        None => None,
    };
    let group = match class {
        Some(Class::File | Class::Directory) => Group::File,
        Some(Class::Unix) => Group::Net,
        Some(class) if class.is_ip() => Group::Net,
        Some(_) => Group::Other,
        None if call.is_some_and(descriptor::descriptor_is_opened) => Group::File,
        None if ["accept", "accept4", "connect"].contains(&call_name(subject)) => Group::Net,
        None if call_name(subject) == "memfd_create" => Group::Memory,
        None => Group::Other,
    };
    if group == wanted {
        errors(subject, given)
    } else {
        Answer::Absent
    }
}

/// The categories of upstream's table of events, in the words of `evt.category`.
pub(super) fn category<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return name(subject).map_or(Answer::Absent, |_| text("process"));
    };
    text(match call.call.name {
        "kill" | "tkill" | "tgkill" => "signal",
        "chdir" | "fchdir" | "mount" | "umount2" => "file",
        "memfd_create" => "memory",
        "chroot" | "setns" | "unshare" | "capset" => "process",
        "pivot_root" | "setfsuid" | "setfsgid" | "setgroups" | "fchmodat2" => "other",
        name if ["dup", "send", "io_ur"].into_iter().any(|it| name.starts_with(it)) => {
            match subject.descriptor().map(|it| descriptor::class(subject, it)) {
                Some(Err(why)) => return Answer::Unknown(why),
                Some(Ok(Some(Class::File | Class::Directory))) => "file",
                Some(Ok(Some(Class::Pipe))) => "ipc",
                Some(Ok(Some(Class::Unix))) => "net",
                Some(Ok(Some(class))) if class.is_ip() => "net",
                _ => "unknown",
            }
        }
        _ => match call.call.class {
            Family::Process => "process",
            Family::File => "file",
            Family::Network => "net",
            Family::Privilege => "user",
            Family::Module => "other",
        },
    })
}

/// The nth path of a call that takes a directory for it.
pub(super) fn abspath<'s>(subject: &'s Subject<'_>, nth: usize) -> Answer<'s> {
    use crate::capture::arg::Kind as Arg;
    let Some(call) = subject.call() else {
        return Answer::Absent;
    };
    let mut paths = call.call.args.iter().enumerate();
    let index = paths
        .by_ref()
        .filter(|(_, arg)| matches!(arg.kind, Arg::Path(Some(_))))
        .nth(nth)
        .map(|(index, _)| index);
    match index.map(|index| path::absolute(subject, call, index)) {
        Some(Ok(path)) => bytes(path),
        Some(Err(no)) => no.into(),
        None => Answer::Absent,
    }
}
