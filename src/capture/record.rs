//! Decoding: bytes of the ring to records with meaning. Pure, and total: any bytes give a record or an error.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    pub body: Body<'a>,
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
    /// The task's cgroup when the hook ran.
    pub cgroup_id: u64,
    /// The process.
    pub process: ProcessKey,
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
    /// `openat(2)`.
    Open(OpenBody<'a>),
    /// `connect(2)`.
    Connect(ConnectBody<'a>),
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
}

/// A cgroup as the kernel names it, in the hierarchy that names containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupPath {
    /// From the root, e.g. `/kubepods/…`.
    pub text: String,
    /// The part towards the root is missing: that no container is named here does not mean that there is none.
    pub cut: bool,
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
}

/// A path as the kernel's own structures gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelPath {
    /// The path below the process's root directory.
    pub text: String,
    /// Bits of [`path_flag`].
    pub flags: u32,
}

impl KernelPath {
    /// Puts the names together, unless the kernel's structures could not be read.
    pub(super) fn of_names(names: &[u8], flags: u32) -> Option<Self> {
        (flags & path_flag::UNREADABLE == 0).then(|| kernel_path(names, flags))
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

/// `openat(2)`.
#[derive(Debug)]
pub struct OpenBody<'a> {
    /// The descriptor, or a negated errno.
    pub ret: i64,
    /// The directory descriptor, -100 for AT_FDCWD.
    pub dfd: i32,
    /// `O_*` flags.
    pub flags: u32,
    /// Mode for created files.
    pub mode: u32,
    /// The path as the process passed it; absent when it could not be read.
    pub requested: Option<Cow<'a, str>>,
    /// The requested path was longer than the limit.
    pub requested_truncated: bool,
    /// What was opened, absent when nothing was.
    pub path: Option<KernelPath>,
}

/// `connect(2)`.
#[derive(Debug)]
pub struct ConnectBody<'a> {
    /// 0, or a negated errno.
    pub ret: i64,
    /// The descriptor.
    pub fd: i32,
    /// The socket's family (`AF_*`), else that of the address asked for; absent when neither could be read.
    pub family: Option<u16>,
    /// `IPPROTO_*` of the socket, absent when the descriptor is no socket.
    pub protocol: Option<u16>,
    /// The address asked for.
    pub requested: Option<Peer<'a>>,
    /// The socket's own end.
    pub source: Option<SocketAddr>,
    /// The other end, as the kernel's socket has it.
    pub destination: Option<SocketAddr>,
}

/// An address asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// IPv4 or IPv6.
    Ip(SocketAddr),
    /// A unix socket; an abstract name begins with `@`, as in ss(8).
    Unix(Cow<'a, str>),
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
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
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
        let body = match hook {
            Hook::Exec | Hook::Snapshot => Body::Process(Box::new(decode_process(bytes)?)),
            Hook::Fork => {
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
            Hook::Exit => Body::Exit {
                status: prefix::<wire::ExitRecord>(bytes)?.0.exit_code,
            },
            Hook::Openat => Body::Open(decode_open(bytes)?),
            Hook::Connect => Body::Connect(decode_connect(bytes)?),
        };
        Ok(Self { header, body })
    }
}

fn prefix<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    T::read_from_prefix(bytes).map_err(|_| DecodeError::Short(bytes.len()))
}

fn split(bytes: &[u8], size: u32) -> Result<(&[u8], &[u8]), DecodeError> {
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
        exe: (flags & record_flag::NO_MEMORY == 0 && raw.exe_flags & path_flag::UNREADABLE == 0)
            .then(|| kernel_path(exe, raw.exe_flags)),
        cwd: (raw.cwd_flags & path_flag::UNREADABLE == 0).then(|| kernel_path(cwd, raw.cwd_flags)),
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
        },
        tty: Some(c_text(&raw.tty))
            .filter(|name| !name.is_empty())
            .map(Cow::into_owned),
        ancestors_truncated: flags & record_flag::ANCESTORS_TRUNCATED != 0,
        ancestors: raw.ancestors[..count]
            .iter()
            .map(|one| (one.key, c_text(&one.comm).into_owned()))
            .collect(),
    })
}

fn decode_open(bytes: &[u8]) -> Result<OpenBody<'_>, DecodeError> {
    let (raw, tail) = prefix::<wire::OpenRecord>(bytes)?;
    let (requested, tail) = split(tail, raw.requested_size)?;
    let (path, _) = split(tail, raw.path_size)?;
    let flags = raw.header.flags;
    Ok(OpenBody {
        ret: raw.ret,
        dfd: raw.dfd,
        flags: raw.open_flags,
        mode: raw.mode,
        requested: (flags & record_flag::REQUEST_UNREADABLE == 0).then(|| c_text(requested)),
        requested_truncated: flags & record_flag::REQUEST_TRUNCATED != 0,
        path: (raw.ret >= 0 && raw.path_flags & path_flag::UNREADABLE == 0).then(|| kernel_path(path, raw.path_flags)),
    })
}

fn decode_connect(bytes: &[u8]) -> Result<ConnectBody<'_>, DecodeError> {
    let (raw, tail) = prefix::<wire::ConnectRecord>(bytes)?;
    let (path, _) = split(tail, raw.path_size)?;
    let readable = raw.header.flags & record_flag::REQUEST_UNREADABLE == 0;
    let known = raw.header.flags & record_flag::SOCKET_KNOWN != 0;
    // The socket's own family says how its addresses are to be read: a v6 socket may be asked for a v4 address, and what
    // the process wrote may have changed since.
    let socket = |address: &[u8; 16], port: u16| {
        let port = u16::from_be(port);
        (known && port != 0)
            .then(|| address_of(raw.socket_family, address, port))
            .flatten()
    };
    let requested = match raw.family {
        AF_UNIX => Some(Peer::Unix(unix_name(path))),
        family => address_of(family, &raw.requested_address, u16::from_be(raw.requested_port)).map(Peer::Ip),
    };
    Ok(ConnectBody {
        ret: raw.ret,
        fd: raw.fd,
        family: if known {
            Some(raw.socket_family)
        } else {
            readable.then_some(raw.family)
        },
        protocol: known.then_some(raw.protocol),
        requested: requested.filter(|_| readable),
        source: socket(&raw.source_address, raw.source_port),
        destination: socket(&raw.destination_address, raw.destination_port),
    })
}

fn address_of(family: u16, address: &[u8; 16], port: u16) -> Option<SocketAddr> {
    let ip = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(*address)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

fn unix_name(path: &[u8]) -> Cow<'_, str> {
    match path {
        [0, name @ ..] => Cow::Owned(format!("@{}", String::from_utf8_lossy(name).replace('\0', "@"))),
        name => c_text(name),
    }
}

/// The bytes up to the first NUL. What is not UTF-8 is replaced, since JSON can carry nothing else.
pub(super) fn c_text(bytes: &[u8]) -> Cow<'_, str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
}

fn cgroup_path(names: &[u8], flags: u32) -> CgroupPath {
    let cut = flags & (record_flag::CGROUP_TRUNCATED | record_flag::CGROUP_UNREADABLE) != 0;
    CgroupPath {
        text: join_reversed(names, true),
        cut,
    }
}

fn kernel_path(names: &[u8], flags: u32) -> KernelPath {
    let rooted = flags & (path_flag::PSEUDO | path_flag::TRUNCATED) == 0;
    KernelPath {
        text: join_reversed(names, rooted),
        flags,
    }
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
