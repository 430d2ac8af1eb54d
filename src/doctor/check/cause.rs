//! Who refused: the one list of causes that refusals of bpf(2), files and sockets are blamed on. The word stands as `cause`
//! in what a check observed.

use serde::Serialize;
use serde_json::Value;

/// Why something is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The kernel is too old for it or built without it.
    KernelLacks,
    /// A capability is not held, or does not count here.
    CapabilityMissing,
    /// A seccomp filter answered in the kernel's place.
    SeccompRefused,
    /// A security module said no.
    LsmDenied,
    /// Lockdown withdraws it.
    Lockdown,
    /// A limit of a resource is reached.
    LimitReached,
    /// Owner and mode of a file keep the process out.
    FileMode,
    /// Nothing is at the socket's path.
    SocketAbsent,
    /// The socket's file is there and nobody listens.
    SocketStale,
}

impl From<Cause> for Value {
    fn from(cause: Cause) -> Self {
        serde_json::to_value(cause).unwrap_or_default()
    }
}
