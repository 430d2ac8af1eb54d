//! A real systemd-journald with a /run of its own, and journalctl to read what it stored.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::error::{LabError, Result};
use super::place::Place;
use super::process::{Contained, Own};
use super::tool;

/// How long journald may take to open its sockets.
const READY: Duration = Duration::from_secs(120);

/// The socket that programs log to.
const SOCKET: &str = "/run/systemd/journal/socket";

/// A running journald.
pub(crate) struct Journal {
    // Declared in the order in which they must go.
    process: Contained,
    place: Place,
}

impl Journal {
    /// Starts it and waits for its socket.
    pub(crate) fn start() -> Result<Self> {
        let journald = tool::find("systemd-journald", "systemd")?;
        let place = Place::new()?;
        // Private memory file systems over every place that it writes to: the machine's own journal stays as it is.
        let script = format!(
            "mount -t tmpfs -o mode=755 pinhole-lab /run\ntouch /run/pinhole-lab\nmkdir -p /run/systemd/journal /run/log/journal\n\
             if [ -d /var/log/journal ]; then mount -t tmpfs pinhole-lab /var/log/journal; fi\n\
             exec '{}'",
            journald.display()
        );
        // It tells who logged by their process ids, so it must see them.
        let process = Contained::start(Own::Mounts, &script, &place.path().join("journald.log"))?;
        let journal = Self { process, place };
        tool::poll(
            "journald's socket",
            READY,
            || journal.log(),
            || Ok(tool::run(&mut journal.inside(["test", "-e", "/run/pinhole-lab", "-a", "-S", SOCKET])?).ok()),
        )?;
        Ok(journal)
    }

    /// The words before a command line that make it run where this journal is the system's journal.
    pub(crate) fn entry(&self) -> Result<Vec<String>> {
        let pid = tool::poll(
            "journald's start",
            READY,
            || self.log(),
            || Ok(self.process.first_pid()),
        )?;
        let nsenter: PathBuf = tool::find("nsenter", "util-linux")?;
        Ok(vec![
            nsenter.to_string_lossy().into_owned(),
            "--target".to_owned(),
            pid.to_string(),
            "--mount".to_owned(),
            "--".to_owned(),
        ])
    }

    /// Everything that a user id has logged so far.
    pub(crate) fn entries_of(&self, uid: u32) -> Result<Vec<Value>> {
        let journalctl = tool::find("journalctl", "systemd")?.to_string_lossy().into_owned();
        let matching = format!("_UID={uid}");
        let output = tool::run(&mut self.inside([
            &*journalctl,
            "--directory=/run/log/journal",
            "--output=json",
            "--all",
            "--no-pager",
            "--quiet",
            &*matching,
        ])?)?;
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| {
                serde_json::from_str(line).map_err(|source| LabError::NotJson {
                    line: line.to_owned(),
                    source,
                })
            })
            .collect()
    }

    fn inside<'a>(&self, command: impl IntoIterator<Item = &'a str>) -> Result<Command> {
        let entry = self.entry()?;
        let mut inside = Command::new(&entry[0]);
        inside.args(&entry[1..]).args(command);
        Ok(inside)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("journald.log")).unwrap_or_default()
    }
}
