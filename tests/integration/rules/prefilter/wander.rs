//! A process that opens, duplicates and connects all kinds of things in all kinds of ways, the same ones each time.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, mkfifo};

use crate::lab::tool;

/// Opens are tried so often by each of the three: in order, in another thread, in another root.
const OPENS: u32 = 700;
const CALLS: u32 = 300;

/// What is there to be opened, below a directory.
pub(in crate::rules) fn furnish(home: &Path) {
    let deep: PathBuf = (0..12).map(|level| format!("level-{level}")).collect();
    fs::create_dir_all(home.join("sub/dir")).unwrap();
    fs::create_dir_all(home.join("mounted")).unwrap();
    fs::create_dir_all(home.join("a-long-directory-name/with-more-than-sixteen")).unwrap();
    fs::create_dir_all(home.join(&deep)).unwrap();
    for file in [
        "plain",
        "auth.log",
        "release_agent",
        "a-name-of-more-than-thirty-two-bytes.conf",
        "sub/secret",
        "sub/dir/id_rsa",
        "sub/dir/0123456789abcdef",
        "a-long-directory-name/with-more-than-sixteen/bytes",
    ] {
        fs::write(home.join(file), "text").unwrap();
    }
    fs::write(home.join(deep).join("leaf.log"), "text").unwrap();
    symlink("sub/dir", home.join("link")).unwrap();
    symlink("/etc/pam.conf", home.join("elsewhere")).unwrap();
    mkfifo(&home.join("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
}

/// Numbers that look random and are not.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.roll(among.len())]
    }
}

pub(in crate::rules) fn wander(home: &Path) {
    // Its own mounts: the machine's files cannot be written there, and two lead back to what is there already.
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let (here, sub, mounted) = (home.as_os_str(), home.join("sub"), home.join("mounted"));
    for words in [
        &["--make-rprivate", "/"].map(OsStr::new)[..],
        &["--bind".as_ref(), here, here],
        &["--bind".as_ref(), sub.as_ref(), mounted.as_ref()],
        &["-o", "remount,bind,ro", "/"].map(OsStr::new),
    ] {
        tool::run(Command::new("mount").args(words)).unwrap();
    }
    let written = fs::File::options()
        .append(true)
        .open("/etc/hostname")
        .map_err(|error| error.kind());
    assert!(matches!(written, Err(ErrorKind::ReadOnlyFilesystem)), "{written:?}");
    chdir(home).unwrap();
    // While somebody has both ends of it, who opens one need not wait.
    let _both_ends = fs::File::options().read(true).write(true).open("fifo").unwrap();
    let home_fd = fs::File::open(home).unwrap();
    let below = |paths: &[&str]| paths.iter().map(|path| home.join(path)).collect::<Vec<_>>();
    let mut paths = below(&[
        "plain",
        "auth.log",
        "release_agent",
        "a-name-of-more-than-thirty-two-bytes.conf",
        "sub/secret",
        "sub/dir/id_rsa",
        "sub/dir/0123456789abcdef",
        "a-long-directory-name/with-more-than-sixteen/bytes",
        "link/id_rsa",
        "mounted/secret",
        "mounted/dir/id_rsa",
        "sub/../plain",
        "sub/dir/../../auth.log",
        "link/../secret",
        "sub//..//plain",
        "elsewhere",
        "fifo",
        "sub",
        "link",
        "missing",
        "missing/auth.log",
        "plain/below",
        "level-0/level-1/level-2/level-3/level-4/level-5/level-6/level-7/level-8/level-9/level-10/level-11/leaf.log",
        "new.log",
    ]);
    let others = [
        "/",
        "/etc",
        "/etc/hostname",
        "/etc/pam.conf",
        "/etc/pam.d",
        "/etc/pam.d/../hostname",
        "/dev/null",
        "/a-long-directory-name/with-more-than-sixteen/bytes",
        "/dev/../etc/shadow",
        "/proc/self/status",
        "/proc/self",
        "/proc/thread-self/comm",
        "/proc/1/comm",
        // Not by /proc/self, whose root is that of the first thread: there files can be written.
        "/proc/thread-self/root/etc/hostname",
        "/sys/kernel/notes",
        "/usr/bin/../lib/os-release",
        "plain",
        "./plain",
        "../none",
        "sub/../auth.log",
        "link/id_rsa",
        "sub/dir",
        ".",
        "..",
        "",
        "auth.log",
    ];
    paths.extend(others.map(PathBuf::from));
    paths.push(PathBuf::from(format!("{}plain", "./".repeat(200))));
    // What is looked for in a text stands at every place of its words.
    paths.extend((1..=20).map(|place| PathBuf::from(format!("{}/../p", "b".repeat(place)))));
    let opens = |seed: u64| {
        let mut dice = Dice(seed);
        for _ in 0..OPENS {
            open(&mut dice, &paths, home_fd.as_raw_fd());
        }
    };
    opens(1);
    // Two threads share their descriptors, by which less is certain.
    std::thread::scope(|scope| {
        scope.spawn(|| opens(2));
    });
    let mut dice = Dice(3);
    for _ in 0..CALLS {
        other(&mut dice, home);
    }
    chroot(home).unwrap();
    opens(4);
}

/// Takes a descriptor that a call returned, so that it is closed.
#[expect(unsafe_code, reason = "a descriptor fresh from a system call")]
fn take(fd: i64) {
    if let Ok(fd @ 3..) = i32::try_from(fd) {
        // SAFETY: the call that made it returned it to nobody else.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

#[expect(
    unsafe_code,
    reason = "the system calls themselves are the deed, with whatever flags"
)]
fn open(dice: &mut Dice, paths: &[PathBuf], home: i32) {
    const FLAGS: [i32; 14] = [
        libc::O_RDONLY,
        libc::O_RDONLY | libc::O_CLOEXEC,
        libc::O_RDONLY | libc::O_DIRECTORY,
        libc::O_RDONLY | libc::O_TRUNC,
        libc::O_WRONLY,
        libc::O_WRONLY | libc::O_TRUNC,
        libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
        libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
        libc::O_WRONLY | libc::O_APPEND,
        libc::O_RDWR,
        libc::O_RDWR | libc::O_TRUNC,
        libc::O_ACCMODE,
        libc::O_PATH,
        libc::O_TMPFILE | libc::O_RDWR,
    ];
    let path = CString::new(dice.pick(paths).as_os_str().as_bytes()).unwrap();
    let flags = *dice.pick(&FLAGS) | libc::O_NONBLOCK;
    let directory = *dice.pick(&[libc::AT_FDCWD, home, -7]);
    // SAFETY: a string with its end, and for openat2(2) a struct open_how of its size.
    take(unsafe {
        match dice.roll(8) {
            0..=2 => libc::syscall(libc::SYS_openat, directory, path.as_ptr(), flags, 0o600),
            3..=5 => libc::syscall(libc::SYS_open, path.as_ptr(), flags, 0o600),
            6 => {
                let mode = if flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) == 0 {
                    0
                } else {
                    0o600
                };
                let how = [u64::from(flags.cast_unsigned()), mode, 0];
                libc::syscall(
                    libc::SYS_openat2,
                    directory,
                    path.as_ptr(),
                    how.as_ptr(),
                    size_of_val(&how),
                )
            }
            // What is made that way would be of another size for those who open it next.
            _ => libc::syscall(libc::SYS_creat, path.as_ptr(), 0o600),
        }
    });
}

#[expect(
    unsafe_code,
    reason = "the system calls themselves are the deed, with whatever arguments"
)]
fn other(dice: &mut Dice, home: &Path) {
    const DOMAINS: [i32; 6] = [
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_UNIX,
        libc::AF_NETLINK,
        libc::AF_PACKET,
        libc::AF_ALG,
    ];
    // Of no process: all are refused.
    const REQUESTS: [u32; 7] = [
        libc::PTRACE_ATTACH,
        libc::PTRACE_SEIZE,
        libc::PTRACE_POKEDATA,
        libc::PTRACE_PEEKDATA,
        libc::PTRACE_SETREGS,
        libc::PTRACE_CONT,
        libc::PTRACE_INTERRUPT,
    ];
    let kind = *dice.pick(&[libc::SOCK_STREAM, libc::SOCK_DGRAM]) | libc::SOCK_NONBLOCK;
    // SAFETY: addresses are of memory that is as long as said, requests are of process -1, which is none.
    unsafe {
        match dice.roll(4) {
            0 => {
                libc::syscall(libc::SYS_ptrace, *dice.pick(&REQUESTS), -1, 0, 0);
            }
            1 => take(libc::syscall(libc::SYS_socket, *dice.pick(&DOMAINS), kind, 0)),
            2 => {
                let socket = libc::syscall(libc::SYS_socket, *dice.pick(&DOMAINS[..3]), kind, 0);
                let (address, size) = address(dice, home);
                libc::syscall(libc::SYS_connect, socket, address.as_ptr(), size);
                take(libc::syscall(libc::SYS_dup, socket));
                take(socket);
            }
            _ => {
                let from = *dice.pick(&[0, 1, 2, 99]);
                let to = 40 + i64::try_from(dice.roll(3)).unwrap();
                take(libc::syscall(libc::SYS_dup2, from, to));
                take(libc::syscall(libc::SYS_dup, from));
            }
        }
    }
}

/// Something to connect to: nobody listens, or the family is that of another kind of socket.
fn address(dice: &mut Dice, home: &Path) -> (Vec<u8>, usize) {
    let mut bytes = vec![0; 128];
    let size = match dice.roll(4) {
        0 => 16,
        1 => {
            bytes[..8].copy_from_slice(&[libc::AF_INET as u8, 0, 0, 9, 127, 0, 0, 1]);
            16
        }
        2 => {
            bytes[0] = libc::AF_INET6 as u8;
            bytes[3] = 9;
            bytes[23] = 1;
            28
        }
        _ => {
            let path = home.join("fifo");
            bytes[0] = libc::AF_UNIX as u8;
            bytes[2..2 + path.as_os_str().len()].copy_from_slice(path.as_os_str().as_bytes());
            110
        }
    };
    (bytes, size)
}
