//! The sensor's end: hands alerts over without waiting, or for as long as it was told to, and counts what it could not.
//!
//! It makes four system calls and no other: `sendto`, `recvfrom`, `poll` (`ppoll` on arm64) and, at the end, `shutdown`, all on the
//! one socket. After a fork, each process must drop the end that it does not use: as long as anybody holds this one, the courier
//! sees no end.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

use crate::account::Report;
use crate::alert::Alert;
use crate::config::Delivery;
use crate::frame::{Decoder, Lost, Message};

/// Room that is kept for telling what was lost: a frame with the largest number.
const LOST_FRAME: usize = 64;

/// What became of an alert here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// It is on its way, or waits in this process for room.
    Over,
    /// There was no room, or nobody takes alerts any more. It is counted.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub struct Sender {
    socket: UnixStream,
    /// Frames that the socket has not taken, and how much of the first it has.
    frames: VecDeque<Vec<u8>>,
    sent: usize,
    /// Bytes in `frames`.
    bytes: usize,
    limit: usize,
    patience: Duration,
    lost: u64,
    /// How many of `lost` had been taken for handed over, because there was room to wait.
    withdrawn: u64,
    /// How many of `lost` the courier was told about.
    told: u64,
    gone: bool,
    decoder: Decoder,
    report: Report,
    /// When the last one came.
    heard: Instant,
}

/// What came of a conversation that is over.
#[derive(Debug)]
pub struct End {
    /// The courier's last report.
    pub report: Report,
    /// Alerts that were lost on this side.
    pub lost: u64,
    /// Those of them that [`Sender::send`] had said were handed over.
    pub withdrawn: u64,
    /// Whether the courier ended the conversation, by closing it: then its report is the whole truth.
    pub is_complete: bool,
}

impl Sender {
    /// A pair of sockets: this end, and the one that [`crate::Courier::run`] takes.
    ///
    /// # Errors
    /// The sockets cannot be made.
    pub fn pair(settings: &Delivery) -> io::Result<(Self, UnixStream)> {
        let (socket, other) = UnixStream::pair()?;
        let sender = Self {
            socket,
            frames: VecDeque::new(),
            sent: 0,
            bytes: 0,
            limit: usize::try_from(settings.buffer.as_u64()).unwrap_or(usize::MAX),
            patience: settings.patience,
            lost: 0,
            withdrawn: 0,
            told: 0,
            gone: false,
            decoder: Decoder::default(),
            report: Report::default(),
            heard: Instant::now(),
        };
        Ok((sender, other))
    }

    /// Hands an alert over.
    pub fn send(&mut self, alert: Alert) -> Handed {
        let frame = Message::Alert(Box::new(alert)).encode();
        let handed = match frame {
            Ok(frame) if !self.gone => self.queue_patiently(frame),
            _ => Handed::Lost,
        };
        self.lost += u64::from(handed == Handed::Lost);
        handed
    }

    /// Asks the courier to open files and certificates anew.
    pub fn reopen(&mut self) -> Handed {
        match Message::Reopen.encode() {
            Ok(frame) if !self.gone => self.queue_patiently(frame),
            _ => Handed::Lost,
        }
    }

    /// Goes on with what waits, without waiting. To be called each time the pipeline comes round.
    pub fn flush(&mut self) {
        while let Some(frame) = self.frames.front() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.socket.as_raw_fd(), &frame[self.sent..], flags) {
                Ok(sent) => self.took(sent),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => return self.is_over(),
            }
        }
    }

    /// Whether something waits for room in the socket, which `poll` can tell.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.frames.is_empty()
    }

    /// How many alerts were lost here.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How many of those [`Self::send`] had said were handed over: they waited here when the other end had gone.
    #[must_use]
    pub fn withdrawn(&self) -> u64 {
        self.withdrawn
    }

    /// For how long the courier has said nothing, which it does every [`crate::HEARTBEAT`] as long as it works.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Whether the other end is gone: from then on every alert is lost.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// What the courier said last of what became of alerts. Reads what has arrived, without waiting, and so notices a courier that
    /// has gone.
    pub fn report(&mut self) -> &Report {
        if !self.gone && !self.receive() {
            self.is_over();
        }
        &self.report
    }

    /// Waits, for so long at most, until the courier has begun to work, which it says by its first report. False where it has not, or
    /// has gone.
    pub fn is_answered(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            if !self.report().channels.is_empty() {
                return !self.gone;
            }
            if self.gone || !self.wait(PollFlags::POLLIN, deadline) {
                return false;
            }
        }
    }

    /// Ends the conversation: hands over what waits and takes the courier's last report, for so long at most.
    #[must_use]
    pub fn finish(mut self, grace: Duration) -> End {
        let deadline = Instant::now() + grace;
        self.tell_lost();
        self.flush();
        while self.waits() && self.wait(PollFlags::POLLOUT, deadline) {
            self.flush();
        }
        // What still waits was lost after all. Half a frame tells nobody anything.
        self.is_over();
        // It fails only where the other end is gone, and then there is nothing to end.
        let _ = self.socket.shutdown(Shutdown::Write);
        let is_complete = loop {
            if !self.receive() {
                break true;
            }
            if !self.wait(PollFlags::POLLIN, deadline) {
                break false;
            }
        };
        End {
            report: self.report,
            lost: self.lost,
            withdrawn: self.withdrawn,
            is_complete,
        }
    }

    fn queue_patiently(&mut self, frame: Vec<u8>) -> Handed {
        self.flush();
        if !self.has_room(frame.len()) && !self.patience.is_zero() {
            let deadline = Instant::now() + self.patience;
            while !self.has_room(frame.len()) && self.wait(PollFlags::POLLOUT, deadline) {
                self.flush();
            }
        }
        if self.gone || !self.has_room(frame.len()) {
            return Handed::Lost;
        }
        // Told with the next alert that goes out, so that a long loss is one message and not thousands that fill the last room.
        self.tell_lost();
        self.push(frame);
        self.flush();
        // Where the flush found the other end gone, the alert was counted with whatever else waited.
        Handed::Over
    }

    /// Whether a frame fits, and what would have to be told before it.
    fn has_room(&self, length: usize) -> bool {
        self.bytes + length + LOST_FRAME <= self.limit
    }

    fn push(&mut self, frame: Vec<u8>) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Tells what was lost.
    fn tell_lost(&mut self) {
        let alerts = self.lost - self.told;
        if alerts > 0
            && !self.gone
            && let Ok(frame) = Message::Lost(Lost { alerts }).encode()
        {
            self.told = self.lost;
            self.push(frame);
        }
    }

    fn took(&mut self, sent: usize) {
        self.sent += sent;
        self.bytes -= sent;
        if self.frames.front().is_some_and(|frame| frame.len() <= self.sent) {
            self.frames.pop_front();
            self.sent = 0;
        }
    }

    /// Nothing goes out any more: what waits is lost.
    fn is_over(&mut self) {
        let is_alert = |frame: &&Vec<u8>| frame.get(5) == Some(&1);
        let withdrawn = self.frames.iter().filter(is_alert).count() as u64;
        self.lost += withdrawn;
        self.withdrawn += withdrawn;
        self.frames.clear();
        (self.bytes, self.sent, self.gone) = (0, 0, true);
    }

    /// Takes what has arrived. False once the other end has closed.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return false,
                Ok(read) => self.decoder.feed(&buffer[..read]),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
            while let Ok(Some(message)) = self.decoder.message() {
                if let Ok(Message::Report(report)) = message {
                    self.report = report;
                    self.heard = Instant::now();
                }
            }
        }
    }

    /// Waits for the socket. False where the time is over.
    fn wait(&self, flags: PollFlags, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || (self.gone && flags == PollFlags::POLLOUT) {
            return false;
        }
        // Rounded up, so that the end of the time is not spent turning round.
        let millis = i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let mut socket = [PollFd::new(self.socket.as_fd(), flags)];
        matches!(poll(&mut socket, timeout), Ok(1) | Err(Errno::EINTR))
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use bytesize::ByteSize;

    use super::*;
    use crate::alert::tests::alert;

    fn pair(buffer: ByteSize, patience: Duration) -> (Sender, UnixStream) {
        let settings = Delivery {
            buffer,
            patience,
            ..Delivery::default()
        };
        Sender::pair(&settings).unwrap()
    }

    fn messages(bytes: &[u8]) -> Vec<Message> {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        std::iter::from_fn(|| decoder.message().unwrap())
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn it_never_waits_and_every_alert_is_sent_or_counted() {
        let (mut sender, mut other) = pair(ByteSize::kib(64), Duration::ZERO);
        let begun = Instant::now();
        let sent = (0..5000)
            .filter(|number| sender.send(alert(*number)) == Handed::Over)
            .count();
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(sent < 5000);
        assert_eq!(sender.lost(), 5000 - sent as u64);
        assert!(sender.waits());
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            other.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let lost = sender.finish(Duration::from_secs(10)).lost;
        let messages = messages(&reader.join().unwrap());
        let alerts = messages.iter().filter(|m| matches!(m, Message::Alert(_))).count();
        assert_eq!(alerts, sent);
        let told = messages.iter().filter_map(|message| match message {
            Message::Lost(lost) => Some(lost.alerts),
            _ => None,
        });
        assert_eq!(told.sum::<u64>(), lost);
        assert!(matches!(messages.last(), Some(Message::Lost(_))));
    }

    #[test]
    fn it_waits_as_long_as_told() {
        let patience = Duration::from_millis(50);
        let (mut sender, _other) = pair(ByteSize::kib(64), patience);
        while sender.send(alert(1)) == Handed::Over {}
        let begun = Instant::now();
        assert_eq!(sender.send(alert(2)), Handed::Lost);
        assert!(begun.elapsed() >= patience && begun.elapsed() < 20 * patience);
    }

    #[test]
    fn an_end_that_is_gone_is_noticed_and_counted() {
        let (mut sender, other) = pair(ByteSize::kib(64), Duration::ZERO);
        drop(other);
        let over = (0..10)
            .filter(|number| sender.send(alert(*number)) == Handed::Over)
            .count();
        assert!(sender.is_gone());
        assert_eq!((sender.lost(), sender.withdrawn()), (10, over as u64));
        assert!(over > 0, "the first one had room to wait");
        assert_eq!(sender.finish(Duration::from_secs(1)).lost, 10);
    }

    #[test]
    fn the_last_report_counts() {
        let (mut sender, mut other) = pair(ByteSize::kib(64), Duration::ZERO);
        assert_eq!(sender.report().received, 0);
        for received in [1, 2] {
            let report = Report {
                received,
                ..Report::default()
            };
            other.write_all(&Message::Report(report).encode().unwrap()).unwrap();
        }
        assert_eq!(sender.report().received, 2);
        drop(other);
        let end = sender.finish(Duration::from_secs(1));
        assert!(end.is_complete && end.report.received == 2, "{end:?}");
    }

    #[test]
    fn a_courier_that_works_says_so_and_one_that_is_gone_is_noticed_without_an_alert() {
        let (mut sender, mut other) = pair(ByteSize::kib(64), Duration::ZERO);
        assert!(!sender.is_answered(Duration::from_millis(1)));
        let report = Report {
            channels: [("file".to_owned(), crate::account::Account::default())].into(),
            ..Report::default()
        };
        other.write_all(&Message::Report(report).encode().unwrap()).unwrap();
        assert!(sender.is_answered(Duration::from_secs(5)));
        drop(other);
        assert_eq!(sender.report().channels.len(), 1);
        assert!(sender.is_gone() && !sender.is_answered(Duration::from_secs(5)));
    }

    #[test]
    fn the_end_is_bounded() {
        let (mut sender, _other) = pair(ByteSize::mib(4), Duration::ZERO);
        while !sender.waits() {
            sender.send(alert(1));
        }
        let begun = Instant::now();
        let end = sender.finish(Duration::from_millis(100));
        assert!(end.lost > 0 && end.lost == end.withdrawn && !end.is_complete, "{end:?}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
