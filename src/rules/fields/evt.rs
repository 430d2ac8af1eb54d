//! `evt.*`: the event itself, its result and its arguments.

use jiff::Timestamp;
use pinhole_rules::field::{Argument, Given, Kind, Several};
use pinhole_rules::value::Answer;

use super::{Row, absent, never, number, one, owned, row, text, truth};
use crate::capture::call::CallBody;
use crate::capture::calls::Class as Family;
use crate::capture::record::Body;
use crate::event::names::errno::error_name;
use crate::event::names::open::creates;
use crate::rules::connection::{Connection, End, Side};
use crate::rules::descriptor::{self, Class};
use crate::rules::params;
use crate::rules::path;
use crate::rules::reasons;
use crate::rules::subject::Subject;

const EACH_ALONE: &str = "an event is judged by itself, without those before it";
const END_ONLY: &str = "the agent sees the end of a system call, not its beginning";
const NO_DATA: &str = "the agent does not read what is written, sent or received";
const NO_PLUGINS: &str = "there are no other sources of events";
const NOT_DOCKER: &str = "the agent has no events of container runtimes";
const OWN_NUMBERS: &str = "upstream's own encoding of flags; `evt.arg` has their names";

/// A member of `evt.rawarg` that is a number.
macro_rules! numeric {
    ($($name:literal)*) => {
        [$(one(
            concat!("evt.rawarg.", $name),
            Kind::Number,
            "the argument as a number",
            |subject, _| params::number(subject, $name),
        ),)*]
    };
}

const NUMERIC: [Row; 40] = numeric! {
    "res" "fd" "dirfd" "olddirfd" "newdirfd" "linkdirfd" "olddir" "newdir" "oldfd" "newfd" "pid" "tid" "ptid" "uid" "gid"
    "ruid" "euid" "suid" "rgid" "egid" "sgid" "fsuid" "fsgid" "loginuid" "mode" "sig" "size" "length" "backlog" "type" "proto"
    "entries" "arg2_int" "status" "ret" "core" "addr" "cap_inheritable" "cap_permitted" "cap_effective"
};

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "evt.num",
        Kind::Number,
        "number of the event since the agent's start, from 1",
        |subject, _| number(i64::try_from(subject.number).unwrap_or(i64::MAX)),
    ),
    one(
        "evt.time",
        Kind::Text,
        "time of day in UTC, with nanoseconds",
        |subject, _| clock(subject, 11, 29),
    ),
    one("evt.time.s", Kind::Text, "time of day in UTC", |subject, _| {
        clock(subject, 11, 19)
    }),
    one(
        "evt.time.iso8601",
        Kind::Text,
        "date and time in UTC, with nanoseconds",
        |subject, _| owned(format!("{:.9}", time(subject)).replace('Z', "+0000")),
    ),
    one(
        "evt.datetime",
        Kind::Text,
        "date and time in UTC, with nanoseconds",
        |subject, _| owned(format!("{:.9}", time(subject)).replace('T', " ").replace('Z', "")),
    ),
    one("evt.datetime.s", Kind::Text, "date and time in UTC", |subject, _| {
        owned(format!("{:.0}", time(subject)).replace('T', " ").replace('Z', ""))
    }),
    one("evt.outputtime", Kind::Text, "as `evt.time`", |subject, _| {
        clock(subject, 11, 29)
    }),
    one(
        "evt.rawtime",
        Kind::Number,
        "nanoseconds since the epoch",
        |subject, _| number(nanoseconds(subject)),
    ),
    one(
        "evt.rawtime.s",
        Kind::Number,
        "seconds since the epoch",
        |subject, _| number(nanoseconds(subject).div_euclid(SECOND)),
    ),
    one(
        "evt.rawtime.ns",
        Kind::Number,
        "nanoseconds since the full second",
        |subject, _| number(nanoseconds(subject).rem_euclid(SECOND)),
    ),
    never("evt.reltime", Kind::Number, Argument::None, EACH_ALONE),
    never("evt.reltime.s", Kind::Number, Argument::None, EACH_ALONE),
    never("evt.reltime.ns", Kind::Number, Argument::None, EACH_ALONE),
    never("evt.deltatime", Kind::Number, Argument::None, EACH_ALONE),
    never("evt.deltatime.s", Kind::Number, Argument::None, EACH_ALONE),
    never("evt.deltatime.ns", Kind::Number, Argument::None, EACH_ALONE),
    never("evt.latency", Kind::Number, Argument::None, END_ONLY),
    never("evt.latency.s", Kind::Number, Argument::None, END_ONLY),
    never("evt.latency.ns", Kind::Number, Argument::None, END_ONLY),
    never("evt.latency.quantized", Kind::Number, Argument::None, END_ONLY),
    never("evt.latency.human", Kind::Text, Argument::None, END_ONLY),
    never("evt.wait_latency", Kind::Number, Argument::None, END_ONLY),
    never("evt.pluginname", Kind::Text, Argument::None, NO_PLUGINS),
    never("evt.plugininfo", Kind::Text, Argument::None, NO_PLUGINS),
    one("evt.source", Kind::Text, "`syscall`", |_, _| text("syscall")),
    one("evt.is_async", Kind::Boolean, "never so", |_, _| truth(false)),
    one("evt.asynctype", Kind::Text, "absent: no event is asynchronous", absent),
    one(
        "evt.hostname",
        Kind::Text,
        "the node's name, `node` of an event",
        |subject, _| text(&subject.host.node),
    ),
    one(
        "evt.dir",
        Kind::Text,
        "`<`: the end of a system call (deprecated upstream)",
        |_, _| text("<"),
    ),
    one(
        "evt.type",
        Kind::Text,
        "name of the system call; `execve` for an executed program, `clone` for a new process, `procexit` for an end",
        |subject, _| name(subject).map_or(Answer::Absent, text),
    ),
    row(
        "evt.type.is.",
        Kind::Number,
        Several::One,
        Argument::Key,
        "1 for events of this type, else 0",
        |subject, given| match given {
            Given::Key(wanted) => number(i64::from(name(subject) == Some(wanted))),
            Given::Nothing | Given::Index(_) => Answer::Absent,
        },
    ),
    one("evt.category", Kind::Text, "upstream's category of the type", category),
    one("evt.cpu", Kind::Number, "the CPU that the hook ran on", |subject, _| {
        number(subject.header.cpu.into())
    }),
    one(
        "evt.args",
        Kind::Text,
        "all arguments with upstream's names, without those that the agent does not read; flags by their names alone",
        |subject, _| params::all(subject),
    ),
    one("evt.info", Kind::Text, "as `evt.args`", |subject, _| {
        params::all(subject)
    }),
    row(
        "evt.arg.",
        Kind::Text,
        Several::One,
        Argument::Key,
        "an argument by upstream's name. Paths are absolute and normal, also those that were absolute; users but root by their \
         number; of `flags` of an execution only `EXE_UPPER_LAYER` and `EXE_FROM_MEMFD` are known",
        argument,
    ),
    row(
        "evt.arg",
        Kind::Text,
        Several::One,
        Argument::Key,
        "as `evt.arg.`, by name or by place from 0",
        argument,
    ),
    never("evt.rawarg.flags", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.request", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.option", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.nstype", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.resolve", Kind::Number, Argument::None, OWN_NUMBERS),
    row(
        "evt.rawarg.",
        Kind::Text,
        Several::One,
        Argument::Key,
        "an argument that is no number, as it was passed: paths are not made absolute",
        |subject, given| match given {
            Given::Key(name) => params::untouched(subject, name),
            Given::Nothing | Given::Index(_) => Answer::Absent,
        },
    ),
    never("evt.buffer", Kind::Text, Argument::None, NO_DATA),
    never("evt.buflen", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.in", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.out", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.file", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.file.in", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.file.out", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.net", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.net.in", Kind::Number, Argument::None, NO_DATA),
    never("evt.buflen.net.out", Kind::Number, Argument::None, NO_DATA),
    one(
        "evt.res",
        Kind::Text,
        "`SUCCESS`, or the error's name",
        |subject, _| match returned(subject) {
            Some(ret) => error_name(ret).map_or(text("SUCCESS"), |name| owned(name.into_owned())),
            None => Answer::Absent,
        },
    ),
    one(
        "evt.rawres",
        Kind::Number,
        "what the system call returned",
        |subject, _| returned(subject).map_or(Answer::Absent, number),
    ),
    one(
        "evt.failed",
        Kind::Boolean,
        "whether the system call failed",
        |subject, _| returned(subject).map_or(Answer::Absent, |ret| truth(ret < 0)),
    ),
    one(
        "evt.is_io",
        Kind::Boolean,
        "so for calls that send, and finit_module",
        |subject, _| truth(sends(subject) || reads(subject)),
    ),
    one("evt.is_io_read", Kind::Boolean, "so for finit_module", |subject, _| {
        truth(reads(subject))
    }),
    one(
        "evt.is_io_write",
        Kind::Boolean,
        "so for calls that send",
        |subject, _| truth(sends(subject)),
    ),
    one(
        "evt.io_dir",
        Kind::Text,
        "`write` for calls that send, `read` for finit_module",
        |subject, _| match (sends(subject), reads(subject)) {
            (true, _) => text("write"),
            (false, true) => text("read"),
            (false, false) => Answer::Absent,
        },
    ),
    one(
        "evt.is_wait",
        Kind::Boolean,
        "never so: no call that waits is watched",
        |_, _| truth(false),
    ),
    one(
        "evt.is_syslog",
        Kind::Boolean,
        "so for a message that is sent to `/dev/log`",
        is_syslog,
    ),
    one("evt.count", Kind::Number, "1", |_, _| number(1)),
    one(
        "evt.count.error",
        Kind::Number,
        "1 for a call that failed, else 0",
        errors,
    ),
    one(
        "evt.count.error.file",
        Kind::Number,
        "1 for a call on a file that failed, else 0",
        |subject, given| of_group(subject, given, Group::File),
    ),
    one(
        "evt.count.error.net",
        Kind::Number,
        "1 for a call on a socket that failed, else 0",
        |subject, given| of_group(subject, given, Group::Net),
    ),
    one(
        "evt.count.error.memory",
        Kind::Number,
        "1 for memfd_create that failed, else 0",
        |subject, given| of_group(subject, given, Group::Memory),
    ),
    one(
        "evt.count.error.other",
        Kind::Number,
        "1 for another call that failed, else 0",
        |subject, given| of_group(subject, given, Group::Other),
    ),
    one("evt.count.exit", Kind::Number, "1", |_, _| number(1)),
    one("evt.count.procinfo", Kind::Number, "0", |_, _| number(0)),
    one("evt.count.threadinfo", Kind::Number, "0", |_, _| number(0)),
    never(
        "evt.around",
        Kind::Number,
        Argument::Key,
        "it is for captured files, which the agent does not read",
    ),
    one(
        "evt.abspath",
        Kind::Text,
        "the path of a call on a directory and a path, absolute",
        |subject, _| abspath(subject, 0),
    ),
    one(
        "evt.abspath.src",
        Kind::Text,
        "the first path of such a call",
        |subject, _| abspath(subject, 0),
    ),
    one(
        "evt.abspath.dst",
        Kind::Text,
        "the second path of such a call",
        |subject, _| abspath(subject, 1),
    ),
    one(
        "evt.is_open_read",
        Kind::Boolean,
        "open, openat, openat2: by the access mode of the flags",
        |subject, _| opened(subject, |flags| (flags & ACCESS) != libc::O_WRONLY),
    ),
    one(
        "evt.is_open_write",
        Kind::Boolean,
        "open, openat, openat2: by the access mode of the flags",
        |subject, _| opened(subject, |flags| matches!(flags & ACCESS, libc::O_WRONLY | libc::O_RDWR)),
    ),
    one(
        "evt.is_open_exec",
        Kind::Boolean,
        "open, openat, openat2, creat: a file may be made and the mode lets somebody execute it",
        is_open_exec,
    ),
    one(
        "evt.is_open_create",
        Kind::Boolean,
        "open, openat, openat2: the flags say that the file was made; unknown where it may have been there before",
        is_open_create,
    ),
    never("evt.infra.docker.name", Kind::Text, Argument::None, NOT_DOCKER),
    never("evt.infra.docker.container.id", Kind::Text, Argument::None, NOT_DOCKER),
    never(
        "evt.infra.docker.container.name",
        Kind::Text,
        Argument::None,
        NOT_DOCKER,
    ),
    never(
        "evt.infra.docker.container.image",
        Kind::Text,
        Argument::None,
        NOT_DOCKER,
    ),
];

/// The members of `evt.rawarg` that are numbers.
pub(super) static RAW_NUMBERS: &[Row] = &NUMERIC;

/// `syscall.*`.
pub(super) static SYSCALL: &[Row] = &[one(
    "syscall.type",
    Kind::Text,
    "as `evt.type`, absent for `procexit`",
    |subject, _| match subject.body {
        Body::Exit { .. } => Answer::Absent,
        _ => name(subject).map_or(Answer::Absent, text),
    },
)];

const SECOND: i64 = 1_000_000_000;
const ACCESS: i32 = libc::O_ACCMODE;

/// The name of the event's type.
fn name(subject: &Subject<'_>) -> Option<&'static str> {
    super::EVENTS
        .get(usize::from(subject.event_type()?.0))
        .map(|event| event.name)
}

fn time(subject: &Subject<'_>) -> Timestamp {
    subject.clock.utc(subject.header.time)
}

fn nanoseconds(subject: &Subject<'_>) -> i64 {
    i64::try_from(time(subject).as_nanosecond()).unwrap_or(i64::MAX)
}

/// A part of the time in RFC 3339, whose places are fixed for four-digit years.
fn clock<'s>(subject: &Subject<'_>, from: usize, to: usize) -> Answer<'s> {
    let whole = format!("{:.9}", time(subject));
    whole
        .get(from..to)
        .map_or(Answer::Absent, |part| owned(part.to_owned()))
}

fn argument<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
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
fn returned(subject: &Subject<'_>) -> Option<i64> {
    match subject.body {
        Body::Call(call) => Some(call.ret),
        Body::Process(_) | Body::Fork { .. } => Some(0),
        Body::Exit { .. } => None,
    }
}

fn call_name(subject: &Subject<'_>) -> &'static str {
    subject.call().map_or("", |call| call.call.name)
}

fn sends(subject: &Subject<'_>) -> bool {
    call_name(subject).starts_with("send")
}

fn reads(subject: &Subject<'_>) -> bool {
    call_name(subject) == "finit_module"
}

fn is_syslog<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    if !sends(subject) {
        return truth(false);
    }
    match Connection::of(subject).map(|connection| connection.end(Side::Remote)) {
        Some(End::Unix(path)) => truth(path == "/dev/log"),
        Some(End::Unknown(why)) => Answer::Unknown(why),
        _ => truth(false),
    }
}

fn errors<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    returned(subject).map_or(Answer::Absent, |ret| number(i64::from(ret < 0)))
}

/// Upstream's groups of errors.
#[derive(PartialEq, Eq)]
enum Group {
    File,
    Net,
    Memory,
    Other,
}

fn of_group<'s>(subject: &'s Subject<'_>, given: &Given, wanted: Group) -> Answer<'s> {
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
fn category<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
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
fn abspath<'s>(subject: &'s Subject<'_>, nth: usize) -> Answer<'s> {
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
    match index.map(|index| path::absolute(call, index)) {
        Some(Ok(path)) => super::bytes(path),
        Some(Err(why)) => Answer::Unknown(why),
        None => Answer::Absent,
    }
}

fn opens(subject: &Subject<'_>) -> bool {
    ["open", "openat", "openat2"].contains(&call_name(subject))
}

/// The flags of a call that opens.
fn flags(subject: &Subject<'_>) -> Result<i32, &'static str> {
    let flags = subject.files().0.as_ref().and_then(|file| file.flags);
    // More than an int is refused by the kernel.
    let flags = flags.map(|flags| i32::try_from(flags.bits & u64::from(u32::MAX >> 1)).unwrap_or(0));
    flags.ok_or(reasons::ARGUMENT_UNREADABLE)
}

fn opened<'s>(subject: &'s Subject<'_>, so: fn(i32) -> bool) -> Answer<'s> {
    if !opens(subject) {
        return truth(false);
    }
    match flags(subject) {
        Ok(flags) => truth(so(flags)),
        Err(why) => Answer::Unknown(why),
    }
}

fn is_open_exec<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let executable = |call: &CallBody<'_>| match params::number(subject, "mode") {
        Answer::Known(pinhole_rules::value::Value::Number(mode)) => truth(mode & 0o111 != 0),
        Answer::Absent | Answer::Known(_) => truth(false),
        _ if call.ret == -i64::from(libc::EFAULT) => truth(false),
        Answer::Unknown(why) | Answer::Partly(_, why) => Answer::Unknown(why),
    };
    let Some(call) = subject.call() else {
        return truth(false);
    };
    match call.call.name {
        "creat" => executable(call),
        "open" | "openat" | "openat2" => match flags(subject) {
            Ok(flags) if creates(u64::from(flags.cast_unsigned())) => executable(call),
            Ok(_) => truth(false),
            Err(why) => Answer::Unknown(why),
        },
        _ => truth(false),
    }
}

fn is_open_create<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    if !opens(subject) || returned(subject).is_none_or(|ret| ret < 0) {
        return truth(false);
    }
    match flags(subject) {
        Ok(flags) if flags & libc::O_TMPFILE == libc::O_TMPFILE => truth(true),
        Ok(flags) if flags & libc::O_CREAT == 0 => truth(false),
        Ok(flags) if flags & libc::O_EXCL != 0 => truth(true),
        Ok(_) => Answer::Unknown(reasons::CREATION_UNKNOWN),
        Err(why) => Answer::Unknown(why),
    }
}
