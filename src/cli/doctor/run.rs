//! One examination: gather, examine, print, and say it all again with the exit code.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use super::look::look;
use crate::cli::args::{DoctorArgs, FailOn};
use crate::cli::exit::Exit;
use crate::doctor::gather::{Input, gather};
use crate::doctor::render::render;
use crate::doctor::{self, redact, report};

/// Runs the doctor: success when nothing is at or above the threshold, findings, undetermined, or internal when the report
/// could not be written.
#[must_use]
pub(super) fn run(input: &Input, arguments: &DoctorArgs) -> Exit {
    let watched = io::stderr().is_terminal();
    let began = Instant::now();
    let (time, facts) = gather(input, &|what| {
        if watched {
            // A progress line that cannot be written is not worth a word.
            let _ = writeln!(io::stderr(), "{what} ...");
        }
    });
    let mut report = report(&facts, time, input.settings.node.name.clone());
    report.duration_us = u64::try_from(began.elapsed().as_micros()).ok();
    print(&report, arguments)
}

/// Prints a report, and says it all again with the exit code.
pub(super) fn print(report: &doctor::Report, arguments: &DoctorArgs) -> Exit {
    let fail_on = match arguments.fail_on {
        FailOn::Warn => doctor::FailOn::Warn,
        FailOn::Fail => doctor::FailOn::Fail,
    };
    let redacted;
    let report = if arguments.redact {
        redacted = redact::report(report);
        &redacted
    } else {
        report
    };
    let rendered = render(report, arguments.format.into(), fail_on, look());
    let written = rendered.map_err(io::Error::other).and_then(|page| {
        let mut out = io::stdout().lock();
        out.write_all(page.as_bytes()).and_then(|()| out.flush())
    });
    match written {
        Ok(()) => exit(report, fail_on),
        // The reader has seen enough (`| head`): what was found stays true.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit(report, fail_on),
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
