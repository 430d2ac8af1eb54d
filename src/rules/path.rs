//! Paths as a process asked for them, made absolute by their words alone: what upstream calls a resolved path.
//!
//! No link is followed. Where the kernel told its own path of a file, that is the better one: see [`super::descriptor`].

use pinhole_rules::value::Answer;

use super::reasons;
use super::subject::Subject;
use crate::capture::arg::Kind;
use crate::capture::call::{CallBody, Of, What};
use crate::capture::calls::Result as Returns;
use crate::capture::record::KernelPath;
use crate::capture::wire::path_flag;

/// Why there is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPath {
    /// There was none: the kernel could not read the text either (EFAULT), or what it was to start from is no descriptor (EBADF). Such
    /// a call does nothing, whoever makes it on purpose.
    Absent,
    /// It is not known.
    Unknown(&'static str),
}

impl From<NoPath> for Answer<'_> {
    fn from(no: NoPath) -> Self {
        match no {
            NoPath::Absent => Self::Absent,
            NoPath::Unknown(why) => Self::Unknown(why),
        }
    }
}

fn failed_with(call: &CallBody<'_>, errno: i32) -> bool {
    call.ret == -i64::from(errno)
}

/// The text in an argument, byte for byte.
///
/// # Errors
/// It could not be read, or is longer than what is kept of it.
pub(super) fn requested<'e>(call: &'e CallBody<'e>, index: usize) -> Result<&'e [u8], NoPath> {
    let text = parts(call, index).find_map(|what| match what {
        What::Text { bytes, truncated } => Some((*bytes, *truncated)),
        _ => None,
    });
    match text {
        Some((bytes, false)) => Ok(bytes),
        Some((_, true)) => Err(NoPath::Unknown(reasons::PATH_TRUNCATED)),
        None if failed_with(call, libc::EFAULT) => Err(NoPath::Absent),
        None => Err(NoPath::Unknown(reasons::PATH_UNREADABLE)),
    }
}

/// The path in an argument, absolute and without `.`, `..` and doubled slashes.
///
/// # Errors
/// As [`requested`], and where the directory is not known from which a relative path starts.
pub(super) fn absolute(subject: &Subject<'_>, call: &CallBody<'_>, index: usize) -> Result<Vec<u8>, NoPath> {
    let path = requested(call, index)?;
    if path.starts_with(b"/") {
        return Ok(normal(b"", path));
    }
    match directory(subject, call, index) {
        Ok(directory) => Ok(normal(directory.as_bytes(), path)),
        Err(_) if failed_with(call, libc::EBADF) => Err(NoPath::Absent),
        Err(why) => Err(NoPath::Unknown(why)),
    }
}

/// The directory from which a relative path in an argument starts.
///
/// # Errors
/// The kernel did not tell it, or not the whole of it.
pub(super) fn directory(subject: &Subject<'_>, call: &CallBody<'_>, index: usize) -> Result<String, &'static str> {
    let names = parts(call, index).find_map(|what| match what {
        What::Directory(names) => Some(names),
        _ => None,
    });
    match names {
        Some(names) if names.flags & path_flag::TRUNCATED != 0 => Err(reasons::PATH_TRUNCATED),
        Some(names) => names.path().map(|path| path.text).ok_or(reasons::DIRECTORY_UNKNOWN),
        None if is_from_cwd(call, index) => cwd(subject).map(str::to_owned),
        None => Err(reasons::DIRECTORY_UNKNOWN),
    }
}

/// The working directory of the process, as it was told last; whoever goes to another is described anew.
///
/// # Errors
/// The kernel could not tell it.
pub(super) fn cwd<'s>(subject: &'s Subject<'_>) -> Result<&'s str, &'static str> {
    let cwd = subject.process.and_then(|process| process.cwd.as_ref());
    cwd.and_then(KernelPath::known).ok_or(reasons::DIRECTORY_UNKNOWN)
}

/// Whether a relative path starts from the working directory, and the kernel side has left that out: of a file that was opened it
/// tells what it is and not how one came there.
fn is_from_cwd(call: &CallBody<'_>, index: usize) -> bool {
    let from = call.call.args.get(index).map(|arg| arg.kind);
    let base = match from {
        Some(Kind::Path(None)) => libc::AT_FDCWD,
        // A descriptor is an int, whatever stands in the upper half of the register.
        Some(Kind::Path(Some(base))) => call.args[usize::from(base)] as u32 as i32,
        _ => return false,
    };
    base == libc::AT_FDCWD && call.ret >= 0 && call.call.result == Returns::Descriptor
}

/// What was read of an argument.
pub(super) fn parts<'e>(call: &'e CallBody<'e>, index: usize) -> impl Iterator<Item = &'e What<'e>> {
    // No call has as many arguments as that there is no number for one.
    call.parts_of(u8::try_from(index).map_or(Of::Result, Of::Arg))
}

/// `path` as seen from `start`, by its words.
pub(super) fn normal(start: &[u8], path: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(start.len() + path.len() + 2);
    for name in [start, path]
        .into_iter()
        .flat_map(|path| path.split(|byte| *byte == b'/'))
    {
        match name {
            b"" | b"." => {}
            b".." => {
                let above = whole.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                whole.truncate(above);
            }
            name => {
                whole.push(b'/');
                whole.extend_from_slice(name);
            }
        }
    }
    if whole.is_empty() {
        whole.push(b'/');
    }
    whole
}

/// A path without doubled slashes, else as it is.
pub(super) fn single_slashes(path: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(path.len());
    for byte in path {
        if *byte != b'/' || single.last() != Some(&b'/') {
            single.push(*byte);
        }
    }
    single
}

#[cfg(test)]
mod tests {
    use super::{normal, single_slashes};

    #[test]
    fn paths_are_put_together_by_their_words() {
        for (start, path, whole) in [
            ("", "/etc/passwd", "/etc/passwd"),
            ("", "/etc/./x/..//passwd", "/etc/passwd"),
            ("", "/../../etc", "/etc"),
            ("/srv", "data", "/srv/data"),
            ("/srv/", "../etc/", "/etc"),
            ("/srv", "", "/srv"),
            ("/", ".", "/"),
            ("/srv", "../..", "/"),
        ] {
            assert_eq!(
                normal(start.as_bytes(), path.as_bytes()),
                whole.as_bytes(),
                "{start} {path}"
            );
        }
    }

    #[test]
    fn raw_paths_keep_everything_but_doubled_slashes() {
        assert_eq!(single_slashes(b"//etc///../x/"), b"/etc/../x/");
        assert_eq!(single_slashes(b""), b"");
    }
}
