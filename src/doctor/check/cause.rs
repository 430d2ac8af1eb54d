//! Why something is refused, or nobody answers: told apart by what was tried, in one vocabulary for all checks.

/// The cause, as `cause` in what was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Cause {
    /// The kernel is too old for it or built without it.
    KernelLacks,
    /// A capability is not held.
    CapabilityMissing,
    /// A seccomp filter answered in the kernel's place.
    SeccompRefused,
    /// Lockdown withdraws it.
    Lockdown,
    /// A limit of a resource is reached.
    LimitReached,
    /// A security module (SELinux, AppArmor) refuses what mode and capabilities allow.
    LsmDenied,
    /// The mode of a file, or of a directory above it.
    FileMode,
    /// This process's user namespace is not the host's: there its capabilities count for nothing, nor does being root for files
    /// whose owner has no number in it.
    UserNamespace,
    /// There is no socket.
    SocketAbsent,
    /// The socket is there and its listener is gone.
    SocketStale,
    /// The socket that is mounted is another one than the path leads to by now: a file was mounted, and made anew.
    SocketReplaced,
    /// There is a file, and it is no socket.
    NotASocket,
    /// It takes connections and does not answer.
    Silent,
    /// Somebody answers who is not what is expected there.
    OtherPeer,
    /// The right one answers, with an error of its own.
    PeerError,
}

impl Cause {
    /// The word in reports.
    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::KernelLacks => "kernel_lacks",
            Self::CapabilityMissing => "capability_missing",
            Self::SeccompRefused => "seccomp_refused",
            Self::Lockdown => "lockdown",
            Self::LimitReached => "limit_reached",
            Self::LsmDenied => "lsm_denied",
            Self::FileMode => "file_mode",
            Self::UserNamespace => "user_namespace",
            Self::SocketAbsent => "socket_absent",
            Self::SocketStale => "socket_stale",
            Self::SocketReplaced => "socket_replaced",
            Self::NotASocket => "not_a_socket",
            Self::Silent => "silent",
            Self::OtherPeer => "other_peer",
            Self::PeerError => "peer_error",
        }
    }
}
