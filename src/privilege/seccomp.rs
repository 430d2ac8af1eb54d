//! The system call filters that a process puts over itself: that of the running agent, from `seccomp/agent-run.json` to the
//! kernel, over every thread, and that of the doctor, from `seccomp/agent-doctor.json`.
//!
//! The files are in the format of the OCI runtime specification and are embedded; `seccomp/README.md` says what of that
//! format is used. [`policy`] reads them, this file compiles and installs. It allows nothing on its own.
//!
//! seccompiler knows two outcomes per filter, match and mismatch, and a policy has up to three (allow, refuse with an errno,
//! and what becomes of the rest). The kernel runs all installed filters and takes the most severe verdict, so a policy becomes
//! a stack: one filter per errno that refuses some calls and lets the rest pass, and last the one for what is not listed.

pub mod policy;

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, TargetArch};
use serde_json::{Value, json};

use self::policy::{Condition, Operator, Otherwise, Policy, When};
use super::status::{self, SeccompMode, ThreadStatus};

/// The policy that the agent runs under.
pub static AGENT_RUN: &str = include_str!("../../seccomp/agent-run.json");

/// The policy for the agent's container until then, where the runtime's default does not do. The agent only prints it.
pub static AGENT_SETUP: &str = include_str!("../../seccomp/agent-setup.json");

/// The policy that the doctor runs under: it reads, asks and tries, and changes nothing.
pub static AGENT_DOCTOR: &str = include_str!("../../seccomp/agent-doctor.json");

/// The policy that the delivery process runs under, in parts.
pub static AGENT_DELIVERY: &str = include_str!("../../seccomp/agent-delivery.json");

/// The same where programs are started, which inherit it: nobody knows what they need, so it refuses what no such program should.
pub static AGENT_DELIVERY_PROGRAM: &str = include_str!("../../seccomp/agent-delivery-program.json");

/// A part of the delivery process's work, with calls of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Receivers over the network, and their names.
    Network,
    /// Writing files and queues on disk.
    Files,
    /// Unix sockets of other daemons.
    Sockets,
    /// Receivers over the network and no unix sockets.
    NetworkAlone,
    /// Programs, which have a policy of their own instead of parts.
    Program,
}

impl Part {
    /// The word in the policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Files => "files",
            Self::Sockets => "sockets",
            Self::NetworkAlone => "network-alone",
            Self::Program => "program",
        }
    }
}

/// Why the filter could not be installed, or is not in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy cannot be read.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// The processor architecture has no system call table here.
    #[error("no system call filter for the architecture {0}")]
    Architecture(&'static str),
    /// The policy names a system call that no architecture has.
    #[error("the seccomp policy names {0:?}, which is no system call")]
    UnknownSystemCall(String),
    /// The policy could not be turned into a program.
    #[error("cannot compile the seccomp policy: {0}")]
    Compile(seccompiler::Error),
    /// The kernel refused the filter.
    #[error("cannot install the seccomp filter: {0}")]
    Install(seccompiler::Error),
    /// The threads could not be inspected.
    #[error("cannot read the seccomp mode of the agent's threads: {0}")]
    Status(#[from] status::Error),
    /// A thread is not filtered.
    #[error("thread {tid} ({name}) runs without the agent's seccomp filter")]
    Unfiltered {
        /// The thread.
        tid: u32,
        /// Its name.
        name: String,
    },
}

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct Filter {
    /// In the order of installation; the one for what is not listed is last, because it does not allow seccomp(2).
    programs: Vec<BpfProgram>,
    skipped: Vec<String>,
}

impl Filter {
    /// Compiles a policy for this machine's architecture.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn compile(policy: &Policy) -> Result<Self, Error> {
        Self::compile_for(policy, native()?)
    }

    /// System calls of the policy that the architecture does not have.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    fn compile_for(policy: &Policy, arch: TargetArch) -> Result<Self, Error> {
        let (names, skipped) = split_names(policy, arch)?;
        let mut programs = Vec::new();
        let rules_of = |calls: &BTreeMap<String, When>| -> Vec<Value> {
            let present = calls.iter().filter(|(name, _)| names.contains(name));
            present.flat_map(|(name, when)| rules(name, when)).collect()
        };
        for (errno, refused) in &policy.refused {
            let refused = rules_of(refused);
            programs.push(program(&json!("allow"), &json!({ "errno": errno }), &refused, arch)?);
        }
        // What one program refuses this one has to let pass: of their answers the harshest counts.
        let mut allowed = rules_of(&policy.allowed);
        allowed.extend(policy.refused.values().flat_map(rules_of));
        let otherwise = match policy.default {
            Otherwise::Kill => json!("kill_process"),
            Otherwise::Refuse(errno) => json!({ "errno": errno }),
        };
        programs.push(program(&otherwise, &json!("allow"), &allowed, arch)?);
        Ok(Self { programs, skipped })
    }

    /// Puts the filter over every thread of this process, for good. Sets no_new_privs where it is not set yet.
    ///
    /// # Errors
    /// [`Error::Install`]; part of the stack may be in force then, and the agent must not go on.
    pub fn install(&self) -> Result<(), Error> {
        self.programs
            .iter()
            .try_for_each(|program| seccompiler::apply_filter_all_threads(program).map_err(Error::Install))
    }
}

/// Compiles and installs [`AGENT_RUN`] over every thread of this process.
///
/// Afterwards nothing can be opened for writing, no thread spawned, no program started or loaded, so whatever the agent
/// needs must be open and running before.
///
/// # Errors
/// See [`Error`]; the agent must not go on.
pub fn install() -> Result<Installed, Error> {
    put_over(&Policy::parse(AGENT_RUN)?)
}

/// The policy of a delivery process whose channels need these parts.
///
/// # Errors
/// [`Error::Policy`].
pub fn delivery_policy(parts: &[Part]) -> Result<Policy, Error> {
    if parts.contains(&Part::Program) {
        return Ok(Policy::parse(AGENT_DELIVERY_PROGRAM)?);
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
    Ok(Policy::parse_parts(AGENT_DELIVERY, &parts)?)
}

/// Compiles and installs the delivery process's policy, with these parts.
///
/// # Errors
/// See [`Error`]; the process must not go on.
pub fn install_delivery(parts: &[Part]) -> Result<Installed, Error> {
    put_over(&delivery_policy(parts)?)
}

fn put_over(policy: &Policy) -> Result<Installed, Error> {
    let filter = Filter::compile(policy)?;
    let before = status::own_thread()?.seccomp_filters;
    filter.install()?;
    Ok(Installed {
        before,
        own: u32::try_from(filter.programs.len()).unwrap_or(u32::MAX),
    })
}

/// Compiles and installs [`AGENT_DOCTOR`] over every thread of this process and of the programs that it starts: from here on
/// nothing can be written but to what is open, and what tries is refused with EPERM. Sets no_new_privs.
///
/// # Errors
/// See [`Error`]; the doctor goes on without and says so.
pub fn confine() -> Result<(), Error> {
    Filter::compile(&Policy::parse(AGENT_DOCTOR)?)?.install()
}

/// How many filters were there before the agent's own, and how many those are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    before: Option<u32>,
    own: u32,
}

impl Installed {
    /// Nothing was installed.
    #[cfg(test)]
    pub(super) const NONE: Self = Self { before: None, own: 0 };

    /// Checks by the kernel's word that every thread of this process runs under the agent's own filters, too. The mode alone
    /// proves nothing where a container runtime has set a filter of its own; kernels before 5.9 tell no more than that.
    ///
    /// # Errors
    /// [`Error::Unfiltered`] for the first thread that does not.
    pub fn verify(self) -> Result<(), Error> {
        self.judge(&status::own_threads()?)
    }

    /// The same of this thread alone, for a filter under which no directory is listed.
    ///
    /// # Errors
    /// [`Error::Unfiltered`].
    pub fn verify_this_thread(self) -> Result<(), Error> {
        self.judge(&[status::own_thread()?])
    }

    pub(super) fn judge(self, threads: &[ThreadStatus]) -> Result<(), Error> {
        let wanted = self.before.map(|before| before.saturating_add(self.own));
        let unfiltered = |thread: &ThreadStatus| {
            let filters = thread.seccomp_filters;
            thread.seccomp != SeccompMode::Filter || wanted.zip(filters).is_some_and(|(wanted, has)| has < wanted)
        };
        match threads.iter().find(|thread| unfiltered(thread)) {
            Some(thread) => Err(Error::Unfiltered {
                tid: thread.tid,
                name: thread.name.clone(),
            }),
            None => Ok(()),
        }
    }
}

fn native() -> Result<TargetArch, Error> {
    TargetArch::try_from(std::env::consts::ARCH).map_err(|_| Error::Architecture(std::env::consts::ARCH))
}

/// The policy's names: those that the architecture has, and those that only another one has.
fn split_names(policy: &Policy, arch: TargetArch) -> Result<(Vec<String>, Vec<String>), Error> {
    let (mut present, mut skipped) = (Vec::new(), Vec::new());
    for name in policy.names() {
        if exists(name, arch) {
            present.push(name.to_owned());
        } else if [TargetArch::x86_64, TargetArch::aarch64]
            .into_iter()
            .any(|other| exists(name, other))
        {
            skipped.push(name.to_owned());
        } else {
            return Err(Error::UnknownSystemCall(name.to_owned()));
        }
    }
    Ok((present, skipped))
}

/// seccompiler keeps its table of numbers to itself, so it is asked by compiling a filter with the one name.
fn exists(name: &str, arch: TargetArch) -> bool {
    program(&json!("kill_process"), &json!("allow"), &[rule(name, None)], arch).is_ok()
}

/// The rules for one system call.
fn rules(name: &str, when: &When) -> Vec<Value> {
    match when {
        When::Always => vec![rule(name, None)],
        When::Any(alternatives) => alternatives
            .iter()
            .map(|conditions| rule(name, Some(conditions)))
            .collect(),
    }
}

/// One rule in seccompiler's own JSON.
fn rule(name: &str, conditions: Option<&Vec<Condition>>) -> Value {
    match conditions {
        None => json!({ "syscall": name }),
        Some(conditions) => {
            json!({ "syscall": name, "args": conditions.iter().map(argument).collect::<Vec<_>>() })
        }
    }
}

/// All 64 bits are compared, as libseccomp does it for container runtimes: never more permissive than the policy reads.
fn argument(condition: &Condition) -> Value {
    let (operator, value) = match condition.operator {
        Operator::Eq => (json!("eq"), condition.value),
        Operator::Ne => (json!("ne"), condition.value),
        Operator::Lt => (json!("lt"), condition.value),
        Operator::Le => (json!("le"), condition.value),
        Operator::Gt => (json!("gt"), condition.value),
        Operator::Ge => (json!("ge"), condition.value),
        Operator::MaskedEq => (json!({ "masked_eq": condition.value }), condition.value_two),
    };
    json!({ "index": condition.index, "type": "qword", "op": operator, "val": value })
}

fn program(mismatch: &Value, matched: &Value, rules: &[Value], arch: TargetArch) -> Result<BpfProgram, Error> {
    let filter = json!({ "filter": { "mismatch_action": mismatch, "match_action": matched, "filter": rules } });
    let programs: BTreeMap<_, _> = seccompiler::compile_from_json(filter.to_string().as_bytes(), arch)
        .map_err(Error::Compile)?
        .into_iter()
        .collect();
    Ok(programs.into_values().next().unwrap_or_default())
}

#[cfg(test)]
pub(super) mod tests;
