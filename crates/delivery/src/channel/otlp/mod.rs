//! OpenTelemetry's logs over HTTP with protobuf (OTLP 1.7): a record for each alert, in one request for many.

mod message;
mod record;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::remote::{Client, TlsError, Verdict};
use super::{Channel, Failure, Kind};
use crate::alert::Alert;
use crate::config::Otlp as Settings;
use message::{KeyValue, Request, Resource, ResourceLogs, Response, Scope, ScopeLogs};
use record::{record, text};

/// See the module.
pub(crate) struct Otlp {
    client: Client,
    batch: usize,
    resource: Vec<KeyValue>,
    version: String,
}

impl Otlp {
    pub(crate) fn new(settings: &Settings, hostname: &str, version: &str) -> Result<Self, TlsError> {
        let client = Client::new(
            &settings.url,
            &settings.headers,
            "application/x-protobuf",
            version,
            &settings.tls,
            (settings.connect_timeout, settings.timeout),
        )?;
        let mut resource: Vec<KeyValue> = settings.resource.iter().map(|(key, value)| text(key, value)).collect();
        for (key, value) in [
            ("service.name", "pinhole"),
            ("service.version", version),
            ("host.name", hostname),
        ] {
            if !settings.resource.contains_key(key) {
                resource.push(text(key, value));
            }
        }
        Ok(Self {
            client,
            batch: usize::try_from(settings.batch).unwrap_or(usize::MAX),
            resource,
            version: version.to_owned(),
        })
    }

    fn request(&self, alerts: &[Arc<Alert>], now: u64) -> Request {
        Request {
            resource_logs: vec![ResourceLogs {
                resource: Some(Resource {
                    attributes: self.resource.clone(),
                }),
                scope_logs: vec![ScopeLogs {
                    scope: Some(Scope {
                        name: "pinhole".to_owned(),
                        version: self.version.clone(),
                    }),
                    log_records: alerts.iter().map(|alert| record(alert, now)).collect(),
                }],
            }],
        }
    }
}

impl Channel for Otlp {
    fn batch(&self) -> usize {
        self.batch
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        let body = self.request(alerts, now()).encode_to_vec();
        let answer = self.client.post(body.into()).await?;
        let verdict = answer.otlp_verdict();
        if verdict != Verdict::Taken {
            return Err(self.client.discretion().refusal(&answer, verdict));
        }
        // A collector may take a request and refuse some of its records, without saying which. It must not be sent them again.
        let partial = Response::decode(answer.body).ok().and_then(|body| body.partial_success);
        let Some(partial) = partial.filter(|partial| partial.rejected_log_records > 0) else {
            return Ok(());
        };
        let rejected = usize::try_from(partial.rejected_log_records).unwrap_or(usize::MAX);
        let discretion = self.client.discretion();
        Err(Failure {
            taken: alerts.len().saturating_sub(rejected),
            kind: Kind::RefusedAll,
            error: format!(
                "{} refuses {rejected} of {}: {}",
                discretion.url(),
                alerts.len(),
                discretion.words(&partial.error_message)
            ),
        })
    }

    async fn reopen(&mut self) -> Result<(), String> {
        self.client.reopen().await
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
