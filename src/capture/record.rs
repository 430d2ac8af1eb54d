//! Decoding: bytes of the ring to records with meaning. Pure, and total: any bytes give a record or an error.

use std::borrow::Cow;

use zerocopy::FromBytes;

use super::call::CallBody;
use super::hook::Hook;
pub use super::wire::ProcessKey;
use super::wire::{self, path_flag, record_flag};

/// One record.
#[derive(Debug)]
pub struct Record<'a> {
    /// Who, when, where.
    pub header: Header,
    /// What.
    pub content: Content<'a>,
    /// All of it, as the kernel side wrote it.
    pub raw: &'a [u8],
}

/// What a record is about.
#[derive(Debug)]
pub enum Content<'a> {
    /// A process: what it did, or what it is. Of these events are made.
    Process(Body<'a>),
    /// A cgroup came or went, as the hook says.
    Cgroup(Cgroup<'a>),
    /// The agent's own canary, of the thread and the process that the header tells. No event is made of it.
    Canary,
}

/// What every record tells.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// The hook.
    pub hook: Hook,
    /// The CPU it ran on.
    pub cpu: u16,
    /// Thread id in the root PID namespace.
    pub tid: u32,
    /// Nanoseconds of CLOCK_BOOTTIME.
    pub time: u64,
    /// Records lost on this CPU since the start.
    pub lost: u64,
    /// The task's cgroup when the hook ran; of a cgroup that was made or removed, itself.
    pub cgroup_id: u64,
    /// The process; of who made or removed a cgroup no more than its id.
    pub process: ProcessKey,
}

/// A cgroup that was made or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup<'a> {
    /// Its id, by which the records of the processes in it name it.
    pub id: u64,
    /// The whole path from the root of the hierarchy that names containers, e.g. `/kubepods/…`. Absent where its end may be
    /// missing, since it then ends in a cgroup that was neither made nor removed, and where it could not be read.
    pub path: Option<Cow<'a, str>>,
}

/// What happened.
#[derive(Debug)]
pub enum Body<'a> {
    /// A program was executed, or (hook `snapshot`) a process is described for the first time.
    Process(Box<ProcessBody<'a>>),
    /// A process was made.
    Fork {
        /// The child.
        child: ProcessKey,
        /// The child's parent: who called, or with CLONE_PARENT the caller's own parent.
        parent: ProcessKey,
        /// The child's cgroup.
        child_cgroup_id: u64,
        /// Its path, where it is another than the caller's.
        cgroup: Option<CgroupPath>,
    },
    /// A process ended.
    Exit {
        /// Its status as `wait(2)` encodes it.
        status: i32,
    },
    /// A system call returned.
    Call(CallBody<'a>),
}

/// A process in full.
#[derive(Debug, Default)]
pub struct ProcessBody<'a> {
    /// The task's name.
    pub name: Cow<'a, str>,
    /// The executable, absent for kernel threads and processes that are exiting.
    pub exe: Option<KernelPath>,
    /// The working directory.
    pub cwd: Option<KernelPath>,
    /// The cgroup.
    pub cgroup: CgroupPath,
    /// argv.
    pub args: Vec<String>,
    /// argv was longer than the limit.
    pub args_truncated: bool,
    /// argv could not be read.
    pub args_unreadable: bool,
    /// Credentials.
    pub credentials: Credentials,
    /// The controlling terminal.
    pub tty: Option<String>,
    /// The parent first.
    pub ancestors: Vec<(ProcessKey, String)>,
    /// There are more ancestors than told.
    pub ancestors_truncated: bool,
    /// The executable lies in the upper layer of an overlay: it was written after the container's image.
    pub exe_upper_layer: bool,
    /// The executable lies in an overlay and not in its upper layer.
    pub exe_lower_layer: bool,
    /// The executable's inode, absent where there is no executable and where it could not be read.
    pub exe_inode: Option<Inode>,
    /// The session and the process group, absent where they could not be read.
    pub groups: Option<Groups>,
}

/// The inode of an executable, as it was when the process was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inode {
    /// Its number.
    pub number: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub ctime: i64,
    /// When its contents were last changed, likewise.
    pub mtime: i64,
    /// `st_mode`.
    pub mode: u32,
    /// The owner in the initial user namespace.
    pub uid: u32,
    /// The group, likewise.
    pub gid: u32,
    /// The file system is mounted for reading only, or the file is immutable.
    pub unwritable: bool,
}

/// What a process belongs to, as it did when it was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Groups {
    /// The session: the id of its leader in the root PID namespace; 0 for kernel threads.
    pub sid: u32,
    /// The process group, likewise.
    pub pgid: u32,
    /// The process group in the process's own PID namespace; 0 where its leader is not seen from there.
    pub vpgid: u32,
    /// How deep that namespace is nested: 0 is the root.
    pub pid_ns_level: u32,
    /// Start of the namespace's first process in nanoseconds since the boot, absent where there is none any more.
    pub pid_ns_start: Option<u64>,
}

/// A cgroup as the kernel names it, in the hierarchy that names containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupPath {
    /// From the root, e.g. `/kubepods/…`.
    pub text: String,
    /// The part towards the root is missing: that no container is named here does not mean that there is none.
    pub cut: bool,
    /// It is missing because it could not be read.
    pub unreadable: bool,
}

/// Who the process is to the kernel. Ids are those of the initial user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the standard names of credentials(7)")]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
    pub suid: u32,
    pub sgid: u32,
    pub fsuid: u32,
    pub fsgid: u32,
    /// The login uid of the audit system, absent when never set.
    pub loginuid: Option<u32>,
    /// The audit session, absent when never set.
    pub session_id: Option<u32>,
    pub cap_effective: u64,
    pub cap_permitted: u64,
    pub cap_inheritable: u64,
    /// The user namespace, by its inode number.
    pub user_ns: u32,
    /// How deep that is nested: 0 is the initial one.
    pub user_ns_level: u32,
}

/// A path as the kernel's own structures gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelPath {
    /// The path below the process's root directory; empty where nothing is known of it.
    pub text: String,
    /// Bits of [`path_flag`].
    pub flags: u32,
}

impl KernelPath {
    /// Puts the names together, unless the kernel's structures could not be read.
    pub(super) fn of_names(names: &[u8], flags: u32) -> Option<Self> {
        (flags & path_flag::UNREADABLE == 0).then(|| kernel_path(names, flags))
    }

    /// The path, absent where nothing of it could be read.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        (self.flags & path_flag::UNREADABLE == 0).then_some(&*self.text)
    }

    /// The words for what the path does not tell.
    #[must_use]
    pub fn notes(&self) -> Vec<&'static str> {
        [
            (path_flag::TRUNCATED, "truncated"),
            (path_flag::DELETED, "deleted"),
            (path_flag::OUTSIDE_ROOT, "outside_root"),
            (path_flag::PSEUDO, "pseudo"),
            (path_flag::UNREADABLE, "unreadable"),
        ]
        .into_iter()
        .filter_map(|(flag, word)| (self.flags & flag != 0).then_some(word))
        .collect()
    }
}

/// Why bytes are no record.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter than its parts.
    #[error("a record of {0} bytes is too short for what it says it holds")]
    Short(usize),
    /// An unknown hook.
    #[error("a record of unknown hook {0}")]
    Hook(u16),
    /// An unknown part of a system call.
    #[error("a part of unknown kind {0}")]
    Part(u8),
}

const UNSET: u32 = u32::MAX;

impl<'a> Record<'a> {
    /// Decodes one record.
    ///
    /// # Errors
    /// The bytes do not hold what they claim.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, _) = prefix::<wire::RecordHeader>(bytes)?;
        let hook = Hook::from_wire(raw.hook).ok_or(DecodeError::Hook(raw.hook))?;
        let header = Header {
            hook,
            cpu: raw.cpu,
            tid: raw.tid,
            time: raw.time,
            lost: raw.lost,
            cgroup_id: raw.cgroup_id,
            process: raw.process,
        };
        let content = match hook {
            Hook::CGROUP_MKDIR | Hook::CGROUP_RMDIR => Content::Cgroup(decode_cgroup(bytes)?),
            Hook::CANARY => Content::Canary,
            _ => Content::Process(decode_body(hook, bytes)?),
        };
        Ok(Self {
            header,
            content,
            raw: bytes,
        })
    }
}

fn decode_body(hook: Hook, bytes: &[u8]) -> Result<Body<'_>, DecodeError> {
    Ok(match hook {
        Hook::EXEC | Hook::SNAPSHOT => Body::Process(Box::new(decode_process(bytes)?)),
        Hook::FORK => {
            let (raw, tail) = prefix::<wire::ForkRecord>(bytes)?;
            let (names, _) = split(tail, raw.cgroup_size)?;
            let moved = raw.child_cgroup_id != raw.header.cgroup_id;
            Body::Fork {
                child: raw.child,
                parent: raw.parent,
                child_cgroup_id: raw.child_cgroup_id,
                cgroup: moved.then(|| cgroup_path(names, raw.header.flags)),
            }
        }
        Hook::EXIT => Body::Exit {
            status: prefix::<wire::ExitRecord>(bytes)?.0.exit_code,
        },
        other => {
            let call = other.call().ok_or(DecodeError::Hook(other.wire().into()))?;
            Body::Call(CallBody::decode(call, bytes)?)
        }
    })
}

fn decode_cgroup(bytes: &[u8]) -> Result<Cgroup<'_>, DecodeError> {
    let (raw, tail) = prefix::<wire::CgroupRecord>(bytes)?;
    let (path, _) = split(tail, raw.path_size)?;
    let whole = raw.header.flags & (record_flag::CGROUP_TRUNCATED | record_flag::CGROUP_UNREADABLE) == 0;
    Ok(Cgroup {
        id: raw.header.cgroup_id,
        path: whole.then(|| c_text(path)),
    })
}

pub(super) fn prefix<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    T::read_from_prefix(bytes).map_err(|_| DecodeError::Short(bytes.len()))
}

pub(super) fn split(bytes: &[u8], size: u32) -> Result<(&[u8], &[u8]), DecodeError> {
    bytes
        .split_at_checked(size as usize)
        .ok_or(DecodeError::Short(bytes.len()))
}

fn decode_process(bytes: &[u8]) -> Result<ProcessBody<'_>, DecodeError> {
    let (raw, _) = wire::ProcessRecord::ref_from_prefix(bytes).map_err(|_| DecodeError::Short(bytes.len()))?;
    let tail = &bytes[size_of::<wire::ProcessRecord>()..];
    let (exe, tail) = split(tail, raw.exe_size)?;
    let (cwd, tail) = split(tail, raw.cwd_size)?;
    let (cgroup, tail) = split(tail, raw.cgroup_size)?;
    let (args, _) = split(tail, raw.args_size)?;
    let flags = raw.header.flags;
    let count = (raw.ancestor_count as usize).min(wire::ANCESTORS);
    let set = |id: u32| (id != UNSET).then_some(id);
    Ok(ProcessBody {
        name: c_text(&bytes[std::mem::offset_of!(wire::ProcessRecord, comm)..][..wire::COMM_SIZE]),
        exe: (flags & record_flag::NO_MEMORY == 0).then(|| path_or_note(exe, raw.exe_flags)),
        cwd: Some(path_or_note(cwd, raw.cwd_flags)),
        cgroup: cgroup_path(cgroup, flags),
        args: split_args(args),
        args_truncated: flags & record_flag::ARGS_TRUNCATED != 0,
        args_unreadable: flags & record_flag::ARGS_UNREADABLE != 0,
        credentials: Credentials {
            uid: raw.uid,
            gid: raw.gid,
            euid: raw.euid,
            egid: raw.egid,
            suid: raw.suid,
            sgid: raw.sgid,
            fsuid: raw.fsuid,
            fsgid: raw.fsgid,
            loginuid: set(raw.loginuid),
            session_id: set(raw.session_id),
            cap_effective: raw.cap_effective,
            cap_permitted: raw.cap_permitted,
            cap_inheritable: raw.cap_inheritable,
            user_ns: raw.user_ns,
            user_ns_level: raw.user_ns_level,
        },
        tty: Some(c_text(&raw.tty))
            .filter(|name| !name.is_empty())
            .map(Cow::into_owned),
        ancestors_truncated: flags & record_flag::ANCESTORS_TRUNCATED != 0,
        exe_upper_layer: flags & record_flag::EXE_UPPER_LAYER != 0,
        exe_lower_layer: flags & record_flag::EXE_LOWER_LAYER != 0,
        exe_inode: (raw.exe_inode != 0).then(|| Inode {
            number: raw.exe_inode,
            ctime: nanoseconds(raw.exe_ctime, raw.exe_ctime_nsec),
            mtime: nanoseconds(raw.exe_mtime, raw.exe_mtime_nsec),
            mode: raw.exe_mode,
            uid: raw.exe_uid,
            gid: raw.exe_gid,
            unwritable: flags & record_flag::EXE_UNWRITABLE != 0,
        }),
        groups: (raw.pid_ns_level != UNSET).then(|| Groups {
            sid: raw.sid,
            pgid: raw.pgid,
            vpgid: raw.vpgid,
            pid_ns_level: raw.pid_ns_level,
            pid_ns_start: Some(raw.pid_ns_start).filter(|start| *start > 0),
        }),
        ancestors: raw.ancestors[..count]
            .iter()
            .map(|one| (one.key, c_text(&one.comm).into_owned()))
            .collect(),
    })
}

/// Nanoseconds since 1970; 64 bits hold every time from 1678 to 2262, and what is beyond is their end.
fn nanoseconds(seconds: i64, within: u32) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(within.into())
}

/// The bytes up to the first NUL. What is not UTF-8 is replaced, since JSON can carry nothing else.
pub(super) fn c_text(bytes: &[u8]) -> Cow<'_, str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

fn cgroup_path(names: &[u8], flags: u32) -> CgroupPath {
    let unreadable = flags & record_flag::CGROUP_UNREADABLE != 0;
    CgroupPath {
        text: join_reversed(names, true),
        cut: unreadable || flags & record_flag::CGROUP_TRUNCATED != 0,
        unreadable,
    }
}

fn kernel_path(names: &[u8], flags: u32) -> KernelPath {
    let rooted = flags & (path_flag::PSEUDO | path_flag::TRUNCATED) == 0;
    KernelPath {
        text: join_reversed(names, rooted),
        flags,
    }
}

/// A path, or where it could not be read nothing but that it could not.
fn path_or_note(names: &[u8], flags: u32) -> KernelPath {
    KernelPath::of_names(names, flags).unwrap_or(KernelPath {
        text: String::new(),
        flags: path_flag::UNREADABLE,
    })
}

/// NUL-ended names from the leaf to the root become a path from the root to the leaf.
fn join_reversed(names: &[u8], rooted: bool) -> String {
    let mut text = String::with_capacity(names.len() + 1);
    let names = names.strip_suffix(&[0]).unwrap_or(names);
    if names.is_empty() {
        return if rooted { "/".to_owned() } else { text };
    }
    for (index, name) in names.rsplit(|byte| *byte == 0).enumerate() {
        if rooted || index > 0 {
            text.push('/');
        }
        text.push_str(&String::from_utf8_lossy(name));
    }
    text
}

/// argv as the process keeps it: NUL after each argument, the last one possibly cut.
fn split_args(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|byte| *byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
