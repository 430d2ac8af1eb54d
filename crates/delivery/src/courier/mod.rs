//! The delivery process's end: reads what the sensor hands over and fans it out to lanes, a channel each.
//!
//! Reading never waits for a channel, so the sensor's socket is emptied as fast as alerts come; what a slow channel cannot take
//! is its own queue's business. When the sensor closes its end, or dies, the lanes are given a grace to deliver what waits.

#[cfg(test)]
mod hanging;
mod keeper;
mod lane;
mod losses;
mod start;
mod waiting;

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::account::Report;
use crate::frame::{DecodeError, Decoder, Message};
use lane::Lane;
pub use start::StartError;
use start::Starter;

/// How often the sensor is told what became of alerts.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// So often at least, whether anything changed or not: who says nothing for longer hangs.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the sensor is given to take the last report.
const LAST_REPORT: Duration = Duration::from_secs(1);

/// All channels, opened and checked as far as that is possible before any alert.
#[derive(Debug)]
pub struct Courier {
    starters: Vec<Starter>,
    grace: Duration,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// What became of all alerts.
    pub report: Report,
    /// Why no more came, if it was not the sensor's own decision.
    pub error: Option<EndError>,
}

/// Why a conversation with the sensor ended badly.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// What came is no conversation.
    #[error("the sensor's messages cannot be understood: {0}")]
    Decode(#[from] DecodeError),
    /// The socket failed.
    #[error("cannot read from the sensor: {0}")]
    Read(io::Error),
    /// It ended in the middle of a message.
    #[error("the sensor ended in the middle of a message")]
    Torn,
    /// There is no runtime to work on.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
}

impl Courier {
    /// How many channels there are.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.starters.len()
    }

    /// Works until the sensor closes its end of the pair and all is delivered, or the grace is over. Starts a runtime on this
    /// thread; blocking writes have threads of their own.
    #[must_use]
    pub fn run(self, sensor: StdStream) -> Ended {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Ended::badly(EndError::Runtime(error)),
        };
        let ended = runtime.block_on(self.serve(sensor));
        // A write to a disk or a reader that hangs must not keep the process: its alerts are counted as lost already.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self, sensor: StdStream) -> Ended {
        let stream = sensor.set_nonblocking(true).and_then(|()| UnixStream::from_std(sensor));
        let (mut reader, writer) = match stream {
            Ok(stream) => stream.into_split(),
            Err(error) => return Ended::badly(EndError::Read(error)),
        };
        let lanes = self.starters.into_iter().map(Starter::start).collect();
        let desk = Arc::new(Desk {
            lanes,
            counts: Mutex::default(),
            over: Notify::new(),
        });
        let reporter = tokio::spawn(Arc::clone(&desk).tell(writer));
        let error = desk.read(&mut reader).await.err();
        let deadline = Instant::now() + self.grace;
        for lane in &desk.lanes {
            lane.close();
        }
        for lane in &desk.lanes {
            lane.end(deadline).await;
        }
        desk.over.notify_one();
        let _ = timeout(LAST_REPORT, reporter).await;
        Ended {
            report: desk.report(),
            error,
        }
    }
}

impl Ended {
    fn badly(error: EndError) -> Self {
        Self {
            report: Report::default(),
            error: Some(error),
        }
    }
}

/// What the reading and the reporting share.
struct Desk {
    lanes: Vec<Lane>,
    /// Without the channels, which have their own accounts.
    counts: Mutex<Report>,
    over: Notify,
}

impl Desk {
    async fn read(&self, reader: &mut OwnedReadHalf) -> Result<(), EndError> {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = reader.read(&mut buffer).await.map_err(EndError::Read)?;
            if read == 0 {
                return if decoder.is_torn() { Err(EndError::Torn) } else { Ok(()) };
            }
            decoder.feed(&buffer[..read]);
            while let Some(message) = decoder.message()? {
                match message {
                    Ok(message) => self.take(message),
                    Err(skipped) => {
                        self.count(|report| report.unreadable += 1);
                        tracing::warn!("{skipped}");
                    }
                }
            }
            // The lanes live on this thread, too.
            tokio::task::yield_now().await;
        }
    }

    fn take(&self, message: Message) {
        match message {
            Message::Alert(alert) => {
                self.count(|report| report.received += 1);
                let alert = Arc::from(alert);
                for lane in &self.lanes {
                    lane.push(&alert);
                }
            }
            Message::Lost(lost) => self.count(|report| report.lost = report.lost.saturating_add(lost.alerts)),
            Message::Reopen => self.lanes.iter().for_each(Lane::reopen),
            Message::Report(_) => self.count(|report| report.unreadable += 1),
        }
    }

    fn count(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn report(&self) -> Report {
        let mut report = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let accounts = self.lanes.iter().map(|lane| (lane.name().to_owned(), lane.account()));
        report.channels = accounts.collect();
        report
    }

    /// Tells the sensor what became of alerts, when it changed, and now and then that it is at work. It may not be listening, which delays nothing else.
    async fn tell(self: Arc<Self>, mut writer: OwnedWriteHalf) {
        let mut ticks = interval(REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Report::default();
        let mut last = Instant::now();
        loop {
            let over = tokio::select! {
                _ = ticks.tick() => false,
                () = self.over.notified() => true,
            };
            let report = self.report();
            if (report != told || last.elapsed() >= HEARTBEAT)
                && let Ok(frame) = Message::Report(report.clone()).encode()
            {
                if writer.write_all(&frame).await.is_err() {
                    return;
                }
                told = report;
                last = Instant::now();
            }
            if over {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
