//! Why something is refused, or nobody answers: told apart by what was tried, in one vocabulary for all checks.

/// The cause, as `cause` in what was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Cause {
    /// A security module (SELinux, AppArmor) refuses what mode and capabilities allow.
    LsmDenied,
    /// The mode of a file, or of a directory above it.
    FileMode,
    /// The file's owner has no number in this process's user namespace, so that being root there means nothing.
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
