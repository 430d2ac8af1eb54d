//! Standard output: collects what one drain of the ring yields and writes it at once.
//!
//! An output without room is no reason to stop watching: what does not fit is given up by whole lines, counted, and the next
//! write is tried as if nothing had been. A line that was written in part is kept and goes on where it ended, so that whoever
//! reads a file whose disk was full finds lines missing and none torn.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;

use pinhole_delivery::Alert as Worded;

use super::account::Account;
use super::splice::EventWriter;
use super::{json, text};
use crate::config::settings::OutputFormat;
use crate::event::{Event, Loss, Summary};
use crate::rules::Alert;

/// How much is collected before it is written in the middle of a drain.
const FLUSH_AT: usize = 256 * 1024;

/// The form of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object per line.
    Json,
    /// For people, with or without colour.
    Text {
        /// Whether to colour.
        colour: bool,
    },
    /// Summaries as JSON, and no events.
    Count,
}

impl Format {
    /// Resolves `auto`: text on a terminal, JSON elsewhere, so that a pod's log is its events.
    #[must_use]
    pub fn of(setting: OutputFormat) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match setting {
            OutputFormat::Auto if terminal => Self::Text { colour },
            OutputFormat::Text => Self::Text { colour },
            OutputFormat::Auto | OutputFormat::Json => Self::Json,
            OutputFormat::Count => Self::Count,
        }
    }
}

/// Where events go.
#[derive(Debug)]
pub struct Sink<W> {
    to: W,
    format: Format,
    pending: Vec<u8>,
    /// What is pending begins within a line, whose beginning is written.
    torn: bool,
    /// Something was given up since that was asked last.
    gave_up: bool,
    events: EventWriter,
    account: Arc<Account>,
}

impl<W: Write> Sink<W> {
    /// A sink that writes to `to` and tells `account` what became of it.
    pub fn new(to: W, format: Format, account: Arc<Account>) -> Self {
        Self {
            to,
            format,
            pending: Vec::with_capacity(FLUSH_AT + 64 * 1024),
            torn: false,
            gave_up: false,
            events: EventWriter::new(),
            account,
        }
    }

    /// What became of what was written.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Whether something that was taken has been given up since this was asked last, because there was no room for it.
    pub fn gave_up(&mut self) -> bool {
        std::mem::take(&mut self.gave_up)
    }

    /// Whether events are written at all: what is not need not be put together either.
    #[must_use]
    pub fn writes_events(&self) -> bool {
        self.format != Format::Count
    }

    /// Takes an event.
    ///
    /// # Errors
    /// Writing failed.
    pub fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.append(event)?;
        self.flush_when_full()
    }

    /// Takes an alert.
    ///
    /// # Errors
    /// Writing failed.
    pub fn alert(&mut self, alert: &Alert<'_>) -> io::Result<()> {
        match self.format {
            Format::Json => json::append(&mut self.pending, alert)?,
            Format::Count => {}
            Format::Text { colour } => text::alert(&mut self.pending, alert, colour)?,
        }
        self.flush_when_full()
    }

    /// Takes an alert that is in words already.
    ///
    /// # Errors
    /// Writing failed.
    pub fn worded(&mut self, alert: &Worded) -> io::Result<()> {
        match self.format {
            Format::Json => {
                self.pending.extend_from_slice(alert.json.as_bytes());
                self.pending.push(b'\n');
            }
            Format::Count => {}
            Format::Text { colour } => text::worded(&mut self.pending, alert, colour)?,
        }
        self.flush_when_full()
    }

    /// Does with an event all that is done with one that is written, and takes it back.
    ///
    /// # Errors
    /// It has no such form.
    pub fn rehearse(&mut self, event: &Event<'_>) -> io::Result<()> {
        let before = self.pending.len();
        let appended = self.append(event);
        self.pending.truncate(before);
        appended
    }

    fn append(&mut self, event: &Event<'_>) -> io::Result<()> {
        match self.format {
            Format::Json => self.events.append(&mut self.pending, event)?,
            Format::Count => {}
            Format::Text { colour } => text::event(&mut self.pending, event, colour)?,
        }
        Ok(())
    }

    /// Whether everything that was taken is written.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a loss.
    ///
    /// # Errors
    /// Writing failed.
    pub fn loss(&mut self, loss: &Loss) -> io::Result<()> {
        match self.format {
            Format::Json | Format::Count => json::append(&mut self.pending, loss)?,
            Format::Text { colour } => text::loss(&mut self.pending, loss, colour)?,
        }
        self.flush_when_full()
    }

    /// Takes a summary.
    ///
    /// # Errors
    /// Writing failed.
    pub fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        match self.format {
            Format::Json | Format::Count => json::append(&mut self.pending, summary)?,
            Format::Text { colour } => text::summary(&mut self.pending, summary, colour)?,
        }
        self.flush()
    }

    /// Writes what was collected, or gives up what there is no room for.
    ///
    /// # Errors
    /// Writing failed for another reason than lack of room.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            let (written, failed) = write(&mut self.to, &self.pending);
            self.account.wrote(written);
            match failed {
                None => {
                    self.pending.clear();
                    self.torn = false;
                }
                Some(error) => {
                    let lost = self.give_up(written);
                    self.account.failed(&error, lost);
                    if !is_lack_of_room(&error) {
                        return Err(error);
                    }
                }
            }
        }
        self.to.flush()
    }

    /// So many bytes are written, and the rest cannot be: all of it is given up but the rest of the line that has begun.
    fn give_up(&mut self, written: usize) -> u64 {
        self.gave_up = true;
        if let Some(last) = written.checked_sub(1) {
            self.torn = self.pending[last] != b'\n';
        }
        let rest = &self.pending[written..];
        let line = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |end| end + 1);
        let kept = if self.torn { line } else { 0 };
        let lost = rest[kept..].iter().filter(|byte| **byte == b'\n').count();
        self.pending.truncate(written + kept);
        self.pending.drain(..written);
        lost as u64
    }

    fn flush_when_full(&mut self) -> io::Result<()> {
        if self.pending.len() < FLUSH_AT {
            Ok(())
        } else {
            self.flush()
        }
    }
}

/// Writes as much as it takes. How much that was, and why not all.
fn write(to: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

/// Whether there may be room again: a full disk, a quota that is used up, a file as large as it may be.
fn is_lack_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
