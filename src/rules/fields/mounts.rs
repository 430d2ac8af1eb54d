//! Mounts of a container as fields: one by its place or a path, or all in one text.

use pinhole_rules::field::Given;
use pinhole_rules::value::Answer;

use super::container::lacking;
use super::{owned, text};
use crate::container::{Mount, Propagation};
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// A part of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its path on the host.
    Source,
    /// Its path in the container.
    Destination,
    /// How it was mounted, which no runtime tells over CRI.
    Mode,
    /// Whether it can be written to.
    Writable,
    /// Which later mounts pass its border.
    Propagation,
}

/// The mount that is given by its place from 0, or by a path, which may hold `*` and `?`: its path in the container where
/// its source is asked for, else that on the host.
pub(super) fn one<'s>(subject: &'s Subject<'_>, given: &Given, part: Part) -> Answer<'s> {
    let mounts = match kept(subject) {
        Ok(mounts) => mounts,
        Err(answer) => return answer,
    };
    let Given::Key(key) = given else {
        return Answer::Absent;
    };
    let by_path = |mount: &&Mount| {
        let path = match part {
            Part::Source => &*mount.destination,
            _ => mount.source.as_deref().unwrap_or_default(),
        };
        glob(key.as_bytes(), path.as_bytes())
    };
    let mount = match key.parse::<usize>() {
        Ok(index) => mounts.get(index),
        Err(_) => mounts.iter().find(by_path),
    };
    match mount {
        Some(mount) => take(mount, part),
        None if truncated(subject) => Answer::Unknown(reasons::MOUNTS_TRUNCATED),
        None => Answer::Absent,
    }
}

/// All of them.
pub(super) fn all<'s>(subject: &'s Subject<'_>) -> Answer<'s> {
    match kept(subject) {
        Ok(_) if truncated(subject) => Answer::Unknown(reasons::MOUNTS_TRUNCATED),
        Ok(mounts) => owned(mounts.iter().map(whole).collect::<Vec<_>>().join(",")),
        Err(answer) => answer,
    }
}

fn kept<'s>(subject: &'s Subject<'_>) -> Result<&'s [Mount], Answer<'s>> {
    let outcome = subject.outcome;
    let mounts = outcome
        .container
        .as_ref()
        .map_or(&[][..], |container| &container.mounts);
    if !mounts.is_empty() {
        Ok(mounts)
    } else if outcome.container.is_some() && !subject.host.selection.wants_mounts() {
        Err(Answer::Unknown(reasons::NOT_KEPT))
    } else {
        // A runtime that tells no mounts is not told apart from a container without any.
        Err(lacking(outcome))
    }
}

fn truncated(subject: &Subject<'_>) -> bool {
    let container = subject.outcome.container.as_ref();
    container.is_some_and(|container| container.mounts_truncated)
}

fn take(mount: &Mount, part: Part) -> Answer<'_> {
    match part {
        Part::Whole => owned(whole(mount)),
        Part::Source => text(mount.source.as_deref().unwrap_or_default()),
        Part::Destination => text(&mount.destination),
        Part::Mode => text(""),
        Part::Writable => text(writable(mount)),
        Part::Propagation => text(propagation(mount)),
    }
}

/// `source:destination:mode:writable:propagation`.
fn whole(mount: &Mount) -> String {
    let source = mount.source.as_deref().unwrap_or_default();
    let (destination, writable, propagation) = (&mount.destination, writable(mount), propagation(mount));
    format!("{source}:{destination}::{writable}:{propagation}")
}

fn writable(mount: &Mount) -> &'static str {
    if mount.read_only { "false" } else { "true" }
}

fn propagation(mount: &Mount) -> &'static str {
    match mount.propagation {
        Propagation::Private => "private",
        Propagation::HostToContainer => "rslave",
        Propagation::Bidirectional => "rshared",
    }
}

/// Whether a text fits a pattern in which `*` stands for any text and `?` for any byte. Each byte of the text is looked at
/// once for each `*` at most.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Behind the last `*`, and where what it stands for ends so far.
    let mut star = None;
    while of < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, of));
            }
            Some(&byte) if byte == b'?' || byte == text[of] => {
                at += 1;
                of += 1;
            }
            _ => match &mut star {
                Some((behind, end)) => {
                    *end += 1;
                    (at, of) = (*behind, *end);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
