//! Where alerts are delivered: one file or directory per kind. A channel tries once and says how that went; when to try again, what
//! waits and what is counted is its lane's business.

mod file;
mod http;
mod journald;
mod otlp;
mod program;
mod remote;
mod resolve;
mod syslog;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use file::File;
pub(crate) use http::Http;
pub(crate) use journald::Journald;
pub(crate) use otlp::Otlp;
pub(crate) use program::Program;
pub use remote::TlsError;
pub(crate) use syslog::Syslog;

use crate::alert::Alert;
use crate::config::Format;

/// What a channel can do.
pub(crate) trait Channel: Send + 'static {
    /// How many alerts it takes at a time.
    fn batch(&self) -> usize;

    /// Delivers these, in order.
    fn deliver(&mut self, alerts: &[Arc<Alert>]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Nothing more comes. Whoever deals with what was delivered may want time for it.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Opens anew what may have been moved or replaced, on a thread that may wait for a disk. What fails keeps what it had.
    fn reopen(&mut self) -> impl Future<Output = Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }
}

/// A delivery that did not succeed altogether.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How many alerts, from the first on, were taken.
    pub(crate) taken: usize,
    /// What the others are.
    pub(crate) kind: Kind,
    /// Why.
    pub(crate) error: String,
}

/// Whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Yes, after so long if the receiver said.
    Later(Option<Duration>),
    /// No: the first one that was not taken will never be.
    Refused,
    /// No: of the rest, at least one will never be taken. Each by itself may.
    RefusedTogether,
    /// No: none of them will ever be taken.
    RefusedAll,
}

impl Failure {
    /// Nothing was taken; try again.
    pub(crate) fn later(error: impl ToString) -> Self {
        Self::later_than(0, error)
    }

    /// So many were taken; try the others again.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors are handed over whole, as map_err does"
    )]
    pub(crate) fn later_than(taken: usize, error: impl ToString) -> Self {
        Self {
            taken,
            kind: Kind::Later(None),
            error: error.to_string(),
        }
    }
}

/// The line for an alert, without its end.
fn line(alert: &Alert, format: Format) -> &str {
    match format {
        Format::Json => &alert.json,
        Format::Text => &alert.text,
    }
}

/// A receiver that takes everything, for tests of what is in front of channels.
#[cfg(test)]
pub(crate) fn test_server() -> remote::server::Server {
    remote::server::Server::start([])
}
