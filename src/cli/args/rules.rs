//! The command line of `agent rules`.

use std::path::PathBuf;

use clap::{Arg, Args, Subcommand, ValueEnum};

use super::ReportFormat;
use crate::config::Overrides;
use crate::config::keys::KEYS;

/// `agent rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Say everything that is wrong with rule files, and what they would capture
    ///
    /// Reads files in Falco's language as `agent run --rules` would, and tells every problem with its file, line and column,
    /// not the first one alone. Needs no privilege and no kernel. The exit code is 2 where there is an error.
    Check(RulesCheckArgs),
    /// Try rules on recorded events, and print the alerts
    ///
    /// `agent run --record FILE` makes the recording; from then on neither a kernel nor a privilege is needed, so this is for
    /// continuous integration too: --expect says which rules must alert, and how often. The exit code is 2 where one does not.
    Test(RulesTestArgs),
    /// List the fields that rules may use, and what each is taken from
    Fields {
        /// Only fields whose names begin so
        #[arg(value_name = "PREFIX", default_value = "")]
        prefix: String,
    },
}

/// The flags of settings that are not about rules are taken, so that a configuration can be tried as it is, and not shown.
fn about_rules(argument: Arg) -> Arg {
    let name = argument.get_id().as_str();
    let other = KEYS.iter().any(|key| key.name == name) && !name.starts_with("rules.");
    argument.hide(other)
}

const OTHERS: &str = "The flags of all other settings are taken too: see `agent run --help`.";

/// `agent rules check`.
#[derive(Debug, Args)]
#[command(mut_args = about_rules, after_help = OTHERS)]
pub struct RulesCheckArgs {
    /// Rule files, and directories of them, in their order; without any, those of the settings
    #[arg(value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// From what on the exit code is 2
    #[arg(long, value_enum, default_value_t = Threshold::Error, value_name = "SEVERITY", help_heading = "Report")]
    pub fail_on: Threshold,
    /// Format of the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, help_heading = "Report")]
    pub format: ReportFormat,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// How bad a problem of rule files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Threshold {
    /// The rules can be used as they are
    Warning,
    /// The rules cannot be used
    Error,
}

/// `agent rules test`.
#[derive(Debug, Args)]
#[command(mut_args = about_rules, after_help = OTHERS)]
pub struct RulesTestArgs {
    /// Rule files, and directories of them, in their order; without any, those of the settings
    #[arg(value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// The recording, made by `agent run --record FILE`
    #[arg(long, value_name = "FILE", required = true)]
    pub recording: PathBuf,
    /// A rule that must alert, or with =COUNT so often; may be repeated
    ///
    /// `RULE=0` is a rule that must not. `*` stands for all rules that are not named.
    #[arg(long, value_name = "RULE[=COUNT]")]
    pub expect: Vec<String>,
    /// The settings.
    #[command(flatten)]
    pub overrides: Overrides,
}
