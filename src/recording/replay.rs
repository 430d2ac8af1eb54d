//! Once more: a recording goes through the process table to the rules.

use std::io::Read;
use std::num::NonZeroUsize;

use super::format::Error;
use super::read::Reader;
use crate::capture::{Content, Hook};
use crate::event::BootClock;
use crate::event::build::cgroup_id;
use crate::pipeline::LostCount;
use crate::process::ProcessTable;
use crate::rules::subject::{Host, Known, Subject};
use crate::rules::{Alert, Detector};

/// More processes than a recording of a node has at once.
const PROCESSES: NonZeroUsize = NonZeroUsize::new(1 << 16).unwrap();

/// What a replay came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that could be asked about.
    pub events: u64,
    /// Events of these that a rule could hold for.
    pub judged: u64,
    /// Alerts.
    pub alerts: u64,
}

/// Asks the rules about each event of a recording, as the agent that wrote it would have.
///
/// # Errors
/// The recording cannot be read, or an alert cannot be taken.
pub fn replay<R: Read, E: From<Error>>(
    reader: &mut Reader<R>,
    detector: &mut Detector,
    host: &Host,
    mut raise: impl FnMut(&Alert<'_>) -> Result<(), E>,
) -> Result<Replayed, E> {
    let mut table = ProcessTable::new(PROCESSES);
    let mut lost = LostCount::default();
    let mut replayed = Replayed::default();
    let mut raised = Ok(());
    reader.each(|record, boot, outcome_of| {
        let Content::Process(mut body) = record.content else {
            return;
        };
        let header = record.header;
        lost.note(header.cpu, header.lost);
        let (key, process) = table.follow(&header, &mut body);
        if header.hook == Hook::SNAPSHOT || raised.is_err() {
            return;
        }
        replayed.events += 1;
        if !detector.watches(header.hook) {
            return;
        }
        replayed.judged += 1;
        let clock = BootClock::of_boot(boot);
        let outcome = outcome_of(cgroup_id(&header, &body));
        let known = Known {
            header: &header,
            body: &body,
            key,
            process: process.as_deref(),
            table: &table,
            outcome: &outcome,
            clock: &clock,
            number: replayed.events,
        };
        raised = detector.judge(
            &Subject::new(known, host),
            || lost.take(),
            |alert| {
                replayed.alerts += 1;
                raise(alert)
            },
        );
    })?;
    raised.map(|()| replayed)
}
