//! What is true of the process as a whole once its capabilities are gone, and cannot change afterwards: read once, before the
//! filter, which forbids asking.
//!
//! It judges; it changes nothing. What a container was granted beyond the need has no effect any more (no_new_privs, nothing
//! permitted, no execve), so it is a warning for whoever deploys the agent and no reason to end.

use std::fmt;

use caps::Capability;
use nix::errno::Errno;
use nix::sys::prctl;

use super::Capabilities;
use super::capabilities::NEEDED;
use super::status;

/// What container runtimes grant where nobody asks for less: the list of containerd and Docker, of which CRI-O's is a part.
const RUNTIME_DEFAULT: [Capability; 14] = [
    Capability::CAP_AUDIT_WRITE,
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_NET_RAW,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_CHROOT,
];

/// `SECBIT_KEEP_CAPS` of `include/uapi/linux/securebits.h`: a change of the user would keep what is permitted.
const KEEP_CAPS: u32 = 1 << 4;
/// NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE with their locks: what [`super::drop`] sets where it may.
const LOCKED: u32 = 0b1100_1111;

/// Why the process is not as the start should have left it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The threads could not be read.
    #[error("cannot read the agent's own privileges: {0}")]
    Status(#[from] status::Error),
    /// A prctl(2) was refused.
    #[error("prctl({operation}) failed: {errno}")]
    Prctl {
        /// The operation.
        operation: &'static str,
        /// The refusal.
        errno: Errno,
    },
    /// Other processes of the same user may read the agent's memory.
    #[error("the process is dumpable: others of the same user may trace it")]
    Dumpable,
    /// The process asked to keep capabilities across a change of user.
    #[error("the securebits {0:#x} keep capabilities across a change of the user")]
    KeepsCapabilities(u32),
}

/// The process as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posture {
    /// The securebits, `include/uapi/linux/securebits.h`.
    pub securebits: u32,
    /// Whether others of the same user may trace it, and a core file is written.
    pub dumpable: bool,
    /// The bounding set.
    pub bounding: Capabilities,
}

impl Posture {
    /// Asks the kernel.
    ///
    /// # Errors
    /// [`Error::Status`] or [`Error::Prctl`].
    pub fn of_this_process() -> Result<Self, Error> {
        let refused = |operation| move |errno| Error::Prctl { operation, errno };
        Ok(Self {
            securebits: os::securebits().map_err(refused("PR_GET_SECUREBITS"))?,
            dumpable: prctl::get_dumpable().map_err(refused("PR_GET_DUMPABLE"))?,
            bounding: status::own_thread()?.bounding,
        })
    }

    /// Whether the start left it as it must be.
    ///
    /// # Errors
    /// [`Error::Dumpable`] or [`Error::KeepsCapabilities`].
    pub fn judge(&self) -> Result<(), Error> {
        if self.dumpable {
            return Err(Error::Dumpable);
        }
        if self.securebits & KEEP_CAPS != 0 {
            return Err(Error::KeepsCapabilities(self.securebits));
        }
        Ok(())
    }

    /// Whether uid 0 means nothing any more, for good. It takes CAP_SETPCAP at the start; without that it changes nothing, because
    /// no execve is left.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.securebits & LOCKED == LOCKED
    }

    /// What the bounding set holds beyond the need, and what grants it. `used`: what the programs were loaded with.
    #[must_use]
    pub fn surplus(&self, used: Capabilities) -> Option<Surplus> {
        // CAP_SYS_RESOURCE lifts RLIMIT_MEMLOCK on kernels before 5.11.
        let needed = Capabilities::of(&NEEDED).or(Capabilities::of(&[Capability::CAP_SYS_RESOURCE]));
        let surplus = self.bounding.without(needed).without(used);
        (!surplus.is_empty()).then_some(Surplus(surplus))
    }
}

/// Capabilities that whoever started the agent granted without need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus(pub Capabilities);

impl fmt::Display for Surplus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let defaults = Capabilities::of(&RUNTIME_DEFAULT);
        let added = self.0.without(defaults);
        write!(out, "granted beyond the need, to no effect any more: {}. ", self.0)?;
        // Only a privileged container, or a process that nobody confined, has these two together.
        let everything = Capabilities::of(&[Capability::CAP_SYS_MODULE, Capability::CAP_SYS_RAWIO]);
        if added.and(everything) == everything {
            return out.write_str(
                "It comes from `privileged: true` in the container's securityContext, or from a service without \
                 CapabilityBoundingSet=CAP_BPF CAP_PERFMON",
            );
        }
        if !self.0.and(defaults).is_empty() {
            out.write_str("`drop: [ALL]` is missing in the container's securityContext.capabilities")?;
        }
        if !added.is_empty() {
            let names: Vec<String> = added
                .names()
                .into_iter()
                .map(|name| name.trim_start_matches("CAP_").to_owned())
                .collect();
            let sep = if self.0 == added { "" } else { "; and " };
            write!(
                out,
                "{sep}`add:` in the container's securityContext.capabilities names {}",
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

mod os {
    use nix::errno::Errno;

    #[expect(
        unsafe_code,
        reason = "nix and caps have no PR_GET_SECUREBITS that keeps unknown bits"
    )]
    pub(super) fn securebits() -> Result<u32, Errno> {
        // SAFETY: the operation takes no arguments and touches no memory of this process.
        Errno::result(unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) }).map(i32::cast_unsigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posture(bounding: Capabilities) -> Posture {
        Posture {
            securebits: 0,
            dumpable: false,
            bounding,
        }
    }

    fn told(more: &[Capability]) -> Option<String> {
        let needed = Capabilities::of(&NEEDED);
        posture(needed.or(Capabilities::of(more)))
            .surplus(needed)
            .map(|surplus| surplus.to_string())
    }

    #[test]
    fn what_is_needed_is_no_surplus() {
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[Capability::CAP_SYS_RESOURCE]), None);
        let admin = Capabilities::of(&[Capability::CAP_SYS_ADMIN]);
        assert_eq!(posture(admin).surplus(admin), None, "it stands in for the needed ones");
    }

    #[test]
    fn each_surplus_names_the_line_that_grants_it() {
        let defaults = told(&RUNTIME_DEFAULT).unwrap();
        assert!(
            defaults.contains("CAP_CHOWN") && defaults.contains("`drop: [ALL]` is missing"),
            "{defaults}"
        );
        assert!(!defaults.contains("add:"), "{defaults}");
        let added = told(&[Capability::CAP_SYS_PTRACE]).unwrap();
        assert!(added.ends_with("names SYS_PTRACE"), "{added}");
        assert!(!added.contains("drop:"), "{added}");
        let both = told(&[Capability::CAP_CHOWN, Capability::CAP_NET_ADMIN]).unwrap();
        assert!(
            both.contains("`drop: [ALL]` is missing")
                && both.ends_with("; and `add:` in the container's securityContext.capabilities names NET_ADMIN"),
            "{both}"
        );
        let all = posture(Capabilities::from_bits((1 << 41) - 1));
        let all = all.surplus(Capabilities::of(&NEEDED)).unwrap().to_string();
        assert!(
            all.contains("`privileged: true`") && all.contains("CapabilityBoundingSet="),
            "{all}"
        );
    }

    #[test]
    fn a_process_that_others_may_trace_is_not_as_it_must_be() {
        let good = posture(Capabilities::NONE);
        assert!(good.judge().is_ok() && !good.is_locked());
        assert!(
            Posture {
                securebits: 0xef,
                ..good
            }
            .is_locked()
        );
        assert!(matches!(
            Posture { dumpable: true, ..good }.judge(),
            Err(Error::Dumpable)
        ));
        assert!(matches!(
            Posture {
                securebits: 0x10,
                ..good
            }
            .judge(),
            Err(Error::KeepsCapabilities(0x10))
        ));
    }
}
