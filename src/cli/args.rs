//! The command line. Commands are declared here; the flags of settings come from [`crate::config::keys`], so that flag,
//! variable, key, help and error text are the same thing said once.

mod doctor;
mod rules;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::Overrides;
use crate::config::keys::{KEYS, Key};
use crate::config::load::{DEFAULT_FILE, FILE_VARIABLE};
use crate::manifest;
use crate::platform::profile;

pub use rules::{RulesCheckArgs, RulesCommand, RulesTestArgs, Threshold};

pub use doctor::{
    BundleArgs, DoctorArgs, DoctorFormat, DoctorTool, ExplainArgs, FailOn, MergeArgs, NotExplained, PageFormat, Redact,
};

/// What `--version` prints after the name.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CARGO_PKG_NAME"), ")");

/// Container runtime security through the smallest possible opening.
///
/// Sees processes, files and connections of every container on this node by eBPF, tells each with its container and
/// pod, and holds no privilege once it has started.
#[derive(Debug, Parser)]
#[command(name = "agent", version = VERSION, propagate_version = true, after_long_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 2 findings of the doctor or an exposure above the limit, 3 undetermined, 64 wrong usage, 70 internal \
    failure, 78 wrong configuration or missing privilege.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Capture events and print them until stopped
    ///
    /// Needs CAP_BPF and CAP_PERFMON to start, and drops every capability once its programs are attached. Events go to
    /// standard output, the agent's own log to standard error or journald. SIGUSR1 prints a summary.
    Run(RunArgs),
    /// Say what works, what does not, why, and what mends it
    ///
    /// Looks at this host with the settings that `agent run` would use, asks the running agent where there is one, and
    /// changes nothing.
    Doctor(DoctorArgs),
    /// Say how much a pod or a process could do to its node, from 0.0 to 10.0
    ///
    /// Judges what manifests grant at the start, or what a running process still has, row by row in the manner of
    /// systemd-analyze security; docs/exposure.md says what each row weighs and why. Without --manifest and --pid it is the
    /// running agent that is judged, found by its admin socket. Manifests are judged offline and without privilege.
    Exposure(ExposureArgs),
    /// List the hooks of the running agent, or say which of them report
    ///
    /// Asks the running agent on its admin socket. --on and --off take hooks, classes of events and `all`; the more special
    /// word counts, so `--off all --on file --off open` leaves files without open. What is turned off is counted as filtered.
    /// Only hooks that were attached at the start can be turned on, and the life of processes and of cgroups always
    /// reports. Changes are for root and the agent's own user, are logged, and last until the agent ends.
    Hooks(HooksArgs),
    /// Print the Kubernetes objects that put the agent on every node of a cluster
    ///
    /// Commented YAML on standard output, for `kubectl apply -f -`; every line that grants something says what breaks without
    /// it. Talks to no cluster. The pod is not root, adds two capabilities for its start, and sees one directory of the host.
    Manifest(ManifestArgs),
    /// Print a seccomp profile, as container runtimes read them
    ///
    /// `setup` is for the pod (seccompProfile type Localhost) where the runtime's default profile refuses bpf(): put it on
    /// every node as /var/lib/kubelet/seccomp/pinhole/agent-setup.json. `run` is what the agent installs on itself once it has
    /// started, `delivery` and `delivery-program` what its delivery process does, `doctor` what `agent doctor` does; these are for reading, no pod could start under them.
    Seccomp {
        /// Which of them
        #[arg(value_enum)]
        policy: SeccompPolicy,
    },
    /// Check rule files, or try them on recorded events
    #[command(subcommand)]
    Rules(RulesCommand),
    /// List, show or detect platform profiles
    #[command(subcommand)]
    Profile(ProfileCommand),
}

/// `agent run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Print which hooks would be attached and why, and end
    ///
    /// Starts nothing and needs no privilege. JSON with `--output json`, else text.
    #[arg(long)]
    pub print_hooks: bool,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// `agent exposure`.
#[derive(Debug, Args)]
pub struct ExposureArgs {
    /// Manifests to judge, YAML or JSON; `-` is standard input
    ///
    /// All of them are read before anything is judged: a binding may stand in another file than the workload.
    #[arg(long, num_args = 1.., value_name = "FILE", help_heading = "What to judge")]
    pub manifest: Vec<PathBuf>,
    /// The process to judge
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "manifest", help_heading = "What to judge")]
    pub pid: Option<u32>,
    /// The highest score that is accepted, 0.0 to 10.0; the exit code is 2 above it
    ///
    /// Held against the score that it would be if everything that could not be found out were as bad as can be.
    #[arg(long, value_name = "SCORE", value_parser = score, help_heading = "Report")]
    pub max: Option<f64>,
    /// Format of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, help_heading = "Report")]
    pub format: ReportFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format", help_heading = "Report")]
    pub json: bool,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

impl ExposureArgs {
    /// The format, whichever way it was said.
    #[must_use]
    pub fn format(&self) -> ReportFormat {
        if self.json { ReportFormat::Json } else { self.format }
    }
}

fn score(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|score| (0.0..=10.0).contains(score))
        .ok_or_else(|| "must be a number from 0.0 to 10.0".to_owned())
}

/// `agent hooks`.
#[derive(Debug, Args)]
pub struct HooksArgs {
    /// Let these report: hooks, classes of events, or `all`
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Change")]
    pub on: Vec<String>,
    /// Let these no longer report
    #[arg(long, value_delimiter = ',', value_name = "LIST", help_heading = "Change")]
    pub off: Vec<String>,
    /// Format of the list
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, help_heading = "Report")]
    pub format: ReportFormat,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// `agent manifest`.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// The platform
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(profile::names()))]
    pub profile: String,
    /// Format: commented YAML for people, or one JSON object of kind List for programs
    #[arg(long, value_enum, default_value_t = ManifestFormat::Yaml)]
    pub format: ManifestFormat,
    /// Where the image is; the default is the name that `just image` gives it
    #[arg(long, value_name = "REFERENCE", default_value = manifest::IMAGE)]
    pub image: String,
    /// A secret of the namespace to pull the image with; may be repeated
    #[arg(long, value_name = "NAME")]
    pub pull_secret: Vec<String>,
    /// The namespace that is made for it, and that uninstalling deletes
    #[arg(long, value_name = "NAME", default_value = "pinhole")]
    pub namespace: String,
    /// The priority class of the pods; empty for none
    #[arg(long, value_name = "NAME", default_value = "system-node-critical")]
    pub priority_class: String,
    /// The tainted nodes that it runs on [default: the profile's]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub tolerate: Option<manifest::Tolerate>,
    /// The runtime's socket on the nodes, whose directory is mounted [default: the profile's]
    #[arg(long, value_name = "PATH", help_heading = "Platform")]
    pub runtime_socket: Option<String>,
    /// A ConfigMap of the namespace whose keys are rule files, such as falco_rules.yaml
    ///
    /// It is mounted at /etc/pinhole-rules, and rules.files names that. The pods wait until there is such a ConfigMap; a change of it
    /// is followed without a restart. Events are then printed no more, only alerts.
    #[arg(long, value_name = "NAME", help_heading = "Rules and alerts")]
    pub rules_configmap: Option<String>,
    /// Where alerts are delivered by HTTP, such as Falcosidekick's http://falcosidekick.falco:2801/
    ///
    /// Sets delivery.http, and lets the pod out to this port and to DNS. Without it the pod calls nobody. Certificates
    /// and queues on disk need volumes of yours: docs/delivery.md.
    #[arg(long, value_name = "URL", help_heading = "Rules and alerts")]
    pub delivery_http_url: Option<String>,
    /// The seccomp profile of the container: runtime-default, localhost, or a path below the kubelet's seccomp directory
    /// [default: the profile's]
    ///
    /// `localhost` is for runtimes whose default profile refuses bpf() without CAP_SYS_ADMIN (containerd before 1.6.9, CRI-O
    /// before about 1.31) and stands for pinhole/agent-setup.json. The file must be on every node before the pod starts;
    /// `agent seccomp setup` prints it.
    #[arg(long, value_name = "PROFILE", value_parser = manifest::Seccomp::parse, help_heading = "Platform")]
    pub seccomp: Option<manifest::Seccomp>,
    /// Whether the pod names the runtime's AppArmor profile [default: the profile's]
    ///
    /// That profile applies anyway on nodes that have AppArmor. Named, the kubelet refuses the pod on nodes that have none.
    #[arg(long, value_enum, value_name = "PROFILE", help_heading = "Platform")]
    pub apparmor: Option<manifest::Apparmor>,
    /// What costs privilege, all off by default
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "LIST",
        help_heading = "Privilege"
    )]
    pub with: Vec<manifest::Extra>,
}

/// Format of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ManifestFormat {
    /// Documents with comments
    Yaml,
    /// One List
    Json,
}

/// A seccomp profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeccompPolicy {
    /// For the pod: what the agent does from its start until its own filter is in force
    Setup,
    /// What the agent keeps
    Run,
    /// What the process keeps that delivers alerts, each part of it where a channel needs it
    Delivery,
    /// The same where a channel starts programs, which inherit it
    DeliveryProgram,
    /// What the doctor keeps to: it reads and changes nothing
    Doctor,
}

/// `agent profile`.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles
    List,
    /// Print the settings of a profile, or what is known of its platform
    ///
    /// Both are TOML. The settings may serve as a configuration file.
    Show {
        /// The profile
        #[arg(value_parser = PossibleValuesParser::new(profile::names()))]
        name: String,
        /// Print what is known of the platform instead: how it is detected, what is expected of it, thresholds, resources,
        /// and what a pod needs there
        #[arg(long)]
        platform: bool,
    },
    /// Say which profile fits this host, how sure that is, and why
    ///
    /// Holds every profile's signs against what can be seen without privilege, and shows what speaks for and against each.
    /// 100 points are certain, 50 likely, 20 a guess. A guess is shown and never acted on: `generic` is used then, or
    /// `standalone` outside Kubernetes. Also says when the settings name another profile.
    Detect(DetectArgs),
}

/// `agent profile detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// A label of the node, which nothing tells a pod: repeat it, or set NODE_LABELS to pairs separated by commas
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_label: Vec<String>,
    /// The node's name, where NODE_NAME does not tell it
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Format of the answer
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

impl Cli {
    /// Parses a command line, the program's name included.
    ///
    /// # Errors
    /// Wrong usage, or a request for help or version: print it and end with [`super::exit::Exit::from`] of it.
    pub fn parse_arguments(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(arguments)
    }
}

const CONFIG: &str = "config";

/// The flags of all settings, and `--config`.
impl Args for Overrides {
    fn augment_args(command: clap::Command) -> clap::Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Configuration file; it must exist")
            .long_help(format!(
                "Configuration file; it must exist.\n\nWithout it {DEFAULT_FILE} is read if it is there. Variable: {FILE_VARIABLE}. \
                 Flags override the environment, that overrides the file, that the profile, that the built-in defaults."
            ))
            .help_heading(KEYS[0].heading);
        KEYS.iter()
            .fold(command.arg(config), |command, key| command.arg(argument(key)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

fn argument(key: &'static Key) -> Arg {
    let default = match key.default() {
        serde_json::Value::String(text) if text.is_empty() => "empty".to_owned(),
        serde_json::Value::String(text) => text,
        serde_json::Value::Array(items) if !items.is_empty() => items
            .iter()
            .filter_map(serde_json::Value::as_str)
            .collect::<Vec<_>>()
            .join(","),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => "none".to_owned(),
        other => other.to_string(),
    };
    let more = if key.long_help.is_empty() {
        String::new()
    } else {
        format!("\n\n{}", key.long_help)
    };
    let argument = Arg::new(key.name)
        .long(key.flag)
        .value_name(key.value_name)
        .action(if key.is_list() {
            ArgAction::Append
        } else {
            ArgAction::Set
        })
        .help(format!("{} [default: {default}]", key.help))
        .long_help(format!(
            "{}.{more}\n\nAllowed: {}. Default: {default}. Variable: {}. Key: {}.",
            key.help,
            key.allowed,
            key.variable(),
            key.name
        ))
        .help_heading(key.heading)
        .hide_short_help(key.is_detail());
    let argument = if key.is_list() {
        argument.value_delimiter(',')
    } else {
        argument
    };
    let argument = key
        .alias
        .map_or(argument.clone(), |alias| argument.visible_alias(alias));
    if key.choices.is_empty() {
        argument
    } else {
        // The list of values is in the text already.
        argument
            .value_parser(PossibleValuesParser::new(key.choices))
            .hide_possible_values(true)
    }
}

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overrides = Self::default();
        overrides.update_from_arg_matches(matches)?;
        Ok(overrides)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(path) = matches.get_one::<PathBuf>(CONFIG) {
            self.config = Some(path.clone());
        }
        for key in &KEYS {
            if let Some(values) = matches.get_many::<String>(key.name) {
                self.values.insert(key.name, values.cloned().collect());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
