//! Who is at the other end of the admin socket, by the kernel's word.

use tokio::net::UnixStream;

/// The other end, as the kernel noted it: of a client when it connected, of the agent when it called `listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id in the PID namespace of this process; absent when the other is not visible there.
    pub pid: Option<i32>,
}

impl Peer {
    /// Asks the kernel; absent when it does not say.
    pub(super) fn of(stream: &UnixStream) -> Option<Self> {
        stream.peer_cred().ok().map(|cred| Self {
            uid: cred.uid(),
            gid: cred.gid(),
            pid: cred.pid().filter(|&pid| pid > 0),
        })
    }

    /// Whether it may change what the agent does, and not only ask: root, and the agent's own user. The socket lets the
    /// agent's group in as well, so that others of its pod can ask.
    pub(super) fn may_change(&self, own_uid: u32) -> bool {
        self.uid == 0 || self.uid == own_uid
    }
}
