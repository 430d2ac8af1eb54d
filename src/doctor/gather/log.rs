//! Where a log could go.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::super::facts::{LogFacts, OsError};
use crate::config::settings::LogTarget;
use crate::output::log::JOURNALD_SOCKET;

/// Looks whether journald takes a connection; nothing is sent.
pub(super) fn look(root: &Path, target: LogTarget) -> LogFacts {
    let socket = root.join(JOURNALD_SOCKET.trim_start_matches('/'));
    let connected = UnixDatagram::unbound().and_then(|own| own.connect(socket));
    LogFacts {
        target: match target {
            LogTarget::Auto => "auto",
            LogTarget::Stderr => "stderr",
            LogTarget::Journald => "journald",
        },
        journald: connected.map_err(|error| OsError::of(&error)),
    }
}
