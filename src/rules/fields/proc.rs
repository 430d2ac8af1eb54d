//! `proc.*`: the process, its image and its ancestors.

use pinhole_rules::field::{Argument, Given, Kind, Several};
use pinhole_rules::value::Answer;

use super::{Row, ancestors, found, looked, never, number, one, owned, row, text};
use crate::capture::record::ProcessKey;
use crate::rules::lineage::known_path;
use crate::rules::subject::Subject;
use crate::rules::{reasons, terminal};

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "proc.exe",
        Kind::Text,
        "`process.args[0]`; empty where argv is",
        |subject, _| found(subject.own_image().and_then(|image| image.first()), text),
    ),
    one(
        "proc.pexe",
        Kind::Text,
        "`proc.exe` of the parent, as the parent was when it was last described",
        |subject, _| {
            let parent = subject.image(1);
            looked(
                parent.and_then(|image| image.map(|image| image.first()).transpose()),
                text,
            )
        },
    ),
    ancestry("proc.aexe", Kind::Text, "`proc.exe` of an ancestor", ancestors::firsts),
    one(
        "proc.exepath",
        Kind::Text,
        "`process.exe`: the kernel's path below the process's root, `memfd:` and a name for a memfd; a deleted file's without the \
         word ` (deleted)`",
        |subject, _| found(subject.own_image().and_then(|image| image.exe), text),
    ),
    one(
        "proc.pexepath",
        Kind::Text,
        "`proc.exepath` of the parent",
        |subject, _| {
            let parent = subject.image(1);
            looked(parent.and_then(|image| image.map(|image| image.exe).transpose()), text)
        },
    ),
    ancestry(
        "proc.aexepath",
        Kind::Text,
        "`process.ancestors[].exe`",
        ancestors::paths,
    ),
    one(
        "proc.name",
        Kind::Text,
        "`process.name`: the task's name when the process was last described, at most 15 bytes",
        |subject, _| found(subject.own_image(), |image| text(image.name)),
    ),
    one("proc.pname", Kind::Text, "`proc.name` of the parent", |subject, _| {
        looked(subject.image(1), |image| text(image.name))
    }),
    ancestry("proc.aname", Kind::Text, "`process.ancestors[].name`", ancestors::names),
    row(
        "proc.args",
        Kind::Text,
        Several::One,
        Argument::OptionalIndex,
        "`process.args` without the first, with blanks between them; in brackets one of them, from 0",
        arguments,
    ),
    ancestry(
        "proc.aargs",
        Kind::Text,
        "`proc.args` of an ancestor",
        ancestors::arguments,
    ),
    one(
        "proc.cmdline",
        Kind::Text,
        "`proc.name` and `proc.args`; 16 KiB are kept, upstream keeps 4",
        |subject, _| found(subject.commands().own(subject), text),
    ),
    one(
        "proc.pcmdline",
        Kind::Text,
        "`proc.cmdline` of the parent",
        |subject, _| looked(subject.commands().parent(subject), text),
    ),
    ancestry(
        "proc.acmdline",
        Kind::Text,
        "`proc.cmdline` of an ancestor",
        ancestors::commands,
    ),
    one(
        "proc.cmdnargs",
        Kind::Number,
        "how many arguments there are, without the first",
        |subject, _| {
            let arguments = subject.own_image().and_then(|image| image.arguments());
            found(arguments, |arguments| count(arguments.len()))
        },
    ),
    one(
        "proc.cmdlenargs",
        Kind::Number,
        "bytes of the arguments without the first and without blanks",
        |subject, _| {
            let arguments = subject.own_image().and_then(|image| image.arguments());
            found(arguments, |arguments| count(arguments.iter().map(String::len).sum()))
        },
    ),
    one(
        "proc.exeline",
        Kind::Text,
        "`proc.exe` and `proc.args`; upstream ends it with a blank where there are no arguments",
        |subject, _| {
            let line = subject.own_image().and_then(|image| image.line(image.first()?));
            found(line, owned)
        },
    ),
    never("proc.env", Kind::Text, Argument::OptionalKey, ENVIRONMENTS),
    never("proc.aenv", Kind::Text, Argument::OptionalKey, ENVIRONMENTS),
    one(
        "proc.cwd",
        Kind::Text,
        "`process.cwd`, with `/` at its end as upstream has it",
        working_directory,
    ),
    one(
        "proc.loginshellid",
        Kind::Number,
        "id of the topmost of the process and its ancestors whose name ends in `sh`",
        login_shell,
    ),
    one(
        "proc.tty",
        Kind::Number,
        "from `process.tty`: major times 256 plus minor (`pts0` is 34816), 0 for no terminal",
        controlling_terminal,
    ),
    one(
        "proc.pid",
        Kind::Number,
        "`process.pid`",
        |subject, _| pid(&subject.key),
    ),
    one(
        "proc.ppid",
        Kind::Number,
        "`process.ppid`; 0 where there is no parent",
        |subject, _| {
            found(subject.image(1), |parent| {
                parent.map_or(number(0), |parent| pid(&parent.key))
            })
        },
    ),
    ancestry("proc.apid", Kind::Number, "`process.ancestors[].pid`", ancestors::pids),
    never("proc.vpid", Kind::Number, Argument::None, NAMESPACED),
    never("proc.pvpid", Kind::Number, Argument::None, NAMESPACED),
    one(
        "proc.duration",
        Kind::Number,
        "nanoseconds from `process.start_time` to the event",
        |subject, _| since(subject, &subject.key),
    ),
    one(
        "proc.ppid.duration",
        Kind::Number,
        "`proc.duration` of the parent",
        |subject, _| looked(subject.image(1), |parent| since(subject, &parent.key)),
    ),
    one(
        "proc.pid.ts",
        Kind::Number,
        "`process.start_time` in nanoseconds since 1970",
        |subject, _| start(subject, &subject.key),
    ),
    one(
        "proc.ppid.ts",
        Kind::Number,
        "`proc.pid.ts` of the parent",
        |subject, _| looked(subject.image(1), |parent| start(subject, &parent.key)),
    ),
    never("proc.is_container_healthcheck", Kind::Boolean, Argument::None, PROBES),
    never(
        "proc.is_container_liveness_probe",
        Kind::Boolean,
        Argument::None,
        PROBES,
    ),
    never(
        "proc.is_container_readiness_probe",
        Kind::Boolean,
        Argument::None,
        PROBES,
    ),
    never("proc.fdopencount", Kind::Number, Argument::None, DESCRIPTORS),
    never("proc.fdlimit", Kind::Number, Argument::None, DESCRIPTORS),
    never("proc.fdusage", Kind::Number, Argument::None, DESCRIPTORS),
    never("proc.vmsize", Kind::Number, Argument::None, MEMORY),
    never("proc.vmrss", Kind::Number, Argument::None, MEMORY),
    never("proc.vmswap", Kind::Number, Argument::None, MEMORY),
    never("proc.nthreads", Kind::Number, Argument::None, THREADS),
    never("proc.nchilds", Kind::Number, Argument::None, THREADS),
    never("proc.stdin.type", Kind::Text, Argument::None, DESCRIPTORS),
    never("proc.stdout.type", Kind::Text, Argument::None, DESCRIPTORS),
    never("proc.stderr.type", Kind::Text, Argument::None, DESCRIPTORS),
    never("proc.stdin.name", Kind::Text, Argument::None, DESCRIPTORS),
    never("proc.stdout.name", Kind::Text, Argument::None, DESCRIPTORS),
    never("proc.stderr.name", Kind::Text, Argument::None, DESCRIPTORS),
];

const ENVIRONMENTS: &str = "the agent does not read environments";
const NAMESPACED: &str = "the capture tells ids of the root PID namespace only";
const PROBES: &str = "upstream gives it no value any more";
const DESCRIPTORS: &str = "the agent keeps no table of open files";
pub(super) const MEMORY: &str = "the capture does not read the use of memory";
const THREADS: &str = "the agent does not follow threads";

/// A field of ancestors.
const fn ancestry(name: &'static str, kind: Kind, from: &'static str, answer: super::Get) -> Row {
    row(name, kind, Several::Any, Argument::OptionalIndex, from, answer)
}

fn count<'s>(count: usize) -> Answer<'s> {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

fn pid<'s>(key: &ProcessKey) -> Answer<'s> {
    number(key.pid.into())
}

fn nanoseconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn since<'s>(subject: &Subject<'_>, key: &ProcessKey) -> Answer<'s> {
    number(nanoseconds(subject.header.time.saturating_sub(key.start)))
}

/// Nanoseconds since 1970 of what started so many after the boot.
pub(super) fn start_of(subject: &Subject<'_>, after_boot: u64) -> i64 {
    subject.clock.boot().saturating_add(nanoseconds(after_boot))
}

fn start<'s>(subject: &Subject<'_>, key: &ProcessKey) -> Answer<'s> {
    number(start_of(subject, key.start))
}

fn arguments<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    match given {
        Given::Index(index) => {
            // argv[0] does not count.
            let at = (*index as usize).saturating_add(1);
            looked(subject.own_image().and_then(|image| image.argument(at)), text)
        }
        Given::Nothing | Given::Key(_) => found(subject.commands().arguments(subject), text),
    }
}

fn working_directory<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let directory = subject
        .process
        .ok_or(reasons::PROCESS_UNKNOWN)
        .and_then(|process| known_path(process.cwd.as_ref(), reasons::PATH_UNREADABLE));
    found(directory, |path| {
        if path.ends_with('/') {
            text(path)
        } else {
            owned(format!("{path}/"))
        }
    })
}

fn login_shell<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let Some(process) = subject.process else {
        return Answer::Unknown(reasons::PROCESS_UNKNOWN);
    };
    // A shell further up would be the one.
    if process.ancestors.is_cut() {
        return Answer::Unknown(reasons::ANCESTORS_UNKNOWN);
    }
    let above = process
        .ancestors
        .iter()
        .map(|ancestor| (&ancestor.key, &*ancestor.name));
    std::iter::once((&process.key, &*process.name))
        .chain(above)
        .filter(|(_, name)| name.ends_with("sh"))
        .last()
        .map_or(Answer::Absent, |(key, _)| pid(key))
}

fn controlling_terminal<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let Some(process) = subject.process else {
        return Answer::Unknown(reasons::PROCESS_UNKNOWN);
    };
    match process.tty.as_deref() {
        None => number(0),
        Some(name) => terminal::device(name).map_or(Answer::Unknown(reasons::TERMINAL_UNKNOWN), number),
    }
}
