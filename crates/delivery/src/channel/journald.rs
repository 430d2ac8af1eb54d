//! systemd's journal by its native protocol (systemd, "Native Journal Protocol"): a datagram of fields, or, where that is too large
//! for one, a sealed memory file whose descriptor is sent instead.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use super::{Channel, Failure};
use crate::alert::Alert;

/// `SYSLOG_IDENTIFIER` of alerts: `journalctl -t pinhole-alert`. The agent's own log has another.
const IDENTIFIER: &str = "pinhole-alert";
/// How long journald may take to make room.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Journald {
    path: PathBuf,
    /// Connected: of a socket that is not, the kernel does not tell when the other side has room.
    socket: Option<UnixDatagram>,
}

impl Journald {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, socket: None }
    }

    async fn send(&mut self, entry: &[u8]) -> io::Result<()> {
        // A socket from before journald was restarted is refused once.
        if let Some(socket) = &self.socket
            && send(socket, entry).await.is_ok()
        {
            return Ok(());
        }
        self.socket = None;
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        send(&socket, entry).await?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Channel for Journald {
    fn batch(&self) -> usize {
        32
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        for (taken, alert) in alerts.iter().enumerate() {
            match timeout(PATIENCE, self.send(&entry(alert))).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let error = format!("{}: {error}", self.path.display());
                    return Err(Failure::later_than(taken, error));
                }
                Err(_) => return Err(Failure::later_than(taken, "journald takes nothing")),
            }
        }
        Ok(())
    }
}

async fn send(socket: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
    match socket.send(entry).await {
        Err(error) if error.raw_os_error() == Some(Errno::EMSGSIZE as i32) => {
            let file = sealed(entry)?;
            let rights = [file.as_raw_fd()];
            let message = [ControlMessage::ScmRights(&rights)];
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            let socket_fd = socket.as_raw_fd();
            let send = || sendmsg::<UnixAddr>(socket_fd, &[], &message, flags, None).map_err(io::Error::from);
            socket.async_io(Interest::WRITABLE, send).await.map(|_| ())
        }
        sent => sent.map(|_| ()),
    }
}

/// A memory file that cannot change any more, which journald insists on.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create("pinhole-alert", MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// The fields of an alert.
fn entry(alert: &Alert) -> Vec<u8> {
    let mut entry = Vec::with_capacity(alert.size());
    field(&mut entry, "MESSAGE", &alert.text);
    field(&mut entry, "PRIORITY", &alert.priority.severity().to_string());
    field(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
    field(&mut entry, "RULE", &alert.rule);
    if let Some(container) = &alert.container {
        field(&mut entry, "CONTAINER_ID_FULL", container);
    }
    field(&mut entry, "ALERT", &alert.json);
    entry
}

/// A field by its length, so that no value can be taken for another field.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
#[path = "journald_tests.rs"]
mod tests;
