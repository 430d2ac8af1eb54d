//! From settings to lanes: what can be opened and checked beforehand is, so that a mistake shows at the start and not with the first
//! alert. A receiver that is not there yet is no mistake.

use std::fmt;
use std::time::Duration;

use super::Courier;
use super::lane::Lane;
use pinhole_priority::Priority;

use crate::channel::{Channel, File, Http, Journald, Otlp, Program, Syslog, TlsError};
use crate::config::{Delivery, Invalid, Queue as QueueSettings, Retry};
use crate::queue::{Disk, Memory, OpenError, Queue};

/// Why the courier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is outside its limits.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A file that a channel writes cannot be opened.
    #[error("delivery.{channel}: cannot open {path}: {source}")]
    File {
        /// Which channel.
        channel: &'static str,
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A queue on disk cannot be used.
    #[error("delivery.{channel}.queue.directory: {source}")]
    Queue {
        /// Which channel.
        channel: &'static str,
        /// Why.
        source: OpenError,
    },
    /// Certificates or keys cannot be used.
    #[error("delivery.{channel}.tls: {source}")]
    Tls {
        /// Which channel.
        channel: &'static str,
        /// Why.
        source: Box<TlsError>,
    },
}

/// A lane that only needs a runtime.
pub(super) struct Starter {
    name: &'static str,
    start: Box<dyn FnOnce() -> Lane + Send>,
}

impl fmt::Debug for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Starter {
    pub(super) fn new(
        name: &'static str,
        threshold: Priority,
        queue: Queue,
        retry: &Retry,
        channel: impl Channel,
    ) -> Self {
        let retry = retry.clone();
        Self {
            name,
            start: Box::new(move || Lane::start(name, threshold, queue, &retry, channel)),
        }
    }

    pub(super) fn start(self) -> Lane {
        (self.start)()
    }
}

impl Courier {
    /// Checks the settings and opens what they name. `hostname` is the node's, `version` the agent's: what OpenTelemetry and syslog
    /// tell beside the alert. No runtime is started, so the process may still fork.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(settings: &Delivery, hostname: &str, version: &str) -> Result<Self, StartError> {
        settings.validate()?;
        // What is on this machine comes back soon or not at all, and nothing it takes can be what it chokes on.
        let local = Retry {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            give_up: Duration::ZERO,
        };
        let memory = |bytes: bytesize::ByteSize| Queue::Memory(Memory::new(bytes.as_u64()));
        let mut starters = Vec::new();
        let file = &settings.file;
        if file.enabled {
            let channel = File::open(file).map_err(|source| StartError::File {
                channel: "file",
                path: file.path.display().to_string(),
                source,
            })?;
            starters.push(Starter::new("file", file.priority, memory(file.queue), &local, channel));
        }
        let journald = &settings.journald;
        if journald.enabled {
            let queue = memory(journald.queue);
            let channel = Journald::new(journald.socket.clone());
            starters.push(Starter::new("journald", journald.priority, queue, &local, channel));
        }
        let syslog = &settings.syslog;
        if syslog.enabled {
            let queue = memory(syslog.queue);
            let channel = Syslog::new(syslog, hostname);
            starters.push(Starter::new("syslog", syslog.priority, queue, &local, channel));
        }
        let program = &settings.program;
        if program.enabled {
            let queue = memory(program.queue);
            let channel = Program::new(program);
            starters.push(Starter::new("program", program.priority, queue, &local, channel));
        }
        let http = &settings.http;
        if http.enabled {
            let channel = Http::new(http, version).map_err(|source| StartError::Tls {
                channel: "http",
                source: Box::new(source),
            })?;
            let queue = queue("http", &http.queue)?;
            starters.push(Starter::new("http", http.priority, queue, &http.retry, channel));
        }
        let otlp = &settings.otlp;
        if otlp.enabled {
            let channel = Otlp::new(otlp, hostname, version).map_err(|source| StartError::Tls {
                channel: "otlp",
                source: Box::new(source),
            })?;
            let queue = queue("otlp", &otlp.queue)?;
            starters.push(Starter::new("otlp", otlp.priority, queue, &otlp.retry, channel));
        }
        Ok(Self {
            starters,
            grace: settings.grace,
        })
    }
}

fn queue(channel: &'static str, settings: &QueueSettings) -> Result<Queue, StartError> {
    if settings.directory.as_os_str().is_empty() {
        return Ok(Queue::Memory(Memory::new(settings.memory.as_u64())));
    }
    let disk = Disk::open(&settings.directory, settings.disk.as_u64());
    Ok(Queue::Disk {
        store: Box::new(disk.map_err(|source| StartError::Queue { channel, source })?),
        memory: usize::try_from(settings.memory.as_u64()).unwrap_or(usize::MAX),
    })
}
