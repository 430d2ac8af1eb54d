//! Syslog: the daemon of this machine by its socket, or one elsewhere by UDP (RFC 5426) or TCP (RFC 6587, each message with its
//! length in front).
//!
//! Over TCP nobody confirms a message. A connection that the other end has closed is noticed before the next message is written;
//! what was on its way when it closed may be lost, which the protocol has no remedy for. Over UDP nothing is noticed at all, so the
//! name is looked for again from time to time.

mod format;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Channel, Failure, Kind, line};
use crate::alert::Alert;
use crate::config::{Format, Protocol, Syslog as Settings, Target};
use transport::{SendError, Transport};

/// How long a message may take, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the address of a name is taken for good over UDP.
const RESOLVED: Duration = Duration::from_secs(60);
/// How long looking for it again may take: less than [`PATIENCE`], because the message can go where the last one went.
const RESOLVING: Duration = Duration::from_secs(3);

/// See the module.
pub(crate) struct Syslog {
    target: Target,
    facility: u8,
    format: Format,
    is_local: bool,
    rfc5424: bool,
    hostname: String,
    transport: Option<Transport>,
    /// When its address was last looked for.
    resolved: Instant,
}

impl Syslog {
    pub(crate) fn new(settings: &Settings, hostname: &str) -> Self {
        let is_local = matches!(settings.target, Target::Unix(_));
        Self {
            target: settings.target.clone(),
            facility: settings.facility,
            format: settings.format,
            is_local,
            rfc5424: match settings.protocol {
                Protocol::Auto => !is_local,
                Protocol::Rfc3164 => false,
                Protocol::Rfc5424 => true,
            },
            hostname: hostname.to_owned(),
            transport: None,
            resolved: Instant::now(),
        }
    }

    fn message(&self, alert: &Alert) -> String {
        let text = line(alert, self.format);
        match self.rfc5424 {
            true => format::rfc5424(alert, self.facility, &self.hostname, text),
            false => {
                let hostname = (!self.is_local).then_some(self.hostname.as_str());
                format::rfc3164(alert, self.facility, hostname, text)
            }
        }
    }

    /// A name may lead elsewhere by now. What fails keeps what there is.
    async fn resolve_again(&mut self) {
        let is_udp = matches!(self.transport, Some(Transport::Udp(_)));
        if !is_udp || self.resolved.elapsed() < RESOLVED {
            return;
        }
        self.resolved = Instant::now();
        let error = match timeout(RESOLVING, Transport::connect(&self.target)).await {
            Ok(Ok(transport)) => {
                self.transport = Some(transport);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "there is no answer".to_owned(),
        };
        tracing::warn!(
            "{} cannot be looked for again and stays where it was: {error}",
            self.target
        );
    }

    async fn send(&mut self, message: &str) -> Result<(), SendError> {
        self.resolve_again().await;
        // What was connected before may have gone: one attempt with it, one with a new connection.
        if let Some(transport) = &mut self.transport {
            match transport.send(message).await {
                Err(SendError::Broken(_)) => self.transport = None,
                sent => return sent,
            }
        }
        let mut transport = Transport::connect(&self.target).await.map_err(SendError::Broken)?;
        self.resolved = Instant::now();
        transport.send(message).await?;
        self.transport = Some(transport);
        Ok(())
    }
}

impl Channel for Syslog {
    fn batch(&self) -> usize {
        32
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        for (taken, alert) in alerts.iter().enumerate() {
            let message = self.message(alert);
            let sent = timeout(PATIENCE, self.send(&message)).await;
            let error = match sent {
                Ok(Ok(())) => continue,
                Ok(Err(SendError::TooLarge)) => {
                    return Err(Failure {
                        taken,
                        kind: Kind::Refused,
                        error: format!("{}: a message of {} bytes is too large", self.target, message.len()),
                    });
                }
                Ok(Err(SendError::Broken(error))) => error.to_string(),
                Err(_) => "it takes nothing".to_owned(),
            };
            // Half a message may be out.
            self.transport = None;
            return Err(Failure::later_than(taken, format!("{}: {error}", self.target)));
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Result<(), String> {
        self.transport = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
