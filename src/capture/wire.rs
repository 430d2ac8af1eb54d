//! The wire format, the second of its two declarations: `ebpf/include/record.h` is the first and says what the fields
//! mean. A test compares both through the BTF of the compiled object.
//!
//! Only layout here; [`super::record`] gives it meaning.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::hook::Hook;

/// Bytes of a task's name, with its NUL.
pub const COMM_SIZE: usize = 16;
/// Bytes of a terminal's name, with its NUL.
pub const TTY_SIZE: usize = 16;
/// How many ancestors a process record tells.
pub const ANCESTORS: usize = 8;
/// The longest argv that is told in full, in bytes.
pub const ARGS_LIMIT: usize = 16384;
/// The longest path that is told in full, in bytes.
pub const PATH_LIMIT: usize = 4096;

/// `enum path_flag`.
pub mod path_flag {
    #![allow(missing_docs, reason = "documented in ebpf/include/record.h")]
    pub const TRUNCATED: u32 = 1;
    pub const DELETED: u32 = 2;
    pub const OUTSIDE_ROOT: u32 = 4;
    pub const PSEUDO: u32 = 8;
    pub const UNREADABLE: u32 = 16;
    pub const SHARED: u32 = 32;
}

/// `enum record_flag`.
pub mod record_flag {
    #![allow(missing_docs, reason = "documented in ebpf/include/record.h")]
    pub const ARGS_TRUNCATED: u32 = 1;
    pub const ARGS_UNREADABLE: u32 = 2;
    pub const PART_UNREADABLE: u32 = 4;
    pub const PART_TRUNCATED: u32 = 8;
    pub const NO_MEMORY: u32 = 16;
    pub const ANCESTORS_TRUNCATED: u32 = 32;
    pub const EXE_UPPER_LAYER: u32 = 64;
    pub const CGROUP_TRUNCATED: u32 = 128;
    pub const CGROUP_UNREADABLE: u32 = 256;
    pub const EXE_LOWER_LAYER: u32 = 512;
    pub const EXE_UNWRITABLE: u32 = 1024;
}

/// `enum part_kind`.
pub mod part_kind {
    #![allow(missing_docs, reason = "documented in ebpf/include/record.h")]
    pub const TEXT: u8 = 1;
    pub const BYTES: u8 = 2;
    pub const FILE: u8 = 3;
    pub const SOCKET: u8 = 4;
    pub const DIRECTORY: u8 = 5;
    pub const NOT_OPEN: u8 = 6;
}

/// The form of records, for what outlives a run: it goes up with every change that makes old ones unreadable.
pub const VERSION: u32 = 2;

/// What a part says that belongs to the result.
pub const PART_OF_RESULT: u8 = 255;

/// The number of the hook in a record.
#[must_use]
pub fn hook_of(record: &[u8]) -> Option<u16> {
    let at = std::mem::offset_of!(RecordHeader, hook);
    record.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// Puts another number there, for records of a build that numbers hooks otherwise.
pub fn set_hook(record: &mut [u8], hook: Hook) {
    let at = std::mem::offset_of!(RecordHeader, hook);
    if let Some(bytes) = record.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *bytes = u16::from(hook.wire()).to_ne_bytes();
    }
}

/// The name of a structure in C, its size, and the name and offset of each field.
#[cfg(test)]
pub(crate) type Layout = (&'static str, usize, Vec<(&'static str, usize)>);

macro_rules! wire {
    ($($(#[$doc:meta])* struct $name:ident: $c:literal { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, KnownLayout, Immutable)]
            #[repr(C)]
            #[allow(missing_docs, reason = "documented in ebpf/include/record.h")]
            pub struct $name { $(pub $field: $type,)* }
        )*

        /// Name in C, size, and name and offset of each field, for the comparison with BTF.
        #[cfg(test)]
        pub(crate) fn layouts() -> Vec<Layout> {
            vec![$((
                $c,
                size_of::<$name>(),
                vec![$((stringify!($field), std::mem::offset_of!($name, $field)),)*],
            ),)*]
        }
    };
}

wire! {
    /// One program image of one process.
    struct ProcessKey: "process_key" {
        start: u64,
        exec_id: u64,
        pid: u32,
        reserved: u32,
    }
    /// The beginning of every record.
    struct RecordHeader: "record_header" {
        size: u32,
        hook: u16,
        cpu: u16,
        flags: u32,
        tid: u32,
        time: u64,
        lost: u64,
        cgroup_id: u64,
        process: ProcessKey,
    }
    /// One ancestor in a process record.
    struct Ancestor: "ancestor" {
        key: ProcessKey,
        comm: [u8; COMM_SIZE],
    }
    /// A process in full.
    struct ProcessRecord: "process_record" {
        header: RecordHeader,
        cap_effective: u64,
        cap_permitted: u64,
        cap_inheritable: u64,
        uid: u32,
        gid: u32,
        euid: u32,
        egid: u32,
        suid: u32,
        sgid: u32,
        fsuid: u32,
        fsgid: u32,
        loginuid: u32,
        session_id: u32,
        user_ns: u32,
        user_ns_level: u32,
        comm: [u8; COMM_SIZE],
        tty: [u8; TTY_SIZE],
        exe_flags: u32,
        cwd_flags: u32,
        ancestor_count: u32,
        reserved: u32,
        exe_inode: u64,
        exe_ctime: i64,
        exe_mtime: i64,
        exe_ctime_nsec: u32,
        exe_mtime_nsec: u32,
        exe_mode: u32,
        exe_uid: u32,
        exe_gid: u32,
        sid: u32,
        pgid: u32,
        vpgid: u32,
        pid_ns_level: u32,
        reserved2: u32,
        pid_ns_start: u64,
        ancestors: [Ancestor; ANCESTORS],
        exe_size: u32,
        cwd_size: u32,
        cgroup_size: u32,
        args_size: u32,
    }
    /// A new process.
    struct ForkRecord: "fork_record" {
        header: RecordHeader,
        child: ProcessKey,
        parent: ProcessKey,
        child_cgroup_id: u64,
        cgroup_size: u32,
        reserved: u32,
    }
    /// The end of a process.
    struct ExitRecord: "exit_record" {
        header: RecordHeader,
        exit_code: i32,
        reserved: u32,
    }
    /// A cgroup that was made or removed; its path follows.
    struct CgroupRecord: "cgroup_record" {
        header: RecordHeader,
        path_size: u32,
        reserved: u32,
    }
    /// A system call; its parts follow.
    struct CallRecord: "call_record" {
        header: RecordHeader,
        ret: i64,
        args: [u64; 6],
        abi: u16,
        number: u16,
        part_count: u32,
    }
    /// One thing that was read for a system call.
    struct Part: "part" {
        kind: u8,
        of: u8,
        reserved: u16,
        flags: u32,
        size: u32,
        reserved2: u32,
    }
    /// A file behind a descriptor; the names of its path follow.
    struct FilePart: "file_part" {
        inode: u64,
        mode: u32,
        magic: u32,
    }
    /// A socket behind a descriptor; the paths of unix sockets follow.
    struct SocketPart: "socket_part" {
        inode: u64,
        family: u16,
        kind: u16,
        protocol: u16,
        source_port: u16,
        destination_port: u16,
        state: u8,
        reserved: u8,
        source: [u8; 16],
        destination: [u8; 16],
        source_size: u16,
        destination_size: u16,
    }
    /// One line of the ledger.
    struct Counters: "hook_counters" {
        seen: u64,
        filtered: u64,
        delivered: u64,
        dropped: u64,
        truncated: u64,
        unreadable: u64,
        peak_fill: u64,
        reserved: u64,
    }
    /// The switches that the agent sets by mmap.
    struct Control: "control" {
        hooks: [u64; 2],
        agent_pid: u32,
        reader_waiting: u32,
        epoch: u32,
        reserved: u32,
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
