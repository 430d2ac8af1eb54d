//! What can be set: plain structs with defaults, which whoever loads configuration fills in, and the limits of their values.
//!
//! A channel is off until its `enabled` says otherwise, so a half-written section does nothing by accident.

mod channels;
mod remote;
mod units;
mod validate;

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

pub use channels::{File, Format, Journald, Program, Protocol, Syslog, Target};
pub use remote::{BatchFormat, Http, Otlp, Queue, Retry, Secret, Tls, port, shown};
pub use validate::Invalid;

/// `delivery`: where alerts go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Memory that the sensor keeps for alerts that the delivery process has not taken yet.
    pub buffer: ByteSize,
    /// How long the sensor waits at most for room there, at each alert. Zero: not at all, the alert is counted as lost.
    #[serde(with = "units::duration")]
    pub patience: Duration,
    /// How long, at the end of a run, the channels are given to deliver what waits.
    #[serde(with = "units::duration")]
    pub grace: Duration,
    /// How many alerts of one rule go out.
    pub limit: Limit,
    /// Whether the sensor writes alerts to standard output, too. No channel: it needs no process of its own.
    pub stdout: bool,
    /// A file.
    pub file: File,
    /// systemd's journal.
    pub journald: Journald,
    /// Syslog, here or elsewhere.
    pub syslog: Syslog,
    /// A program that reads alerts.
    pub program: Program,
    /// HTTP, as Falco and Falcosidekick speak it.
    pub http: Http,
    /// OpenTelemetry's logs over HTTP.
    pub otlp: Otlp,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            buffer: ByteSize::mib(4),
            patience: Duration::ZERO,
            grace: Duration::from_secs(5),
            limit: Limit::default(),
            stdout: true,
            file: File::default(),
            journald: Journald::default(),
            syslog: Syslog::default(),
            program: Program::default(),
            http: Http::default(),
            otlp: Otlp::default(),
        }
    }
}

impl Delivery {
    /// Checks every limit of what is switched on.
    ///
    /// # Errors
    /// The first value that is outside its limits.
    pub fn validate(&self) -> Result<(), Invalid> {
        validate::delivery(self)
    }

    /// Whether any channel is on, so that there is work for a courier.
    #[must_use]
    pub fn has_channels(&self) -> bool {
        let local = self.file.enabled || self.journald.enabled || self.syslog.enabled || self.program.enabled;
        local || self.http.enabled || self.otlp.enabled
    }
}

/// `delivery.limit`: how many alerts of one rule go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// So many alerts in each `per` go on for good. Zero: no limit.
    pub rate: u32,
    /// See `rate`.
    #[serde(with = "units::duration")]
    pub per: Duration,
    /// So many go out at once before `rate` counts.
    pub burst: u32,
    /// How often at most a rule's held-back alerts are told.
    #[serde(with = "units::duration")]
    pub report: Duration,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            rate: 100,
            per: Duration::from_secs(1),
            burst: 1000,
            report: Duration::from_secs(60),
        }
    }
}

impl Limit {
    /// The time that each alert uses up; `None` where there is no limit.
    pub(crate) fn pause(&self) -> Option<Duration> {
        (self.rate > 0).then(|| (self.per / self.rate).max(Duration::from_nanos(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinhole_priority::Priority;

    fn read(text: &str) -> Result<Delivery, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_valid_and_switch_nothing_on() {
        let defaults = read("").unwrap();
        assert_eq!(defaults, Delivery::default());
        defaults.validate().unwrap();
        let json = serde_json::to_value(&defaults).unwrap();
        let enabled: Vec<_> = json
            .as_object()
            .unwrap()
            .values()
            .filter_map(|section| section.get("enabled"))
            .collect();
        assert_eq!(enabled.len(), 6);
        assert!(
            enabled
                .iter()
                .all(|enabled| *enabled == &serde_json::Value::Bool(false))
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let settings = read(
            "grace = \"10s\"\n[limit]\nrate = 3\nper = \"1m\"\n[http]\nenabled = true\nurl = \"https://h:2801/\"\nbatch = 10\npriority = \"info\"\n\
             [http.retry]\nfirst = \"1s\"\n[http.queue]\ndisk = \"1GiB\"\n[syslog]\ntarget = \"udp://h:514\"\nprotocol = \"rfc3164\"\n",
        )
        .unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.http.priority, Priority::Informational);
        assert_eq!(settings.http.queue.disk, ByteSize::gib(1));
        assert_eq!(settings.limit.pause(), Some(Duration::from_secs(20)));
        let again: Delivery = serde_json::from_str(&serde_json::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn unknown_keys_and_bad_units_are_refused() {
        for (text, word) in [
            ("[http]\nulr = \"x\"", "ulr"),
            ("grace = \"5\"", "duration"),
            ("buffer = \"5 potatoes\"", "buffer"),
            ("[file]\nformat = \"xml\"", "xml"),
            ("[file]\npriority = \"bad\"", "bad"),
            ("[syslog]\ntarget = \"ftp://x\"", "unix:///dev/log"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = read("[http.headers]\nAuthorization = \"Bearer hush\"").unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
        assert!(!serde_json::to_string(&settings).unwrap().contains("hush"));
    }
}
