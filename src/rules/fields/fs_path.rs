//! `fs.path.*`: the paths that a system call named.
//!
//! Which call has which is upstream's choice (falcosecurity/libs, `userspace/libsinsp/sinsp_filtercheck_fspath.cpp`): a link is
//! made from `source`, its own new path, to `target`. A call that failed has none, but for those that open.

use pinhole_rules::field::Kind;
use pinhole_rules::value::Answer;

use super::{Row, bytes, named, one};
use crate::capture::arg::Kind as Arg;
use crate::capture::call::CallBody;
use crate::rules::descriptor::descriptor_is_opened;
use crate::rules::path::{self, NoPath};
use crate::rules::subject::Subject;

/// The fields.
pub(super) static ROWS: &[Row] = &[
    one(
        "fs.path.name",
        Kind::Text,
        "the path, absolute; of what was opened and of a descriptor as `fd.name`",
        |subject, _| find(subject, NAMES, Form::Absolute),
    ),
    one(
        "fs.path.nameraw",
        Kind::Text,
        "the path as it was passed",
        |subject, _| find(subject, NAMES, Form::Raw),
    ),
    one(
        "fs.path.source",
        Kind::Text,
        "the first of two paths, absolute; of links the new one",
        |subject, _| find(subject, SOURCES, Form::Absolute),
    ),
    one(
        "fs.path.sourceraw",
        Kind::Text,
        "the same as it was passed",
        |subject, _| find(subject, SOURCES, Form::Raw),
    ),
    one(
        "fs.path.target",
        Kind::Text,
        "the second of two paths, absolute; of links the old one",
        |subject, _| find(subject, TARGETS, Form::Absolute),
    ),
    one(
        "fs.path.targetraw",
        Kind::Text,
        "the same as it was passed",
        |subject, _| find(subject, TARGETS, Form::Raw),
    ),
];

/// Calls, and which of their arguments it is.
type Which = &'static [(&'static str, &'static str)];

const NAMES: Which = &[
    ("mkdir", "pathname"),
    ("mkdirat", "pathname"),
    ("rmdir", "pathname"),
    ("unlink", "pathname"),
    ("unlinkat", "pathname"),
    ("open", "pathname"),
    ("openat", "pathname"),
    ("openat2", "pathname"),
    ("creat", "pathname"),
    ("chmod", "pathname"),
    ("fchmodat", "pathname"),
    ("fchmodat2", "pathname"),
    ("fchmod", "fd"),
    ("chown", "pathname"),
    ("lchown", "pathname"),
    ("fchown", "fd"),
    ("fchownat", "pathname"),
    ("umount2", "target"),
];
const SOURCES: Which = &[
    ("rename", "oldpath"),
    ("renameat", "oldpath"),
    ("renameat2", "oldpath"),
    ("link", "newpath"),
    ("linkat", "newpath"),
    ("symlink", "linkpath"),
    ("symlinkat", "linkpath"),
    ("mount", "source"),
];
const TARGETS: Which = &[
    ("rename", "newpath"),
    ("renameat", "newpath"),
    ("renameat2", "newpath"),
    ("link", "oldpath"),
    ("linkat", "oldpath"),
    ("symlink", "target"),
    ("symlinkat", "target"),
    ("mount", "target"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Absolute,
    Raw,
}

fn find<'s>(subject: &'s Subject<'_>, which: Which, form: Form) -> Answer<'s> {
    let Some(call) = subject.call() else {
        return Answer::Absent;
    };
    let Some((_, name)) = which.iter().find(|(name, _)| *name == call.call.name) else {
        return Answer::Absent;
    };
    let opens = descriptor_is_opened(call);
    if call.ret < 0 && !opens {
        return Answer::Absent;
    }
    if *name == "fd" || opens && form == Form::Absolute {
        return match subject.descriptor() {
            Some(descriptor) => named(descriptor.name(subject)),
            None => Answer::Absent,
        };
    }
    let Some((index, arg)) = call.call.args.iter().enumerate().find(|(_, arg)| arg.name == *name) else {
        return Answer::Absent;
    };
    let path = match (form, arg.kind) {
        (Form::Raw, _) => path::requested(call, index).map(<[u8]>::to_vec),
        (Form::Absolute, Arg::Path(_)) => path::absolute(subject, call, index),
        (Form::Absolute, _) => from_cwd(subject, call, index),
    };
    match path {
        Ok(path) => bytes(path),
        Err(no) => no.into(),
    }
}

/// A text that is no path to the kernel, taken from the working directory as upstream does: what a link points to, what is
/// mounted.
fn from_cwd(subject: &Subject<'_>, call: &CallBody<'_>, index: usize) -> Result<Vec<u8>, NoPath> {
    let text = path::requested(call, index)?;
    if text.starts_with(b"/") {
        return Ok(path::normal(b"", text));
    }
    let cwd = path::cwd(subject).map_err(NoPath::Unknown)?;
    Ok(path::normal(cwd.as_bytes(), text))
}
