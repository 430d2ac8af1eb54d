//! A queue in a directory: segments that are only appended to, and a file that says how far they have been delivered.
//!
//! An alert is forgotten only after the receiver took it, so after a crash some are delivered twice and none is skipped. What was
//! handed to the kernel survives the end of the process; a machine that loses power may lose what the kernel had not written
//! yet, because waiting for the disk at each alert would cost more than that is worth. A record that the disk spoiled costs
//! the rest of its segment, and is counted.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{PushError, Store, segment};
use crate::alert::Alert;

/// A segment is this share of the whole, so that what is delivered already takes little room.
const SHARE: u64 = 8;
/// The largest segment.
const LARGEST: u64 = 8 << 20;

/// How often, and with what pause in between, the directory is asked for: for ten seconds. A delivery process whose sensor was killed
/// holds it for `delivery.grace`, five seconds by default, and the supervisor that starts the agent anew meanwhile would take the
/// exit code of "in use" for a mistake in the settings.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    limit: u64,
    segments: VecDeque<Segment>,
    /// How far the first segment has been delivered, in bytes.
    delivered: u64,
    /// What was read from the first segment and is not delivered yet, each with where it ends.
    ahead: VecDeque<(Arc<Alert>, u64)>,
    position: File,
    damaged: u64,
    /// Held as long as this lives.
    _lock: File,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    file: File,
    length: u64,
    /// Records that are not delivered.
    records: u64,
}

impl Store for Disk {
    fn push(&mut self, alert: &Arc<Alert>) -> Result<(), PushError> {
        let record = segment::record(alert)?;
        let size = record.len() as u64;
        let used: u64 = self.segments.iter().map(|segment| segment.length).sum();
        if used.saturating_add(size) > self.limit {
            return Err(PushError::Full);
        }
        let largest = (self.limit / SHARE).min(LARGEST);
        let fits = self
            .segments
            .back()
            .is_some_and(|last| last.length == 0 || last.length + size <= largest);
        if !fits {
            self.begin()?;
        }
        let Some(last) = self.segments.back_mut() else {
            return Err(PushError::Full);
        };
        if let Err(error) = last.file.write_all_at(&record, last.length) {
            // Half a record must not be in front of the next one.
            last.file.set_len(last.length)?;
            return Err(error.into());
        }
        last.length += size;
        last.records += 1;
        Ok(())
    }

    /// What is told comes from one segment, so it may be less than asked for and than there is.
    fn front(&mut self, count: usize) -> Vec<Arc<Alert>> {
        while self.ahead.len() < count {
            let Some(first) = self.segments.front() else { break };
            let offset = self.ahead.back().map_or(self.delivered, |(_, end)| *end);
            if offset >= first.length {
                if self.ahead.is_empty() && self.segments.len() > 1 {
                    self.forget_first();
                    continue;
                }
                break;
            }
            let read = segment::read(&first.file, offset, first.length).ok().flatten();
            match read.map(|(payload, next)| (serde_json::from_slice::<Alert>(&payload), next)) {
                Some((Ok(alert), next)) => self.ahead.push_back((Arc::new(alert), next)),
                // What is good comes first, so that the position never passes what is not delivered.
                _ if !self.ahead.is_empty() => break,
                Some((Err(_), next)) => self.skip_record(next),
                None => self.skip_first(),
            }
        }
        self.ahead
            .iter()
            .take(count)
            .map(|(alert, _)| Arc::clone(alert))
            .collect()
    }

    fn pop(&mut self, count: usize) {
        let count = count.min(self.ahead.len());
        let last = self.ahead.drain(..count).next_back();
        if let (Some((_, end)), Some(first)) = (last, self.segments.front_mut()) {
            self.delivered = end;
            first.records = first.records.saturating_sub(count as u64);
            self.write_position();
        }
    }

    fn len(&self) -> u64 {
        self.segments.iter().map(|segment| segment.records).sum()
    }

    fn take_damaged(&mut self) -> u64 {
        std::mem::take(&mut self.damaged)
    }
}

impl Disk {
    /// Opens the directory, which is made if its parent exists, and finds what a former process left. One that has not ended yet is
    /// waited for, but not long.
    pub(crate) fn open(directory: &Path, limit: u64) -> Result<Self, OpenError> {
        Self::open_after(directory, limit, thread::sleep)
    }

    fn open_after(directory: &Path, limit: u64, mut pause: impl FnMut(Duration)) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::File { path, source }
        };
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(directory)(error)),
            _ => {}
        }
        let path = directory.join("lock");
        let lock = segment::open(&path, true).map_err(failed(&path))?;
        let mut attempts = 1;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if attempts < ATTEMPTS => {
                    if attempts == 1 {
                        tracing::info!(
                            "{} is in use by another process, which may be about to end",
                            directory.display()
                        );
                    }
                    attempts += 1;
                    pause(PAUSE);
                }
                Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse(directory.to_owned())),
                Err(fs::TryLockError::Error(error)) => return Err(failed(&path)(error)),
            }
        }
        let path = directory.join("position");
        let position = segment::open(&path, true).map_err(failed(&path))?;
        let mut disk = Self {
            directory: directory.to_owned(),
            limit,
            segments: VecDeque::new(),
            delivered: 0,
            ahead: VecDeque::new(),
            position,
            damaged: 0,
            _lock: lock,
        };
        disk.find().map_err(failed(directory))?;
        Ok(disk)
    }

    fn find(&mut self) -> io::Result<()> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            numbers.extend(entry?.file_name().to_str().and_then(segment::number));
        }
        numbers.sort_unstable();
        let (current, delivered) = self.read_position().unwrap_or_default();
        let newest = numbers.last().copied();
        for number in numbers {
            if number < current {
                fs::remove_file(segment::path(&self.directory, number))?;
                continue;
            }
            let path = segment::path(&self.directory, number);
            let file = segment::open(&path, false)?;
            let end = file.metadata()?.len();
            let from = if number == current { delivered.min(end) } else { 0 };
            if self.segments.is_empty() {
                self.delivered = from;
            }
            // Only what was written last can be torn by a crash; whatever else is wrong shows when it is read.
            let is_newest = Some(number) == newest;
            let (records, readable) = segment::count(&file, from, end, is_newest)?;
            let length = if is_newest { readable } else { end };
            if length < end {
                tracing::warn!(
                    "{}: the last {} bytes are no whole alerts and are cut off",
                    path.display(),
                    end - length
                );
                file.set_len(length)?;
            }
            self.segments.push_back(Segment {
                number,
                file,
                length,
                records,
            });
            // What is appended from now on must not pass for delivered at the next start.
            if number == current && delivered > from {
                self.write_position();
            }
        }
        Ok(())
    }

    /// Begins a segment.
    fn begin(&mut self) -> io::Result<()> {
        let (before, _) = self.read_position().unwrap_or_default();
        let number = self.segments.back().map_or(before, |last| last.number) + 1;
        let file = segment::open(&segment::path(&self.directory, number), true)?;
        file.set_len(0)?;
        self.segments.push_back(Segment {
            number,
            file,
            length: 0,
            records: 0,
        });
        Ok(())
    }

    /// Gives up a record that is as it was written, but is no alert that this version knows.
    fn skip_record(&mut self, next: u64) {
        if let Some(first) = self.segments.front_mut() {
            first.records = first.records.saturating_sub(1);
            self.damaged += 1;
            self.delivered = next;
            self.write_position();
        }
    }

    /// Gives up what cannot be read of the first segment.
    fn skip_first(&mut self) {
        if let Some(first) = self.segments.front_mut() {
            tracing::warn!(
                "{}: {} bytes from {} on are no whole alerts and are skipped",
                segment::path(&self.directory, first.number).display(),
                first.length - self.delivered,
                self.delivered
            );
            self.damaged += std::mem::take(&mut first.records);
            self.delivered = first.length;
        }
        // Nothing may be appended to a segment that is damaged.
        if self.segments.len() == 1 && self.begin().is_err() {
            return;
        }
        self.forget_first();
    }

    /// The first segment is delivered. The position goes first: a file that is left over is removed at the next start.
    fn forget_first(&mut self) {
        if let Some(first) = self.segments.pop_front() {
            self.delivered = 0;
            self.write_position();
            let _ = fs::remove_file(segment::path(&self.directory, first.number));
        }
    }

    /// A position that cannot be written makes alerts be delivered twice, which is no reason to deliver none.
    fn write_position(&self) {
        let Some(first) = self.segments.front() else { return };
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&first.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.delivered.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_le_bytes());
        let _ = self.position.write_all_at(&bytes, 0);
    }

    fn read_position(&self) -> Option<(u64, u64)> {
        let mut bytes = [0; 20];
        self.position.read_exact_at(&mut bytes, 0).ok()?;
        let (values, sum) = bytes.split_at(16);
        let (number, delivered) = values.split_at(8);
        if crc32fast::hash(values).to_le_bytes() != sum {
            return None;
        }
        Some((
            u64::from_le_bytes(number.try_into().ok()?),
            u64::from_le_bytes(delivered.try_into().ok()?),
        ))
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
