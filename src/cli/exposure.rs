//! `agent exposure`: the score of manifests, of a process, or of the running agent.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::args::{ExposureArgs, ReportFormat};
use super::exit::Exit;
use crate::config::{self, Sources};
use crate::control::client::Client;
use crate::exposure::{self, Report, assess, live, manifest};
use crate::kubernetes::{self, Objects};

/// For connecting to the admin socket, which answers at once or not at all.
const DEADLINE: Duration = Duration::from_secs(2);

/// The report for machines.
#[derive(Serialize)]
struct Page<'a> {
    schema_version: u32,
    /// The limit, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    reports: &'a [Report],
}

/// Judges, prints, and says with the exit code whether a limit is exceeded.
pub fn run(arguments: &ExposureArgs) -> Exit {
    let reports = match gather(arguments) {
        Ok(reports) => reports,
        Err((message, exit)) => return super::complain(&Message(message), exit),
    };
    let page = match arguments.format() {
        ReportFormat::Json => {
            let page = Page {
                schema_version: 1,
                max: arguments.max,
                reports: &reports,
            };
            serde_json::to_string_pretty(&page)
                .map(|text| text + "\n")
                .map_err(io::Error::from)
        }
        ReportFormat::Text => {
            let look = super::doctor::look();
            let pages: Vec<String> = reports
                .iter()
                .map(|report| exposure::render::text(report, look))
                .collect();
            Ok(pages.join("\n"))
        }
    };
    let said = match page {
        Ok(page) => super::say(page.as_bytes()),
        Err(error) => super::complain(&error, Exit::Internal),
    };
    if said != Exit::Success {
        return said;
    }
    let Some(max) = arguments.max else { return Exit::Success };
    if reports.iter().any(|report| report.at_most > max) {
        Exit::Findings
    } else {
        Exit::Success
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

fn gather(arguments: &ExposureArgs) -> Result<Vec<Report>, (String, Exit)> {
    let mut reports = Vec::new();
    if !arguments.manifest.is_empty() {
        // Bindings and accounts may stand in another file than the workload.
        let mut objects = Objects::default();
        for file in &arguments.manifest {
            objects.extend(kubernetes::read(file).map_err(|error| (error.to_string(), Exit::Configuration))?);
        }
        let facts = manifest::facts(&objects);
        if facts.is_empty() {
            return Err((
                "no workload is among the manifests: a DaemonSet, Deployment, StatefulSet, ReplicaSet, Job, CronJob or Pod"
                    .to_owned(),
                Exit::Undetermined,
            ));
        }
        reports.extend(facts.iter().map(assess));
    }
    let pid = match arguments.pid {
        Some(pid) => Some(pid),
        None if arguments.manifest.is_empty() => Some(running(arguments)?),
        None => None,
    };
    if let Some(pid) = pid {
        let facts = live::facts(Path::new("/proc"), pid).map_err(|error| (error.to_string(), Exit::Undetermined))?;
        reports.push(assess(&facts));
    }
    Ok(reports)
}

/// The process behind the admin socket, by the kernel's word.
fn running(arguments: &ExposureArgs) -> Result<u32, (String, Exit)> {
    let loaded = config::load(&arguments.overrides, &Sources::of_this_process())
        .map_err(|error| (error.to_string(), Exit::from(&error)))?;
    let hint = "say --pid PID for a process, or --manifest FILE for what a manifest grants";
    let client = Client::connect(&loaded.settings.control.socket, DEADLINE)
        .map_err(|error| (format!("{error}; {hint}"), Exit::Undetermined))?;
    client
        .peer()
        .and_then(|peer| u32::try_from(peer.pid?).ok())
        .ok_or_else(|| {
            (
                format!("the agent's process is not visible in this PID namespace; {hint}"),
                Exit::Undetermined,
            )
        })
}
