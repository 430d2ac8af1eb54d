//! What passes between the sensor and the delivery process: frames with a length, a version and a kind.
//!
//! | Bytes | Meaning |
//! |---|---|
//! | 4 | length of the payload, little-endian |
//! | 1 | version, 1 |
//! | 1 | kind |
//! | … | payload |
//!
//! Both ends come from one binary, so a version that differs is a mistake and ends the conversation, as does a length that no
//! honest end would send. A payload that cannot be read costs itself alone.

use serde::{Deserialize, Serialize};

use crate::account::Report;
use crate::alert::Alert;

/// The version of the format.
pub const VERSION: u8 = 1;
/// The largest payload, in bytes. An event of the agent has 30 KiB at most, told twice and escaped.
pub const LIMIT: usize = 256 << 10;
/// Bytes before the payload.
pub const HEADER: usize = 6;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// To the courier: deliver this.
    Alert(Box<Alert>),
    /// To the courier: what the sensor could not hand over since it last said so.
    Lost(Lost),
    /// To the courier: open files and certificates anew, because something moved them.
    Reopen,
    /// To the sensor: what became of everything so far.
    Report(Report),
}

/// Alerts that never reached the courier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many.
    pub alerts: u64,
}

/// Why a frame was not made.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The payload is larger than [`LIMIT`].
    #[error("the alert has {0} bytes, more than the {LIMIT} that are handed over")]
    TooLarge(usize),
    /// It could not be written as JSON.
    #[error("the message cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why a conversation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The other end speaks another version.
    #[error("the other end speaks version {0} of the format, this one {VERSION}")]
    Version(u8),
    /// It announces more than [`LIMIT`].
    #[error("the other end announces a frame of {0} bytes; {LIMIT} are allowed")]
    TooLarge(usize),
}

/// Why one frame was skipped.
#[derive(Debug, thiserror::Error)]
pub enum Skipped {
    /// A kind of frame that this end does not know.
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
    /// The payload is not what its kind says.
    #[error("the payload of a frame cannot be read: {0}")]
    Payload(#[from] serde_json::Error),
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Self::Alert(_) => 1,
            Self::Lost(_) => 2,
            Self::Reopen => 3,
            Self::Report(_) => 4,
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut frame = vec![0; HEADER];
        match self {
            Self::Alert(alert) => serde_json::to_writer(&mut frame, alert)?,
            Self::Lost(lost) => serde_json::to_writer(&mut frame, lost)?,
            Self::Reopen => {}
            Self::Report(report) => serde_json::to_writer(&mut frame, report)?,
        }
        let length = frame.len() - HEADER;
        let written = u32::try_from(length).ok().filter(|_| length <= LIMIT);
        let written = written.ok_or(EncodeError::TooLarge(length))?;
        frame[..4].copy_from_slice(&written.to_le_bytes());
        frame[4] = VERSION;
        frame[5] = self.kind();
        Ok(frame)
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, Skipped> {
        Ok(match kind {
            1 => Self::Alert(serde_json::from_slice(payload)?),
            2 => Self::Lost(serde_json::from_slice(payload)?),
            3 => Self::Reopen,
            4 => Self::Report(serde_json::from_slice(payload)?),
            kind => return Err(Skipped::Kind(kind)),
        })
    }
}

/// Puts frames together from what arrives in pieces. Holds one frame at most, and what came behind it in the same read.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
}

impl Decoder {
    /// Takes what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, if it is complete.
    ///
    /// # Errors
    /// See [`DecodeError`]: nothing that follows can be told apart any more.
    pub fn message(&mut self) -> Result<Option<Result<Message, Skipped>>, DecodeError> {
        let Some((header, rest)) = self.buffer[self.start..].split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [a, b, c, d, version, kind] = *header;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > LIMIT {
            return Err(DecodeError::TooLarge(length));
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let message = Message::decode(kind, payload);
        self.start += HEADER + length;
        Ok(Some(message))
    }

    /// Whether something began and did not end.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.start < self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::alert;

    fn all(decoder: &mut Decoder) -> Vec<Message> {
        std::iter::from_fn(|| decoder.message().unwrap())
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn messages_survive_any_cut() {
        let sent = [
            Message::Alert(Box::new(alert(1))),
            Message::Reopen,
            Message::Lost(Lost { alerts: 7 }),
            Message::Report(Report::default()),
        ];
        let bytes: Vec<u8> = sent.iter().flat_map(|message| message.encode().unwrap()).collect();
        for piece in [1, 2, 5, 7, 100, bytes.len()] {
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for bytes in bytes.chunks(piece) {
                decoder.feed(bytes);
                read.extend(all(&mut decoder));
            }
            assert_eq!(read, sent, "in pieces of {piece}");
            assert!(!decoder.is_torn());
        }
        let mut decoder = Decoder::default();
        decoder.feed(&bytes[..bytes.len() - 1]);
        assert_eq!(all(&mut decoder).len(), 3);
        assert!(decoder.is_torn());
    }

    #[test]
    fn what_no_honest_end_sends_ends_the_conversation() {
        let mut decoder = Decoder::default();
        decoder.feed(&[255, 255, 255, 255, VERSION, 1]);
        assert!(matches!(decoder.message(), Err(DecodeError::TooLarge(_))));
        let mut decoder = Decoder::default();
        decoder.feed(&[0, 0, 0, 0, 2, 1]);
        assert_eq!(decoder.message().unwrap_err(), DecodeError::Version(2));
    }

    #[test]
    fn a_bad_payload_costs_itself_alone() {
        let mut decoder = Decoder::default();
        decoder.feed(&[2, 0, 0, 0, VERSION, 1, b'{', b'}']);
        decoder.feed(&[0, 0, 0, 0, VERSION, 99]);
        decoder.feed(&Message::Reopen.encode().unwrap());
        assert!(matches!(decoder.message(), Ok(Some(Err(Skipped::Payload(_))))));
        assert!(matches!(decoder.message(), Ok(Some(Err(Skipped::Kind(99))))));
        assert!(matches!(decoder.message(), Ok(Some(Ok(Message::Reopen)))));
    }

    #[test]
    fn whatever_comes_is_read_or_refused_and_never_held_for_long() {
        let mut random = fastrand::Rng::with_seed(1);
        let good = Message::Alert(Box::new(alert(1))).encode().unwrap();
        for _ in 0..2000 {
            let mut bytes = [good.clone(), good.clone()].concat();
            for _ in 0..random.usize(0..8) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            let mut decoder = Decoder::default();
            for piece in bytes.chunks(random.usize(1..400)) {
                decoder.feed(piece);
                while let Ok(Some(_)) = decoder.message() {}
                assert!(decoder.buffer.len() <= HEADER + LIMIT + 400);
            }
        }
    }

    #[test]
    fn an_alert_beyond_the_limit_is_refused() {
        let mut alert = alert(1);
        alert.text = "x".repeat(LIMIT);
        let refused = Message::Alert(Box::new(alert)).encode();
        assert!(matches!(refused, Err(EncodeError::TooLarge(_))));
    }
}
