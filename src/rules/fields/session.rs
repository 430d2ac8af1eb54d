//! `proc.sid*`, `proc.pgid*`, `proc.vpgid*` and the PID namespace: what the process belonged to when it was last described. A
//! session is left with setsid(2), a process group with setpgid(2); neither makes a new description.

use pinhole_rules::field::Kind;
use pinhole_rules::value::Answer;

use super::proc::start_of;
use super::{Row, found, looked, number, one, text, truth};
use crate::capture::record::Groups;
use crate::rules::lineage::{Image, Looked};
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "proc.sid",
        Kind::Number,
        "the session when the process was last described: the id of its leader in the root PID namespace, 0 for kernel threads",
        |subject, _| found(groups(subject), |groups| number(groups.sid.into())),
    ),
    one(
        "proc.sname",
        Kind::Text,
        "`proc.name` of the session's leader",
        |subject, _| looked(leader(subject, session), |leader| text(leader.name)),
    ),
    one(
        "proc.sid.exe",
        Kind::Text,
        "`proc.exe` of the session's leader",
        |subject, _| looked(leaders(subject, session, Image::first), text),
    ),
    one(
        "proc.sid.exepath",
        Kind::Text,
        "`proc.exepath` of the session's leader",
        |subject, _| looked(leaders(subject, session, |leader| leader.exe), text),
    ),
    one(
        "proc.vpgid",
        Kind::Number,
        "the process group likewise, in the process's own PID namespace; 0 where its leader is not seen from there",
        |subject, _| found(groups(subject), |groups| number(groups.vpgid.into())),
    ),
    one(
        "proc.vpgid.name",
        Kind::Text,
        "`proc.name` of the process group's leader",
        |subject, _| looked(leader(subject, group), |leader| text(leader.name)),
    ),
    one(
        "proc.vpgid.exe",
        Kind::Text,
        "`proc.exe` of the process group's leader",
        |subject, _| looked(leaders(subject, group, Image::first), text),
    ),
    one(
        "proc.vpgid.exepath",
        Kind::Text,
        "`proc.exepath` of the process group's leader",
        |subject, _| looked(leaders(subject, group, |leader| leader.exe), text),
    ),
    one(
        "proc.pgid",
        Kind::Number,
        "the process group, in the root PID namespace",
        |subject, _| found(groups(subject), |groups| number(groups.pgid.into())),
    ),
    one("proc.pgid.name", Kind::Text, "`proc.vpgid.name`", |subject, _| {
        looked(leader(subject, group), |leader| text(leader.name))
    }),
    one("proc.pgid.exe", Kind::Text, "`proc.vpgid.exe`", |subject, _| {
        looked(leaders(subject, group, Image::first), text)
    }),
    one("proc.pgid.exepath", Kind::Text, "`proc.vpgid.exepath`", |subject, _| {
        looked(leaders(subject, group, |leader| leader.exe), text)
    }),
    one(
        "proc.is_sid_leader",
        Kind::Boolean,
        "`proc.sid` is `proc.pid`",
        |subject, _| leads(subject, session),
    ),
    one(
        "proc.is_vpgid_leader",
        Kind::Boolean,
        "`proc.pgid` is `proc.pid`",
        |subject, _| leads(subject, group),
    ),
    one(
        "proc.is_pgid_leader",
        Kind::Boolean,
        "`proc.pgid` is `proc.pid`",
        |subject, _| leads(subject, group),
    ),
    one(
        "proc.pidns_init_start_ts",
        Kind::Number,
        "when the first process of the process's PID namespace started, in nanoseconds since 1970",
        |subject, _| found(namespace_start(subject), number),
    ),
];

/// What the process belongs to.
pub(super) fn groups<'s>(subject: &'s Subject<'_>) -> Result<&'s Groups, &'static str> {
    subject
        .known_process()?
        .groups
        .as_ref()
        .ok_or(reasons::SESSION_UNREADABLE)
}

/// When the first process of the PID namespace started, in nanoseconds since 1970.
pub(super) fn namespace_start(subject: &Subject<'_>) -> Result<i64, &'static str> {
    let start = groups(subject)?.pid_ns_start.ok_or(reasons::PID_NAMESPACE_UNKNOWN)?;
    Ok(start_of(subject, start))
}

const fn session(groups: &Groups) -> u32 {
    groups.sid
}

const fn group(groups: &Groups) -> u32 {
    groups.pgid
}

fn leads<'s>(subject: &'s Subject<'_>, which: fn(&Groups) -> u32) -> Answer<'s> {
    found(groups(subject), |groups| truth(which(groups) == subject.key.pid))
}

/// Who leads the session or the group, as it is now or was at its end. Its id is given to nobody else as long as one of its
/// members lives. A kernel thread belongs to none.
fn leader<'s>(subject: &'s Subject<'_>, which: fn(&Groups) -> u32) -> Looked<Image<'s>> {
    let id = which(groups(subject)?);
    let process = subject.known_process()?;
    if id == 0 {
        return Ok(None);
    }
    if id == subject.key.pid {
        return Ok(Some(Image::of(process)));
    }
    if let Some(now) = subject.table.now(id) {
        return Ok(Some(Image::of(now)));
    }
    let mut above = process.ancestors.iter();
    let leader = above.find(|ancestor| ancestor.key.pid == id);
    let leader = leader.ok_or(reasons::LEADER_UNKNOWN)?;
    Ok(Some(Image::of_ancestor(leader, subject.table)))
}

/// What is asked of who leads.
fn leaders<'s>(
    subject: &'s Subject<'_>,
    which: fn(&Groups) -> u32,
    take: fn(&Image<'s>) -> Result<&'s str, &'static str>,
) -> Looked<&'s str> {
    leader(subject, which)?.map(|leader| take(&leader)).transpose()
}
