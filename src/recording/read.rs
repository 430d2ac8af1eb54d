//! Reading: what was recorded goes the way of an event once more, up to where rules are asked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use zerocopy::IntoBytes;

use super::format::{Beginning, Error, LONGEST_BEGINNING, LONGEST_FRAME, VERSION, kind};
use crate::capture::{Hook, Record, wire};
use crate::container::Outcome;

/// A recording that is read.
#[derive(Debug)]
pub struct Reader<R> {
    from: BufReader<R>,
    beginning: Beginning,
    /// The hook of this build, by the number in the recording; none where this build has no such hook.
    hooks: Vec<Option<Hook>>,
    outcomes: HashMap<u64, Arc<Outcome>>,
    host: Arc<Outcome>,
    /// Eight bytes each, because the decoder may count on records lying so.
    buffer: Vec<u64>,
    at: u64,
    boot: i64,
    is_cut: bool,
}

impl Reader<File> {
    /// Opens a recording.
    ///
    /// # Errors
    /// It cannot be read, is none, or another version's.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::new(file)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn new(from: R) -> Result<Self, Error> {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        (&mut from).take(LONGEST_BEGINNING).read_until(b'\n', &mut line)?;
        let beginning: Beginning =
            serde_json::from_slice(&line).map_err(|error| Error::NoRecording(error.to_string()))?;
        let here = Beginning::here("", 0);
        if beginning.pinhole_recording != VERSION
            || beginning.wire != wire::VERSION
            || beginning.architecture != here.architecture
        {
            return Err(Error::Foreign {
                agent: beginning.agent,
                architecture: beginning.architecture,
            });
        }
        let ours = |name: &String| Hook::all().find(|hook| hook.name() == name);
        Ok(Self {
            hooks: beginning.hooks.iter().map(ours).collect(),
            from,
            at: line.len() as u64,
            boot: beginning.boot,
            beginning,
            outcomes: HashMap::new(),
            host: Arc::new(Outcome::host()),
            buffer: Vec::new(),
            is_cut: false,
        })
    }

    /// What wrote it.
    #[must_use]
    pub fn beginning(&self) -> &Beginning {
        &self.beginning
    }

    /// Whether what was read ended in the middle of a frame, because the agent was killed or the file was shortened.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Hands the records over in their order, each with the clock, as [`BootClock::boot`](crate::event::BootClock::boot) tells it, and
    /// with the outcome of its cgroup's lookup, which is known for every one that was recorded. A recording that was cut in the middle of a frame, because the agent was killed, ends before it.
    ///
    /// # Errors
    /// It cannot be read, or is broken.
    pub fn each(&mut self, mut take: impl FnMut(Record<'_>, i64, &dyn Fn(u64) -> Arc<Outcome>)) -> Result<(), Error> {
        loop {
            let at = self.at;
            let broken = |what: String| Error::Broken { at, what };
            let Some(head) = self.part(8)? else { return Ok(()) };
            let (Some(size), Some(kind)) = (number(head, 0), number(head, 4)) else {
                return Ok(());
            };
            let size = size as usize;
            if size > LONGEST_FRAME {
                return Err(broken(format!("a frame of {size} bytes")));
            }
            let Some(bytes) = self.part(size)? else {
                self.is_cut = true;
                return Ok(());
            };
            match kind {
                kind::OUTCOME => {
                    let (id, json) = bytes
                        .split_first_chunk::<8>()
                        .ok_or_else(|| broken("an outcome without a cgroup".to_owned()))?;
                    let outcome = serde_json::from_slice(json).map_err(|error| broken(error.to_string()))?;
                    let id = u64::from_ne_bytes(*id);
                    self.outcomes.insert(id, Arc::new(outcome));
                }
                kind::CLOCK => {
                    let boot = bytes
                        .first_chunk()
                        .ok_or_else(|| broken("a clock without a time".to_owned()))?;
                    self.boot = i64::from_ne_bytes(*boot);
                }
                kind::RECORD => self.record(size, &mut take).map_err(broken)?,
                other => return Err(broken(format!("a frame of unknown kind {other}"))),
            }
        }
    }

    fn record(
        &mut self,
        size: usize,
        take: &mut impl FnMut(Record<'_>, i64, &dyn Fn(u64) -> Arc<Outcome>),
    ) -> Result<(), String> {
        let bytes = &mut self.buffer.as_mut_bytes()[..size];
        let said = wire::hook_of(bytes).ok_or("a record without a hook")?;
        // Of a hook that this build does not have nothing can be asked.
        let Some(hook) = self.hooks.get(usize::from(said)).copied().flatten() else {
            return Ok(());
        };
        wire::set_hook(bytes, hook);
        let record = Record::decode(bytes).map_err(|error| error.to_string())?;
        let (outcomes, host) = (&self.outcomes, &self.host);
        take(record, self.boot, &|cgroup_id| {
            Arc::clone(outcomes.get(&cgroup_id).unwrap_or(host))
        });
        Ok(())
    }

    /// So many bytes at the beginning of the buffer; none where the file ends before.
    fn part(&mut self, size: usize) -> Result<Option<&[u8]>, Error> {
        self.buffer.resize(self.buffer.len().max(size.div_ceil(8)), 0);
        let bytes = &mut self.buffer.as_mut_bytes()[..size];
        let mut filled = 0;
        while filled < size {
            match self.from.read(&mut bytes[filled..]) {
                Ok(0) => {
                    self.is_cut |= filled > 0;
                    return Ok(None);
                }
                Ok(more) => filled += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.at += size as u64;
        Ok(Some(bytes))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}
