//! A container's log as the runtime writes it for the kubelet: a line is `<time> <stream> <P|F> <content>`, where P says that
//! the line goes on (Kubernetes design proposal "CRI: log management", format of pkg/kubelet/kuberuntime/logs).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::error::{LabError, Result};
use super::super::events::EventLog;

/// The two streams of a container's log, read while it grows.
pub(crate) struct ContainerLog {
    path: PathBuf,
    events: Option<EventLog>,
    errors: Arc<Mutex<String>>,
    ended: Arc<AtomicBool>,
}

impl ContainerLog {
    /// Follows the file, which need not be there yet.
    pub(crate) fn follow(path: PathBuf) -> Self {
        let (errors, ended) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
        let source = StandardOutput::of(path.clone(), Arc::clone(&errors), Arc::clone(&ended));
        Self {
            path,
            events: Some(EventLog::follow(source)),
            errors,
            ended,
        }
    }

    /// What was written to standard output.
    pub(crate) fn events(&self) -> &EventLog {
        self.events.as_ref().expect("present until the log is finished")
    }

    /// What was written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After the container ended: standard output and standard error as text, whether the first was events or not.
    pub(crate) fn texts(&self) -> Result<(String, String)> {
        let (errors, mut text) = (Arc::default(), String::new());
        StandardOutput::of(self.path.clone(), Arc::clone(&errors), Arc::new(AtomicBool::new(true)))
            .read_to_string(&mut text)
            .map_err(LabError::file("read", &self.path))?;
        let errors = errors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((text, errors))
    }

    /// After the container ended: everything.
    pub(crate) fn finish(mut self) -> Result<(Vec<serde_json::Value>, String)> {
        self.ended.store(true, Ordering::Release);
        let events = match self.events.take() {
            Some(events) => events.finish()?,
            None => Vec::new(),
        };
        Ok((events, self.stderr()))
    }
}

impl Drop for ContainerLog {
    fn drop(&mut self) {
        // Its reader is another thread, which would otherwise wait for more until the tests end.
        self.ended.store(true, Ordering::Release);
    }
}

/// Standard output's part of the file; the other part goes to `errors` on the way.
struct StandardOutput {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// A line of the file, as far as it is written.
    line: Vec<u8>,
    /// What was understood and not yet handed out.
    content: Vec<u8>,
    given: usize,
    errors: Arc<Mutex<String>>,
    ended: Arc<AtomicBool>,
}

impl StandardOutput {
    fn of(path: PathBuf, errors: Arc<Mutex<String>>, ended: Arc<AtomicBool>) -> Self {
        Self {
            path,
            file: None,
            line: Vec::new(),
            content: Vec::new(),
            given: 0,
            errors,
            ended,
        }
    }

    /// Reads on. False at the end of what is written.
    fn advance(&mut self) -> std::io::Result<bool> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(BufReader::new(file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        if file.read_until(b'\n', &mut self.line)? == 0 || !self.line.ends_with(b"\n") {
            return Ok(false);
        }
        let line = std::mem::take(&mut self.line);
        let mut words = line.splitn(4, |byte| *byte == b' ').skip(1);
        if let (Some(stream), Some(tag), Some(content)) = (words.next(), words.next(), words.next()) {
            let whole = if tag.starts_with(b"P") {
                content.len() - 1
            } else {
                content.len()
            };
            if stream == b"stdout" {
                self.content.extend_from_slice(&content[..whole]);
            } else {
                let text = String::from_utf8_lossy(&content[..whole]);
                let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
                errors.push_str(&text);
            }
        }
        Ok(true)
    }
}

impl Read for StandardOutput {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.given < self.content.len() {
                let count = buffer.len().min(self.content.len() - self.given);
                buffer[..count].copy_from_slice(&self.content[self.given..self.given + count]);
                self.given += count;
                return Ok(count);
            }
            self.content.clear();
            self.given = 0;
            // Asked before the look, so that what was written before the end is found by it.
            let ended = self.ended.load(Ordering::Acquire);
            if !self.advance()? {
                if ended {
                    return Ok(0);
                }
                // A file says nothing when it grows, and a reader that asks rarely does not hold the writer up.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
