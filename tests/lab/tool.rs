//! Finding and running the tools that the lab is built on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::error::{LabError, Result};

/// Where tools live that are not on every user's `PATH`.
const SYSTEM_DIRS: &[&str] = &[
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
    "/usr/lib/systemd",
    "/lib/systemd",
];

/// The full path of a tool, or an error that names the Debian package that holds it.
pub(crate) fn find(tool: &str, package: &'static str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(tool))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| LabError::MissingTool {
            tool: tool.to_owned(),
            package,
        })
}

/// A command line as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Copies a program, to be run at once. Another process does it: one that this process starts meanwhile, in another thread,
/// would hold the copy open for writing for a moment, and what is open for writing cannot be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("install").args(["-m", "755", "--"]).args([from, to]))?;
    Ok(())
}

/// Runs a command to its end and wants it to succeed.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LabError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(LabError::Failed {
        command: shown(command),
        status: output.status.to_string(),
        output: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    })
}

/// Asks `attempt` again until it has a value or the time is up. For conditions of other programs that cannot be waited
/// for in any other way; `context` is what the error then shows.
pub(crate) fn poll<T>(
    what: &str,
    within: Duration,
    context: impl FnOnce() -> String,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    // Short at first, because most conditions hold within milliseconds; longer later, to leave the processor alone.
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if started.elapsed() >= within {
            return Err(LabError::Deadline {
                what: what.to_owned(),
                within,
                context: context(),
            });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
