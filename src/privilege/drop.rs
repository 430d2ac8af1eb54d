//! Giving up every capability for good, and proving that it happened.
//!
//! Capabilities belong to threads. A thread that exists already would keep its own, so everything here refuses to run
//! beside another thread; threads that are spawned later inherit nothing.

use caps::{CapSet, errors::CapsError};
use nix::errno::Errno;
use nix::sys::prctl;

use super::Capabilities;
use super::status::{self, ThreadStatus};

/// Why privileges could not be given up, or are still there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another thread runs, and would keep its capabilities.
    #[error("capabilities must be dropped before any thread is spawned, but {count} threads run: {names}")]
    ThreadsRunning {
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// The privileges of the threads could not be read.
    #[error("cannot read the privileges of the agent's threads: {0}")]
    Status(#[from] status::Error),
    /// The kernel refused to clear a set.
    #[error("cannot clear the {set} capability set: {source}")]
    Clear {
        /// Which set.
        set: &'static str,
        /// The refusal.
        source: CapsError,
    },
    /// The kernel refused to remove a capability from the bounding set.
    #[error("cannot drop {capability} from the bounding set: {errno}")]
    Bounding {
        /// The capability.
        capability: Capabilities,
        /// The refusal.
        errno: Errno,
    },
    /// A prctl(2) was refused.
    #[error("prctl({operation}) failed: {errno}")]
    Prctl {
        /// The operation.
        operation: &'static str,
        /// The refusal.
        errno: Errno,
    },
    /// A thread still holds capabilities.
    #[error("thread {tid} ({name}) still holds {held} in its {set} set")]
    StillHeld {
        /// The thread.
        tid: u32,
        /// Its name.
        name: String,
        /// Which set.
        set: &'static str,
        /// What it holds.
        held: Capabilities,
    },
    /// A thread could gain privileges by execve.
    #[error("thread {tid} ({name}) runs without no_new_privs")]
    NewPrivilegesPossible {
        /// The thread.
        tid: u32,
        /// Its name.
        name: String,
    },
}

/// Drops everything, in the one order that works. Call it from the only thread, after the programs are attached.
///
/// Afterwards the thread and all its future children are without capabilities for good.
///
/// # Errors
/// The first step that failed; the agent must not go on.
pub fn drop_all() -> Result<(), Error> {
    require_single_thread()?;
    // 1. The bounding set, as long as CAP_SETPCAP may be there. `capabilities::raise` has done it already when the
    //    agent used it; a caller that holds more than it raised is served here.
    shut_bounding_set(&status::own_thread()?)?;
    // 2. What an execve could hand on.
    clear_ambient_and_inheritable()?;
    // 3. What the thread can do, before what it could make effective: the kernel wants effective within permitted.
    clear(CapSet::Effective, "effective")?;
    clear(CapSet::Permitted, "permitted")?;
    // 4. No execve can bring anything back: not set-uid files, not file capabilities. Also what allows an unprivileged
    //    thread to install a seccomp filter.
    prctl::set_no_new_privs().map_err(|errno| Error::Prctl {
        operation: "PR_SET_NO_NEW_PRIVS",
        errno,
    })?;
    // 5. No other process of the same user may trace the agent or read its memory, and it leaves no core file.
    prctl::set_dumpable(false).map_err(|errno| Error::Prctl {
        operation: "PR_SET_DUMPABLE",
        errno,
    })?;
    // 6. The kernel's word for it.
    verify()
}

/// Checks that no thread of this process holds a capability or could gain one.
///
/// The bounding set is not judged: an unprivileged process cannot change it, and with no_new_privs it grants nothing.
///
/// # Errors
/// [`Error::StillHeld`] or [`Error::NewPrivilegesPossible`] for the first thread that could do something.
pub fn verify() -> Result<(), Error> {
    judge(&status::own_threads()?)
}

pub(super) fn judge(threads: &[ThreadStatus]) -> Result<(), Error> {
    for thread in threads {
        for (set, held) in [
            ("permitted", thread.permitted),
            ("effective", thread.effective),
            ("inheritable", thread.inheritable),
            ("ambient", thread.ambient),
        ] {
            if !held.is_empty() {
                return Err(Error::StillHeld {
                    tid: thread.tid,
                    name: thread.name.clone(),
                    set,
                    held,
                });
            }
        }
        if !thread.no_new_privs {
            return Err(Error::NewPrivilegesPossible {
                tid: thread.tid,
                name: thread.name.clone(),
            });
        }
    }
    Ok(())
}

/// That this is the only thread.
///
/// # Errors
/// [`Error::ThreadsRunning`] where it is not.
pub fn require_single_thread() -> Result<(), Error> {
    let threads = status::own_threads()?;
    if threads.len() == 1 {
        return Ok(());
    }
    let names: Vec<&str> = threads.iter().take(8).map(|thread| thread.name.as_str()).collect();
    Err(Error::ThreadsRunning {
        count: threads.len(),
        names: names.join(", "),
    })
}

/// Empties the bounding set and locks the securebits, if CAP_SETPCAP is permitted; otherwise leaves both as they are.
pub(super) fn shut_bounding_set(thread: &ThreadStatus) -> Result<(), Error> {
    if !thread.permitted.has(caps::Capability::CAP_SETPCAP) {
        return Ok(());
    }
    caps::raise(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).map_err(|source| Error::Clear {
        set: "bounding",
        source,
    })?;
    // uid 0 is no longer special: neither an execve nor a set-uid call by root brings capabilities back.
    os::lock_securebits().map_err(|errno| Error::Prctl {
        operation: "PR_SET_SECUREBITS",
        errno,
    })?;
    for number in thread.bounding.numbers() {
        os::drop_from_bounding_set(number).map_err(|errno| Error::Bounding {
            capability: Capabilities::from_bits(1 << number),
            errno,
        })?;
    }
    Ok(())
}

pub(super) fn clear_ambient_and_inheritable() -> Result<(), Error> {
    clear(CapSet::Ambient, "ambient")?;
    clear(CapSet::Inheritable, "inheritable")
}

fn clear(which: CapSet, set: &'static str) -> Result<(), Error> {
    caps::clear(None, which).map_err(|source| Error::Clear { set, source })
}

/// The two prctl operations that nix and caps lack in the form needed here.
mod os {
    use nix::errno::Errno;

    /// `include/uapi/linux/securebits.h`: NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, each with its lock, and the
    /// lock of KEEP_CAPS, which stays off.
    const LOCKED: libc::c_ulong = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7;

    #[expect(unsafe_code, reason = "nix and caps have no PR_SET_SECUREBITS")]
    pub(super) fn lock_securebits() -> Result<(), Errno> {
        // SAFETY: the operation takes one integer and touches no memory of this process.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_SECUREBITS, LOCKED, 0, 0, 0) }).map(drop)
    }

    /// By number, because a newer kernel's bounding set has capabilities that caps cannot name.
    #[expect(unsafe_code, reason = "caps drops only the capabilities that it has a name for")]
    pub(super) fn drop_from_bounding_set(number: u8) -> Result<(), Errno> {
        // SAFETY: the operation takes one integer and touches no memory of this process.
        Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) }).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privilege::status::SeccompMode;

    fn bare(tid: u32) -> ThreadStatus {
        ThreadStatus {
            tid,
            name: format!("t{tid}"),
            threads: 2,
            uid: [65532; 4],
            gid: [65532; 4],
            groups: vec![0],
            inheritable: Capabilities::NONE,
            permitted: Capabilities::NONE,
            effective: Capabilities::NONE,
            bounding: Capabilities::from_bits(u64::MAX),
            ambient: Capabilities::NONE,
            no_new_privs: true,
            seccomp: SeccompMode::Disabled,
            seccomp_filters: None,
        }
    }

    #[test]
    fn a_single_thread_with_a_capability_is_found() {
        let bpf = Capabilities::of(&[caps::Capability::CAP_BPF]);
        assert!(judge(&[bare(1), bare(2)]).is_ok());
        for (set, thread) in [
            (
                "permitted",
                ThreadStatus {
                    permitted: bpf,
                    ..bare(2)
                },
            ),
            (
                "effective",
                ThreadStatus {
                    effective: bpf,
                    ..bare(2)
                },
            ),
            (
                "inheritable",
                ThreadStatus {
                    inheritable: bpf,
                    ..bare(2)
                },
            ),
            (
                "ambient",
                ThreadStatus {
                    ambient: bpf,
                    ..bare(2)
                },
            ),
        ] {
            let error = judge(&[bare(1), thread]).unwrap_err().to_string();
            assert_eq!(error, format!("thread 2 (t2) still holds CAP_BPF in its {set} set"));
        }
        let open = judge(&[
            bare(1),
            ThreadStatus {
                no_new_privs: false,
                ..bare(2)
            },
        ])
        .unwrap_err();
        assert_eq!(open.to_string(), "thread 2 (t2) runs without no_new_privs");
    }

    #[test]
    fn other_threads_forbid_the_drop() {
        // The test harness itself runs more than one thread.
        let error = drop_all().unwrap_err();
        assert!(
            matches!(error, Error::ThreadsRunning { count, .. } if count > 1),
            "{error}"
        );
    }
}
