//! The types of events: every system call that upstream's event table or its table of system calls names
//! (falcosecurity/libs, `driver/event_table.c` and `driver/ppm_events_public.h`), and which hooks tell which.

use std::sync::LazyLock;

use pinhole_rules::catalogue::{Event, EventType};

use crate::capture::record::Header;
use crate::capture::{Hook, HookSet};

/// Declares types of events, with the reason why none is ever seen where that is so.
macro_rules! events {
    ($(($why:expr): $($name:literal)*;)*) => {
        /// Every type of events, in the order of its number.
        pub static EVENTS: &[Event] = &[$($(Event { name: $name, never: $why },)*)*];
    };
}

events! {
    // A process that is made is `clone` here, whatever made it; a successful execveat(2) is an `execve`, as upstream.
    (None):
        "execve" "clone" "procexit" "execveat" "chdir" "fchdir" "kill" "tkill" "tgkill" "ptrace" "process_vm_writev"
        "prctl" "memfd_create" "open" "creat" "openat" "openat2" "dup" "dup2" "dup3" "symlink" "symlinkat" "link"
        "linkat" "unlink" "unlinkat" "rename" "renameat" "renameat2" "mkdir" "mkdirat" "rmdir" "chmod" "fchmod"
        "fchmodat" "fchmodat2" "chown" "lchown" "fchown" "fchownat" "socket" "connect" "bind" "listen" "accept"
        "accept4" "sendto" "sendmsg" "sendmmsg" "mount" "umount2" "pivot_root" "chroot" "setns" "unshare" "setuid"
        "setgid" "setreuid" "setregid" "setresuid" "setresgid" "setfsuid" "setfsgid" "setgroups" "capset" "init_module"
        "finit_module" "delete_module" "bpf" "io_uring_setup";
    (Some("the making of a process is told as `clone`")):
        "fork" "vfork" "clone3";
    (Some("the agent does not watch this system call")):
        "_llseek" "_newselect" "_sysctl" "access" "acct" "add_key" "adjtimex" "afs_syscall" "alarm" "arch_prctl"
        "bdflush" "break" "brk" "capget" "chown32" "clock_adjtime" "clock_adjtime64" "clock_getres"
        "clock_getres_time64" "clock_gettime" "clock_gettime64" "clock_nanosleep" "clock_nanosleep_time64"
        "clock_settime" "clock_settime64" "close" "close_range" "copy_file_range" "create_module" "epoll_create"
        "epoll_create1" "epoll_ctl" "epoll_ctl_old" "epoll_pwait" "epoll_pwait2" "epoll_wait" "epoll_wait_old"
        "eventfd" "eventfd2" "exit" "exit_group" "faccessat" "faccessat2" "fadvise64" "fadvise64_64" "fallocate"
        "fanotify_init" "fanotify_mark" "fchown32" "fcntl" "fcntl64" "fdatasync" "fgetxattr" "flistxattr" "flock"
        "fremovexattr" "fsconfig" "fsetxattr" "fsmount" "fsopen" "fspick" "fstat" "fstat64" "fstatat" "fstatat64"
        "fstatfs" "fstatfs64" "fsync" "ftime" "ftruncate" "ftruncate64" "futex" "futex_time64" "futex_waitv"
        "futimesat" "get_kernel_syms" "get_mempolicy" "get_robust_list" "get_thread_area" "getcpu" "getcwd" "getdents"
        "getdents64" "getegid" "getegid32" "geteuid" "geteuid32" "getgid" "getgid32" "getgroups" "getgroups32"
        "getitimer" "getpeername" "getpgid" "getpgrp" "getpid" "getpmsg" "getppid" "getpriority" "getrandom"
        "getresgid" "getresgid32" "getresuid" "getresuid32" "getrlimit" "getrusage" "getsid" "getsockname" "getsockopt"
        "gettid" "gettimeofday" "getuid" "getuid32" "getxattr" "gtty" "idle" "inotify_add_watch" "inotify_init"
        "inotify_init1" "inotify_rm_watch" "io_cancel" "io_destroy" "io_getevents" "io_pgetevents"
        "io_pgetevents_time64" "io_setup" "io_submit" "io_uring_enter" "io_uring_register" "ioctl" "ioperm" "iopl"
        "ioprio_get" "ioprio_set" "ipc" "kcmp" "kexec_file_load" "kexec_load" "keyctl" "landlock_add_rule"
        "landlock_create_ruleset" "landlock_restrict_self" "lchown32" "lgetxattr" "listxattr" "llistxattr" "llseek"
        "lock" "lookup_dcookie" "lremovexattr" "lseek" "lsetxattr" "lstat" "lstat64" "madvise" "mbind" "membarrier"
        "memfd_secret" "migrate_pages" "mincore" "mknod" "mknodat" "mlock" "mlock2" "mlockall" "mmap" "mmap2"
        "modify_ldt" "mount_setattr" "move_mount" "move_pages" "mprotect" "mpx" "mq_getsetattr" "mq_notify" "mq_open"
        "mq_timedreceive" "mq_timedreceive_time64" "mq_timedsend" "mq_timedsend_time64" "mq_unlink" "mremap" "msgctl"
        "msgget" "msgrcv" "msgsnd" "msync" "munlock" "munlockall" "munmap" "name_to_handle_at" "nanosleep" "newfstatat"
        "nfsservctl" "nice" "oldfstat" "oldlstat" "oldolduname" "oldstat" "olduname" "open_by_handle_at" "open_tree"
        "pause" "perf_event_open" "personality" "pidfd_getfd" "pidfd_open" "pidfd_send_signal" "pipe" "pipe2"
        "pkey_alloc" "pkey_free" "pkey_mprotect" "poll" "ppoll" "ppoll_time64" "pread" "pread64" "preadv" "preadv2"
        "prlimit" "prlimit64" "process_madvise" "process_mrelease" "process_vm_readv" "prof" "profil" "pselect6"
        "pselect6_time64" "putpmsg" "pwrite" "pwrite64" "pwritev" "pwritev2" "query_module" "quotactl" "quotactl_fd"
        "read" "readahead" "readdir" "readlink" "readlinkat" "readv" "reboot" "recv" "recvfrom" "recvmmsg"
        "recvmmsg_time64" "recvmsg" "remap_file_pages" "removexattr" "request_key" "restart_syscall" "rseq"
        "rt_sigaction" "rt_sigpending" "rt_sigprocmask" "rt_sigqueueinfo" "rt_sigreturn" "rt_sigsuspend"
        "rt_sigtimedwait" "rt_sigtimedwait_time64" "rt_tgsigqueueinfo" "sched_get_priority_max"
        "sched_get_priority_min" "sched_getaffinity" "sched_getattr" "sched_getparam" "sched_getscheduler"
        "sched_rr_get_interval" "sched_rr_get_interval_time64" "sched_setaffinity" "sched_setattr" "sched_setparam"
        "sched_setscheduler" "sched_yield" "seccomp" "security" "select" "semctl" "semget" "semop" "semtimedop"
        "semtimedop_time64" "send" "sendfile" "sendfile64" "set_mempolicy" "set_mempolicy_home_node" "set_robust_list"
        "set_thread_area" "set_tid_address" "setdomainname" "setfsgid32" "setfsuid32" "setgid32" "setgroups32"
        "sethostname" "setitimer" "setpgid" "setpriority" "setregid32" "setresgid32" "setresuid32" "setreuid32"
        "setrlimit" "setsid" "setsockopt" "settimeofday" "setuid32" "setxattr" "sgetmask" "shmat" "shmctl" "shmdt"
        "shmget" "shutdown" "sigaction" "sigaltstack" "signal" "signalfd" "signalfd4" "sigpending" "sigprocmask"
        "sigreturn" "sigsuspend" "socketcall" "socketpair" "splice" "ssetmask" "stat" "stat64" "statfs" "statfs64"
        "statx" "stime" "stty" "swapoff" "swapon" "sync" "sync_file_range" "sync_file_range2" "syncfs" "sysfs"
        "sysinfo" "syslog" "tee" "time" "timer_create" "timer_delete" "timer_getoverrun" "timer_gettime"
        "timer_gettime64" "timer_settime" "timer_settime64" "timerfd_create" "timerfd_gettime" "timerfd_gettime64"
        "timerfd_settime" "timerfd_settime64" "times" "truncate" "truncate64" "tuxcall" "ugetrlimit" "ulimit" "umask"
        "umount" "uname" "uselib" "userfaultfd" "ustat" "utime" "utimensat" "utimensat_time64" "utimes" "vhangup"
        "vm86" "vm86old" "vmsplice" "vserver" "wait4" "waitid" "waitpid" "write" "writev";
    (Some("it is no event of a system call that the agent has")):
        "syscall" "switch" "signaldeliver" "page_fault" "drop" "scapevent" "procinfo" "cpu_hotplug" "container" "k8s"
        "mesos" "tracer" "infra" "notification" "pluginevent" "asyncevent" "useradded" "userdeleted" "groupadded"
        "groupdeleted";
}

/// The name that an event of a hook has, absent where it is none for rules.
fn name(hook: Hook) -> Option<&'static str> {
    match hook {
        Hook::EXEC => Some("execve"),
        Hook::FORK => Some("clone"),
        Hook::EXIT => Some("procexit"),
        hook => hook.call().map(|call| call.name),
    }
}

fn find(wanted: &str) -> Option<EventType> {
    let at = EVENTS.iter().position(|event| event.name == wanted)?;
    u16::try_from(at).ok().map(EventType)
}

/// The type of events of each hook, by its place.
static TYPES: LazyLock<Vec<Option<EventType>>> =
    LazyLock::new(|| Hook::all().map(|hook| name(hook).and_then(find)).collect());

/// The type of the event that a record is, absent where a record is none for rules: a description of a process, a cgroup.
#[must_use]
pub fn type_of(header: &Header) -> Option<EventType> {
    event_of(header.hook)
}

/// The type of the events that a hook tells.
#[must_use]
pub fn event_of(hook: Hook) -> Option<EventType> {
    TYPES.get(hook.index()).copied().flatten()
}

/// The hooks that tell events of this type: those that have to report for rules that meet it. None for a type that is never
/// seen.
#[must_use]
pub fn hooks(event: EventType) -> HookSet {
    Hook::all()
        .zip(&*TYPES)
        .filter(|(_, of)| **of == Some(event))
        .fold(HookSet::NONE, |set, (hook, _)| set.with(hook))
}
