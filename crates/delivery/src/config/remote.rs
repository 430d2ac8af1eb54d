//! The channels that reach receivers over HTTP, and what both of them need: retries, queues, TLS.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use pinhole_priority::Priority;
use serde::{Deserialize, Serialize, Serializer};

use super::units;

/// `delivery.http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Whether it is used.
    pub enabled: bool,
    /// Only alerts at least as bad as this.
    pub priority: Priority,
    /// Where to post to: `http://` or `https://`.
    pub url: String,
    /// Header fields that go along.
    pub headers: BTreeMap<String, Secret>,
    /// Alerts in one request at most. One: a JSON object each, which is what Falcosidekick reads.
    pub batch: u32,
    /// What several alerts look like.
    pub batch_format: BatchFormat,
    /// How long connecting may take, the name's resolution and TLS included.
    #[serde(with = "units::duration")]
    pub connect_timeout: Duration,
    /// How long the answer may take.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// When to try again.
    pub retry: Retry,
    /// Where alerts wait.
    pub queue: Queue,
    /// Whom to trust and who to be.
    pub tls: Tls,
}

/// The port that an address of a web server names, or that its scheme stands for; `None` where it is no such address.
#[must_use]
pub fn port(url: &str) -> Option<u16> {
    let uri: hyper::Uri = url.parse().ok()?;
    let host = uri.authority()?;
    match uri.scheme_str()? {
        "http" => Some(host.port_u16().unwrap_or(80)),
        "https" => Some(host.port_u16().unwrap_or(443)),
        _ => None,
    }
}

/// An address as it may be shown: without a user, and without what follows the host, in which receivers of webhooks have their
/// secret.
#[must_use]
pub fn shown(url: &str) -> String {
    let uri: hyper::Uri = url.parse().unwrap_or_default();
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return if url.is_empty() {
            String::new()
        } else {
            "(not shown)".to_owned()
        };
    };
    let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
    let rest = match uri.path_and_query().map_or("", |rest| rest.as_str()) {
        rest @ ("" | "/") => rest,
        _ => "/…",
    };
    format!("{scheme}://{host}{port}{rest}")
}

/// What several alerts in one request look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchFormat {
    /// A JSON array.
    #[default]
    Array,
    /// A JSON object per line, `application/x-ndjson`.
    Lines,
}

/// `delivery.otlp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Whether it is used.
    pub enabled: bool,
    /// Only alerts at least as bad as this.
    pub priority: Priority,
    /// Where to post to, the path included: usually `/v1/logs` on port 4318.
    pub url: String,
    /// Header fields that go along.
    pub headers: BTreeMap<String, Secret>,
    /// Attributes of the resource, beside `service.name` and `host.name`.
    pub resource: BTreeMap<String, String>,
    /// Alerts in one request at most.
    pub batch: u32,
    /// How long connecting may take, the name's resolution and TLS included.
    #[serde(with = "units::duration")]
    pub connect_timeout: Duration,
    /// How long the answer may take.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// When to try again.
    pub retry: Retry,
    /// Where alerts wait.
    pub queue: Queue,
    /// Whom to trust and who to be.
    pub tls: Tls,
}

/// `….retry`: when to try again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first pause; each further one is twice as long.
    #[serde(with = "units::duration")]
    pub first: Duration,
    /// The longest pause.
    #[serde(with = "units::duration")]
    pub longest: Duration,
    /// An alert that could not be delivered for so long after its first attempt is given up, so that one which a receiver
    /// chokes on does not stop all others. Zero: never.
    #[serde(with = "units::duration")]
    pub give_up: Duration,
}

/// `….queue`: where alerts wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Memory for alerts that wait; where a directory is set, for those that its disk has not taken yet.
    pub memory: ByteSize,
    /// A directory for alerts that wait, of this channel alone: they survive the end of the process. Empty: memory.
    pub directory: PathBuf,
    /// How much of the disk they may take.
    pub disk: ByteSize,
}

/// `….tls`: whom to trust and who to be. Files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate authorities that are trusted instead of the built-in ones (Mozilla's). Empty: those.
    pub ca_file: PathBuf,
    /// The certificate to show, and its chain. Empty: none.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A value that is used and never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: Priority::Debug,
            url: String::new(),
            headers: BTreeMap::new(),
            batch: 1,
            batch_format: BatchFormat::Array,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            retry: Retry::default(),
            queue: Queue::default(),
            tls: Tls::default(),
        }
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: Priority::Debug,
            url: String::new(),
            headers: BTreeMap::new(),
            resource: BTreeMap::new(),
            batch: 256,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            retry: Retry::default(),
            queue: Queue::default(),
            tls: Tls::default(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
            give_up: Duration::from_secs(60 * 60),
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(16),
            directory: PathBuf::new(),
            disk: ByteSize::mib(256),
        }
    }
}
