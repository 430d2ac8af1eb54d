//! The file, and the second file, that a system call was about.
//!
//! A path is told only as the kernel's own file has it; what a process asked for stands beside it and is never made
//! into one.

use std::borrow::Cow;

use serde::ser::{Serialize, Serializer};

use super::arguments::{Argument, open_flags};
use super::confirm::names;
use super::names::clone;
use super::names::open::OPEN;
use super::names::set::Flags;
use super::shape::File;
use super::structures::how_flags;
use super::value::{Args, Told, Value};
use crate::capture::arg::{Bits, Kind};
use crate::capture::call::{CallBody, KernelNames, Of, What};
use crate::capture::calls::{Class, Result as Returns};
use crate::capture::wire::path_flag;

/// What paths do not tell: a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes(u16);

impl Notes {
    /// The words, in the order of their telling. The first five are [`path_flag`]s.
    pub(super) const WORDS: [(Self, &'static str); 12] = [
        (Self(path_flag::TRUNCATED as u16), "truncated"),
        (Self(path_flag::DELETED as u16), "deleted"),
        (Self(path_flag::OUTSIDE_ROOT as u16), "outside_root"),
        (Self(path_flag::PSEUDO as u16), "pseudo"),
        (Self::UNREADABLE, "unreadable"),
        (Self::REQUESTED_UNREADABLE, "requested_unreadable"),
        (Self::REQUESTED_TRUNCATED, "requested_truncated"),
        (Self::UNCONFIRMED, "unconfirmed"),
        (Self(1 << 8), "directory_truncated"),
        (Self(1 << 9), "directory_deleted"),
        (Self(1 << 10), "directory_outside_root"),
        (Self(1 << 12), "directory_unreadable"),
    ];
    /// The kernel's file could not be read.
    pub const UNREADABLE: Self = Self(path_flag::UNREADABLE as u16);
    /// The path that was asked for could not be read.
    pub const REQUESTED_UNREADABLE: Self = Self(1 << 5);
    /// The path that was asked for is cut.
    pub const REQUESTED_TRUNCATED: Self = Self(1 << 6);

    /// Another thread may have put a file of its own in the place of the one that was opened.
    pub const UNCONFIRMED: Self = Self(1 << 7);

    /// What a path of the kernel does not tell.
    #[must_use]
    pub fn of_path(flags: u32) -> Self {
        Self(u16::try_from(flags & 0x1f).unwrap_or(0))
    }

    /// What the path of a directory does not tell.
    #[must_use]
    pub fn of_directory(flags: u32) -> Self {
        Self(Self::of_path(flags).0 << 8)
    }

    /// Notes these too.
    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether there is nothing to note.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words().next().is_none()
    }

    /// The words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS
            .into_iter()
            .filter_map(move |(note, word)| (self.0 & note.0 != 0).then_some(word))
    }
}

impl Serialize for Notes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// The file and the target of a call, whose arguments are told already.
#[must_use]
pub fn files<'a>(body: &'a CallBody<'a>, args: &Args<'a>) -> (Option<File<'a>>, Option<File<'a>>) {
    let mut paths = body.call.args.iter().enumerate();
    let mut next = || {
        let index = paths.find_map(|(index, arg)| matches!(arg.kind, Kind::Path(_)).then_some(index))?;
        Some(requested(body, index, &args.told[index]))
    };
    let (mut file, target) = (next(), next());
    if file.is_some() {
        let flags = asked_flags(body);
        if let Some(file) = &mut file {
            file.flags = flags;
        }
    }
    (behind_descriptor(body, file), target)
}

/// What was asked for.
fn requested<'a>(body: &'a CallBody<'a>, index: usize, told: &Told<'a>) -> File<'a> {
    let mut file = File::default();
    match told {
        Told::Unread => file.notes.add(Notes::REQUESTED_UNREADABLE),
        Told::Cut(_) => file.notes.add(Notes::REQUESTED_TRUNCATED),
        Told::Nothing | Told::Value(_) => {}
    }
    if let Some(Value::Text(path)) = told.value() {
        file.requested_path = Some(path.clone());
    }
    let of = u8::try_from(index).map_or(Of::Result, Of::Arg);
    for what in body.parts_of(of) {
        if let What::Directory(names) = what {
            file.notes.add(Notes::of_directory(names.flags));
            file.directory = names.path().map(|path| path.text);
        }
    }
    file
}

/// The flags that a file was asked for with.
fn asked_flags(body: &CallBody<'_>) -> Option<Flags> {
    if body.call.result != Returns::Descriptor {
        return None;
    }
    let how = body.call.args.iter().position(|arg| arg.kind == Kind::OpenHow);
    if let Some(index) = how {
        return how_flags(Argument { body, index }.bytes()?);
    }
    // creat(2) has none: it stands for these.
    open_flags(body).or(Some(Flags {
        set: &OPEN,
        bits: (libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC) as u64,
    }))
}

/// What is behind the descriptor that the call was given or returned.
fn behind_descriptor<'a>(body: &'a CallBody<'a>, asked: Option<File<'a>>) -> Option<File<'a>> {
    let network = body.call.class == Class::Network;
    let what = body.parts.iter().find_map(|part| match (&part.of, &part.what) {
        (Of::Result, what) => Some(what),
        (Of::Arg(index), what @ (What::File { .. } | What::Socket(_) | What::Unreadable)) => {
            let arg = body.call.args.get(usize::from(*index))?;
            (arg.kind == Kind::Fd).then_some(what)
        }
        _ => None,
    });
    match what {
        Some(What::File {
            mode,
            inode,
            magic,
            path,
        }) => {
            let mut file = asked.unwrap_or_default();
            let behind = Behind {
                mode: *mode,
                inode: *inode,
                magic: *magic,
                names: *path,
                namespace: joined_namespace(body),
            };
            describe(&mut file, behind);
            // Where the words agree, another thread can have gained nothing by putting its own file there.
            if path.flags & path_flag::SHARED != 0 && !is_confirmed(&file) {
                file.notes.add(Notes::UNCONFIRMED);
            }
            Some(file)
        }
        // Calls on sockets tell them as the network.
        Some(What::Socket(socket)) if !network => {
            let mut file = asked.unwrap_or_default();
            file.path = Some(Cow::Owned(format!("socket:[{}]", socket.inode)));
            file.kind = Some("socket");
            file.notes.add(Notes::of_path(path_flag::PSEUDO));
            Some(file)
        }
        what => {
            let given = matches!(what, Some(What::Unreadable));
            let opened = given || body.call.result == Returns::Descriptor && body.ret >= 0;
            let mut file = if opened && !network {
                Some(asked.unwrap_or_default())
            } else {
                asked
            };
            if let (true, Some(file)) = (opened, &mut file) {
                file.notes.add(Notes::UNREADABLE);
            }
            file
        }
    }
}

/// Whether the path that was found is the one that was asked for, by its words.
fn is_confirmed(file: &File<'_>) -> bool {
    let (Some(path), Some(requested)) = (&file.path, &file.requested_path) else {
        return false;
    };
    names(path, requested, file.directory.as_deref())
}

/// The kind of namespace that setns(2) was to join, when it was told.
fn joined_namespace(body: &CallBody<'_>) -> Option<&'static str> {
    let index = body
        .call
        .args
        .iter()
        .position(|arg| arg.kind == Kind::Bits(Bits::Clone))?;
    clone::namespace(Argument { body, index }.raw())
}

const S_IFMT: u32 = libc::S_IFMT;

/// Magic numbers of the kernel's own file systems (`include/uapi/linux/magic.h`), which nobody can mount.
mod magic {
    pub(super) const NAMESPACES: u32 = 0x6e73_6673;
    /// Since Linux 6.9; before, a pidfd is an anonymous inode.
    pub(super) const PIDFDS: u32 = 0x5049_4446;
    pub(super) const ANONYMOUS_INODES: u32 = 0x0904_1934;
    pub(super) const PIPES: u32 = 0x5049_5045;
    pub(super) const SOCKETS: u32 = 0x534f_434b;
}

/// What is behind a descriptor, as the kernel side read it.
#[derive(Clone, Copy)]
struct Behind<'a> {
    mode: u32,
    inode: u64,
    magic: u32,
    names: KernelNames<'a>,
    /// The kind of namespace that the call was to join.
    namespace: Option<&'static str>,
}

fn describe(file: &mut File<'_>, behind: Behind<'_>) {
    let Behind { mode, inode, magic, .. } = behind;
    let mut notes = Notes::of_path(behind.names.flags);
    let text = behind.names.path().map(|path| path.text);
    file.kind = Some(match mode & S_IFMT {
        libc::S_IFREG => "regular",
        libc::S_IFDIR => "directory",
        libc::S_IFCHR => "character_device",
        libc::S_IFBLK => "block_device",
        libc::S_IFIFO => "fifo",
        libc::S_IFLNK => "symlink",
        libc::S_IFSOCK => "socket",
        _ => "anonymous",
    });
    // Named as /proc/<pid>/fd does, where the kernel makes the name up when it is looked at. What could not be read to its
    // end has none.
    file.path = text
        .map(|text| match magic {
            magic::PIPES => format!("pipe:[{inode}]"),
            magic::SOCKETS => format!("socket:[{inode}]"),
            magic::NAMESPACES => {
                // A file like any other, but for its name: it has none, and so seems to be the root of a tree.
                file.kind = Some("namespace");
                notes = Notes::of_path(path_flag::PSEUDO);
                format!("{}:[{inode}]", behind.namespace.unwrap_or("ns"))
            }
            magic::PIDFDS => {
                file.kind = Some("anonymous");
                notes = Notes::of_path(path_flag::PSEUDO);
                "anon_inode:[pidfd]".to_owned()
            }
            magic::ANONYMOUS_INODES => {
                // Since Linux 6.16 they are regular files inside the kernel.
                file.kind = Some("anonymous");
                format!("anon_inode:{text}")
            }
            _ => text,
        })
        .map(Cow::Owned);
    file.notes.add(notes);
}
