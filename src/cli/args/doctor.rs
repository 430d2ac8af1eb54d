//! The command line of `agent doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::ReportFormat;
use crate::config::Overrides;
use crate::control::server::MAX_WATCH;
use crate::doctor::bundle::MIN_BYTES;
use crate::doctor::explain::Target;
use crate::doctor::render::Format;

const EXAMPLES: &str = "\
Examples:
  agent doctor                                       what is wrong here, and what mends it
  agent doctor --wait 2m                             after a roll-out: until all is well, or two minutes are over
  agent doctor --format json > before.json           keep a report ...
  agent doctor --baseline before.json                ... and say later what is new
  agent doctor --suppress accepted.toml              mark what is accepted for now; docs/doctor.md shows the file
  agent doctor --explain shop/web-7d9c5b             what is known of one pod, and why
  agent doctor explain PIN-RUN-001                   what a check examines, and what mends what it finds
  agent doctor bundle --file doctor.tar              all that explains a report in one file, without names
  agent doctor merge reports/*.json                  what is found on how many nodes

Exit codes: 0 nothing at or above the threshold, 2 findings, 3 something could not be found out, 64 wrong usage.";

/// `agent doctor`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub struct DoctorArgs {
    /// What to do instead of an examination.
    #[command(subcommand)]
    pub tool: Option<DoctorTool>,
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
          conflicts_with_all = ["fail_on", "live_timeout", "timeout", "wait", "baseline", "suppress"])]
    pub explain: Option<Target>,
    /// Judge these manifests before they are applied, for the platform of --profile, and no machine; `-` is standard input
    ///
    /// YAML or JSON: the agent's DaemonSet with its ConfigMap and whatever else is applied with it, and SecurityContextConstraints. A
    /// file with a `defaultAction` is a seccomp profile. Needs no privilege and no cluster. Settings are those that the
    /// manifests give the agent; of the flags of settings only --profile is taken, else the profile that the manifests name.
    #[arg(long, num_args = 1.., value_name = "FILE", help_heading = "Report", conflicts_with_all = ["explain", "live_timeout", "wait"])]
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
    /// Examine again until nothing is at or above --fail-on and nothing unknown, or this time is over; 1s to 24h
    ///
    /// Waits one second before the second examination, longer before each further one, ten seconds at most. The last report is
    /// printed; what is still waited for is told on standard error.
    #[arg(long, value_parser = wait, value_name = "TIME", help_heading = "Report")]
    pub wait: Option<Duration>,
    /// A report in JSON that was saved earlier: tell what is different, and let the exit code count only what is new or worse
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub baseline: Option<PathBuf>,
    /// A file of TOML that says which findings are accepted, why, and until when
    ///
    /// An entry is [[suppress]] with id = "PIN-RUN-001", reason = "...", until = "2027-03-01" and, where it is for some nodes only,
    /// node = "pool-a-*". An accepted finding is shown and does not count. One that is over is itself a finding, PIN-CFG-005.
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub suppress: Option<PathBuf>,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What stands around an examination.
#[derive(Debug, Subcommand)]
pub enum DoctorTool {
    /// Say what a check examines and what mends what it finds; without an id, list the checks
    ///
    /// Looks at nothing and needs no network: the pages are part of the agent.
    Explain(ExplainArgs),
    /// Pack a report and what explains it into one tar file, to be handed to whoever helps
    ///
    /// Examines this host as `agent doctor` does. Names of nodes, pods, images, addresses and the like are replaced by stand-ins, and
    /// arguments, environments and labels taken out, unless --redact off is given. No log is in it. The file must not exist yet and
    /// is for its owner only. The exit code is 0 once it is written, whatever was found.
    Bundle(BundleArgs),
    /// Say of the reports of many nodes what is found on how many of them, on which, and what to mend first
    ///
    /// Reads reports that `agent doctor --format json` printed. A file that is none, or of another schema version, is named and left
    /// out; so is a second report of the same node.
    Merge(MergeArgs),
}

/// `agent doctor explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The check's id, such as PIN-RUN-001
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Format of the page
    #[arg(long, value_enum, default_value_t = PageFormat::Text)]
    pub format: PageFormat,
}

/// Format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// For a terminal
    Text,
    /// As in docs/checks
    Markdown,
}

/// `agent doctor bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Where to write it; `-` is standard output
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "pinhole-doctor.tar",
        help_heading = "Bundle"
    )]
    pub file: PathBuf,
    /// Print what it would hold, with sizes, and write nothing
    #[arg(long, conflicts_with = "file", help_heading = "Bundle")]
    pub list: bool,
    /// Whether names and everything private are taken out
    #[arg(long, value_enum, default_value_t = Redact::On, value_name = "WHETHER", help_heading = "Bundle")]
    pub redact: Redact,
    /// The most that the file may take, 16KiB to 1GiB; what does not fit is left out and named
    #[arg(long, value_parser = max_size, value_name = "SIZE", default_value = "16MiB", help_heading = "Bundle")]
    pub max_size: u64,
    /// How long the live test may take; 1ms to 30s
    #[arg(long, value_parser = live_timeout, default_value = "5s", value_name = "TIME", help_heading = "Bundle")]
    pub live_timeout: Duration,
    /// How long the examination may take, 1s to 5m
    #[arg(long, value_parser = timeout, default_value = "30s", value_name = "TIME", help_heading = "Bundle")]
    pub timeout: Duration,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Whether names and everything private are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Redact {
    /// Stand-ins for names; no arguments, environments or labels
    On,
    /// Everything as it is
    Off,
}

/// Most reports of one call of `agent doctor merge`.
const MAX_REPORTS: usize = 10_000;

/// `agent doctor merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Reports in JSON, one of each node
    #[arg(required = true, num_args = 1..=MAX_REPORTS, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Format of the sum
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// The mildest finding that makes the exit code 2
    #[arg(long, value_enum, default_value_t = FailOn::Fail, value_name = "LEVEL")]
    pub fail_on: FailOn,
}

fn wait(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(24 * 60 * 60);
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=MAX).contains(&time) {
        Ok(time)
    } else {
        Err("must be 1s to 24h".to_owned())
    }
}

fn max_size(text: &str) -> Result<u64, String> {
    let size = text.parse::<bytesize::ByteSize>()?.as_u64();
    if (MIN_BYTES..=1 << 30).contains(&size) {
        Ok(size)
    } else {
        Err("must be 16KiB to 1GiB".to_owned())
    }
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

impl From<FailOn> for crate::doctor::FailOn {
    fn from(level: FailOn) -> Self {
        match level {
            FailOn::Warn => Self::Warn,
            FailOn::Fail => Self::Fail,
        }
    }
}
