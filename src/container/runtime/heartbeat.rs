//! Whether a runtime answers now, found out without waiting for a container to look up: every few seconds it is asked for
//! its version, on a connection of its own.
//!
//! A runtime that hangs looks like one that nobody has asked anything, until somebody does. What is found here decides
//! nothing about lookups: those have their own connection, their own circuit and their own pauses.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Runtime;
use crate::container::connection::Connection;
use crate::container::discovery::{self, Rank, State};

/// How often a runtime that answers is asked. With the deadline of a call this is how late a hang is noticed.
const EACH: Duration = Duration::from_secs(5);
/// How long after a question that was not answered the next one is asked.
const AGAIN: Duration = Duration::from_secs(1);
/// What is kept of a runtime's name and version, in bytes: it may say anything.
const WORD: usize = 64;
/// What is kept of the reason why it does not answer, in bytes.
const REASON: usize = 256;

/// Whether a runtime answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// It does.
    Answers,
    /// There is no socket.
    Absent,
    /// There is one, and this is why nothing comes from it.
    Silent(String),
}

/// One candidate and whether it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// Its socket.
    pub socket: PathBuf,
    /// Its name for itself, of 64 bytes at most; empty while it has not answered.
    pub name: String,
    /// Its version, likewise.
    pub version: String,
    /// Whether it does now.
    pub now: Now,
    /// Whether it ever did, since the agent's start.
    pub has_answered: bool,
    /// The most that ever spoke for it.
    pub rank: Rank,
    /// Lookups leave it alone for a while, because it left calls unanswered.
    pub circuit_open: bool,
    /// What the last question for its version took that was answered; absent before the first.
    pub took: Option<Duration>,
}

/// The questions and what became of the last one.
#[derive(Debug)]
pub(super) struct Heartbeat {
    connection: Connection,
    due: Cell<Instant>,
    under_way: Cell<bool>,
    /// Where the last one was not answered: what was found instead.
    failed: RefCell<Option<State>>,
    has_answered: Cell<bool>,
    rank: Cell<Rank>,
    words: RefCell<(String, String)>,
    took: Cell<Option<Duration>>,
}

impl Heartbeat {
    pub(super) fn new(socket: PathBuf, call_timeout: Duration, clock: fn() -> Instant) -> Self {
        Self {
            connection: Connection::new(socket, call_timeout, clock),
            due: Cell::new(clock() + EACH),
            under_way: Cell::new(false),
            failed: RefCell::new(None),
            has_answered: Cell::new(false),
            rank: Cell::new(Rank::Absent),
            words: RefCell::default(),
            took: Cell::new(None),
        }
    }

    /// To be told when a look has found somebody who answers: that is as good as a heartbeat.
    pub(super) fn answered(&self, state: &State, rank: Rank) {
        self.has_answered.set(true);
        self.rank.set(self.rank.get().max(rank));
        *self.failed.borrow_mut() = None;
        if let Some((name, version, _)) = state.runtime() {
            *self.words.borrow_mut() = (cut(name, WORD), cut(version, WORD));
        }
    }
}

impl Runtime {
    /// Whether it is time to ask. Who cannot be used is looked at by others.
    pub(crate) fn wants_a_heartbeat(&self) -> bool {
        let beat = &self.heartbeat;
        !beat.under_way.get() && self.settled.get() && self.is_usable() && (self.clock)() >= beat.due.get()
    }

    /// Asks once. To be run beside the lookups.
    pub(crate) async fn beat(&self, timeout: Duration) {
        let beat = &self.heartbeat;
        beat.under_way.set(true);
        let began = Instant::now();
        let state = discovery::classify(&beat.connection, began + timeout).await;
        let answers = state.reason().is_none();
        if answers {
            beat.took.set(Some(began.elapsed()));
            beat.failed.replace(None);
        } else {
            // Neither a stale channel nor an open circuit may stand between the next question and a runtime that is back.
            beat.connection.forget();
            beat.failed.replace(Some(state));
        }
        beat.due.set((self.clock)() + if answers { EACH } else { AGAIN });
        beat.under_way.set(false);
    }

    /// Whether it answers, by the last that is known.
    pub(crate) fn answering(&self) -> Answering {
        let candidate = self.candidate.borrow();
        let beat = &self.heartbeat;
        let circuit_open = self.connection.circuit_opened().is_some();
        let now = if !self.is_usable() {
            silence(&candidate.state)
        } else if let Some(state) = &*beat.failed.borrow() {
            silence(state)
        } else if circuit_open {
            Now::Silent("it leaves calls unanswered, so that lookups leave it alone for a while".to_owned())
        } else {
            Now::Answers
        };
        let (name, version) = beat.words.borrow().clone();
        Answering {
            socket: candidate.socket.clone(),
            name,
            version,
            now,
            has_answered: beat.has_answered.get(),
            rank: beat.rank.get(),
            circuit_open,
            took: beat.took.get(),
        }
    }
}

fn silence(state: &State) -> Now {
    let (word, detail) = (state.as_str(), state.detail());
    match state {
        State::Absent { .. } => Now::Absent,
        State::Timeout => Now::Silent("no answer in time".to_owned()),
        _ if detail.is_empty() => Now::Silent(word.to_owned()),
        _ => Now::Silent(cut(&format!("{word}: {detail}"), REASON)),
    }
}

/// The beginning, of so many bytes at most, without what could break a line.
fn cut(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    text[..end].replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runtime_says_is_bounded_and_on_one_line() {
        assert_eq!(cut("1.7\n\u{1b}[2J", 64), "1.7  [2J");
        assert_eq!(cut("ééé", 3), "é");
        let refused = State::Failing {
            error: "x".repeat(1000),
        };
        let Now::Silent(words) = silence(&refused) else {
            panic!("{refused:?} is silence")
        };
        assert_eq!(words.len(), REASON);
    }

    #[test]
    fn a_socket_that_is_not_there_is_told_apart_from_silence() {
        let absent = State::Absent {
            error: "ENOENT".to_owned(),
        };
        assert_eq!(silence(&absent), Now::Absent);
        assert_eq!(silence(&State::Timeout), Now::Silent("no answer in time".to_owned()));
        assert_eq!(silence(&State::NotASocket), Now::Silent("not_a_socket".to_owned()));
    }
}
