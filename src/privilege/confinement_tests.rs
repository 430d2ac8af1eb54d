//! What the doctor may not do, on the running kernel: each call in a process of its own, which is without the filter first, where
//! the call does no harm, so that a refusal is known to be the filter's.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::wait::WaitStatus;

use super::seccomp::policy::Policy;
use super::seccomp::tests::{ALLOW, EPERM, verdict};
use super::seccomp::{AGENT_DOCTOR, Filter};
use super::tests::{assert_played, in_fork, native, start, system_call};

const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

#[test]
fn a_confined_doctor_changes_nothing() {
    assert_played(&start("confined"));
}

pub(super) fn play() {
    let filter = Filter::compile(&Policy::parse(AGENT_DOCTOR).unwrap()).unwrap();
    for deed in 0..Deeds::COUNT {
        let free = in_directory(|place| {
            let deeds = Deeds::new(place);
            let (name, number, args) = deeds.get(deed);
            let result = system_call(number, args);
            assert!(result >= 0, "{name}: {}", std::io::Error::last_os_error());
        });
        assert_eq!(free, 0, "deed {deed} does not work without the filter");
        let confined = in_directory(|place| {
            let deeds = Deeds::new(place);
            let (name, number, args) = deeds.get(deed);
            filter.install().unwrap();
            let result = system_call(number, args);
            let errno = nix::errno::Errno::last_raw();
            assert_eq!((result, errno), (-1, libc::EPERM), "{name}");
        });
        assert_eq!(confined, 0, "deed {deed} under the filter");
    }
    for (name, number, args) in dangers() {
        let number = u32::try_from(number).unwrap();
        refused(&filter, name, number, args);
    }
    let mut refusals = 0;
    for number in 0..520 {
        // See `play_every_system_call`.
        if cfg!(target_arch = "x86_64") && [335, 336].contains(&number) {
            continue;
        }
        let args = [u64::MAX; 6];
        if verdict(&filter, native(), number, args) != ALLOW {
            refused(&filter, "system call", number, args);
            refusals += 1;
        }
    }
    assert!(refusals > 300, "{refusals}");
}

/// Runs `body` in a process of its own, in a fresh directory with two files and a directory.
fn in_directory(body: impl FnOnce(&Path) + std::panic::UnwindSafe) -> i32 {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().to_owned();
    fs::write(path.join("file"), "content").unwrap();
    fs::write(path.join("leased"), "content").unwrap();
    fs::create_dir(path.join("dir")).unwrap();
    match in_fork(move || body(&path)) {
        WaitStatus::Exited(_, code) => code,
        other => panic!("{other:?}"),
    }
}

/// Under the filter the call fails as the compiled policy says, and ends nobody.
fn refused(filter: &Filter, name: &str, number: u32, args: [u64; 6]) {
    let expected = verdict(filter, native(), number, args);
    let wanted = match expected {
        EPERM => libc::EPERM,
        ENOSYS => libc::ENOSYS,
        other => panic!("{name} ({number}): the policy says {other:#x}"),
    };
    let filter = std::panic::AssertUnwindSafe(filter);
    let ended = in_fork(move || {
        filter.install().unwrap();
        let result = system_call(number, args);
        assert_eq!((result, nix::errno::Errno::last_raw()), (-1, wanted));
    });
    assert!(
        matches!(ended, WaitStatus::Exited(_, 0)),
        "{name} ({number}): {ended:?}"
    );
}

/// System calls that change something in a directory of their own, by number: name, number, arguments.
struct Deeds {
    all: Vec<(&'static str, u32, [u64; 6])>,
    // What the arguments point to.
    _strings: Vec<CString>,
    _times: Box<[[i64; 2]; 2]>,
    _flags: Box<libc::c_long>,
    _address: Box<libc::sockaddr_un>,
}

impl Deeds {
    const COUNT: usize = if cfg!(target_arch = "x86_64") { 42 } else { 29 };

    /// The calls for this directory. Descriptors are open already, as those of a confined process would be.
    fn new(place: &Path) -> Self {
        let mut strings = Vec::new();
        let mut path = |name: &str| {
            strings.push(CString::new(place.join(name).as_os_str().as_bytes()).unwrap());
            strings[strings.len() - 1].as_ptr() as u64
        };
        let (file, dir, new, other) = (path("file"), path("dir"), path("new"), path("other"));
        let readable = File::open(place.join("file")).unwrap().into_raw_fd() as u64;
        // Nobody may have it open for writing.
        let leased = File::open(place.join("leased")).unwrap().into_raw_fd() as u64;
        let writable = OpenOptions::new().write(true).open(place.join("file")).unwrap();
        let writable = writable.into_raw_fd() as u64;
        let stream = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::Stream,
            nix::sys::socket::SockFlag::empty(),
            None,
        );
        let stream = stream.unwrap().into_raw_fd() as u64;
        let times = Box::new([[1, 0], [1, 0]]);
        let when = times.as_ptr() as u64;
        let mut flags: Box<libc::c_long> = Box::new(0);
        let attributes = &raw mut *flags as u64;
        let address = Box::new(unix(&place.join("socket")));
        let (bound, length) = (&raw const *address as u64, size_of::<libc::sockaddr_un>() as u64);
        let here = libc::AT_FDCWD as u64;
        let open = |flags: i32| flags as u64;
        let fifo = u64::from(libc::S_IFIFO | 0o600);
        let mut all = vec![
            (
                "openat(O_WRONLY)",
                libc::SYS_openat,
                [here, file, open(libc::O_WRONLY), 0, 0, 0],
            ),
            (
                "openat(O_RDWR)",
                libc::SYS_openat,
                [here, file, open(libc::O_RDWR), 0, 0, 0],
            ),
            (
                "openat(O_CREAT)",
                libc::SYS_openat,
                [here, new, open(libc::O_CREAT), 0o600, 0, 0],
            ),
            (
                "openat(O_TRUNC)",
                libc::SYS_openat,
                [here, file, open(libc::O_TRUNC), 0, 0, 0],
            ),
            (
                "openat(O_TMPFILE)",
                libc::SYS_openat,
                [here, dir, open(libc::O_TMPFILE | libc::O_RDWR), 0o600, 0, 0],
            ),
            ("mkdirat", libc::SYS_mkdirat, [here, new, 0o700, 0, 0, 0]),
            ("unlinkat", libc::SYS_unlinkat, [here, file, 0, 0, 0, 0]),
            (
                "unlinkat(AT_REMOVEDIR)",
                libc::SYS_unlinkat,
                [here, dir, libc::AT_REMOVEDIR as u64, 0, 0, 0],
            ),
            ("renameat2", libc::SYS_renameat2, [here, file, here, new, 0, 0]),
            ("linkat", libc::SYS_linkat, [here, file, here, new, 0, 0]),
            ("symlinkat", libc::SYS_symlinkat, [file, here, new, 0, 0, 0]),
            ("fchmodat", libc::SYS_fchmodat, [here, file, 0o600, 0, 0, 0]),
            ("fchmod", libc::SYS_fchmod, [readable, 0o600, 0, 0, 0, 0]),
            ("fchownat", libc::SYS_fchownat, [here, file, 1, 1, 0, 0]),
            ("fchown", libc::SYS_fchown, [readable, 1, 1, 0, 0, 0]),
            ("truncate", libc::SYS_truncate, [file, 1, 0, 0, 0, 0]),
            ("ftruncate", libc::SYS_ftruncate, [writable, 1, 0, 0, 0, 0]),
            ("fallocate", libc::SYS_fallocate, [writable, 0, 0, 4096, 0, 0]),
            ("pwrite64", libc::SYS_pwrite64, [writable, file, 1, 0, 0, 0]),
            ("sendfile", libc::SYS_sendfile, [writable, readable, 0, 1, 0, 0]),
            (
                "copy_file_range",
                libc::SYS_copy_file_range,
                [readable, 0, writable, 0, 0, 0],
            ),
            ("mknodat", libc::SYS_mknodat, [here, new, fifo, 0, 0, 0]),
            ("utimensat", libc::SYS_utimensat, [here, file, when, 0, 0, 0]),
            ("bind", libc::SYS_bind, [stream, bound, length, 0, 0, 0]),
            ("flock", libc::SYS_flock, [readable, libc::LOCK_EX as u64, 0, 0, 0, 0]),
            (
                "ioctl(FS_IOC_GETFLAGS)",
                libc::SYS_ioctl,
                [readable, 0x8008_6601, attributes, 0, 0, 0],
            ),
            (
                "fcntl(F_SETLEASE)",
                libc::SYS_fcntl,
                [leased, libc::F_SETLEASE as u64, libc::F_RDLCK as u64, 0, 0, 0],
            ),
            ("memfd_create", libc::SYS_memfd_create, [other, 0, 0, 0, 0, 0]),
            (
                "kill(self, 0)",
                libc::SYS_kill,
                [u64::from(std::process::id()), 0, 0, 0, 0, 0],
            ),
        ];
        #[cfg(target_arch = "x86_64")]
        all.extend([
            (
                "open(O_WRONLY)",
                libc::SYS_open,
                [file, open(libc::O_WRONLY), 0, 0, 0, 0],
            ),
            ("creat", libc::SYS_creat, [new, 0o600, 0, 0, 0, 0]),
            ("mkdir", libc::SYS_mkdir, [new, 0o700, 0, 0, 0, 0]),
            ("rmdir", libc::SYS_rmdir, [dir, 0, 0, 0, 0, 0]),
            ("unlink", libc::SYS_unlink, [file, 0, 0, 0, 0, 0]),
            ("rename", libc::SYS_rename, [file, new, 0, 0, 0, 0]),
            ("link", libc::SYS_link, [file, new, 0, 0, 0, 0]),
            ("symlink", libc::SYS_symlink, [file, new, 0, 0, 0, 0]),
            ("chmod", libc::SYS_chmod, [file, 0o600, 0, 0, 0, 0]),
            ("chown", libc::SYS_chown, [file, 1, 1, 0, 0, 0]),
            ("lchown", libc::SYS_lchown, [file, 1, 1, 0, 0, 0]),
            ("mknod", libc::SYS_mknod, [new, fifo, 0, 0, 0, 0]),
            ("utimes", libc::SYS_utimes, [file, when, 0, 0, 0, 0]),
        ]);
        assert_eq!(all.len(), Self::COUNT);
        Self {
            all: all
                .into_iter()
                .map(|(name, number, args)| (name, u32::try_from(number).unwrap(), args))
                .collect(),
            _strings: strings,
            _times: times,
            _flags: flags,
            _address: address,
        }
    }

    fn get(&self, number: usize) -> (&'static str, u32, [u64; 6]) {
        self.all[number]
    }
}

fn unix(path: &Path) -> libc::sockaddr_un {
    let mut address = libc::sockaddr_un {
        sun_family: libc::AF_UNIX as libc::sa_family_t,
        sun_path: [0; 108],
    };
    for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *to = *from as libc::c_char;
    }
    address
}

/// Calls that would do harm without the filter, or cannot be made here: only under it.
fn dangers() -> Vec<(&'static str, libc::c_long, [u64; 6])> {
    let bpf = |command: u64| [command, 0, 0, 0, 0, 0];
    let socket = |family: i32, kind: i32| [family as u64, kind as u64, 0, 0, 0, 0];
    vec![
        ("mount", libc::SYS_mount, [0; 6]),
        ("umount2", libc::SYS_umount2, [0; 6]),
        ("pivot_root", libc::SYS_pivot_root, [0; 6]),
        ("move_mount", libc::SYS_move_mount, [0; 6]),
        ("fsconfig", libc::SYS_fsconfig, [0; 6]),
        ("setxattr", libc::SYS_setxattr, [0; 6]),
        ("fsetxattr", libc::SYS_fsetxattr, [0; 6]),
        ("removexattr", libc::SYS_removexattr, [0; 6]),
        ("ptrace", libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0, 0, 0]),
        ("process_vm_writev", libc::SYS_process_vm_writev, [0; 6]),
        ("init_module", libc::SYS_init_module, [0; 6]),
        ("finit_module", libc::SYS_finit_module, [0; 6]),
        ("delete_module", libc::SYS_delete_module, [0; 6]),
        ("kexec_load", libc::SYS_kexec_load, [0; 6]),
        ("reboot", libc::SYS_reboot, [0; 6]),
        ("swapoff", libc::SYS_swapoff, [0; 6]),
        ("acct", libc::SYS_acct, [0; 6]),
        ("sethostname", libc::SYS_sethostname, [0; 6]),
        ("clock_settime", libc::SYS_clock_settime, [0; 6]),
        ("settimeofday", libc::SYS_settimeofday, [0; 6]),
        ("setns", libc::SYS_setns, [0; 6]),
        ("unshare", libc::SYS_unshare, [0; 6]),
        ("setuid", libc::SYS_setuid, [0; 6]),
        ("chroot", libc::SYS_chroot, [0; 6]),
        (
            "kill(1, SIGKILL)",
            libc::SYS_kill,
            [1, libc::SIGKILL as u64, 0, 0, 0, 0],
        ),
        ("pidfd_send_signal", libc::SYS_pidfd_send_signal, [0; 6]),
        (
            "tgkill(SIGKILL)",
            libc::SYS_tgkill,
            [1, 1, libc::SIGKILL as u64, 0, 0, 0],
        ),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0; 6]),
        ("keyctl", libc::SYS_keyctl, [0; 6]),
        ("shmget", libc::SYS_shmget, [0; 6]),
        ("execveat", libc::SYS_execveat, [0; 6]),
        ("listen", libc::SYS_listen, [0; 6]),
        ("openat2", libc::SYS_openat2, [0; 6]),
        ("clone3", libc::SYS_clone3, [0; 6]),
        (
            "clone(CLONE_NEWUSER)",
            libc::SYS_clone,
            [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0],
        ),
        ("seccomp", libc::SYS_seccomp, [0; 6]),
        ("bpf(BPF_OBJ_PIN)", libc::SYS_bpf, bpf(6)),
        ("bpf(BPF_PROG_ATTACH)", libc::SYS_bpf, bpf(8)),
        ("bpf(BPF_PROG_DETACH)", libc::SYS_bpf, bpf(9)),
        ("bpf(BPF_LINK_UPDATE)", libc::SYS_bpf, bpf(29)),
        ("bpf(BPF_ENABLE_STATS)", libc::SYS_bpf, bpf(32)),
        ("bpf(BPF_LINK_DETACH)", libc::SYS_bpf, bpf(34)),
        (
            "socket(AF_INET, SOCK_DGRAM)",
            libc::SYS_socket,
            socket(libc::AF_INET, libc::SOCK_DGRAM),
        ),
        (
            "socket(AF_NETLINK)",
            libc::SYS_socket,
            socket(libc::AF_NETLINK, libc::SOCK_RAW),
        ),
        (
            "socket(AF_PACKET)",
            libc::SYS_socket,
            socket(libc::AF_PACKET, libc::SOCK_RAW),
        ),
        (
            "setsockopt(SOL_IP)",
            libc::SYS_setsockopt,
            [0, libc::SOL_IP as u64, 64, 0, 0, 0],
        ),
        ("prlimit64(another)", libc::SYS_prlimit64, [1, 0, 0, 0, 0, 0]),
        ("ioctl(FS_IOC_SETFLAGS)", libc::SYS_ioctl, [0, 0x4008_6602, 0, 0, 0, 0]),
        ("ioctl(TIOCSTI)", libc::SYS_ioctl, [0, libc::TIOCSTI, 0, 0, 0, 0]),
        ("fcntl(F_SETLK)", libc::SYS_fcntl, [0, libc::F_SETLK as u64, 0, 0, 0, 0]),
        (
            "inotify_add_watch(IN_ACCESS)",
            libc::SYS_inotify_add_watch,
            [0, 0, libc::IN_ACCESS.into(), 0, 0, 0],
        ),
    ]
}
