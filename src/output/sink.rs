//! Standard output: collects what one drain of the ring yields and writes it at once.

use std::io::{self, IsTerminal, Write};

use super::splice::EventWriter;
use super::{json, text};
use crate::config::settings::OutputFormat;
use crate::event::{Event, Loss, Summary};

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
    events: EventWriter,
}

impl<W: Write> Sink<W> {
    /// A sink that writes to `to`.
    pub fn new(to: W, format: Format) -> Self {
        Self {
            to,
            format,
            pending: Vec::with_capacity(FLUSH_AT + 64 * 1024),
            events: EventWriter::new(),
        }
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

    /// Writes what was collected.
    ///
    /// # Errors
    /// Writing failed.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            let written = self.to.write_all(&self.pending);
            self.pending.clear();
            written?;
        }
        self.to.flush()
    }

    fn flush_when_full(&mut self) -> io::Result<()> {
        if self.pending.len() < FLUSH_AT {
            Ok(())
        } else {
            self.flush()
        }
    }
}
