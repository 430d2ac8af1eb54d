//! What can go wrong between the agent and the kernel, each with its cause.

use std::io;

use aya::programs::ProgramError;

/// Why the kernel refused something: the bare facts, from which the doctor draws its conclusions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was tried, e.g. `load fexit program on __x64_sys_openat`.
    pub step: String,
    /// The kernel's answer, where it gave one.
    pub errno: Option<i32>,
    /// The answer in words.
    pub message: String,
    /// The end of the verifier's log, when it has something to say.
    pub verifier: Option<String>,
}

/// How much of the verifier's log is kept: its verdict stands at the end.
const VERIFIER_TAIL: usize = 2048;

impl Failure {
    pub(crate) fn of_program(step: String, error: &ProgramError) -> Self {
        let (verifier, cause): (Option<String>, &dyn std::error::Error) = match error {
            ProgramError::LoadError { io_error, verifier_log } => (Some(verifier_log.to_string()), io_error),
            other => (None, other),
        };
        if let Some(log) = &verifier {
            tracing::debug!(step, log, "what the verifier said");
        }
        Self {
            verifier: verifier.and_then(|log| tail(&log)),
            ..Self::of_error(step, cause)
        }
    }

    pub(crate) fn of_error(step: String, error: &(dyn std::error::Error + 'static)) -> Self {
        let errno = errno_in(error);
        let message = errno.map_or_else(|| chain(error), |errno| io::Error::from_raw_os_error(errno).to_string());
        Self {
            step,
            errno,
            message,
            verifier: None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.step, self.message)
    }
}

pub(super) fn tail(log: &str) -> Option<String> {
    let log = log.trim();
    if log.is_empty() {
        return None;
    }
    let start = log
        .char_indices()
        .rev()
        .nth(VERIFIER_TAIL)
        .map_or(0, |(index, _)| index);
    Some(log[start..].to_owned())
}

/// The first operating-system error in the chain of causes.
fn errno_in(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(errno) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(errno);
        }
        next = error.source();
    }
    None
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}

/// Why capture could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's types cannot be read.
    #[error("cannot read the kernel's types from {path}: {source}")]
    Types {
        /// The file.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel does not publish its types.
    #[error(
        "cannot read the kernel's type information from /sys/kernel/btf/vmlinux: {0}. A kernel built with CONFIG_DEBUG_INFO_BTF is needed (every AKS, OpenShift, EKS and GKE node has one)"
    )]
    Btf(#[source] aya::BtfError),
    /// The object could not be prepared: its maps or relocations.
    #[error("cannot load the eBPF object: {0}{hint}", hint = memlock_hint(.0))]
    Object(Failure),
    /// A program that nothing works without was refused.
    #[error("the kernel refused a base program: {0}{hint}", hint = lockdown_hint(.0))]
    Program(Failure),
    /// The backend that the configuration insists on is refused here.
    #[error(
        "capture.backend is set to {backend}, which this kernel refuses: {failure}. Set it to auto to use the other one"
    )]
    Backend {
        /// The backend asked for.
        backend: &'static str,
        /// What the kernel said.
        failure: Failure,
    },
    /// A map could not be mapped into memory.
    #[error("cannot map {map} into memory: {source}")]
    Map {
        /// The map's name.
        map: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The CPUs of the machine are unknown.
    #[error("cannot learn from {path} which CPUs there are: {source}")]
    Cpus {
        /// The file.
        path: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The clock of the hooks cannot be read.
    #[error("cannot read CLOCK_BOOTTIME: {0}")]
    Clock(#[source] nix::Error),
    /// No thread could be made.
    #[error("cannot make a thread: {0}")]
    Thread(#[source] io::Error),
    /// The embedded object lacks something: a fault of the build.
    #[error("the embedded eBPF object has no {0}: this build of the agent is broken")]
    Missing(&'static str),
}

/// Before Linux 5.11 a map that exceeds RLIMIT_MEMLOCK is refused with EPERM, which reads as if a capability lacked.
fn memlock_hint(failure: &Failure) -> String {
    match crate::privilege::limits::memlock() {
        Some(limit) if failure.errno == Some(libc::EPERM) => format!(
            ". Kernels before 5.11 count maps against RLIMIT_MEMLOCK, which is {limit} bytes here: raise \
             the limit, choose a smaller capture.ring_size, or grant CAP_SYS_RESOURCE as well, which takes two steps: in the \
             manifest (capabilities.add: [BPF, PERFMON, SYS_RESOURCE]) and among the binary's file capabilities (setcap \
             cap_bpf,cap_perfmon,cap_sys_resource=p agent)"
        ),
        _ => String::new(),
    }
}

/// Under `lockdown=confidentiality` every program that reads kernel memory is refused with EINVAL, which says nothing.
/// The mode can be read where securityfs is mounted, which it usually is not in a pod.
fn lockdown_hint(failure: &Failure) -> &'static str {
    if failure.errno != Some(libc::EINVAL) {
        return "";
    }
    match std::fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) if modes.contains("[confidentiality]") => {
            ". The kernel is locked down for confidentiality, under which no program may read kernel memory: boot with \
             lockdown=integrity or without lockdown"
        }
        Ok(_) => "",
        Err(_) => {
            ". That is how a kernel answers that is locked down for confidentiality; its mode could not be read here \
             (/sys/kernel/security/lockdown on the host says it)"
        }
    }
}
