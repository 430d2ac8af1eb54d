//! HTTP as Falco speaks it and Falcosidekick reads it: an alert as a JSON object, posted. For receivers that take several at once,
//! an array or lines.

use std::sync::Arc;

use hyper::body::Bytes;

use super::remote::{Client, TlsError, Verdict};
use super::{Channel, Failure, Kind};
use crate::alert::Alert;
use crate::config::{BatchFormat, Http as Settings};

/// See the module.
pub(crate) struct Http {
    client: Client,
    batch: usize,
    format: BatchFormat,
}

impl Http {
    pub(crate) fn new(settings: &Settings, version: &str) -> Result<Self, TlsError> {
        let content_type = match settings.batch_format {
            BatchFormat::Lines if settings.batch > 1 => "application/x-ndjson",
            _ => "application/json",
        };
        let client = Client::new(
            &settings.url,
            &settings.headers,
            content_type,
            version,
            &settings.tls,
            (settings.connect_timeout, settings.timeout),
        )?;
        Ok(Self {
            client,
            batch: usize::try_from(settings.batch).unwrap_or(usize::MAX),
            format: settings.batch_format,
        })
    }

    fn body(&self, alerts: &[Arc<Alert>]) -> Bytes {
        let objects: Vec<&str> = alerts.iter().map(|alert| alert.json.as_str()).collect();
        match self.format {
            _ if self.batch == 1 => objects.concat(),
            BatchFormat::Array => format!("[{}]", objects.join(",")),
            BatchFormat::Lines => objects.join("\n") + "\n",
        }
        .into()
    }
}

impl Channel for Http {
    fn batch(&self) -> usize {
        self.batch
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        // What is no JSON would spoil the alerts that it is sent with.
        let good = alerts.iter().take_while(|alert| alert.object().is_some()).count();
        if good > 0 {
            let answer = self.client.post(self.body(&alerts[..good])).await?;
            let verdict = answer.verdict();
            if verdict != Verdict::Taken {
                return Err(self.client.discretion().refusal(&answer, verdict));
            }
        }
        match good == alerts.len() {
            true => Ok(()),
            false => Err(Failure {
                taken: good,
                kind: Kind::Refused,
                error: "an alert is no JSON object".to_owned(),
            }),
        }
    }

    async fn reopen(&mut self) -> Result<(), String> {
        self.client.reopen().await
    }
}

#[cfg(test)]
mod tests;
