//! What stands between this process and bpf(2), found out by calling it.
//!
//! The call is made in a forked process: runtimes' profiles refuse with an error, but a profile may as well kill whoever
//! calls, and the doctor must outlive that to tell it. The child does nothing but two system calls and an exit.
//!
//! A command that no kernel knows goes as far as the last step of `__sys_bpf` (`kernel/bpf/syscall.c`), which is EINVAL. The
//! filter comes before it, and on kernels before 5.19 the test of capabilities, too. The security modules' hook lets
//! unknown commands pass, in SELinux as in AppArmor; what they think of bpf(2) shows when a map is made.

use std::fs;
use std::io;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::super::facts::Gap;
use super::super::facts::host::{BpfAnswer, SeccompFacts};

/// The numbers of bpf(2)'s commands are given out one by one; there are fewer than fifty. Bit 16 is none of the number: newer
/// kernels read two more arguments by it.
const NO_COMMAND: libc::c_int = 0x7fff;
const MAP_CREATE: libc::c_int = 0;
/// The first fields of `union bpf_attr`: as many as the smallest array needs.
type Attributes = [u32; 32];
/// An array of one entry: BPF_MAP_TYPE_ARRAY, and the sizes of key and value.
const SMALLEST_MAP: [u32; 4] = [2, 4, 4, 1];
/// Calls bpf(2) with the capabilities that the calling thread has effective.
///
/// # Errors
/// No process could be forked, or it ended in a way that tells nothing.
pub fn read(root: &Path) -> Result<SeccompFacts, Gap> {
    let unknown_command = match in_child(NO_COMMAND, &[])? {
        End::Errno(libc::EINVAL) => BpfAnswer::Reached,
        End::Errno(errno) => BpfAnswer::Refused(errno),
        End::Killed => BpfAnswer::Killed,
    };
    let map_create = match unknown_command {
        BpfAnswer::Reached => match in_child(MAP_CREATE, &SMALLEST_MAP)? {
            End::Errno(errno) => Some(errno).filter(|errno| *errno != 0),
            End::Killed => return Err(Gap::Refused("killed for making a map".to_owned())),
        },
        _ => None,
    };
    let effective = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    Ok(SeccompFacts {
        unknown_command,
        map_create,
        capable: effective(Capability::CAP_BPF) || effective(Capability::CAP_SYS_ADMIN),
        unprivileged_disabled: fs::read_to_string(root.join("proc/sys/kernel/unprivileged_bpf_disabled"))
            .ok()
            .and_then(|text| text.trim().parse().ok()),
    })
}

/// How the child ended.
enum End {
    /// errno of the call, 0 where it succeeded. All that bpf(2) answers here are below 128.
    Errno(i32),
    /// By SIGSYS.
    Killed,
}

#[expect(
    unsafe_code,
    reason = "forking has no safe interface, and bpf(2) none for commands that do not exist"
)]
fn in_child(command: libc::c_int, begin: &[u32]) -> Result<End, Gap> {
    let mut attributes: Attributes = [0; 32];
    attributes[..begin.len()].copy_from_slice(begin);
    // SAFETY: the child of a process with several threads may only do what is safe in a signal handler: it makes two system
    // calls and ends, and touches nothing but its stack.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // SAFETY: the kernel reads as many bytes as are named, which the array has. errno is this thread's own.
            let answer = unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    command,
                    attributes.as_ptr(),
                    libc::c_uint::try_from(size_of::<Attributes>()).unwrap_or(0),
                )
            };
            let code = if answer < 0 {
                // SAFETY: the location is always there and this thread's own.
                unsafe { *libc::__errno_location() }
            } else {
                0
            };
            // SAFETY: ends the process at once, without anything that runs at the exit of the parent.
            unsafe { libc::_exit(code) }
        }
        Ok(ForkResult::Parent { child }) => end_of(child),
        Err(errno) => {
            let error = io::Error::from(errno);
            Err(Gap::Refused(format!(
                "cannot make a process that calls bpf(2): {error}"
            )))
        }
    }
}

fn end_of(child: Pid) -> Result<End, Gap> {
    loop {
        return match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, errno)) => Ok(End::Errno(errno)),
            Ok(WaitStatus::Signaled(_, Signal::SIGSYS, _)) => Ok(End::Killed),
            Ok(other) => Err(Gap::Refused(format!(
                "the process that calls bpf(2) ended with {other:?}"
            ))),
            Err(Errno::EINTR) => continue,
            Err(errno) => Err(Gap::Refused(format!(
                "cannot wait for the process that calls bpf(2): {errno}"
            ))),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::thread;

    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    use super::*;

    /// What is found out by a thread that has put a filter with this answer to bpf(2) over itself.
    fn under(action: SeccompAction) -> SeccompFacts {
        thread::spawn(move || {
            let rules = BTreeMap::from([(libc::SYS_bpf, Vec::new())]);
            let arch = std::env::consts::ARCH.try_into().unwrap();
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).unwrap();
            let program: BpfProgram = filter.try_into().unwrap();
            apply_filter(&program).unwrap();
            read(Path::new("/")).unwrap()
        })
        .join()
        .unwrap()
    }

    #[test]
    fn this_kernel_is_reached() {
        let found = thread::spawn(|| read(Path::new("/")).unwrap()).join().unwrap();
        if found.capable {
            assert_eq!((found.unknown_command, found.map_create), (BpfAnswer::Reached, None));
        }
        assert!(found.unprivileged_disabled.is_some());
    }

    #[test]
    fn a_filter_that_refuses_and_one_that_kills_are_told_apart() {
        let refused = under(SeccompAction::Errno(libc::EPERM.unsigned_abs()));
        assert_eq!(refused.unknown_command, BpfAnswer::Refused(libc::EPERM));
        let unknown = under(SeccompAction::Errno(libc::ENOSYS.unsigned_abs()));
        assert_eq!(unknown.unknown_command, BpfAnswer::Refused(libc::ENOSYS));
        assert_eq!(under(SeccompAction::KillProcess).unknown_command, BpfAnswer::Killed);
    }
}
