//! The agent's standard output, read as it comes: one JSON object per line, waited for by condition.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::{LabError, Result};

#[derive(Default)]
struct Seen {
    events: Vec<Value>,
    /// The first line that was no JSON object: standard output holds events and nothing else.
    broken: Option<(String, serde_json::Error)>,
    ended: bool,
}

/// Events in the order in which they were printed.
pub(crate) struct EventLog {
    shared: Arc<(Mutex<Seen>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl EventLog {
    /// Reads `source` to its end on threads of its own.
    pub(crate) fn follow(source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        // Reading does not wait for parsing: the agent must never find its pipe full because of a slow test.
        let (lines, unparsed) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(source)
                .lines()
                .map_while(std::io::Result::ok)
                .try_for_each(|line| lines.send(line))
        });
        let reader = std::thread::spawn(move || {
            for line in unparsed {
                let parsed = serde_json::from_str(&line);
                let mut seen = lock(&writer.0);
                match parsed {
                    Ok(event) => seen.events.push(event),
                    Err(error) => {
                        seen.broken.get_or_insert((line, error));
                    }
                }
                writer.1.notify_all();
            }
            lock(&writer.0).ended = true;
            writer.1.notify_all();
        });
        Self {
            shared,
            reader: Some(reader),
        }
    }

    /// All events so far.
    pub(crate) fn all(&self) -> Vec<Value> {
        lock(&self.shared.0).events.clone()
    }

    /// How many events there are so far: a mark for [`Self::wait_from`].
    pub(crate) fn len(&self) -> usize {
        lock(&self.shared.0).events.len()
    }

    /// The first event for which `wanted` holds, printed already or within the time given.
    pub(crate) fn wait_for(&self, what: &str, within: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_from(0, what, within, wanted)
    }

    /// As [`Self::wait_for`], but looks only at the events from a mark on.
    pub(crate) fn wait_from(
        &self,
        mark: usize,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut skip = mark;
        self.wait(what, within, |fresh| {
            let skipped = skip.min(fresh.len());
            skip -= skipped;
            fresh[skipped..].iter().find(|event| wanted(event)).cloned()
        })
    }

    /// Waits until `enough` has what it wants. It is shown each event once, in order: a look at all of them for every
    /// new one would slow the reader, and with it the agent, whose output would then fill its pipe.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        mut enough: impl FnMut(&[Value]) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        let (mutex, changed) = &*self.shared;
        let mut shown = 0;
        let mut seen = lock(mutex);
        loop {
            if let Some((line, source)) = seen.broken.take() {
                return Err(LabError::NotJson { line, source });
            }
            if let Some(found) = enough(&seen.events[shown..]) {
                return Ok(found);
            }
            shown = seen.events.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.ended {
                let what = if seen.ended {
                    format!("{what} (the output ended)")
                } else {
                    what.to_owned()
                };
                return Err(LabError::Deadline {
                    what,
                    within,
                    context: last_lines(&seen.events),
                });
            }
            seen = changed
                .wait_timeout(seen, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Takes the events out as they come until `enough` has what it wants, for tests that see more of them than they can
    /// keep. Whatever was taken is found by no other way of waiting, and marks from before mean nothing any more.
    pub(crate) fn take_until(
        &self,
        what: &str,
        within: Duration,
        mut enough: impl FnMut(Vec<Value>) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + within;
        let (mutex, changed) = &*self.shared;
        loop {
            let mut seen = lock(mutex);
            while seen.events.is_empty() && seen.broken.is_none() && !seen.ended && Instant::now() < deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                seen = changed
                    .wait_timeout(seen, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            if let Some((line, source)) = seen.broken.take() {
                return Err(LabError::NotJson { line, source });
            }
            let (fresh, ended) = (std::mem::take(&mut seen.events), seen.ended);
            // The reader goes on meanwhile.
            drop(seen);
            let context = last_lines(&fresh);
            if enough(fresh) {
                return Ok(());
            }
            if ended || Instant::now() >= deadline {
                let what = if ended {
                    format!("{what} (the output ended)")
                } else {
                    what.to_owned()
                };
                return Err(LabError::Deadline { what, within, context });
            }
        }
    }

    /// Waits for the end of the output and gives everything that was printed.
    pub(crate) fn finish(mut self) -> Result<Vec<Value>> {
        if let Some(reader) = self.reader.take() {
            // The reader cannot panic but on a poisoned lock, which `lock` undoes.
            let _ = reader.join();
        }
        let mut seen = lock(&self.shared.0);
        match seen.broken.take() {
            Some((line, source)) => Err(LabError::NotJson { line, source }),
            None => Ok(std::mem::take(&mut seen.events)),
        }
    }
}

fn lock(mutex: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // Only pushes happen under the lock, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enough to see what is going on, and not a screen more.
fn last_lines(events: &[Value]) -> String {
    let tail = &events[events.len().saturating_sub(5)..];
    let lines: Vec<String> = tail
        .iter()
        .map(|event| event.to_string().chars().take(1000).collect())
        .collect();
    format!("{} events; the last of them:\n{}", events.len(), lines.join("\n"))
}
