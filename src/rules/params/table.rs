//! Upstream's names of the arguments of each system call, in upstream's order (falcosecurity/libs, `driver/event_table.c`, the
//! newest event of each call as it is told when the call returns), and the arguments of ours that stand for them.

use std::sync::LazyLock;

use crate::capture::Hook;

/// An argument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param {
    /// Upstream's name.
    pub(super) name: &'static str,
    /// What stands for it.
    pub(super) from: From,
}

/// What stands for an argument.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// What the call returned.
    Result,
    /// The descriptor that the call returned.
    Made,
    /// The argument of this name in the manual.
    Arg(&'static str),
    /// A member of the structure in an argument.
    Member(&'static str, &'static str),
    /// The two ends of the connection.
    Tuple,
    /// The inode behind the descriptor.
    Inode,
    /// Nothing: it is not read.
    Unread,
}

/// `name` is what is called so here too, `name = other` what the manual calls otherwise, the words in capitals are [`From`]s.
macro_rules! params {
    ($($($call:literal)|+: $params:tt;)*) => {
        const TABLE: &[(&str, &[Param])] = &[$($(($call, &params!(@list $params)),)+)*];
    };
    (@list [$($name:literal $(= $from:tt)?),*]) => {
        [$(Param { name: $name, from: params!(@from $name $(, $from)?) }),*]
    };
    (@from $name:literal) => { From::Arg($name) };
    (@from $name:literal, $other:literal) => { From::Arg($other) };
    (@from $name:literal, ($arg:literal . $member:literal)) => { From::Member($arg, $member) };
    (@from $name:literal, $from:ident) => { From::$from };
}

params! {
    "execve": ["res" = Result, "filename" = "pathname"];
    "execveat": ["res" = Result, "dirfd", "pathname", "flags"];
    "chdir" | "chroot": ["res" = Result, "path"];
    "rmdir" | "unlink": ["res" = Result, "path" = "pathname"];
    "fchdir": ["res" = Result, "fd"];
    "kill": ["res" = Result, "pid", "sig"];
    "tkill": ["res" = Result, "tid", "sig"];
    "tgkill": ["res" = Result, "pid" = "tgid", "tid", "sig"];
    "ptrace": ["res" = Result, "addr", "data", "request" = "op", "pid"];
    "process_vm_writev": ["res" = Result, "pid", "data" = Unread];
    "prctl": ["res" = Result, "option" = "op", "arg2_str" = "arg2", "arg2_int" = "arg2"];
    "memfd_create": ["fd" = Made, "name", "flags"];
    "open": ["fd" = Made, "name" = "pathname", "flags", "mode", "dev" = Unread, "ino" = Inode];
    "creat": ["fd" = Made, "name" = "pathname", "mode", "dev" = Unread, "ino" = Inode];
    "openat": ["fd" = Made, "dirfd", "name" = "pathname", "flags", "mode", "dev" = Unread, "ino" = Inode];
    "openat2": ["fd" = Made, "dirfd", "name" = "pathname", "flags" = ("how"."flags"), "mode" = ("how"."mode"),
        "resolve" = ("how"."resolve"), "dev" = Unread, "ino" = Inode];
    "dup": ["res" = Made, "oldfd"];
    "dup2": ["res" = Made, "oldfd", "newfd"];
    "dup3": ["res" = Made, "oldfd", "newfd", "flags"];
    "symlink": ["res" = Result, "target", "linkpath"];
    "symlinkat": ["res" = Result, "target", "linkdirfd" = "newdirfd", "linkpath"];
    "link" | "rename": ["res" = Result, "oldpath", "newpath"];
    "linkat": ["res" = Result, "olddir" = "olddirfd", "oldpath", "newdir" = "newdirfd", "newpath", "flags"];
    "unlinkat": ["res" = Result, "dirfd", "name" = "pathname", "flags"];
    "renameat": ["res" = Result, "olddirfd", "oldpath", "newdirfd", "newpath"];
    "renameat2": ["res" = Result, "olddirfd", "oldpath", "newdirfd", "newpath", "flags"];
    "mkdir": ["res" = Result, "path" = "pathname", "mode"];
    "mkdirat": ["res" = Result, "dirfd", "path" = "pathname", "mode"];
    "chmod": ["res" = Result, "filename" = "pathname", "mode"];
    "fchmod": ["res" = Result, "fd", "mode"];
    "fchmodat": ["res" = Result, "dirfd", "filename" = "pathname", "mode"];
    "fchmodat2": ["res" = Result, "dirfd", "filename" = "pathname", "mode", "flags"];
    "chown" | "lchown": ["res" = Result, "path" = "pathname", "uid" = "owner", "gid" = "group"];
    "fchown": ["res" = Result, "fd", "uid" = "owner", "gid" = "group"];
    "fchownat": ["res" = Result, "dirfd", "pathname", "uid" = "owner", "gid" = "group", "flags"];
    "socket": ["fd" = Made, "domain", "type", "proto" = "protocol"];
    "connect": ["res" = Result, "tuple" = Tuple, "fd" = "sockfd", "addr"];
    "bind": ["res" = Result, "addr", "fd" = "sockfd"];
    "listen": ["res" = Result, "fd" = "sockfd", "backlog"];
    "accept": ["fd" = Made, "tuple" = Tuple, "queuepct" = Unread, "queuelen" = Unread, "queuemax" = Unread];
    "accept4": ["fd" = Made, "tuple" = Tuple, "queuepct" = Unread, "queuelen" = Unread, "queuemax" = Unread, "flags"];
    "sendto": ["res" = Result, "data" = Unread, "fd" = "sockfd", "size", "tuple" = Tuple];
    "sendmsg" | "sendmmsg": ["res" = Result, "data" = Unread, "fd" = "sockfd", "size" = Unread, "tuple" = Tuple];
    "mount": ["res" = Result, "dev" = "source", "dir" = "target", "type" = "filesystemtype", "flags" = "mountflags"];
    "umount2": ["res" = Result, "name" = "target", "flags"];
    "pivot_root": ["res" = Result, "new_root", "put_old"];
    "setns": ["res" = Result, "fd", "nstype"];
    "unshare": ["res" = Result, "flags"];
    "setuid": ["res" = Result, "uid"];
    "setgid": ["res" = Result, "gid"];
    "setreuid": ["res" = Result, "ruid", "euid"];
    "setregid": ["res" = Result, "rgid", "egid"];
    "setresuid": ["res" = Result, "ruid", "euid", "suid"];
    "setresgid": ["res" = Result, "rgid", "egid", "sgid"];
    "setfsuid": ["res" = Result, "fsuid"];
    "setfsgid": ["res" = Result, "fsgid"];
    "setgroups": ["res" = Result, "size"];
    "capset": ["res" = Result, "cap_inheritable" = ("datap"."inheritable"), "cap_permitted" = ("datap"."permitted"),
        "cap_effective" = ("datap"."effective")];
    "init_module": ["res" = Result, "img" = Unread, "length" = "size", "uargs" = "param_values"];
    "finit_module": ["res" = Result, "fd", "uargs" = "param_values", "flags"];
    "delete_module": ["res" = Result, "name", "flags"];
    "bpf": ["fd" = Made, "cmd"];
    "io_uring_setup": ["res" = Made, "entries", "sq_entries" = Unread, "cq_entries" = Unread,
        "flags" = ("params"."flags"), "sq_thread_cpu" = Unread, "sq_thread_idle" = Unread, "features" = Unread];
}

/// The arguments of each hook's call, by its place.
static BY_HOOK: LazyLock<Vec<&'static [Param]>> = LazyLock::new(|| {
    let of = |hook: Hook| {
        TABLE
            .iter()
            .find(|(name, _)| *name == hook.name())
            .map(|(_, params)| *params)
    };
    Hook::all().map(|hook| of(hook).unwrap_or(&[])).collect()
});

/// All arguments of all calls.
pub(super) fn all() -> impl Iterator<Item = &'static Param> {
    TABLE.iter().flat_map(|(_, params)| *params)
}

/// The arguments of the call that a hook is on.
pub(super) fn of(hook: Hook) -> &'static [Param] {
    BY_HOOK.get(hook.index()).copied().unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::calls::CALLS;

    #[test]
    fn every_call_has_its_arguments_and_every_name_is_one_of_the_call() {
        for call in CALLS {
            let (_, params) = TABLE
                .iter()
                .find(|(name, _)| *name == call.name)
                .unwrap_or_else(|| panic!("{} is not in the table", call.name));
            for param in *params {
                let (From::Arg(name) | From::Member(name, _)) = param.from else {
                    continue;
                };
                assert!(
                    call.args.iter().any(|arg| arg.name == name),
                    "{}: {} stands for no argument",
                    call.name,
                    param.name
                );
            }
        }
        for (name, _) in TABLE {
            assert!(CALLS.iter().any(|call| call.name == *name), "{name} is no call");
        }
    }
}
