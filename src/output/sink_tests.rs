//! Room that runs out, to the byte.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::event::loss::{Counts, Ring, Window};
use crate::event::summary::Rates;

/// A disk that has room for so many bytes and can be given more.
#[derive(Default)]
struct Disk {
    written: Vec<u8>,
    room: usize,
    then: Option<ErrorKind>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As file systems do: what fits is written, and only the next call fails.
        let fits = bytes.len().min(self.room);
        if fits == 0 {
            return Err(self.then.unwrap_or(ErrorKind::StorageFull).into());
        }
        self.written.extend_from_slice(&bytes[..fits]);
        self.room -= fits;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sink() -> Sink<Disk> {
    Sink::new(Disk::default(), Format::Json, Arc::default())
}

/// A line whose number can be read back.
fn loss(number: u64) -> Loss {
    Loss {
        time: Timestamp::UNIX_EPOCH,
        node: "node".to_owned(),
        kind: "loss",
        window: Window {
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
        },
        all: Counts {
            dropped: number,
            ..Counts::default()
        },
        share: 0.0,
        hooks: BTreeMap::new(),
        ring: Ring {
            size: 0,
            peak: None,
            peak_share: None,
        },
        rates: Rates::default(),
    }
}

/// The numbers of the lines that are whole; there must be no others but a last one without its end.
fn numbers(written: &[u8]) -> Vec<u64> {
    let (whole, _torn) = written.split_at(written.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    let text = std::str::from_utf8(whole).unwrap();
    text.lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["dropped"]
                .as_u64()
                .unwrap()
        })
        .collect()
}

proptest! {
    /// Room comes and goes at any byte: lines are whole, in order, and those that are missing are exactly those that are counted.
    #[test]
    fn whole_lines_are_lost_and_counted(rounds in proptest::collection::vec((1_u64..6, 0_usize..2000), 1..30)) {
        let mut sink = sink();
        let mut total = 0;
        for (lines, room) in rounds {
            sink.to.room = room;
            for _ in 0..lines {
                sink.loss(&loss(total)).unwrap();
                total += 1;
            }
            let before = sink.account().said().failures;
            sink.flush().unwrap();
            prop_assert_eq!(sink.gave_up(), sink.account().said().failures > before);
        }
        sink.to.room = usize::MAX;
        sink.loss(&loss(total)).unwrap();
        sink.flush().unwrap();
        let told = numbers(&sink.to.written);
        prop_assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
        prop_assert_eq!(told.last(), Some(&total), "what comes after the last shortage is there");
        let said = sink.account().said();
        prop_assert_eq!(told.len() as u64 + said.lost_lines, total + 1);
        prop_assert_eq!(said.written, sink.to.written.len() as u64);
        prop_assert!(sink.is_written());
    }
}

#[test]
fn other_failures_are_the_callers() {
    for (kind, goes_on) in [
        (ErrorKind::StorageFull, true),
        (ErrorKind::QuotaExceeded, true),
        (ErrorKind::FileTooLarge, true),
        (ErrorKind::BrokenPipe, false),
        (ErrorKind::TimedOut, false),
    ] {
        let mut sink = sink();
        sink.to.then = Some(kind);
        sink.loss(&loss(0)).unwrap();
        match sink.flush() {
            Ok(()) => assert!(goes_on, "{kind}"),
            Err(error) => assert!(!goes_on && error.kind() == kind, "{kind}: {error}"),
        }
        let said = sink.account().said();
        assert_eq!((said.failures, said.lost_lines, said.written), (1, 1, 0));
        assert!(sink.gave_up() && !sink.gave_up());
    }
}
