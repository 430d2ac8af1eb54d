//! Runs that the kernel skipped because the same program was already running on that CPU.
//!
//! The kernel counts them by program (`recursion_misses` in the descriptor's fdinfo, since Linux 5.12). The files are
//! opened while the programs are loaded and read again at will: reading needs no capability and opens nothing.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use super::backend::Attached;
use super::hook::Hook;

/// A descriptor's fdinfo is some ten short lines.
const LIMIT: usize = 4096;

const DISPATCHER: &str = "dispatcher";

/// Whose runs a program's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Hook(Hook),
    /// One program for every watched system call: a run that was skipped belongs to an unknown one, watched or not.
    Dispatcher,
}

/// The attached programs whose kernel tells.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    programs: Vec<(Owner, File)>,
}

impl Misses {
    /// Finds the loaded programs by their names. Those of a kernel that does not count are left out.
    pub(crate) fn of<'a>(calls: &[Attached], program: impl Fn(&str) -> Option<BorrowedFd<'a>>) -> Self {
        let base = [
            ("process_exec", Owner::Hook(Hook::EXEC)),
            ("process_fork", Owner::Hook(Hook::FORK)),
            ("process_exit", Owner::Hook(Hook::EXIT)),
            ("cgroup_mkdir", Owner::Hook(Hook::CGROUP_MKDIR)),
            ("cgroup_rmdir", Owner::Hook(Hook::CGROUP_RMDIR)),
            ("canary", Owner::Hook(Hook::CANARY)),
        ];
        let calls = calls.iter().filter_map(|attached| match attached.hook {
            Some(hook) => Some((attached.program.as_str(), Owner::Hook(hook))),
            // A trampoline on socketcall(2) belongs to no single hook, and is too rare for an account of its own.
            None if attached.program != DISPATCHER => None,
            None => Some((DISPATCHER, Owner::Dispatcher)),
        });
        let mut programs = Vec::new();
        for (name, owner) in base.into_iter().chain(calls) {
            let Some(fd) = program(name) else {
                continue;
            };
            let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
            match File::open(&path) {
                Ok(file) if read(&file).is_some() => programs.push((owner, file)),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, path, "runs of {name} that the kernel skips stay unknown"),
            }
        }
        Self { programs }
    }

    /// Skipped runs of the hook's own program; absent where it has none or the kernel does not say.
    pub(crate) fn hook(&self, hook: Hook) -> Option<u64> {
        self.sum(Owner::Hook(hook))
    }

    /// Skipped runs of the program that looks at every system call; absent where there is none or the kernel does not say.
    pub(crate) fn dispatcher(&self) -> Option<u64> {
        self.sum(Owner::Dispatcher)
    }

    fn sum(&self, whose: Owner) -> Option<u64> {
        self.programs
            .iter()
            .filter(|(owner, _)| *owner == whose)
            .filter_map(|(_, file)| read(file))
            .reduce(u64::saturating_add)
    }
}

fn read(file: &File) -> Option<u64> {
    let mut text = [0; LIMIT];
    let length = file.read_at(&mut text, 0).ok()?;
    parse(std::str::from_utf8(&text[..length]).ok()?)
}

/// `fs/proc/fd.c` and `kernel/bpf/syscall.c` write a key, a colon, a tab and the value on a line.
fn parse(fdinfo: &str) -> Option<u64> {
    fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))
        .and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_understood() {
        let since_5_12 = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nprog_type:\t26\nprog_jited:\t1\nprog_tag:\t0123456789abcdef\n\
                          memlock:\t4096\nprog_id:\t7\nrun_time_ns:\t0\nrun_cnt:\t0\nrecursion_misses:\t42\n";
        assert_eq!(parse(since_5_12), Some(42));
        assert_eq!(parse("pos:\t0\nprog_id:\t7\nrun_cnt:\t0\n"), None);
    }
}
