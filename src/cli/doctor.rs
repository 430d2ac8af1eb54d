//! `agent doctor`: gather, examine, print, and say it all again with the exit code.

use std::io::{self, IsTerminal, Write};

use crate::doctor::gather::{Input, gather};
use crate::doctor::render::{Look, json, text};
use crate::doctor::{FailOn, report};

/// Exit code for a fault of the program itself.
const INTERNAL: u8 = 70;

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What `agent doctor` was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The format of the report.
    pub format: Format,
    /// From which status on the exit code says "findings".
    pub fail_on: FailOn,
}

/// Runs the doctor and returns the exit code: 0 nothing at or above the threshold, 2 findings, 3 undetermined, 70 when the
/// report could not be written.
#[must_use]
pub fn run(input: &Input, options: Options) -> u8 {
    let watched = io::stderr().is_terminal();
    let (time, facts) = gather(input, &|what| {
        if watched {
            // A progress line that cannot be written is not worth a word.
            let _ = writeln!(io::stderr(), "{what} ...");
        }
    });
    let report = report(&facts, time, input.settings.node.name.clone());
    let rendered = match options.format {
        Format::Text => Ok(text(&report, options.fail_on, look())),
        Format::Json => json(&report).map_err(io::Error::from),
    };
    let written = rendered.and_then(|page| {
        let mut out = io::stdout().lock();
        out.write_all(page.as_bytes()).and_then(|()| out.flush())
    });
    match written {
        Ok(()) => report.counts.exit_code(options.fail_on),
        // The reader has seen enough (`| head`): what was found stays true.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => report.counts.exit_code(options.fail_on),
        Err(error) => {
            let _ = writeln!(io::stderr(), "agent doctor: the report cannot be written: {error}");
            INTERNAL
        }
    }
}

/// What standard output can show.
fn look() -> Look {
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
