//! The command line of `agent doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ReportFormat;
use crate::config::Overrides;
use crate::control::server::MAX_WATCH;
use crate::doctor::explain::Target;
use crate::doctor::render::Format;

/// `agent doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Format of the report
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text, value_name = "FORMAT", help_heading = "Report")]
    pub format: DoctorFormat,
    /// Put stand-ins in the place of names, ids, addresses and everything else that is private
    ///
    /// The same name has the same stand-in throughout the report. Arguments, environments and labels go entirely, and of
    /// messages only words that the agent's own sources have stay. Markdown is redacted without being asked.
    #[arg(long, help_heading = "Report", conflicts_with = "explain")]
    pub redact: bool,
    /// Explain, step by step, what is known of a container and why: ID, NAMESPACE/POD, or a container's name
    ///
    /// Walks the lookup that the agent makes, and asks the running agent what it holds. An id may be shortened to its first 6
    /// digits or more, and may be written as kubectl prints it (containerd://ID). NAMESPACE/POD stands for the sandbox and
    /// all containers of the pod, NAMESPACE/POD/CONTAINER for one of them.
    #[arg(long, value_parser = Target::parse, value_name = "CONTAINER|NAMESPACE/POD", help_heading = "Report",
          conflicts_with_all = ["fail_on", "live_timeout", "timeout"])]
    pub explain: Option<Target>,
    /// Judge these manifests before they are applied, for the platform of --profile, and no machine; `-` is standard input
    ///
    /// YAML or JSON: the agent's DaemonSet with its ConfigMap and whatever else is applied with it, and SecurityContextConstraints. A
    /// file with a `defaultAction` is a seccomp profile. Needs no privilege and no cluster. Settings are those that the
    /// manifests give the agent; of the flags of settings only --profile is taken, else the profile that the manifests name.
    #[arg(long, num_args = 1.., value_name = "FILE", help_heading = "Report", conflicts_with_all = ["explain", "live_timeout"])]
    pub manifest: Vec<PathBuf>,
    /// The mildest finding that makes the exit code 2
    #[arg(long, value_enum, default_value_t = FailOn::Fail, value_name = "LEVEL", help_heading = "Report")]
    pub fail_on: FailOn,
    /// How long the live test may take, in which a known program must appear as an event of the running agent; 1ms to 30s
    #[arg(long, value_parser = live_timeout, default_value = "5s", value_name = "TIME", help_heading = "Report")]
    pub live_timeout: Duration,
    /// How long everything together may take, 1s to 5m: what is not there by then is left out, and told so
    #[arg(long, value_parser = timeout, default_value = "30s", value_name = "TIME", help_heading = "Report")]
    pub timeout: Duration,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// No longer than an agent accepts: it refuses the watch otherwise, which would look as if it did not work.
fn live_timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(1)..=MAX_WATCH).contains(&time) {
        Ok(time)
    } else {
        Err(format!("must be 1ms to {}", humantime::format_duration(MAX_WATCH)))
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_secs(300)).contains(&time) {
        Ok(time)
    } else {
        Err("must be 1s to 5m".to_owned())
    }
}

/// Format of the doctor's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people
    Text,
    /// One line per finding, and the verdict
    Short,
    /// For machines, all of it; docs/doctor-report.schema.json is its schema
    Json,
    /// SARIF 2.1.0, for what shows the findings of tools
    Sarif,
    /// JUnit's XML, for continuous integration
    Junit,
    /// Prometheus' text format, for the node exporter's textfile collector
    Prometheus,
    /// For an issue; redacted
    Markdown,
    /// One page with pictures, for a browser
    Html,
}

impl From<DoctorFormat> for Format {
    fn from(format: DoctorFormat) -> Self {
        match format {
            DoctorFormat::Text => Self::Text,
            DoctorFormat::Short => Self::Short,
            DoctorFormat::Json => Self::Json,
            DoctorFormat::Sarif => Self::Sarif,
            DoctorFormat::Junit => Self::Junit,
            DoctorFormat::Prometheus => Self::Prometheus,
            DoctorFormat::Markdown => Self::Markdown,
            DoctorFormat::Html => Self::Html,
        }
    }
}

/// An explanation is told in fewer formats than a report.
#[derive(Debug, thiserror::Error)]
#[error("--explain is told as text or json only")]
pub struct NotExplained;

impl TryFrom<DoctorFormat> for ReportFormat {
    type Error = NotExplained;

    fn try_from(format: DoctorFormat) -> Result<Self, NotExplained> {
        match format {
            DoctorFormat::Text => Ok(Self::Text),
            DoctorFormat::Json => Ok(Self::Json),
            _ => Err(NotExplained),
        }
    }
}

/// Which findings make the doctor's exit code 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Warnings and failures
    Warn,
    /// Failures only
    Fail,
}
