//! `thread.*`: the thread and its capabilities.

use pinhole_rules::field::{Argument, Kind, Several};
use pinhole_rules::value::Answer;

use super::proc::MEMORY;
use super::{Row, found, never, number, one, owned, row, text, truth};
use crate::capture::record::Credentials;
use crate::event::build::cgroup_id;
use crate::event::names::capability::CAPABILITIES;
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "thread.cap_permitted",
        Kind::Text,
        "`process.caps.permitted`, names with blanks between them",
        |subject, _| capabilities(subject, |credentials| credentials.cap_permitted),
    ),
    one(
        "thread.cap_inheritable",
        Kind::Text,
        "`process.caps.inheritable`, likewise",
        |subject, _| capabilities(subject, |credentials| credentials.cap_inheritable),
    ),
    one(
        "thread.cap_effective",
        Kind::Text,
        "`process.caps.effective`, likewise; in a user namespace they hold in that",
        |subject, _| capabilities(subject, |credentials| credentials.cap_effective),
    ),
    never("thread.pfmajor", Kind::Number, Argument::None, FAULTS),
    never("thread.pfminor", Kind::Number, Argument::None, FAULTS),
    one("thread.tid", Kind::Number, "`process.tid`", |subject, _| {
        number(thread(subject).into())
    }),
    one(
        "thread.ismain",
        Kind::Boolean,
        "`process.tid` is `process.pid`",
        |subject, _| truth(thread(subject) == subject.key.pid),
    ),
    never(
        "thread.vtid",
        Kind::Number,
        Argument::None,
        "the capture tells ids of the root PID namespace only",
    ),
    one(
        "thread.nametid",
        Kind::Text,
        "`process.name` and `process.tid`",
        |subject, _| {
            found(subject.own_image(), |image| {
                owned(format!("{}{}", image.name, thread(subject)))
            })
        },
    ),
    never("thread.exectime", Kind::Number, Argument::None, SCHEDULER),
    never("thread.totexectime", Kind::Number, Argument::None, SCHEDULER),
    one(
        "thread.cgroups",
        Kind::Text,
        "the cgroup in the hierarchy that names containers, for each of the controllers that upstream lists",
        |subject, _| found(cgroup(subject), |path| owned(every_controller(path))),
    ),
    row(
        "thread.cgroup.",
        Kind::Text,
        Several::One,
        Argument::Key,
        "the cgroup in the hierarchy that names containers, whichever controller is asked for: with cgroup v1 those of \
         others may differ",
        |subject, _| found(cgroup(subject), text),
    ),
    never("thread.cpu", Kind::Number, Argument::None, SCHEDULER),
    never("thread.cpu.user", Kind::Number, Argument::None, SCHEDULER),
    never("thread.cpu.system", Kind::Number, Argument::None, SCHEDULER),
    never("thread.vmsize", Kind::Number, Argument::None, MEMORY),
    never("thread.vmrss", Kind::Number, Argument::None, MEMORY),
    never("thread.vmsize.b", Kind::Number, Argument::None, MEMORY),
    never("thread.vmrss.b", Kind::Number, Argument::None, MEMORY),
];

const FAULTS: &str = "the capture does not count page faults";
const SCHEDULER: &str = "the capture does not watch the scheduler";

/// The controllers whose cgroups upstream reads.
const CONTROLLERS: [&str; 5] = ["cpuset", "cpu", "cpuacct", "io", "memory"];

/// The thread; of a process that is new its first.
fn thread(subject: &Subject<'_>) -> u32 {
    if subject.key == subject.header.process {
        subject.header.tid
    } else {
        subject.key.pid
    }
}

fn capabilities<'s>(subject: &'s Subject<'_>, which: fn(&Credentials) -> u64) -> Answer<'s> {
    let process = subject.process.ok_or(reasons::PROCESS_UNKNOWN);
    found(process, |process| owned(names(which(&process.credentials))))
}

/// The names of capabilities, those without one left out.
fn names(set: u64) -> String {
    let mut names = String::new();
    for (name, number) in CAPABILITIES {
        if set & 1 << number != 0 {
            if !names.is_empty() {
                names.push(' ');
            }
            names.push_str(name);
        }
    }
    names
}

fn cgroup<'s>(subject: &'s Subject<'_>) -> Result<&'s str, &'static str> {
    let process = subject.process.ok_or(reasons::PROCESS_UNKNOWN)?;
    let here = process.cgroup_id == cgroup_id(subject.header, subject.body);
    (here && !process.cgroup.cut)
        .then_some(&*process.cgroup.text)
        .ok_or(reasons::CGROUP_UNKNOWN)
}

fn every_controller(path: &str) -> String {
    CONTROLLERS.map(|controller| format!("{controller}={path}")).join(" ")
}
