//! The tests' own program, for deeds that no packaged program does: this test program again, in a role that the
//! environment names.
//!
//! To the test runner a role is a test, the only one of its run. So the process has threads before the role begins, and it
//! is left open whether the role acts on the one that leads the process; where that matters the role starts its own.

use std::fs::{self, OpenOptions};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, Uid, close, fexecve, gettid, setresuid};

use crate::lab::agent::AGENT_ID;
use crate::lab::tool;

const ROLE: &str = "PINHOLE_ACTOR_ROLE";
const PLACE: &str = "PINHOLE_ACTOR_PLACE";

/// What can be played, each in a directory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// [`THREADS`] threads that are there at the same time make a file each, named after the thread.
    Threads,
    /// A thread that does not lead the process executes `busybox cat` of the file `read-by-cat`, while others open files.
    ExecFromThread,
    /// Threads open the files `left` and `right`, and others close their descriptors and put `right` in their place.
    Replace,
    /// A program that has no file is executed: `busybox true from-memfd`.
    Memfd,
    /// The files `before`, `after-chdir` and `after-setuid` are asked for; before the second the working directory becomes
    /// `below`, before the third the user becomes the agent's. None of them is there.
    Changes,
}

/// How many threads there are in [`Role::Threads`].
pub(crate) const THREADS: usize = 2000;
/// How often each thread of [`Role::Replace`] opens.
pub(crate) const OPENS: usize = 20_000;

/// Descriptors that [`Role::Replace`] takes as its own: above those of the test runner.
const CONTESTED: std::ops::Range<RawFd> = 100..104;

/// The program in a role.
pub(crate) fn command(role: Role, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["actor::act", "--exact", "--ignored", "--nocapture"])
        .env(ROLE, format!("{role:?}"))
        .env(PLACE, place)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// A child in a process group of its own, which is killed as a whole in the end.
pub(crate) struct Group(pub(crate) Child);

impl Group {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().unwrap())
    }

    /// The process id of the child.
    pub(crate) fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "the program that other tests start"]
fn act() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    match &*role {
        "Threads" => threads(&place),
        "ExecFromThread" => exec_from_thread(&place),
        "Replace" => replace(&place),
        "Memfd" => memfd(),
        "Changes" => changes(&place),
        other => panic!("no role {other}"),
    }
}

fn threads(place: &Path) {
    let all_there = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let thread = || {
                all_there.wait();
                fs::write(place.join(gettid().to_string()), "").unwrap();
                // Nobody's thread id is given away while others still need one.
                all_there.wait();
            };
            std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn_scoped(scope, thread)
                .unwrap();
        }
    });
}

fn exec_from_thread(place: &Path) {
    let busybox = tool::find("busybox", "busybox-static").unwrap();
    let all_there = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let path = place.join("read-by-thread");
                drop(fs::File::open(&path));
                all_there.wait();
                // Until the exec takes this thread away; at first without end, then at a pace that no ring is too small for.
                for opened in 0.. {
                    drop(fs::File::open(&path));
                    if opened > 200 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            });
        }
        scope.spawn(|| {
            all_there.wait();
            let error = Command::new(busybox).arg("cat").arg(place.join("read-by-cat")).exec();
            panic!("{error}");
        });
    });
}

fn replace(place: &Path) {
    let (left, right) = (place.join("left"), place.join("right"));
    // All descriptors below the contested ones are in use from now on, so that every open gets one of those.
    let kept = OpenOptions::new().read(true).open(&right).unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) = kept.try_clone() {
        if filler.as_raw_fd() >= CONTESTED.start {
            break;
        }
        fillers.push(filler);
    }
    let done = AtomicBool::new(false);
    let rounds = &AtomicU64::new(0);
    std::thread::scope(|scope| {
        let openers: Vec<_> = [&left, &right]
            .into_iter()
            .map(|path| {
                scope.spawn(move || {
                    let mut seen = 0;
                    for _ in 0..OPENS {
                        // On a busy machine the threads would take turns, and nobody would be disturbed.
                        while rounds.load(Ordering::Relaxed) == seen {
                            std::thread::yield_now();
                        }
                        seen = rounds.load(Ordering::Relaxed);
                        // No owner: whoever closes it, this thread or another, is as it may be.
                        if let Ok(file) = open(path, OFlag::O_RDONLY, Mode::empty()) {
                            let _ = close(file.into_raw_fd());
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for slot in CONTESTED {
                    put(kept.as_raw_fd(), slot);
                    let _ = close(slot);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for opener in openers {
            opener.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    drop(fillers);
}

fn memfd() {
    let busybox = tool::find("busybox", "busybox-static").unwrap();
    let program = memfd_create(c"pinhole-actor", MFdFlags::MFD_CLOEXEC).unwrap();
    let mut program = fs::File::from(program);
    std::io::copy(&mut fs::File::open(busybox).unwrap(), &mut program).unwrap();
    let never = fexecve(program, &[c"true", c"from-memfd"], &[] as &[&std::ffi::CStr]).unwrap_err();
    panic!("{never}");
}

fn changes(place: &Path) {
    let ask = |name: &str| assert!(fs::File::open(place.join(name)).is_err());
    ask("before");
    std::env::set_current_dir(place.join("below")).unwrap();
    ask("after-chdir");
    let user = Uid::from_raw(AGENT_ID);
    setresuid(user, user, user).unwrap();
    ask("after-setuid");
}

/// dup2 over a descriptor that may be in use.
#[expect(unsafe_code, reason = "to take a descriptor away from its user is the deed")]
fn put(from: RawFd, to: RawFd) {
    // SAFETY: the descriptors of CONTESTED belong to no object: those who open them keep only the number.
    unsafe {
        libc::dup2(from, to);
    }
}
