//! `agent doctor`: gather, examine, print, and say it all again with the exit code.

use std::io::{self, IsTerminal, Write};

use std::collections::BTreeSet;
use std::time::Duration;

use super::args::{DoctorArgs, FailOn, ReportFormat};
use super::exit::Exit;
use crate::config::load::DETECTED;
use crate::config::{self, Loaded, Settings};
use crate::doctor::facts::{ConfigFacts, ProfileFacts};
use crate::doctor::gather::{Input, gather};
use crate::doctor::render::{Look, json, text};
use crate::doctor::{self, report};
use crate::platform::Detection;

/// What the doctor is told about the settings that `agent run` would have.
#[must_use]
pub fn input(loaded: Loaded, live_timeout: Duration) -> Input {
    let sources: BTreeSet<String> = loaded.origins.into_values().collect();
    let (declared, detection) = (!loaded.profile.is_detected(), loaded.profile.detection);
    Input {
        config: ConfigFacts {
            sources: sources.into_iter().collect(),
            problem: None,
            lookup_budget: loaded.settings.runtime.lookup_budget,
            call_timeout: loaded.settings.runtime.call_timeout,
            prefetch: loaded.settings.runtime.prefetch,
        },
        profile: ProfileFacts {
            name: loaded.profile.name.to_owned(),
            declared,
            source: loaded.profile.source,
            detected: Ok(Some(detection.profile.to_owned())),
            confidence: detection.confidence,
            evidence: detection.evidence,
        },
        settings: loaded.settings,
        live_timeout,
    }
}

/// The same where the settings are wrong: the built-in defaults, and what is wrong.
#[must_use]
pub fn input_without_settings(error: &config::Error, detection: Detection, live_timeout: Duration) -> Input {
    let settings = Settings::default();
    Input {
        config: ConfigFacts {
            sources: vec!["built-in default".to_owned()],
            problem: Some(error.to_string()),
            lookup_budget: settings.runtime.lookup_budget,
            call_timeout: settings.runtime.call_timeout,
            prefetch: settings.runtime.prefetch,
        },
        profile: ProfileFacts {
            name: detection.profile.to_owned(),
            declared: false,
            source: DETECTED.to_owned(),
            detected: Ok(Some(detection.profile.to_owned())),
            confidence: detection.confidence,
            evidence: detection.evidence,
        },
        settings,
        live_timeout,
    }
}

/// Runs the doctor: success when nothing is at or above the threshold, findings, undetermined, or internal when the report
/// could not be written.
#[must_use]
pub fn run(input: &Input, arguments: &DoctorArgs) -> Exit {
    let fail_on = match arguments.fail_on {
        FailOn::Warn => doctor::FailOn::Warn,
        FailOn::Fail => doctor::FailOn::Fail,
    };
    let watched = io::stderr().is_terminal();
    let (time, facts) = gather(input, &|what| {
        if watched {
            // A progress line that cannot be written is not worth a word.
            let _ = writeln!(io::stderr(), "{what} ...");
        }
    });
    let report = report(&facts, time, input.settings.node.name.clone());
    let rendered = match arguments.format {
        ReportFormat::Text => Ok(text(&report, fail_on, look())),
        ReportFormat::Json => json(&report).map_err(io::Error::from),
    };
    let written = rendered.and_then(|page| {
        let mut out = io::stdout().lock();
        out.write_all(page.as_bytes()).and_then(|()| out.flush())
    });
    match written {
        Ok(()) => exit(&report, fail_on),
        // The reader has seen enough (`| head`): what was found stays true.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit(&report, fail_on),
        Err(error) => {
            let _ = writeln!(io::stderr(), "agent doctor: the report cannot be written: {error}");
            Exit::Internal
        }
    }
}

fn exit(report: &doctor::Report, fail_on: doctor::FailOn) -> Exit {
    match report.counts.exit_code(fail_on) {
        0 => Exit::Success,
        2 => Exit::Findings,
        _ => Exit::Undetermined,
    }
}

/// What standard output can show.
pub(super) fn look() -> Look {
    let terminal = io::stdout().is_terminal();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Look {
        color: terminal && !set("NO_COLOR") && std::env::var("TERM").as_deref() != Ok("dumb"),
        unicode: terminal && utf8_locale(),
        width: std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok())
            .or_else(|| terminal.then(terminal_width).flatten())
            .unwrap_or(100),
    }
}

/// The first of these that is set decides, as in the C library.
fn utf8_locale() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

#[expect(unsafe_code, reason = "no safe wrapper for TIOCGWINSZ is among the dependencies")]
fn terminal_width() -> Option<usize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one winsize to the address given, which points to a live value of that type.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
