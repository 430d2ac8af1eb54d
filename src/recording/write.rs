//! Writing: everything that is captured, until the file is as large as it may be.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Weak};

use lru::LruCache;

use super::format::{Beginning, Error, kind};
use crate::container::Outcome;

/// Outcomes that are known to be in the file.
const OUTCOMES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// What is collected before it is written.
const BUFFER: usize = 256 * 1024;

/// A recording in progress.
#[derive(Debug)]
pub struct Recorder {
    to: Option<BufWriter<File>>,
    left: u64,
    /// What was written last of the clock.
    boot: i64,
    /// The outcome of each cgroup that was written last.
    known: LruCache<u64, Weak<Outcome>>,
}

impl Recorder {
    /// Makes the file, readable for its owner alone. It is opened now, when that is still possible, and must not exist.
    ///
    /// # Errors
    /// [`Error::Create`].
    pub fn create(path: &Path, limit: u64, node: &str, boot: i64) -> Result<Self, Error> {
        let failed = |source| Error::Create {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let mut line = serde_json::to_vec(&Beginning::here(node, boot)).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let mut to = BufWriter::with_capacity(BUFFER, file);
        to.write_all(&line).and_then(|()| to.flush()).map_err(failed)?;
        Ok(Self {
            to: Some(to),
            left: limit.saturating_sub(line.len() as u64),
            boot,
            known: LruCache::new(OUTCOMES),
        })
    }

    /// Takes a record of a process, and the outcome of its cgroup. What cannot be written ends the recording and not the
    /// agent, with one line in the log.
    pub fn take(&mut self, record: &[u8], cgroup_id: u64, outcome: &Arc<Outcome>) {
        if self.to.is_none() {
            return;
        }
        let known = self.known.get(&cgroup_id);
        let told = known.is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(outcome)));
        let written = if told {
            self.frame(kind::RECORD, &[record])
        } else {
            self.known.put(cgroup_id, Arc::downgrade(outcome));
            serde_json::to_vec(&**outcome)
                .map_err(io::Error::from)
                .and_then(|json| self.frame(kind::OUTCOME, &[&cgroup_id.to_ne_bytes(), &json]))
                .and_then(|()| self.frame(kind::RECORD, &[record]))
        };
        self.ended(written);
    }

    /// Notes what the clock is.
    pub fn clock(&mut self, boot: i64) {
        if boot != self.boot {
            self.boot = boot;
            let written = self.frame(kind::CLOCK, &[&boot.to_ne_bytes()]);
            self.ended(written);
        }
    }

    /// Writes what was collected.
    pub fn flush(&mut self) {
        let flushed = self.to.as_mut().map_or(Ok(()), Write::flush);
        self.ended(flushed);
    }

    fn frame(&mut self, kind: u32, parts: &[&[u8]]) -> io::Result<()> {
        let Some(to) = &mut self.to else { return Ok(()) };
        let size: usize = parts.iter().map(|part| part.len()).sum();
        let whole = size as u64 + 2 * size_of::<u32>() as u64;
        if whole > self.left {
            tracing::warn!("the recording is as large as record.limit allows, and ends; the agent goes on");
            to.flush()?;
            self.to = None;
            return Ok(());
        }
        self.left -= whole;
        let size = u32::try_from(size).map_err(io::Error::other)?;
        to.write_all(&size.to_ne_bytes())?;
        to.write_all(&kind.to_ne_bytes())?;
        parts.iter().try_for_each(|part| to.write_all(part))
    }

    fn ended(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(%error, "the recording cannot be written on, and ends; the agent goes on");
            // Its destructor would try to write the rest.
            if let Some(to) = self.to.take() {
                drop(to.into_parts());
            }
        }
    }
}
