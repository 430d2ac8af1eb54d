//! The channels of this machine: file, journal, syslog, program.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use pinhole_priority::Priority;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::units;

/// How an alert is written where both are possible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// One line of text.
    Text,
}

/// `delivery.file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Whether it is used.
    pub enabled: bool,
    /// Only alerts at least as bad as this.
    pub priority: Priority,
    /// Memory for alerts that wait.
    pub queue: ByteSize,
    /// How they are written.
    pub format: Format,
    /// The file, absolute.
    pub path: PathBuf,
    /// A file that would grow beyond this is renamed to `PATH.1` and a new one begun. Zero: never, something else rotates.
    pub max_size: ByteSize,
    /// How many renamed files are kept.
    pub keep: u32,
}

/// `delivery.journald`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journald {
    /// Whether it is used.
    pub enabled: bool,
    /// Only alerts at least as bad as this.
    pub priority: Priority,
    /// Memory for alerts that wait.
    pub queue: ByteSize,
    /// The socket of its native protocol.
    pub socket: PathBuf,
}

/// `delivery.syslog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Syslog {
    /// Whether it is used.
    pub enabled: bool,
    /// Only alerts at least as bad as this.
    pub priority: Priority,
    /// Memory for alerts that wait.
    pub queue: ByteSize,
    /// How the message itself is written.
    pub format: Format,
    /// Where it goes.
    pub target: Target,
    /// How the line around it is written.
    pub protocol: Protocol,
    /// The facility's number: 1 is `user`, 16 to 23 are `local0` to `local7`.
    pub facility: u8,
}

/// Where syslog goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A socket of this machine: datagrams, or a stream where it is one.
    Unix(PathBuf),
    /// A host and port by datagrams.
    Udp(String),
    /// A host and port by a stream.
    Tcp(String),
}

/// The line around a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// What local daemons read on a unix socket, RFC 5424 elsewhere.
    #[default]
    Auto,
    /// RFC 3164, as the C library writes it: without a host name.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}

/// `delivery.program`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Program {
    /// Whether it is used.
    pub enabled: bool,
    /// Only alerts at least as bad as this.
    pub priority: Priority,
    /// Memory for alerts that wait.
    pub queue: ByteSize,
    /// How they are written.
    pub format: Format,
    /// The program, absolute, and its arguments. No shell is involved.
    pub command: Vec<String>,
    /// Started once, it reads an alert per line; otherwise it is started for each alert and reads one.
    pub keep_alive: bool,
    /// How long it may take to read an alert, and without `keep_alive` to end.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
}

/// Memory for what waits in front of something local.
const LOCAL_QUEUE: ByteSize = ByteSize::mib(4);

impl Default for File {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: Priority::Debug,
            queue: LOCAL_QUEUE,
            format: Format::Json,
            path: PathBuf::from("/var/log/pinhole/alerts.log"),
            max_size: ByteSize::mib(100),
            keep: 3,
        }
    }
}

impl Default for Journald {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: Priority::Debug,
            queue: LOCAL_QUEUE,
            socket: PathBuf::from("/run/systemd/journal/socket"),
        }
    }
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: Priority::Debug,
            queue: LOCAL_QUEUE,
            format: Format::Text,
            target: Target::Unix(PathBuf::from("/dev/log")),
            protocol: Protocol::Auto,
            facility: 1,
        }
    }
}

impl Default for Program {
    fn default() -> Self {
        Self {
            enabled: false,
            priority: Priority::Debug,
            queue: LOCAL_QUEUE,
            format: Format::Json,
            command: Vec::new(),
            keep_alive: true,
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A text that names no place for syslog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no target: write for example \"unix:///dev/log\", \"udp://HOST:514\" or \"tcp://HOST:601\"")]
pub struct NotATarget(String);

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let with_port = |address: &str| {
            let (host, port) = address.rsplit_once(':')?;
            let port: u16 = port.parse().ok()?;
            (!host.is_empty() && port > 0 && !host.contains(['/', ' '])).then(|| address.to_owned())
        };
        let target = match text.split_once("://") {
            Some(("unix", path)) => path.starts_with('/').then(|| Self::Unix(PathBuf::from(path))),
            Some(("udp", address)) => with_port(address).map(Self::Udp),
            Some(("tcp", address)) => with_port(address).map(Self::Tcp),
            Some(_) | None => None,
        };
        target.ok_or_else(|| NotATarget(text.to_owned()))
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
