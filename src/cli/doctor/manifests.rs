//! `agent doctor --manifest`: files are read, judged, and told as any other report.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};

use super::confine::confine;
use super::run::{self, Against, print};
use crate::cli::args::{Cli, Command, DoctorArgs};
use crate::cli::complain;
use crate::cli::exit::Exit;
use crate::config::{Overrides, keys};
use crate::doctor::Report;
use crate::doctor::gather::now;
use crate::doctor::offline::{self, Input, WrongCommandLine, examine_manifests, gather};
use crate::kubernetes::read;

/// Why nothing is judged. Every one is a mistake on the command line, or in a file that it names.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A setting for this host, where none is looked at.
    #[error("--{flag} has no meaning with --manifest: the settings are those that the manifests give the agent")]
    Setting {
        /// The flag.
        flag: &'static str,
    },
    /// A file is not what it has to be.
    #[error(transparent)]
    Input(#[from] offline::Error),
    /// What the report is to be held against cannot be had.
    #[error(transparent)]
    Against(#[from] run::Error),
}

/// Judges the files: success when nothing is at or above the threshold, findings, wrong usage where a file cannot be read.
pub(super) fn run(arguments: &DoctorArgs) -> Exit {
    let began = now();
    // It reads what others wrote, and needs nothing else.
    let _ = confine();
    match examined(arguments, began) {
        Ok(report) => print(&report, arguments),
        Err(error) => complain(&error, Exit::Usage),
    }
}

fn examined(arguments: &DoctorArgs, began: String) -> Result<Report, Error> {
    let against = Against::read(arguments)?;
    let mut report = examine_manifests(&facts(arguments)?, began);
    against.hold(&mut report);
    Ok(report)
}

fn facts(arguments: &DoctorArgs) -> Result<crate::doctor::facts::manifests::Manifests, Error> {
    let profile = profile(&arguments.overrides)?;
    let files: Vec<(PathBuf, Vec<u8>)> = arguments
        .manifest
        .iter()
        .map(|file| Ok((file.clone(), read::bytes(file).map_err(offline::Error::from)?)))
        .collect::<Result<_, Error>>()?;
    Ok(gather(&Input {
        files: &files,
        profile,
        command_line: &command_line,
    })?)
}

/// The profile by its flag; `auto` is what the manifests say.
fn profile(overrides: &Overrides) -> Result<Option<&str>, Error> {
    if overrides.config.is_some() {
        return Err(Error::Setting { flag: "config" });
    }
    if let Some(name) = overrides.values.keys().find(|name| **name != "profile") {
        let flag = keys::find(name).map_or("config", |key| key.flag);
        return Err(Error::Setting { flag });
    }
    let named = overrides.values.get("profile").and_then(|values| values.last());
    Ok(named.map(String::as_str).filter(|name| *name != "auto"))
}

/// What the agent itself makes of its command line.
pub(crate) fn command_line(words: &[String]) -> Result<Overrides, WrongCommandLine> {
    let words = std::iter::once("agent").chain(words.iter().map(String::as_str));
    match Cli::parse_arguments(words) {
        Ok(cli) => match cli.command {
            Command::Run(run) => Ok(run.overrides),
            _ => Err(WrongCommandLine {
                message: "the command is not run".to_owned(),
                flag: None,
            }),
        },
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(WrongCommandLine {
                message: format!("the command line is refused: {}", first.trim_start_matches("error: ")),
                flag: match error.get(ContextKind::InvalidArg) {
                    Some(ContextValue::String(flag)) => flag.split(['=', ' ']).next().map(str::to_owned),
                    _ => None,
                },
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Overrides, WrongCommandLine> {
        command_line(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_line_is_read_as_the_agent_reads_it() {
        let overrides = parsed(&["run", "--profile", "aks", "--capture-ring-size=1MiB"]).unwrap();
        assert_eq!(overrides.values["profile"], ["aks"]);
        assert_eq!(overrides.values["capture.ring_size"], ["1MiB"]);
        let wrong = parsed(&["run", "--ring", "1MiB"]).unwrap_err();
        assert_eq!(wrong.flag.as_deref(), Some("--ring"));
        let wrong = parsed(&["run", "--log-target", "nowhere"]).unwrap_err();
        assert_eq!(wrong.flag.as_deref(), Some("--log-target"), "{wrong}");
        assert_eq!(parsed(&["hooks"]).unwrap_err().flag, None);
    }

    #[test]
    fn settings_of_this_host_are_refused() {
        let mut overrides = Overrides::default();
        overrides.values.insert("profile", vec!["aks".to_owned()]);
        assert_eq!(profile(&overrides).unwrap(), Some("aks"));
        overrides.values.insert("capture.ring_size", vec!["1MiB".to_owned()]);
        let error = profile(&overrides).unwrap_err().to_string();
        assert!(error.starts_with("--capture-ring-size has no meaning"), "{error}");
    }
}
