//! The descriptor that a system call made or was given, and what is behind it: what `fd.*` is about.
//!
//! Which calls have one is upstream's choice (`EF_CREATES_FD` and `EF_USES_FD` in falcosecurity/libs,
//! `driver/event_table.c`).

use std::borrow::Cow;
use std::cell::OnceCell;

use super::connection::Connection;
use super::path::{self, NoPath};
use super::reasons;
use super::subject::Subject;
use crate::capture::arg::Kind;
use crate::capture::call::{CallBody, KernelNames, Of, Socket, What};
use crate::capture::calls::{Class as Family, Result as Returns};
use crate::capture::wire::path_flag;
use crate::event::names::bpf;

/// A descriptor.
#[derive(Debug)]
pub(super) struct Descriptor<'e> {
    /// Its number; -1 where the call that should have made it failed.
    pub(super) number: i64,
    /// What is behind it.
    pub(super) behind: Behind<'e>,
    /// The path that was asked for.
    asked: OnceCell<Result<Vec<u8>, NoPath>>,
}

/// What is behind a descriptor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behind<'e> {
    /// It is not open.
    Nothing,
    /// It could not be read.
    Unreadable,
    /// A file that is no socket.
    File { inode: u64, path: KernelNames<'e> },
    /// A socket.
    Socket(&'e Socket<'e>),
    /// What follows from the call alone.
    Plain(Class),
}

/// Upstream's types of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    File,
    Directory,
    Ipv4,
    Ipv6,
    Ipv4Server,
    Ipv6Server,
    Unix,
    Netlink,
    Pipe,
    Event,
    Signal,
    EventPoll,
    Inotify,
    Timer,
    Bpf,
    UserFault,
    IoUring,
    Memfd,
    Pidfd,
    Other,
}

/// What upstream calls types of descriptors: in a word and in a character (falcosecurity/libs,
/// `userspace/libsinsp/fdinfo.cpp`).
const CLASSES: [(Class, &str, &str); 20] = [
    (Class::File, "file", "f"),
    (Class::Directory, "directory", "d"),
    (Class::Ipv4, "ipv4", "4"),
    (Class::Ipv6, "ipv6", "6"),
    (Class::Ipv4Server, "ipv4", "2"),
    (Class::Ipv6Server, "ipv6", "3"),
    (Class::Unix, "unix", "u"),
    (Class::Netlink, "netlink", "n"),
    (Class::Pipe, "pipe", "p"),
    (Class::Event, "event", "e"),
    (Class::Signal, "signalfd", "s"),
    (Class::EventPoll, "eventpoll", "l"),
    (Class::Inotify, "inotify", "i"),
    (Class::Timer, "timerfd", "t"),
    (Class::Bpf, "bpf", "b"),
    (Class::UserFault, "userfaultfd", "u"),
    (Class::IoUring, "io_uring", "r"),
    (Class::Memfd, "memfd", "m"),
    (Class::Pidfd, "pidfd", "P"),
    (Class::Other, "<NA>", "o"),
];

impl Class {
    /// The word of `fd.type`.
    pub(super) fn word(self) -> &'static str {
        self.row().1
    }

    /// The character of `fd.typechar`.
    pub(super) fn character(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        let row = CLASSES.into_iter().find(|(class, ..)| *class == self);
        row.unwrap_or((Self::Other, "<NA>", "o"))
    }

    /// Whether it is an IP socket.
    pub(super) fn is_ip(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6 | Self::Ipv4Server | Self::Ipv6Server)
    }
}

/// What is known of a text.
#[derive(Debug, Clone)]
pub(super) enum Name<'s> {
    /// This.
    Known(Cow<'s, [u8]>),
    /// There is none.
    Absent,
    /// It is not known why.
    Unknown(&'static str),
}

impl<'s> From<Result<Cow<'s, [u8]>, NoPath>> for Name<'s> {
    fn from(result: Result<Cow<'s, [u8]>, NoPath>) -> Self {
        match result {
            Ok(text) => Self::Known(text),
            Err(NoPath::Absent) => Self::Absent,
            Err(NoPath::Unknown(why)) => Self::Unknown(why),
        }
    }
}

/// The descriptor of a system call, where it has one.
pub(super) fn of<'e>(call: &'e CallBody<'e>) -> Option<Descriptor<'e>> {
    let name = call.call.name;
    let made = call.call.result == Returns::Descriptor || matches!(name, "bpf" | "io_uring_setup");
    let (number, behind) = if made {
        match name {
            _ if call.ret < 0 => (-1, Behind::Nothing),
            "bpf" if !bpf_makes_one(call) => (-1, Behind::Nothing),
            "bpf" => (call.ret, Behind::Plain(Class::Bpf)),
            "io_uring_setup" => (call.ret, Behind::Plain(Class::IoUring)),
            _ => (call.ret, behind(call.parts_of(Of::Result))),
        }
    } else {
        if call.call.args.first()?.kind != Kind::Fd {
            return None;
        }
        let duplicate = name.starts_with("dup") && call.ret >= 0;
        let number = if duplicate { call.ret } else { int(call, 0).into() };
        (number, behind(path::parts(call, 0)))
    };
    Some(Descriptor {
        number,
        behind,
        asked: OnceCell::new(),
    })
}

/// An argument as the kernel takes it where it expects an `int`.
#[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
pub(super) fn int(call: &CallBody<'_>, index: usize) -> i32 {
    (call.args.get(index).copied().unwrap_or(0) as u32).cast_signed()
}

fn behind<'e>(mut parts: impl Iterator<Item = &'e What<'e>>) -> Behind<'e> {
    let found = parts.find_map(|what| match what {
        What::File { inode, path, .. } => Some(Behind::File {
            inode: *inode,
            path: *path,
        }),
        What::Socket(socket) => Some(Behind::Socket(socket)),
        What::NotOpen => Some(Behind::Nothing),
        _ => None,
    });
    found.unwrap_or(Behind::Unreadable)
}

/// Whether a command of bpf(2) returns a descriptor: creating, loading, opening, linking, getting by id.
fn bpf_makes_one(call: &CallBody<'_>) -> bool {
    let command = int(call, 0);
    matches!(
        command,
        bpf::MAP_CREATE | bpf::PROG_LOAD | 7 | 13 | 14 | 17..=19 | 28 | 30 | 32 | 33 | 36
    )
}

/// What upstream would say of the descriptor's type.
///
/// # Errors
/// What is behind it could not be read.
pub(super) fn class(subject: &Subject<'_>, descriptor: &Descriptor<'_>) -> Result<Option<Class>, &'static str> {
    let Some(call) = subject.call() else { return Ok(None) };
    match descriptor.behind {
        Behind::Plain(class) => Ok(Some(class)),
        Behind::Nothing => Ok(None),
        Behind::File { .. } => Ok(Some(of_file(subject))),
        Behind::Socket(_) => Ok(Connection::of(subject).map(|connection| connection.class())),
        Behind::Unreadable => by_call(subject, call).map(Some).ok_or(reasons::DESCRIPTOR_UNREADABLE),
    }
}

/// The type by what was asked for, where what came of it could not be read.
pub(super) fn by_call(subject: &Subject<'_>, call: &CallBody<'_>) -> Option<Class> {
    match call.call.name {
        "memfd_create" => Some(Class::Memfd),
        "socket" => Some(super::connection::class_of_family(int(call, 0))),
        _ if call.call.class == Family::Network => Connection::of(subject).map(|connection| connection.class()),
        _ if descriptor_is_opened(call) => {
            let flags = subject.files().0.as_ref().and_then(|file| file.flags);
            let directory = flags.is_some_and(|flags| flags.bits & libc::O_DIRECTORY as u64 != 0);
            Some(if directory { Class::Directory } else { Class::File })
        }
        _ => None,
    }
}

/// Whether the call opens a file by its path.
pub(super) fn descriptor_is_opened(call: &CallBody<'_>) -> bool {
    call.call.result == Returns::Descriptor && call.call.args.iter().any(|arg| matches!(arg.kind, Kind::Path(_)))
}

fn of_file(subject: &Subject<'_>) -> Class {
    let Some(file) = &subject.files().0 else {
        return Class::Other;
    };
    let path = file.path.as_deref().unwrap_or("");
    match file.kind {
        Some("directory") => Class::Directory,
        Some("fifo") if path.starts_with("pipe:[") => Class::Pipe,
        Some("anonymous") => anonymous(path.strip_prefix("anon_inode:").unwrap_or(path)),
        Some("socket") if !path.starts_with('/') => Class::Other,
        Some(_) if path.starts_with("memfd:") => Class::Memfd,
        _ => Class::File,
    }
}

/// The kernel's names for files without a file system.
fn anonymous(name: &str) -> Class {
    match name.trim_matches(['[', ']']) {
        "eventfd" => Class::Event,
        "signalfd" => Class::Signal,
        "eventpoll" => Class::EventPoll,
        "inotify" => Class::Inotify,
        "timerfd" => Class::Timer,
        "userfaultfd" => Class::UserFault,
        "io_uring" => Class::IoUring,
        "pidfd" => Class::Pidfd,
        name if name.starts_with("bpf") => Class::Bpf,
        _ => Class::Other,
    }
}

impl<'e> Descriptor<'e> {
    /// What upstream would call it: a path, or the two ends of a connection.
    pub(super) fn name<'s>(&'s self, subject: &'s Subject<'e>) -> Name<'s> {
        let Some(call) = subject.call() else {
            return Name::Absent;
        };
        match self.behind {
            Behind::Plain(_) => Name::Known(Cow::Borrowed(b"")),
            Behind::File { path, .. } => self.file_name(subject, call, path),
            _ if descriptor_is_opened(call) => self.asked(subject, call).into(),
            _ => match Connection::of(subject) {
                Some(connection) => connection.name(),
                None if matches!(self.behind, Behind::Nothing) => Name::Absent,
                None => Name::Unknown(reasons::DESCRIPTOR_UNREADABLE),
            },
        }
    }

    /// The path that was asked for, absolute.
    fn asked(&self, subject: &Subject<'_>, call: &CallBody<'_>) -> Result<Cow<'_, [u8]>, NoPath> {
        let asked = self.asked.get_or_init(|| {
            let index = call.call.args.iter().position(|arg| matches!(arg.kind, Kind::Path(_)));
            path::absolute(subject, call, index.ok_or(NoPath::Unknown(reasons::REQUEST_UNKNOWN))?)
        });
        match asked {
            Ok(path) => Ok(Cow::Borrowed(path)),
            Err(no) => Err(*no),
        }
    }

    fn file_name<'s>(&'s self, subject: &'s Subject<'e>, call: &CallBody<'_>, names: KernelNames<'_>) -> Name<'s> {
        let opened = descriptor_is_opened(call);
        if names.flags & path_flag::TRUNCATED != 0 {
            return Name::Unknown(reasons::PATH_TRUNCATED);
        }
        let path = subject.files().0.as_ref().and_then(|file| file.path.as_deref());
        match path {
            // The kernel knows this directory by a number only. Rules know it by the name that every process can use.
            Some(path) if opened && path.starts_with("/proc/") => match self.asked(subject, call) {
                Ok(asked) if is_of_itself(&asked, path.as_bytes()) => Name::Known(asked),
                _ => Name::Known(Cow::Borrowed(path.as_bytes())),
            },
            Some(path) => Name::Known(Cow::Borrowed(path.as_bytes())),
            // Without the right to read the kernel's memory, what was asked for is what upstream goes by, too.
            None if opened => self.asked(subject, call).into(),
            None => Name::Unknown(reasons::PATH_UNREADABLE),
        }
    }
}

/// Whether `asked` is in `/proc/self` or `/proc/thread-self`, and `path` is the same file in a directory with a number. Which
/// number does not count: the kernel's is that of another PID namespace.
fn is_of_itself(asked: &[u8], path: &[u8]) -> bool {
    let Some(path) = path.strip_prefix(b"/proc/").and_then(after_number) else {
        return false;
    };
    if let Some(asked) = asked.strip_prefix(b"/proc/self") {
        return asked == path;
    }
    match (
        asked.strip_prefix(b"/proc/thread-self"),
        path.strip_prefix(b"/task/").and_then(after_number),
    ) {
        (Some(asked), Some(path)) => asked == path,
        _ => false,
    }
}

/// What follows a number that is there.
fn after_number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &text[digits..];
    (digits > 0 && (rest.is_empty() || rest.starts_with(b"/"))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::is_of_itself;

    #[test]
    fn the_same_file_of_the_process_itself() {
        for (asked, path, same) in [
            ("/proc/self/status", "/proc/42/status", true),
            ("/proc/self", "/proc/42", true),
            ("/proc/thread-self/comm", "/proc/42/task/43/comm", true),
            ("/proc/self/task/43/comm", "/proc/42/task/43/comm", true),
            ("/proc/self/status", "/proc/42/maps", false),
            ("/proc/self/status", "/proc/status", false),
            ("/proc/selfish", "/proc/42", false),
            ("/proc/thread-self/comm", "/proc/42/comm", false),
            ("/tmp/link", "/proc/42/status", false),
        ] {
            assert_eq!(is_of_itself(asked.as_bytes(), path.as_bytes()), same, "{asked} {path}");
        }
    }
}
