//! The agent's own log: where it goes and how it looks. Events are none of its business, and it never writes to
//! standard output.
//!
//! Everything is opened here, at the start: later the system call filter allows nothing to be opened for writing. The
//! journal is written by datagrams on the socket that is created here, so journald may restart meanwhile. A message too
//! large for one datagram would need a memfd, which the filter refuses; such a message is lost.

use std::io::{self, IsTerminal, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

impl Target {
    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stderr { .. } => "stderr",
            Self::Journald => "journald",
        }
    }
}

/// Where the log of this process goes, and how that came.
#[derive(Debug, Default)]
pub struct Destination {
    target: Option<Target>,
    wanted: &'static str,
    fallback: String,
    failures: Arc<AtomicU64>,
    journal: Option<UnixDatagram>,
}

impl Destination {
    /// Where it goes; `None` where no log was set up.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.target
    }

    /// `log.target`.
    #[must_use]
    pub fn wanted(&self) -> &'static str {
        self.wanted
    }

    /// Why it does not go to journald where that is wished for, or why journald takes nothing at this moment: found out by
    /// sending it an empty datagram, which it ignores. Empty where all is as wished for. Does not wait.
    #[must_use]
    pub fn trouble(&self) -> String {
        let sent = self.journal.as_ref().map(|socket| socket.send_to(&[], JOURNALD_SOCKET));
        match sent {
            Some(Err(error)) => format!("journald does not take messages: {error}"),
            _ => self.fallback.clone(),
        }
    }

    /// Messages that standard error did not take. What journald does not take nobody counts.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// Standard error, which may be a file on a disk that is full: a message that it does not take is counted, and no error of
/// whoever logs.
#[derive(Debug, Clone)]
struct Counted(Arc<AtomicU64>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Each message is one call.
        if io::stderr().lock().write_all(bytes).is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
pub fn init(settings: &Log) -> Result<Destination, Error> {
    let terminal = io::stderr().is_terminal();
    let there = Path::new(JOURNALD_SOCKET).exists();
    let target = choose(settings.target, terminal, there);
    let destination = Destination {
        target: Some(target),
        wanted: settings.target.as_str(),
        ..Destination::default()
    };
    let mut fallback = None;
    if target == Target::Journald {
        match tracing_journald::layer() {
            Ok(layer) => {
                let layer = layer
                    .with_syslog_identifier(IDENTIFIER.to_owned())
                    .with_field_prefix(Some("PINHOLE".to_owned()));
                let registry = Registry::default().with(filter(&settings.level)?).with(layer);
                registry.try_init().map_err(Error::AlreadySet)?;
                return Ok(Destination {
                    journal: probe().ok(),
                    ..destination
                });
            }
            Err(source) if settings.target == LogTarget::Journald => return Err(Error::Journald { source }),
            Err(error) => fallback = Some(error),
        }
    }
    let registry = Registry::default().with(filter(&settings.level)?);
    let counted = Counted(Arc::clone(&destination.failures));
    let layer = fmt::layer().with_writer(move || counted.clone()).with_ansi(terminal);
    // Coloured levels and aligned targets are for eyes; elsewhere a collector reads line by line.
    let set = if terminal {
        registry.with(layer).try_init()
    } else {
        registry.with(layer.compact()).try_init()
    };
    set.map_err(Error::AlreadySet)?;
    let why = match (settings.target, fallback) {
        (LogTarget::Auto, Some(error)) => {
            tracing::warn!(%error, "journald does not answer at {JOURNALD_SOCKET}, logging to standard error");
            format!("journald does not answer at {JOURNALD_SOCKET}: {error}")
        }
        (LogTarget::Auto, None) if terminal => "standard error is a terminal".to_owned(),
        (LogTarget::Auto, None) if !there => format!("there is no {JOURNALD_SOCKET}"),
        _ => String::new(),
    };
    Ok(Destination {
        target: Some(Target::Stderr { terminal }),
        fallback: why,
        ..destination
    })
}

/// A socket to ask journald by whether it takes anything, which it must not keep waiting.
fn probe() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
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
