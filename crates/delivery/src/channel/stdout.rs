//! Standard output. Written on a thread that may wait for whoever reads: the descriptor is shared with other processes, so it is
//! not made non-blocking, which would be so for all of them.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Channel, Failure, lines};
use crate::alert::Alert;
use crate::config::Format;

/// See the module.
pub(crate) struct Stdout {
    format: Format,
    output: Output,
    /// The last write ended within a line, so the next one begins with a line's end.
    torn: bool,
}

enum Output {
    Standard,
    #[cfg(test)]
    Other(Arc<std::fs::File>),
}

impl Stdout {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            output: Output::Standard,
            torn: false,
        }
    }

    fn file(&self) -> io::Result<Arc<std::fs::File>> {
        match &self.output {
            Output::Standard => {
                let owned = io::stdout().as_fd().try_clone_to_owned()?;
                Ok(Arc::new(owned.into()))
            }
            #[cfg(test)]
            Output::Other(file) => Ok(Arc::clone(file)),
        }
    }
}

impl Channel for Stdout {
    fn batch(&self) -> usize {
        64
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        let file = self.file().map_err(Failure::later)?;
        let start = if std::mem::take(&mut self.torn) { "\n" } else { "" };
        let mut text = start.as_bytes().to_vec();
        text.extend(lines(alerts, self.format));
        let written = spawn_blocking(move || write(&file, &text, start.len())).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(stopped)) => {
                self.torn = stopped.torn;
                Err(Failure::later_than(stopped.lines, stopped.error))
            }
            Err(error) => Err(Failure::later(error)),
        }
    }
}

struct Stopped {
    lines: usize,
    torn: bool,
    error: io::Error,
}

/// Writes all; of what stops in the middle, tells how many lines are out. The first `skip` bytes belong to none.
fn write(mut file: &std::fs::File, text: &[u8], skip: usize) -> Result<(), Stopped> {
    let mut done = 0;
    while done < text.len() {
        match file.write(&text[done..]) {
            Ok(0) => return Err(stopped(text, done, skip, io::ErrorKind::WriteZero.into())),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody else made the shared descriptor non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(error) => return Err(stopped(text, done, skip, error)),
        }
    }
    Ok(())
}

fn stopped(text: &[u8], done: usize, skip: usize, error: io::Error) -> Stopped {
    let out = &text[skip.min(done)..done];
    Stopped {
        lines: out.iter().filter(|byte| **byte == b'\n').count(),
        torn: out.last().is_some_and(|byte| *byte != b'\n') || (done < skip),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::*;
    use crate::alert::tests::alert;

    fn piped(format: Format) -> (Stdout, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let stdout = Stdout {
            format,
            output: Output::Other(Arc::new(OwnedFd::from(writer).into())),
            torn: false,
        };
        (stdout, reader)
    }

    #[tokio::test]
    async fn lines_are_written() {
        for format in [Format::Json, Format::Text] {
            let (mut stdout, mut reader) = piped(format);
            let alerts = [Arc::new(alert(1)), Arc::new(alert(2))];
            stdout.deliver(&alerts).await.unwrap();
            drop(stdout);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            let expected: Vec<_> = alerts.iter().map(|alert| super::super::line(alert, format)).collect();
            assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        }
    }

    #[tokio::test]
    async fn a_reader_that_sleeps_holds_up_nobody_else_and_one_that_is_gone_is_told() {
        let (mut stdout, reader) = piped(Format::Json);
        // More than a pipe holds.
        let alerts: Vec<_> = (0..1000).map(|number| Arc::new(alert(number))).collect();
        let waiting = tokio::time::timeout(Duration::from_millis(100), stdout.deliver(&alerts)).await;
        assert!(waiting.is_err());
        drop(reader);
        let failure = stdout.deliver(&alerts).await.unwrap_err();
        assert_eq!(failure.taken, 0);
    }

    #[test]
    fn what_stops_in_the_middle_knows_its_lines() {
        let error = || io::ErrorKind::BrokenPipe.into();
        let at = |done, skip| {
            let stopped = stopped(b"\nab\ncd\n", done, skip, error());
            (stopped.lines, stopped.torn)
        };
        assert_eq!(at(0, 0), (0, false));
        assert_eq!(at(0, 1), (0, true));
        assert_eq!(at(1, 1), (0, false));
        assert_eq!(at(2, 1), (0, true));
        assert_eq!(at(4, 1), (1, false));
        assert_eq!(at(5, 1), (1, true));
    }
}
