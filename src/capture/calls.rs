//! The table of system calls that can be watched: one row each. Everything else follows from it: what the kernel side
//! reads (the steps of [`super::steps`]), where it is attached, which class of events prints it, and how its
//! arguments are told ([`crate::event`]).
//!
//! Numbers of 32-bit calls are those of `arch/x86/entry/syscalls/syscall_32.tbl`.

use super::arg::Kind::{
    Address, Bits, Bpf, CapData, CapHeader, Choice, Fd, Id, Int, IoUring, Message, Mode, Name, OpenHow, Path, Pid,
    Pointer, Protocol, Size, Text, Unread, Word,
};
use super::arg::{Arg, Bits as B, Choice as C, arg};

/// Which of `--events` prints a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Process life and processes acting on each other.
    Process,
    /// Files, directories and mounts.
    File,
    /// Sockets.
    Network,
    /// Changes of identity, capability, namespace and root.
    Privilege,
    /// Kernel modules and programs.
    Module,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Process, Self::File, Self::Network, Self::Privilege, Self::Module];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::File => "file",
            Self::Network => "network",
            Self::Privilege => "privilege",
            Self::Module => "module",
        }
    }
}

/// What the kernel side looks at besides the arguments once a call has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    /// Nothing: a number.
    Number,
    /// What is behind the descriptor that was returned.
    Descriptor,
    /// The working directory, which it may have changed.
    Directory,
}

/// Which runs of a call are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Each.
    All,
    /// Only those that failed: a success has an event of its own.
    Failures,
    /// The first of each flow, that is of a socket and a destination; all of them when the configuration asks for that.
    FirstOfFlow,
    /// Those whose first argument is one of these, the others are filtered.
    Selected(&'static [u32]),
}

/// One system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its name without any prefix, as in the manual.
    pub name: &'static str,
    /// Which of `--events` prints it.
    pub class: Class,
    /// Its number on this architecture, absent where there is none.
    pub number: Option<u16>,
    /// Its numbers for 32-bit programs on x86_64; the 16-bit variants of calls on ids are among them.
    pub i386: &'static [u16],
    /// Its arguments, in order, as the manual names them.
    pub args: &'static [Arg],
    /// What it returns.
    pub result: Result,
    /// Which runs are told.
    pub told: Told,
}

impl Call {
    /// Whether the number is that of the old variant for 32-bit programs whose user and group ids are 16 bits wide: where
    /// there are two, it is the first.
    #[must_use]
    pub fn narrow_ids(&self, i386_number: u16) -> bool {
        matches!(self.i386, [narrow, _] if *narrow == i386_number)
    }
}

/// A number that exists on every architecture, or only on x86_64.
macro_rules! number {
    (everywhere $name:ident) => {
        Some(libc::$name as u16)
    };
    (x86 $name:ident) => {{
        #[cfg(target_arch = "x86_64")]
        {
            Some(libc::$name as u16)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            None
        }
    }};
}

macro_rules! calls {
    ($($class:ident { $($where:ident $number:ident $name:literal [$($i386:literal),*]
        ($($arg:literal: $kind:expr),*) $(-> $result:ident)? $(, $told:expr)?;)* })*) => {
        /// Every call, in wire order: the hook of the first follows the base hooks.
        pub const CALLS: &[Call] = &[$($(Call {
            name: $name,
            class: Class::$class,
            number: number!($where $number),
            i386: &[$($i386),*],
            args: &[$(arg($arg, $kind)),*],
            result: calls!(@result $($result)?),
            told: calls!(@told $($told)?),
        },)*)*];
    };
    (@result) => { Result::Number };
    (@result $result:ident) => { Result::$result };
    (@told) => { Told::All };
    (@told $told:expr) => { $told };
}

/// What a process says about itself or gives up for good (`include/uapi/linux/prctl.h`): PR_SET_DUMPABLE,
/// PR_SET_KEEPCAPS, PR_SET_NAME, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_MM, PR_SET_CHILD_SUBREAPER,
/// PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_SET_PTRACER.
const PRCTLS: &[u32] = &[4, 8, 15, 22, 24, 28, 35, 36, 38, 47, 0x5961_6d61];

calls! {
    Process {
    everywhere SYS_execve "execve" [11] ("pathname": Path(None), "argv": Unread, "envp": Unread), Told::Failures;
    everywhere SYS_execveat "execveat" [358] ("dirfd": Int, "pathname": Path(Some(0)), "argv": Unread, "envp": Unread,
        "flags": Bits(B::At)), Told::Failures;
    everywhere SYS_chdir "chdir" [12] ("path": Path(None)) -> Directory;
    everywhere SYS_fchdir "fchdir" [133] ("fd": Fd);
    everywhere SYS_kill "kill" [37] ("pid": Pid, "sig": Choice(C::Signal));
    everywhere SYS_tkill "tkill" [238] ("tid": Pid, "sig": Choice(C::Signal));
    everywhere SYS_tgkill "tgkill" [270] ("tgid": Pid, "tid": Pid, "sig": Choice(C::Signal));
    everywhere SYS_ptrace "ptrace" [26] ("op": Choice(C::Ptrace), "pid": Pid, "addr": Pointer, "data": Pointer);
    everywhere SYS_process_vm_writev "process_vm_writev" [348] ("pid": Pid, "local_iov": Unread, "liovcnt": Size,
        "remote_iov": Unread, "riovcnt": Size, "flags": Size);
    everywhere SYS_prctl "prctl" [172] ("op": Choice(C::Prctl), "arg2": Name, "arg3": Word, "arg4": Word,
        "arg5": Word), Told::Selected(PRCTLS);
    everywhere SYS_memfd_create "memfd_create" [356] ("name": Text, "flags": Bits(B::Memfd)) -> Descriptor;
    }
    File {
    x86 SYS_open "open" [5] ("pathname": Path(None), "flags": Bits(B::Open), "mode": Mode) -> Descriptor;
    x86 SYS_creat "creat" [8] ("pathname": Path(None), "mode": Mode) -> Descriptor;
    everywhere SYS_openat "openat" [295] ("dirfd": Int, "pathname": Path(Some(0)), "flags": Bits(B::Open), "mode": Mode)
        -> Descriptor;
    everywhere SYS_openat2 "openat2" [437] ("dirfd": Int, "pathname": Path(Some(0)), "how": OpenHow, "size": Size)
        -> Descriptor;
    everywhere SYS_dup "dup" [41] ("oldfd": Fd);
    x86 SYS_dup2 "dup2" [63] ("oldfd": Fd, "newfd": Int);
    everywhere SYS_dup3 "dup3" [330] ("oldfd": Fd, "newfd": Int, "flags": Bits(B::OpenAlone));
    x86 SYS_symlink "symlink" [83] ("target": Text, "linkpath": Path(None));
    everywhere SYS_symlinkat "symlinkat" [304] ("target": Text, "newdirfd": Int, "linkpath": Path(Some(1)));
    x86 SYS_link "link" [9] ("oldpath": Path(None), "newpath": Path(None));
    everywhere SYS_linkat "linkat" [303] ("olddirfd": Int, "oldpath": Path(Some(0)), "newdirfd": Int,
        "newpath": Path(Some(2)), "flags": Bits(B::At));
    x86 SYS_unlink "unlink" [10] ("pathname": Path(None));
    everywhere SYS_unlinkat "unlinkat" [301] ("dirfd": Int, "pathname": Path(Some(0)), "flags": Bits(B::At));
    x86 SYS_rename "rename" [38] ("oldpath": Path(None), "newpath": Path(None));
    x86 SYS_renameat "renameat" [302] ("olddirfd": Int, "oldpath": Path(Some(0)), "newdirfd": Int,
        "newpath": Path(Some(2)));
    everywhere SYS_renameat2 "renameat2" [353] ("olddirfd": Int, "oldpath": Path(Some(0)), "newdirfd": Int,
        "newpath": Path(Some(2)), "flags": Bits(B::Rename));
    x86 SYS_mkdir "mkdir" [39] ("pathname": Path(None), "mode": Mode);
    everywhere SYS_mkdirat "mkdirat" [296] ("dirfd": Int, "pathname": Path(Some(0)), "mode": Mode);
    x86 SYS_rmdir "rmdir" [40] ("pathname": Path(None));
    x86 SYS_chmod "chmod" [15] ("pathname": Path(None), "mode": Mode);
    everywhere SYS_fchmod "fchmod" [94] ("fd": Fd, "mode": Mode);
    everywhere SYS_fchmodat "fchmodat" [306] ("dirfd": Int, "pathname": Path(Some(0)), "mode": Mode);
    everywhere SYS_fchmodat2 "fchmodat2" [452] ("dirfd": Int, "pathname": Path(Some(0)), "mode": Mode,
        "flags": Bits(B::At));
    x86 SYS_chown "chown" [182, 212] ("pathname": Path(None), "owner": Id, "group": Id);
    x86 SYS_lchown "lchown" [16, 198] ("pathname": Path(None), "owner": Id, "group": Id);
    everywhere SYS_fchown "fchown" [95, 207] ("fd": Fd, "owner": Id, "group": Id);
    everywhere SYS_fchownat "fchownat" [298] ("dirfd": Int, "pathname": Path(Some(0)), "owner": Id, "group": Id,
        "flags": Bits(B::At));
    }
    Network {
    everywhere SYS_socket "socket" [359] ("domain": Choice(C::Family), "type": Bits(B::Socket), "protocol": Protocol)
        -> Descriptor;
    everywhere SYS_connect "connect" [362] ("sockfd": Fd, "addr": Address(2), "addrlen": Size);
    everywhere SYS_bind "bind" [361] ("sockfd": Fd, "addr": Address(2), "addrlen": Size);
    everywhere SYS_listen "listen" [363] ("sockfd": Fd, "backlog": Int);
    everywhere SYS_accept "accept" [] ("sockfd": Int, "addr": Unread, "addrlen": Unread) -> Descriptor;
    everywhere SYS_accept4 "accept4" [364] ("sockfd": Int, "addr": Unread, "addrlen": Unread,
        "flags": Bits(B::Accept)) -> Descriptor;
    everywhere SYS_sendto "sendto" [369] ("sockfd": Fd, "buf": Unread, "size": Size, "flags": Bits(B::Message),
        "dest_addr": Address(5), "addrlen": Size), Told::FirstOfFlow;
    everywhere SYS_sendmsg "sendmsg" [370] ("sockfd": Fd, "msg": Message, "flags": Bits(B::Message)), Told::FirstOfFlow;
    everywhere SYS_sendmmsg "sendmmsg" [345] ("sockfd": Fd, "msgvec": Message, "vlen": Size, "flags": Bits(B::Message)),
        Told::FirstOfFlow;
    }
    Privilege {
    everywhere SYS_mount "mount" [21] ("source": Text, "target": Path(None), "filesystemtype": Text,
        "mountflags": Bits(B::Mount), "data": Unread);
    everywhere SYS_umount2 "umount2" [52] ("target": Path(None), "flags": Bits(B::Umount));
    everywhere SYS_pivot_root "pivot_root" [217] ("new_root": Path(None), "put_old": Path(None));
    everywhere SYS_chroot "chroot" [61] ("path": Path(None));
    everywhere SYS_setns "setns" [346] ("fd": Fd, "nstype": Bits(B::Clone));
    everywhere SYS_unshare "unshare" [310] ("flags": Bits(B::Clone));
    everywhere SYS_setuid "setuid" [23, 213] ("uid": Id);
    everywhere SYS_setgid "setgid" [46, 214] ("gid": Id);
    everywhere SYS_setreuid "setreuid" [70, 203] ("ruid": Id, "euid": Id);
    everywhere SYS_setregid "setregid" [71, 204] ("rgid": Id, "egid": Id);
    everywhere SYS_setresuid "setresuid" [164, 208] ("ruid": Id, "euid": Id, "suid": Id);
    everywhere SYS_setresgid "setresgid" [170, 210] ("rgid": Id, "egid": Id, "sgid": Id);
    everywhere SYS_setfsuid "setfsuid" [138, 215] ("fsuid": Id);
    everywhere SYS_setfsgid "setfsgid" [139, 216] ("fsgid": Id);
    everywhere SYS_setgroups "setgroups" [81, 206] ("size": Size, "list": Unread);
    everywhere SYS_capset "capset" [185] ("hdrp": CapHeader, "datap": CapData);
    }
    Module {
    everywhere SYS_init_module "init_module" [128] ("module_image": Unread, "size": Size, "param_values": Text);
    everywhere SYS_finit_module "finit_module" [350] ("fd": Fd, "param_values": Text, "flags": Bits(B::Module));
    everywhere SYS_delete_module "delete_module" [129] ("name": Text, "flags": Bits(B::OpenAlone));
    everywhere SYS_bpf "bpf" [357] ("cmd": Choice(C::Bpf), "attr": Bpf, "size": Size);
    everywhere SYS_io_uring_setup "io_uring_setup" [425] ("entries": Size, "params": IoUring);
    }
}
