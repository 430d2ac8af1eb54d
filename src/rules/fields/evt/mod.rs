//! `evt.*`: the event itself, its result and its arguments.

mod answers;
mod open;

use pinhole_rules::field::{Argument, Given, Kind, Several};
use pinhole_rules::value::Answer;

use self::answers::{
    Group, SECOND, abspath, argument, category, clock, errors, is_syslog, name, nanoseconds, of_group, reads, returned,
    sends, time,
};
use self::open::{ACCESS, is_open_create, is_open_exec, opened};
use super::{Row, absent, always, keyed, never, number, one, owned, row, text, truth};
use crate::capture::record::Body;
use crate::event::names::errno::error_name;
use crate::rules::params;

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
    always("evt.source", Kind::Text, "syscall", "`syscall`", |_, _| text("syscall")),
    always("evt.is_async", Kind::Boolean, "false", "never so", |_, _| truth(false)),
    one("evt.asynctype", Kind::Text, "absent: no event is asynchronous", absent),
    one(
        "evt.hostname",
        Kind::Text,
        "the node's name, `node` of an event",
        |subject, _| text(&subject.host.node),
    ),
    always(
        "evt.dir",
        Kind::Text,
        "<",
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
    keyed(
        row(
            "evt.arg.",
            Kind::Text,
            Several::One,
            Argument::Key,
            "an argument by upstream's name. Paths are absolute and normal, also those that were absolute; users without a known name by \
         their number; `flags` of an execution are upstream's words for the executable, `0` where none applies",
            argument,
        ),
        params::keys,
    ),
    keyed(
        row(
            "evt.arg",
            Kind::Text,
            Several::One,
            Argument::Key,
            "as `evt.arg.`, by name or by place from 0",
            argument,
        ),
        params::keys,
    ),
    never("evt.rawarg.flags", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.request", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.option", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.nstype", Kind::Number, Argument::None, OWN_NUMBERS),
    never("evt.rawarg.resolve", Kind::Number, Argument::None, OWN_NUMBERS),
    keyed(
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
        params::keys,
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
    always(
        "evt.is_wait",
        Kind::Boolean,
        "false",
        "never so: no call that waits is watched",
        |_, _| truth(false),
    ),
    one(
        "evt.is_syslog",
        Kind::Boolean,
        "so for a message that is sent to `/dev/log`",
        is_syslog,
    ),
    always("evt.count", Kind::Number, "1", "1", |_, _| number(1)),
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
    always("evt.count.exit", Kind::Number, "1", "1", |_, _| number(1)),
    always("evt.count.procinfo", Kind::Number, "0", "0", |_, _| number(0)),
    always("evt.count.threadinfo", Kind::Number, "0", "0", |_, _| number(0)),
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
