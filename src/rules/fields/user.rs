//! `user.*`: who the process is.
//!
//! Numbers are the kernel's, so names are the host's, and hold for processes of the host. A container has accounts of its
//! own, which are not read: a name that its number has on the host would be a wrong one. Root is root everywhere.

use pinhole_rules::field::{Given, Kind};
use pinhole_rules::value::Answer;

use super::{Row, found, number, one, text};
use crate::container::Status;
use crate::rules::accounts::{Accounts, User};
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "user.uid",
        Kind::Number,
        "`process.euid`, else `process.uid`: the effective uid as upstream, in the initial user namespace",
        |subject, _| found(uid(subject), |uid| number(uid.into())),
    ),
    one(
        "user.name",
        Kind::Text,
        "the name of `user.uid` in the host's `/etc/passwd`; of a container's process `root` for 0, else unknown",
        |subject, _| found(uid(subject).and_then(|uid| name(subject, uid)), text),
    ),
    one(
        "user.homedir",
        Kind::Text,
        "likewise, for processes of the host",
        |subject, _| found(entry(subject), |user| text(&user.home)),
    ),
    one(
        "user.shell",
        Kind::Text,
        "likewise, for processes of the host",
        |subject, _| found(entry(subject), |user| text(&user.shell)),
    ),
    one(
        "user.loginuid",
        Kind::Number,
        "`process.loginuid`, -1 where it was never set",
        |subject, _| found(login(subject), |login| number(login.map_or(-1, i64::from))),
    ),
    one(
        "user.loginname",
        Kind::Text,
        "the name of `user.loginuid`, `<NA>` where it was never set; else as `user.name`",
        login_name,
    ),
];

/// Root's number, as user and as group.
const ROOT: u32 = 0;
/// Root's name.
const ROOT_NAME: &str = "root";
/// The name that upstream gives nobody.
const NOBODY: &str = "<NA>";

fn uid(subject: &Subject<'_>) -> Result<u32, &'static str> {
    let process = subject.process.ok_or(reasons::PROCESS_UNKNOWN)?;
    Ok(process.credentials.euid)
}

fn login(subject: &Subject<'_>) -> Result<Option<u32>, &'static str> {
    let process = subject.process.ok_or(reasons::PROCESS_UNKNOWN)?;
    Ok(process.credentials.loginuid)
}

/// The host's accounts, if they are those of the process.
fn accounts<'s>(subject: &'s Subject<'_>) -> Result<&'s Accounts, &'static str> {
    let process = subject.process.ok_or(reasons::PROCESS_UNKNOWN)?;
    let on_host = subject.outcome.metadata.status == Status::Host && process.credentials.user_ns_level == 0;
    on_host
        .then_some(&subject.host.accounts)
        .ok_or(reasons::ACCOUNT_UNKNOWN)
}

pub(in crate::rules) fn name<'s>(subject: &'s Subject<'_>, uid: u32) -> Result<&'s str, &'static str> {
    if uid == ROOT {
        return Ok(ROOT_NAME);
    }
    let user = accounts(subject)?.user(uid).ok_or(reasons::ACCOUNT_UNKNOWN)?;
    Ok(&user.name)
}

fn entry<'s>(subject: &'s Subject<'_>) -> Result<&'s User, &'static str> {
    let uid = uid(subject)?;
    accounts(subject)?.user(uid).ok_or(reasons::ACCOUNT_UNKNOWN)
}

fn login_name<'s>(subject: &'s Subject<'_>, _: &Given) -> Answer<'s> {
    let name = login(subject).and_then(|login| login.map_or(Ok(NOBODY), |uid| name(subject, uid)));
    found(name, text)
}

/// The name of a group, by the same rules.
pub(in crate::rules) fn group_name<'s>(subject: &'s Subject<'_>, gid: u32) -> Result<&'s str, &'static str> {
    if gid == ROOT {
        return Ok(ROOT_NAME);
    }
    accounts(subject)?.group(gid).ok_or(reasons::ACCOUNT_UNKNOWN)
}
