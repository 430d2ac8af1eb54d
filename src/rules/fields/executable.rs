//! `proc.is_exe_*` and `proc.exe_ino*`: the file that the process runs, as it was when the process was last described.

use pinhole_rules::field::Kind;
use pinhole_rules::value::Answer;

use super::proc::start_of;
use super::{Row, found, looked, number, one, session, truth};
use crate::capture::record::Inode;
use crate::process::Process;
use crate::rules::executable::{self, writable};
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "proc.is_exe_writable",
        Kind::Boolean,
        "whether the process may write its executable, by owner, mode and capabilities",
        |subject, _| found(subject.known_process().and_then(writable), truth),
    ),
    one(
        "proc.is_exe_upper_layer",
        Kind::Boolean,
        "the word `upper_layer` in `process.exe_notes`",
        |subject, _| of_executable(subject, |process| process.exe_upper_layer),
    ),
    one(
        "proc.is_exe_lower_layer",
        Kind::Boolean,
        "the executable lies in an overlay and not in its upper layer",
        |subject, _| of_executable(subject, |process| process.exe_lower_layer),
    ),
    one(
        "proc.is_exe_from_memfd",
        Kind::Boolean,
        "the word `memfd` in `process.exe_notes`",
        |subject, _| of_executable(subject, Process::exe_is_memfd),
    ),
    one(
        "proc.exe_ino",
        Kind::Number,
        "the number of the executable's inode",
        |subject, _| {
            found(inode(subject), |inode| {
                number(i64::try_from(inode.number).unwrap_or(i64::MAX))
            })
        },
    ),
    one(
        "proc.exe_ino.ctime",
        Kind::Number,
        "when that inode was last changed, in nanoseconds since 1970",
        |subject, _| found(inode(subject), |inode| number(inode.ctime)),
    ),
    one(
        "proc.exe_ino.mtime",
        Kind::Number,
        "when its contents were last changed, likewise",
        |subject, _| found(inode(subject), |inode| number(inode.mtime)),
    ),
    one(
        "proc.exe_ino.ctime_duration_proc_start",
        Kind::Number,
        "nanoseconds from `proc.exe_ino.ctime` to `proc.pid.ts`; negative where the process is older",
        |subject, _| {
            found(inode(subject), |inode| {
                number(start_of(subject, subject.key.start).saturating_sub(inode.ctime))
            })
        },
    ),
    one(
        "proc.exe_ino.ctime_duration_pidns_start",
        Kind::Number,
        "nanoseconds from `proc.pidns_init_start_ts` to `proc.exe_ino.ctime`; absent where the file is older",
        |subject, _| {
            let duration = inode(subject).and_then(|inode| {
                let duration = inode.ctime.saturating_sub(session::namespace_start(subject)?);
                Ok((duration > 0).then_some(duration))
            });
            looked(duration, number)
        },
    ),
];

fn inode<'s>(subject: &'s Subject<'_>) -> Result<&'s Inode, &'static str> {
    subject.known_process().and_then(executable::inode)
}

/// What is known of an executable if anything of it could be read.
fn of_executable<'s>(subject: &'s Subject<'_>, is: fn(&Process) -> bool) -> Answer<'s> {
    let process = match subject.known_process() {
        Ok(process) => process,
        Err(why) => return Answer::Unknown(why),
    };
    match subject.own_image().and_then(|image| image.exe) {
        Ok(_) | Err(reasons::PATH_TRUNCATED) => truth(is(process)),
        Err(why) => Answer::Unknown(why),
    }
}
