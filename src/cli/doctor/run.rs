//! An examination: gather, examine, compare, print, and say it all again with the exit code; once, or until all is well.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::confine::confine;
use super::input::{self, Given, input};
use super::look::look;
use super::wait::{Teller, pause, waited_for};
use super::{complain, files, say};
use crate::cli::args::DoctorArgs;
use crate::cli::exit::Exit;
use crate::config::{Overrides, Settings};
use crate::doctor::baseline::changes;
use crate::doctor::facts::Facts;
use crate::doctor::gather::gather;
use crate::doctor::render::render;
use crate::doctor::report::Confined;
use crate::doctor::saved::{self, Saved};
use crate::doctor::suppress::{self, Suppressions};
use crate::doctor::{FailOn, Report, redact, report};

/// Why there is no report. Every one is a mistake on the command line or in a file that it names, but the last.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A file cannot be had.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The baseline is none.
    #[error("the baseline {file} cannot be used: {source}")]
    Baseline {
        /// The file.
        file: String,
        /// Why.
        source: saved::Error,
    },
    /// The suppressions are none.
    #[error(transparent)]
    Suppressions(#[from] suppress::Error),
    /// There are no settings, nor a profile.
    #[error(transparent)]
    Input(#[from] input::Error),
}

impl Error {
    /// What the doctor ends with.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Input(input::Error::Profile(_)) => Exit::Internal,
            _ => Exit::Usage,
        }
    }
}

/// Runs the doctor: success when nothing is at or above the threshold, findings, undetermined, or internal when the report
/// could not be written.
pub(super) fn run(arguments: &DoctorArgs) -> Exit {
    match examined(arguments) {
        Ok(report) => print(&report, arguments),
        Err(error) => complain(&error, error.exit()),
    }
}

/// What a report is held against.
pub(super) struct Against {
    /// What somebody accepts.
    pub(super) suppressions: Option<Suppressions>,
    baseline: Option<Saved>,
}

impl Against {
    /// What the command line names.
    pub(super) fn read(arguments: &DoctorArgs) -> Result<Self, Error> {
        Ok(Self {
            suppressions: arguments.suppress.as_deref().map(suppressions).transpose()?,
            baseline: arguments.baseline.as_deref().map(baseline).transpose()?,
        })
    }

    /// Marks what is accepted and says what is different.
    pub(super) fn hold(&self, report: &mut Report) {
        if let Some(suppressions) = &self.suppressions {
            suppressions.apply(report);
        }
        report.changes = self.baseline.as_ref().map(|earlier| changes(report, earlier));
    }
}

/// The last of the examinations, of which there are several only with `--wait`.
fn examined(arguments: &DoctorArgs) -> Result<Report, Error> {
    let (process, confined) = confine();
    let against = Against::read(arguments)?;
    let given = Given {
        process,
        suppressions: against.suppressions.clone(),
        live_timeout: arguments.live_timeout,
        timeout: arguments.timeout,
    };
    let fail_on: FailOn = arguments.fail_on.into();
    let (began, terminal) = (Instant::now(), io::stderr().is_terminal());
    let mut teller = Teller::new(io::stderr(), terminal);
    let mut round = 0;
    loop {
        let quiet = !terminal || round > 0;
        let mut report = examine(&arguments.overrides, &given, &confined, quiet)?.report;
        against.hold(&mut report);
        let left = arguments.wait.unwrap_or_default().saturating_sub(began.elapsed());
        let Some((what, pause)) = waited_for(&report, fail_on).zip(pause(round, left)) else {
            teller.end();
            return Ok(report);
        };
        teller.tell(&what);
        thread::sleep(pause);
        round += 1;
    }
}

/// An examination, and what it was made from.
pub(super) struct Examined {
    pub(super) report: Report,
    pub(super) facts: Facts,
    pub(super) settings: Settings,
}

/// One examination.
pub(super) fn examine(
    overrides: &Overrides,
    given: &Given,
    confined: &Confined,
    quiet: bool,
) -> Result<Examined, Error> {
    let input = input(overrides, given)?;
    let began = Instant::now();
    let (time, facts) = gather(&input, &|what| {
        if !quiet {
            // A progress line that cannot be written is not worth a word.
            let _ = writeln!(io::stderr(), "{what} ...");
        }
    });
    let mut report = report(&facts, time, input.settings.node.name.clone());
    report.duration_us = u64::try_from(began.elapsed().as_micros()).ok();
    report.confined = Some(confined.clone());
    Ok(Examined {
        report,
        facts,
        settings: input.settings,
    })
}

/// Prints a report, and says it all again with the exit code.
pub(super) fn print(report: &Report, arguments: &DoctorArgs) -> Exit {
    let fail_on = arguments.fail_on.into();
    let redacted = arguments.redact.then(|| redact::report(report));
    let shown = redacted.as_ref().unwrap_or(report);
    let page = match render(shown, arguments.format.into(), fail_on, look()) {
        Ok(page) => page,
        Err(error) => return complain(&error, Exit::Internal),
    };
    // A reader that has seen enough (`| head`) changes nothing of what was found.
    match say(page.as_bytes()) {
        Exit::Success => code(report.exit_code(fail_on)),
        failed => failed,
    }
}

/// The exit of a report's code.
pub(super) fn code(code: u8) -> Exit {
    match code {
        0 => Exit::Success,
        2 => Exit::Findings,
        _ => Exit::Undetermined,
    }
}

fn suppressions(path: &Path) -> Result<Suppressions, Error> {
    let bytes = files::read(path, suppress::MAX_BYTES)?;
    Ok(Suppressions::parse(&path.display().to_string(), &bytes)?)
}

fn baseline(path: &Path) -> Result<Saved, Error> {
    let bytes = files::read(path, saved::MAX_BYTES)?;
    Saved::parse(&bytes).map_err(|source| Error::Baseline {
        file: path.display().to_string(),
        source,
    })
}
