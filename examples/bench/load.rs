//! The loads.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::Result;

/// Keeps the calling thread, and what it starts, on one CPU.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A call that does next to nothing.
pub(crate) fn null_call() {
    std::hint::black_box(nix::unistd::getppid());
}

/// `openat` and `close` of /dev/null.
pub(crate) fn open_close() {
    let fd = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
    drop(std::hint::black_box(fd));
}

/// A program that ends at once, waited for.
pub(crate) fn fork_exec() {
    let _ = Command::new("/bin/true").status();
}

/// How long so many calls take.
pub(crate) fn repeat(times: u32, call: impl Fn()) -> Duration {
    let started = Instant::now();
    for _ in 0..times {
        call();
    }
    started.elapsed()
}

/// `openat` and `close` at a steady rate, in slices of a millisecond. Returns how many there were.
pub(crate) fn paced(rate: u64, during: Duration) -> u64 {
    let started = Instant::now();
    let mut done = 0;
    while started.elapsed() < during {
        let due = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX) * rate / 1_000_000;
        while done < due {
            open_close();
            done += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    done
}
