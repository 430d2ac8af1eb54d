//! Which capabilities the agent needs to load its programs, whether they are granted, and what grants them.
//!
//! Needed are CAP_BPF (bpf(2): maps and programs) and CAP_PERFMON (tracing programs, reading kernel memory from them),
//! split out of CAP_SYS_ADMIN in Linux 5.8. CAP_SYS_ADMIN is accepted where one of them is missing, because the kernel
//! accepts it too; it is far more than is needed, so [`Grant::warning`] says so.
//!
//! What counts is the *permitted* set: the binary carries permitted-only file capabilities, so that the kernel can
//! still exec it where a grant is missing and this module can say why. [`raise`] makes them effective.

use std::fmt;

use caps::{CapSet, Capability, errors::CapsError};

use super::file::{self, FileCapabilities};
use super::status::{self, ThreadStatus};
use super::{Capabilities, drop};

/// What the agent needs until its programs are attached.
pub const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// Why the agent may not start, or could not arrange its capabilities.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A needed capability is not granted. The message is for the person who deploys the agent.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The agent's own privileges could not be read.
    #[error("cannot determine the agent's own capabilities: {0}")]
    Status(#[from] status::Error),
    /// The kernel refused to change a capability set.
    #[error("cannot set the {set} capabilities to {wanted}: {source}")]
    Set {
        /// Which set.
        set: &'static str,
        /// What it should have become.
        wanted: Capabilities,
        /// The refusal.
        source: CapsError,
    },
    /// What was granted beyond the need could not be given up.
    #[error(transparent)]
    Drop(#[from] drop::Error),
}

/// The capabilities that the agent will load its programs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Exactly what [`raise`] makes effective.
    pub capabilities: Capabilities,
    /// What is granted beyond that; [`raise`] gives it up.
    pub surplus: Capabilities,
}

impl Grant {
    /// What the person who deploys the agent should know about this grant.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let missing = Capabilities::of(&NEEDED).without(self.capabilities);
        (!missing.is_empty()).then(|| {
            format!(
                "CAP_SYS_ADMIN stands in for {missing}; it allows far more than loading programs. Grant {missing} instead."
            )
        })
    }
}

/// What [`judge`] decides from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Permitted set of the thread that will load the programs.
    pub permitted: Capabilities,
    /// Its bounding set.
    pub bounding: Capabilities,
    /// Its effective user id.
    pub euid: u32,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// What the binary's inode grants.
    pub file: FileCapabilities,
}

impl Facts {
    /// The facts of the calling thread.
    ///
    /// # Errors
    /// The kernel's status file could not be read.
    pub fn of_this_thread() -> Result<Self, status::Error> {
        Ok(Self::from_status(&status::own_thread()?, file::of_own_binary()))
    }

    /// The facts in a status that was read before.
    #[must_use]
    pub fn from_status(status: &ThreadStatus, file: FileCapabilities) -> Self {
        Self {
            permitted: status.permitted,
            bounding: status.bounding,
            euid: status.uid[1],
            no_new_privs: status.no_new_privs,
            file,
        }
    }
}

/// Why one capability is missing, as far as the facts tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Not in the bounding set: the runtime or service manager does not grant it, nothing in the image can help.
    NotInBoundingSet,
    /// Granted to the container, but the binary's inode carries no file capabilities to hand it to a non-root user.
    NoFileCapabilities,
    /// The binary has file capabilities, this one is not among them.
    NotInFileCapabilities,
    /// The binary's file capabilities name it, and the kernel ignored them.
    FileCapabilitiesIgnored,
    /// Root with the capability in its bounding set and not in its permitted set: whoever started the agent took it.
    TakenByStarter,
    /// Non-root, and the file capabilities could not be read.
    Undetermined,
}

/// One missing capability with its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The capability.
    pub capability: Capability,
    /// Why it is missing.
    pub cause: Cause,
}

/// The needed capabilities that are not granted, why, and every setting that grants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Each missing capability; never empty.
    pub gaps: Vec<Gap>,
    /// The facts that the verdict rests on.
    pub facts: Facts,
}

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.gaps.iter().map(|gap| gap.capability.to_string()).collect();
        let (verb, them) = if names.len() == 1 {
            ("is", "it")
        } else {
            ("are", "them")
        };
        writeln!(
            out,
            "{} {verb} missing: without {them} the kernel loads no program.",
            names.join(" and ")
        )?;
        for gap in &self.gaps {
            writeln!(out, "  {}: {}", gap.capability, self.explain(gap.cause))?;
        }
        writeln!(out, "What grants {them}:")?;
        writeln!(out, "  Kubernetes   {KUBERNETES}")?;
        writeln!(out, "  plain binary {PLAIN}")?;
        write!(out, "  systemd      {SYSTEMD}")
    }
}

const KUBERNETES: &str = "securityContext.capabilities.add: [BPF, PERFMON] in the container, and file capabilities on \
    the image's binary (setcap cap_bpf,cap_perfmon=p when it is built), which a runAsUser other than 0 needs";
const PLAIN: &str = "setcap cap_bpf,cap_perfmon=p agent (as root, on a file system that is not mounted nosuid)";
const SYSTEMD: &str = "AmbientCapabilities=CAP_BPF CAP_PERFMON and CapabilityBoundingSet=CAP_BPF CAP_PERFMON";

impl Missing {
    /// A cause in words, to follow the capability's name.
    #[must_use]
    pub fn explain(&self, cause: Cause) -> String {
        let euid = self.facts.euid;
        match cause {
            Cause::NotInBoundingSet => {
                "not granted by whoever starts this process (it is not in the bounding set, CapBnd)".to_owned()
            }
            Cause::NoFileCapabilities => format!(
                "in the bounding set, but the binary has no file capabilities, so uid {euid} does not receive it"
            ),
            Cause::NotInFileCapabilities => {
                "in the bounding set, but not among the binary's file capabilities".to_owned()
            }
            Cause::FileCapabilitiesIgnored => format!(
                "in the bounding set and among the binary's file capabilities, which the kernel ignored: the file \
                 system is mounted nosuid{}, or the process is in a user namespace that does not own it",
                if self.facts.no_new_privs {
                    ", or no_new_privs was set before the start"
                } else {
                    ""
                }
            ),
            Cause::TakenByStarter => format!(
                "in the bounding set, but taken from the permitted set of uid {euid} by whoever started this process"
            ),
            Cause::Undetermined => {
                let FileCapabilities::Unknown(why) = &self.facts.file else {
                    return "in the bounding set, but not permitted".to_owned();
                };
                format!("in the bounding set, but not permitted for uid {euid}; {why}")
            }
        }
    }
}

/// Says whether the needed capabilities are granted to the calling thread.
///
/// # Errors
/// [`Error::Missing`] with cause and remedy, or [`Error::Status`].
pub fn check() -> Result<Grant, Error> {
    Ok(judge(&Facts::of_this_thread()?)?)
}

/// Says whether the needed capabilities are granted.
///
/// # Errors
/// The gaps, each with its cause.
pub fn judge(facts: &Facts) -> Result<Grant, Missing> {
    let needed = Capabilities::of(&NEEDED);
    let missing = needed.without(facts.permitted);
    let admin = Capabilities::of(&[Capability::CAP_SYS_ADMIN]);
    let mut used = facts.permitted.and(needed);
    if !missing.is_empty() {
        if facts.permitted.and(admin).is_empty() {
            let gaps = NEEDED
                .into_iter()
                .filter(|capability| missing.has(*capability))
                .map(|capability| Gap {
                    capability,
                    cause: cause(capability, facts),
                })
                .collect();
            return Err(Missing {
                gaps,
                facts: facts.clone(),
            });
        }
        used = used.or(admin);
    }
    Ok(Grant {
        capabilities: used,
        surplus: facts.permitted.without(used),
    })
}

fn cause(capability: Capability, facts: &Facts) -> Cause {
    if !facts.bounding.has(capability) {
        return Cause::NotInBoundingSet;
    }
    match &facts.file {
        _ if facts.euid == 0 => Cause::TakenByStarter,
        FileCapabilities::Absent => Cause::NoFileCapabilities,
        FileCapabilities::Present { permitted, .. } if permitted.has(capability) => Cause::FileCapabilitiesIgnored,
        FileCapabilities::Present { .. } => Cause::NotInFileCapabilities,
        FileCapabilities::Unknown(_) => Cause::Undetermined,
    }
}

/// Makes exactly the granted capabilities effective in the calling thread and gives up everything else, at once.
///
/// The bounding set is emptied here, while CAP_SETPCAP may still be held; without it the bounding set stays what the
/// runtime made it (and there it is no way to a capability: no_new_privs follows and the filter forbids execve).
///
/// # Errors
/// [`Error::Set`] or [`Error::Drop`]: the agent must not go on.
pub fn raise(grant: &Grant) -> Result<(), Error> {
    drop::shut_bounding_set(&status::own_thread()?)?;
    drop::clear_ambient_and_inheritable()?;
    // Effective before permitted: the kernel refuses a permitted set that is smaller than the effective one.
    set(CapSet::Effective, "effective", grant.capabilities)?;
    set(CapSet::Permitted, "permitted", grant.capabilities)
}

fn set(which: CapSet, set: &'static str, wanted: Capabilities) -> Result<(), Error> {
    caps::set(None, which, &wanted.to_hash_set()).map_err(|source| Error::Set { set, wanted, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            permitted: Capabilities::NONE,
            bounding: Capabilities::of(&NEEDED),
            euid: 65532,
            no_new_privs: true,
            file: FileCapabilities::Absent,
        }
    }

    fn causes(facts: &Facts) -> Vec<Cause> {
        judge(facts).unwrap_err().gaps.iter().map(|gap| gap.cause).collect()
    }

    #[test]
    fn the_two_needed_ones_are_enough() {
        let grant = judge(&Facts {
            permitted: Capabilities::of(&NEEDED),
            ..facts()
        })
        .unwrap();
        assert_eq!(grant.capabilities, Capabilities::of(&NEEDED));
        assert!(grant.surplus.is_empty() && grant.warning().is_none());
    }

    #[test]
    fn surplus_is_named() {
        let all = Capabilities::from_bits((1 << 41) - 1);
        let grant = judge(&Facts {
            permitted: all,
            ..facts()
        })
        .unwrap();
        assert_eq!(grant.capabilities, Capabilities::of(&NEEDED));
        assert_eq!(grant.surplus, all.without(Capabilities::of(&NEEDED)));
        assert!(
            grant.warning().is_none(),
            "CAP_SYS_ADMIN is surplus here, not a substitute"
        );
    }

    #[test]
    fn sys_admin_stands_in_with_a_warning() {
        let permitted = Capabilities::of(&[Capability::CAP_SYS_ADMIN, Capability::CAP_BPF]);
        let grant = judge(&Facts { permitted, ..facts() }).unwrap();
        assert_eq!(grant.capabilities, permitted);
        let warning = grant.warning().unwrap();
        assert!(warning.contains("stands in for CAP_PERFMON;"), "{warning}");
    }

    #[test]
    fn causes_are_told_apart() {
        use Cause::{
            FileCapabilitiesIgnored, NoFileCapabilities, NotInBoundingSet, NotInFileCapabilities, TakenByStarter,
            Undetermined,
        };
        let present = |permitted| FileCapabilities::Present {
            permitted,
            effective: false,
        };
        assert_eq!(
            causes(&Facts {
                bounding: Capabilities::NONE,
                ..facts()
            }),
            [NotInBoundingSet; 2]
        );
        assert_eq!(causes(&facts()), [NoFileCapabilities; 2]);
        let bpf = Capabilities::of(&[Capability::CAP_BPF]);
        let partial = Facts {
            file: present(bpf),
            permitted: bpf,
            ..facts()
        };
        assert_eq!(causes(&partial), [NotInFileCapabilities]);
        let ignored = Facts {
            file: present(Capabilities::of(&NEEDED)),
            ..facts()
        };
        assert_eq!(causes(&ignored), [FileCapabilitiesIgnored; 2]);
        assert_eq!(causes(&Facts { euid: 0, ..facts() }), [TakenByStarter; 2]);
        assert_eq!(
            causes(&Facts {
                file: FileCapabilities::Unknown("EIO".into()),
                ..facts()
            }),
            [Undetermined; 2]
        );
    }

    #[test]
    fn the_message_names_capability_cause_and_every_remedy() {
        let text = judge(&Facts {
            permitted: Capabilities::of(&[Capability::CAP_BPF]),
            ..facts()
        })
        .unwrap_err()
        .to_string();
        for part in [
            "CAP_PERFMON is missing",
            "the binary has no file capabilities, so uid 65532",
            "securityContext.capabilities.add: [BPF, PERFMON]",
            "setcap cap_bpf,cap_perfmon=p agent",
            "AmbientCapabilities=CAP_BPF CAP_PERFMON",
        ] {
            assert!(text.contains(part), "{part:?} not in:\n{text}");
        }
        assert!(!text.contains("CAP_BPF is missing"), "{text}");
    }
}
