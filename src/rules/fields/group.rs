//! `group.*`: the group of the process.

use pinhole_rules::field::Kind;

use super::user::group_name;
use super::{Row, found, number, one, text};
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "group.gid",
        Kind::Number,
        "`process.egid`, else `process.gid`: the effective gid as upstream, in the initial user namespace",
        |subject, _| found(gid(subject), |gid| number(gid.into())),
    ),
    one(
        "group.name",
        Kind::Text,
        "the name of `group.gid` in the host's `/etc/group`; of a container's process `root` for 0, else unknown",
        |subject, _| found(gid(subject).and_then(|gid| group_name(subject, gid)), text),
    ),
];

fn gid(subject: &Subject<'_>) -> Result<u32, &'static str> {
    let process = subject.process.ok_or(reasons::PROCESS_UNKNOWN)?;
    Ok(process.credentials.egid)
}
