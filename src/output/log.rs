//! The agent's own log: where it goes and how it looks. Events are none of its business, and it never writes to
//! standard output.
//!
//! Everything is opened here, at the start: later the system call filter allows nothing to be opened for writing. The
//! journal is written by datagrams on the socket that is created here, so journald may restart meanwhile. A message too
//! large for one datagram would need a memfd, which the filter refuses; such a message is lost.

use std::io::{self, IsTerminal};
use std::path::Path;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::settings::{Log, LogTarget};

/// `SYSLOG_IDENTIFIER` of the agent's entries in the journal: `journalctl -t pinhole-agent`.
pub const IDENTIFIER: &str = "pinhole-agent";

/// journald's native socket. The path is fixed in systemd and in tracing-journald.
pub const JOURNALD_SOCKET: &str = "/run/systemd/journal/socket";

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr {
        /// Coloured, with the module of each message; else one plain line per message.
        terminal: bool,
    },
    /// journald.
    Journald,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// journald was asked for and does not answer.
    #[error(
        "log.target is journald, but {JOURNALD_SOCKET} cannot be used: {source}. Mount it, or set log.target to stderr"
    )]
    Journald {
        /// Why.
        source: io::Error,
    },
    /// The level was not validated.
    #[error("log.level {level:?} cannot be used: {source}")]
    Level {
        /// The level.
        level: String,
        /// What is wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A log was set up before.
    #[error("the log is set up already: {0}")]
    AlreadySet(tracing_subscriber::util::TryInitError),
}

/// Sets up the log of this process, once.
///
/// # Errors
/// See [`Error`]. Where the target is `auto` and journald does not answer, the log goes to standard error instead, and
/// its first message says so.
pub fn init(settings: &Log) -> Result<Target, Error> {
    let terminal = io::stderr().is_terminal();
    let wanted = choose(settings.target, terminal, Path::new(JOURNALD_SOCKET).exists());
    let mut fallback = None;
    if wanted == Target::Journald {
        match tracing_journald::layer() {
            Ok(layer) => {
                let layer = layer
                    .with_syslog_identifier(IDENTIFIER.to_owned())
                    .with_field_prefix(Some("PINHOLE".to_owned()));
                let registry = Registry::default().with(filter(&settings.level)?).with(layer);
                return registry.try_init().map(|()| wanted).map_err(Error::AlreadySet);
            }
            Err(source) if settings.target == LogTarget::Journald => return Err(Error::Journald { source }),
            Err(error) => fallback = Some(error),
        }
    }
    let registry = Registry::default().with(filter(&settings.level)?);
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(terminal);
    // Coloured levels and aligned targets are for eyes; elsewhere a collector reads line by line.
    let set = if terminal {
        registry.with(layer).try_init()
    } else {
        registry.with(layer.compact()).try_init()
    };
    set.map_err(Error::AlreadySet)?;
    if let Some(error) = fallback {
        tracing::warn!(%error, "journald does not answer at {JOURNALD_SOCKET}, logging to standard error");
    }
    Ok(Target::Stderr { terminal })
}

fn filter(level: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(level).map_err(|source| Error::Level {
        level: level.to_owned(),
        source,
    })
}

/// `auto` prefers the eyes that are there: a terminal, else the journal, else standard error.
fn choose(wanted: LogTarget, terminal: bool, journald: bool) -> Target {
    match wanted {
        LogTarget::Journald => Target::Journald,
        LogTarget::Auto if journald && !terminal => Target::Journald,
        LogTarget::Auto | LogTarget::Stderr => Target::Stderr { terminal },
    }
}

#[cfg(test)]
mod tests;
