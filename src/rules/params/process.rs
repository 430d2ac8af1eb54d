//! The arguments of the events that are no system calls here: a program is executed, a process is made, it ends.

use std::borrow::Cow;

use nix::sys::signal::Signal;
use pinhole_rules::value::{Answer, Value};

use crate::capture::record::{Body, KernelPath};
use crate::process::Process;
use crate::rules::subject::Subject;
use crate::rules::{executable, reasons};

/// With what those of an execution and of a new process begin, in upstream's order (falcosecurity/libs,
/// `driver/event_table.c`), as all that follow.
const LIFE: [&str; 15] = [
    "res", "exe", "args", "tid", "pid", "ptid", "cwd", "fdlimit", "pgft_maj", "pgft_min", "vm_size", "vm_rss",
    "vm_swap", "comm", "cgroups",
];
/// How those of an execution go on.
const EXEC: [&str; 16] = [
    "env",
    "tty",
    "vpgid",
    "loginuid",
    "flags",
    "cap_inheritable",
    "cap_permitted",
    "cap_effective",
    "exe_ino",
    "exe_ino_ctime",
    "exe_ino_mtime",
    "uid",
    "trusted_exepath",
    "pgid",
    "gid",
    "filename",
];
/// How those of a new process go on.
const FORK: [&str; 6] = ["flags", "uid", "gid", "vtid", "vpid", "pidns_init_start_ts"];
/// Those of an end.
const EXIT: [&str; 5] = ["status", "ret", "sig", "core", "reaper_tid"];

/// Those that the agent does not read.
const UNREAD: [&str; 15] = [
    "fdlimit",
    "pgft_maj",
    "pgft_min",
    "vm_size",
    "vm_rss",
    "vm_swap",
    "cgroups",
    "env",
    "tty",
    "vtid",
    "vpid",
    "exe_ino_ctime",
    "exe_ino_mtime",
    "pidns_init_start_ts",
    "filename",
];
/// The same of an end.
const UNREAD_OF_EXIT: &str = "reaper_tid";

/// All names, and whether something is read that stands for them.
pub(super) fn names() -> impl Iterator<Item = (&'static str, bool)> {
    let all = LIFE.into_iter().chain(EXEC).chain(FORK).chain(EXIT);
    all.map(|name| (name, !UNREAD.contains(&name) && name != UNREAD_OF_EXIT))
}

/// The names of an event's arguments in upstream's order.
fn order(of: &Body<'_>) -> impl Iterator<Item = &'static str> {
    let [first, rest]: [&[&str]; 2] = match of {
        Body::Call(_) => [&[], &[]],
        Body::Process(_) => [&LIFE, &EXEC],
        Body::Fork { .. } => [&LIFE, &FORK],
        Body::Exit { .. } => [&EXIT, &[]],
    };
    first.iter().chain(rest).copied()
}

/// An argument by its place.
pub(super) fn by_index<'s>(subject: &'s Subject<'_>, index: usize) -> Answer<'s> {
    order(subject.body)
        .nth(index)
        .map_or(Answer::Absent, |name| by_name(subject, name))
}

/// An argument by its name.
pub(super) fn by_name<'s>(subject: &'s Subject<'_>, name: &str) -> Answer<'s> {
    match subject.body {
        Body::Call(_) => Answer::Absent,
        Body::Exit { status } => exit(*status, name),
        Body::Process(_) | Body::Fork { .. } => life(subject, name),
    }
}

fn exit<'s>(status: i32, name: &str) -> Answer<'s> {
    let signal = status & 0x7f;
    owned(match name {
        "status" => status.to_string(),
        "ret" => ((status >> 8) & 0xff).to_string(),
        "sig" if signal == 0 => "0".to_owned(),
        "sig" => Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.as_str().to_owned()),
        "core" => u8::from(status & 0x80 != 0).to_string(),
        UNREAD_OF_EXIT => return Answer::Unknown(reasons::ARGUMENT_NOT_READ),
        _ => return Answer::Absent,
    })
}

fn life<'s>(subject: &'s Subject<'_>, name: &str) -> Answer<'s> {
    let executed = matches!(subject.body, Body::Process(_));
    match name {
        "res" => return owned("0".to_owned()),
        "tid" if executed => return owned(subject.header.tid.to_string()),
        "tid" | "pid" => return owned(subject.key.pid.to_string()),
        name if UNREAD.contains(&name) => return Answer::Unknown(reasons::ARGUMENT_NOT_READ),
        _ => {}
    }
    let Some(process) = subject.process else {
        return Answer::Unknown(reasons::PROCESS_UNKNOWN);
    };
    match name {
        "ptid" => match process.ancestors.first() {
            Some(parent) => owned(parent.key.pid.to_string()),
            None if process.ancestors.is_cut() => Answer::Unknown(reasons::PROCESS_UNKNOWN),
            None => owned("0".to_owned()),
        },
        "comm" => borrowed(&process.name),
        "exe" => match process.args.first() {
            Some(exe) => borrowed(exe),
            None => Answer::Unknown(reasons::ARGUMENT_UNREADABLE),
        },
        "args" => arguments(subject),
        "cwd" => path(process.cwd.as_ref()),
        "trusted_exepath" if executed => path(process.exe.as_ref()),
        "flags" if executed => flags(process),
        "exe_ino" if executed => match executable::inode(process) {
            Ok(inode) => owned(inode.number.to_string()),
            Err(why) => Answer::Unknown(why),
        },
        "pgid" | "vpgid" if executed => match process.groups {
            Some(groups) if name == "pgid" => owned(groups.pgid.to_string()),
            Some(groups) => owned(groups.vpgid.to_string()),
            None => Answer::Unknown(reasons::SESSION_UNREADABLE),
        },
        "flags" | "exe_ino" | "pgid" | "vpgid" => Answer::Unknown(reasons::ARGUMENT_NOT_READ),
        "uid" => owned(process.credentials.uid.to_string()),
        "gid" => owned(process.credentials.gid.to_string()),
        "loginuid" => owned(process.credentials.loginuid.map_or(-1, i64::from).to_string()),
        "cap_inheritable" if executed => owned(format!("{:#x}", process.credentials.cap_inheritable)),
        "cap_permitted" if executed => owned(format!("{:#x}", process.credentials.cap_permitted)),
        "cap_effective" if executed => owned(format!("{:#x}", process.credentials.cap_effective)),
        _ => Answer::Absent,
    }
}

/// The arguments behind the first, each with a dot at its end, as upstream writes bytes of zero.
fn arguments<'s>(subject: &'s Subject<'_>) -> Answer<'s> {
    match subject.own_image().and_then(|image| image.arguments()) {
        Ok(arguments) => owned(arguments.iter().map(|argument| format!("{argument}.")).collect()),
        Err(why) => Answer::Unknown(why),
    }
}

/// Upstream's flags of an executable; `0` where there are none, as upstream writes it.
fn flags<'s>(process: &Process) -> Answer<'s> {
    let (words, missing) = executable::words(process);
    let text = |text: String| Value::Text(Cow::Owned(text.into_bytes()));
    match missing {
        None if words.is_empty() => owned("0".to_owned()),
        None => owned(words.join("|")),
        Some(why) if words.is_empty() => Answer::Unknown(why),
        Some(why) => Answer::Partly(vec![text(words.join("|"))], why),
    }
}

fn path(path: Option<&KernelPath>) -> Answer<'_> {
    match path {
        Some(path) if path.notes().contains(&"truncated") => Answer::Unknown(reasons::PATH_TRUNCATED),
        Some(path) => path.known().map_or(Answer::Unknown(reasons::PATH_UNREADABLE), borrowed),
        None => Answer::Unknown(reasons::PATH_UNREADABLE),
    }
}

/// All in one text. What the agent does not read is left out.
pub(super) fn all<'s>(subject: &'s Subject<'_>) -> Answer<'s> {
    let mut text = Vec::new();
    let mut missing = None;
    for name in order(subject.body) {
        match by_name(subject, name) {
            Answer::Known(Value::Text(value)) => {
                let value = super::Text {
                    text: value.into_owned(),
                    number: None,
                };
                super::write_one(&mut text, name, &value);
            }
            Answer::Unknown(reasons::ARGUMENT_NOT_READ) => {}
            Answer::Unknown(why) | Answer::Partly(_, why) => missing = Some(why),
            Answer::Absent | Answer::Known(_) => {}
        }
    }
    let known = Value::Text(Cow::Owned(text));
    match missing {
        None => Answer::Known(known),
        Some(why) => Answer::Partly(vec![known], why),
    }
}

/// An argument as a number.
pub(super) fn number<'s>(subject: &'s Subject<'_>, name: &str) -> Answer<'s> {
    let number = match (subject.body, name) {
        (Body::Exit { status }, "sig") => i64::from(status & 0x7f),
        _ => match by_name(subject, name) {
            Answer::Known(Value::Text(text)) => {
                match std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
                    Some(number) => number,
                    None => return Answer::Absent,
                }
            }
            other => return other,
        },
    };
    Answer::Known(Value::Number(number))
}

fn borrowed(text: &str) -> Answer<'_> {
    Answer::Known(Value::Text(Cow::Borrowed(text.as_bytes())))
}

fn owned<'s>(text: String) -> Answer<'s> {
    Answer::Known(Value::Text(Cow::Owned(text.into_bytes())))
}
