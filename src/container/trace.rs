//! What a lookup does, noted down while it does it, so that the doctor can tell the steps of the agent's own code.
//!
//! It owns the notes of this thread while somebody records there. Lookups turn only while their caller waits in them, on the
//! caller's own thread, so what is noted on a thread was done for whoever records on it. Without a recording a note costs
//! one look at a flag and is never made.
//!
//! It refuses to judge, to grow without bound and to hold what an answer says beyond names and ids: a container's
//! environment has no place in any note.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::connection::CallError;
use super::discovery::Rank;
use super::outcome::{Reason, Source};

/// How many notes are kept between two takings.
const NOTES: usize = 2048;
/// How much of another program's words is kept, in bytes.
const WORDS: usize = 512;

/// A note, and when it was made, counted from the start of the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How long after the start.
    pub at: Duration,
    /// What was done.
    pub note: Note,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A candidate socket was looked at for the first time.
    Looked {
        /// The socket.
        socket: PathBuf,
        /// How long all calls for it took.
        took: Duration,
    },
    /// In which order the runtimes are asked in this round, and what put them there.
    Round {
        /// The first to be asked first.
        order: Vec<Place>,
    },
    /// A call was made, or not made because the runtime is left alone.
    Call(Call),
    /// An answer was compared with what was asked for.
    Compared {
        /// The method.
        method: String,
        /// The id that was asked for.
        asked: String,
        /// The id that was answered for.
        answered: String,
    },
    /// The verbose part of an answer.
    Verbose {
        /// The method.
        method: String,
        /// What came.
        seen: VerboseSeen,
    },
    /// What a container's own labels say about its pod.
    Labels {
        /// `io.kubernetes.pod.namespace`, `….name` and `….uid`.
        identity: [Option<String>; 3],
    },
    /// What the sandbox says about the pod.
    Pod {
        /// Namespace, name and uid; empty where it does not say.
        identity: [String; 3],
    },
    /// The sandbox of a container was asked for.
    Sandbox {
        /// Its id.
        id: String,
        /// Why it is not known.
        error: Option<String>,
    },
    /// The names of an image were weighed.
    Image {
        /// Where each name stood and what it is, in the order of their weight.
        names: Vec<(&'static str, String)>,
        /// Which of them was taken, by its place in the list.
        chosen: Option<usize>,
    },
    /// Another interface of the same runtime is asked.
    Fallback {
        /// The socket.
        socket: PathBuf,
        /// Which interface.
        to: &'static str,
        /// Why.
        because: &'static str,
    },
    /// What came of asking one runtime.
    Reply {
        /// The socket.
        socket: PathBuf,
        /// What it said.
        said: Said,
    },
    /// The bundles were looked into.
    Bundles {
        /// How many directories are open.
        directories: usize,
        /// Whether one had the container, or why it could not be read.
        found: Result<bool, String>,
    },
}

/// A runtime's place in the order of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The socket.
    pub socket: PathBuf,
    /// It answered when it was last looked at.
    pub usable: bool,
    /// The name of the cgroup points at it.
    pub managed: bool,
    /// What speaks for it.
    pub rank: Rank,
    /// It found the last container.
    pub favourite: bool,
}

/// A call to a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The socket.
    pub socket: PathBuf,
    /// The full gRPC method, or `GET` and a path.
    pub method: String,
    /// containerd's namespace.
    pub namespace: Option<String>,
    /// From the wish to the answer, connecting included.
    pub took: Duration,
    /// The answer's size in bytes, or why there is none.
    pub outcome: Result<usize, Failure>,
}

/// Why a call gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The word for it in events.
    pub reason: Reason,
    /// It is an answer: nobody there knows what was asked for.
    pub not_found: bool,
    /// There is an answer and it is too large.
    pub too_large: bool,
    /// In words.
    pub text: String,
}

/// What the verbose part of an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerboseSeen {
    /// It was not asked for.
    NotAsked,
    /// It was asked for and did not come.
    Absent,
    /// It came and cannot be read.
    Unreadable,
    /// It came, and the OCI specification in it is `null`.
    WithoutSpec,
    /// It came whole.
    Whole,
}

/// What one runtime said about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It knows it.
    Found {
        /// By which interface.
        source: Source,
        /// Where the runtime put it.
        cgroups_path: Option<String>,
        /// A step that failed on the way.
        gap: Option<Reason>,
    },
    /// It does not know it.
    Unknown {
        /// Nor will it ever.
        for_good: bool,
    },
    /// It could not be asked.
    Failed {
        /// The word for it in events.
        reason: Reason,
        /// In words; empty where its socket was not even tried, because of what is known of it.
        text: String,
        /// It may just be starting.
        patient: bool,
    },
}

impl Failure {
    /// What an error of a call comes down to.
    pub(crate) fn of(error: &CallError) -> Self {
        Self {
            reason: error.reason(),
            not_found: error.not_found(),
            too_large: error.too_large(),
            text: bounded(&error.to_string()),
        }
    }
}

/// The beginning of another program's words.
pub(crate) fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(WORDS)].to_owned()
}

thread_local! {
    static RECORDS: Cell<bool> = const { Cell::new(false) };
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept::new()) };
}

struct Kept {
    started: Option<Instant>,
    entries: Vec<Entry>,
    dropped: usize,
}

impl Kept {
    const fn new() -> Self {
        Self {
            started: None,
            entries: Vec::new(),
            dropped: 0,
        }
    }
}

/// Records what lookups on this thread do, until it is dropped. One at a time: a second one starts anew.
#[derive(Debug)]
pub struct Recording {
    /// It belongs to its thread.
    _here: PhantomData<*const ()>,
}

/// What was noted since the last taking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// In order.
    pub entries: Vec<Entry>,
    /// How many more there were.
    pub dropped: usize,
}

impl Recording {
    /// Begins.
    #[must_use]
    pub fn start() -> Self {
        KEPT.with_borrow_mut(|kept| {
            *kept = Kept {
                started: Some(Instant::now()),
                ..Kept::new()
            };
        });
        RECORDS.set(true);
        Self { _here: PhantomData }
    }

    /// What was noted since the last taking.
    #[must_use]
    pub fn take(&self) -> Taken {
        KEPT.with_borrow_mut(|kept| Taken {
            entries: std::mem::take(&mut kept.entries),
            dropped: std::mem::take(&mut kept.dropped),
        })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDS.set(false);
        KEPT.with_borrow_mut(|kept| *kept = Kept::new());
    }
}

/// Notes something down, if somebody records.
pub(crate) fn note(make: impl FnOnce() -> Note) {
    if !RECORDS.get() {
        return;
    }
    let note = make();
    KEPT.with_borrow_mut(|kept| {
        if kept.entries.len() >= NOTES {
            kept.dropped += 1;
            return;
        }
        let at = kept.started.map(|started| started.elapsed()).unwrap_or_default();
        kept.entries.push(Entry { at, note });
    });
}

/// Notes down which id an answer is about.
pub(crate) fn compared(method: &str, asked: &str, answered: &str) {
    note(|| Note::Compared {
        method: method.to_owned(),
        asked: asked.to_owned(),
        answered: bounded(answered),
    });
}

/// Notes a call down. `size` is the answer's.
pub(crate) fn call<T>(
    socket: &Path,
    method: impl FnOnce() -> String,
    namespace: Option<&str>,
    began: Instant,
    size: usize,
    result: &Result<T, CallError>,
) {
    note(|| {
        Note::Call(Call {
            socket: socket.to_owned(),
            method: method(),
            namespace: namespace.map(str::to_owned),
            took: began.elapsed(),
            outcome: result.as_ref().map(|_| size).map_err(Failure::of),
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Note {
        Note::Labels {
            identity: [None, None, None],
        }
    }

    #[test]
    fn nothing_is_made_unless_somebody_records_here() {
        note(|| panic!("made without a recording"));
        let recording = Recording::start();
        note(labels);
        std::thread::spawn(|| note(|| panic!("made on another thread")))
            .join()
            .unwrap();
        let taken = recording.take();
        assert_eq!(taken.entries.len(), 1);
        assert_eq!(taken.entries[0].note, labels());
        assert_eq!(recording.take(), Taken::default());
        drop(recording);
        note(|| panic!("made after the recording"));
    }

    #[test]
    fn what_exceeds_the_bound_is_counted() {
        let recording = Recording::start();
        for _ in 0..NOTES + 3 {
            note(labels);
        }
        let taken = recording.take();
        assert_eq!((taken.entries.len(), taken.dropped), (NOTES, 3));
    }

    #[test]
    fn words_are_cut_between_characters() {
        let text = "ä".repeat(WORDS);
        assert_eq!(bounded(&text).len(), WORDS);
        assert_eq!(bounded(&text[..WORDS - 2]).len(), WORDS - 2);
    }
}
