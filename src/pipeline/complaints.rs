//! When the log says that the output has no room: at once, each minute while it lasts, and when it is over.
//!
//! Decides; reads no clock and writes nothing.

use std::time::Duration;

use crate::output::account::Said;

/// How often one shortage is told.
const AGAIN: Duration = Duration::from_secs(60);

/// What is to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// There is no room.
    Failing,
    /// There is room again.
    Over,
}

/// What was logged.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    failures: u64,
    written: u64,
    /// When the shortage that is going on was told last, nanoseconds of CLOCK_BOOTTIME.
    told: Option<u64>,
}

impl Complaints {
    /// Takes the account of this moment in, nanoseconds of CLOCK_BOOTTIME.
    pub(super) fn note(&mut self, now: u64, said: &Said) -> Option<Complaint> {
        let failed = said.failures > self.failures;
        let wrote = said.written > self.written;
        (self.failures, self.written) = (said.failures, said.written);
        match self.told {
            None if failed => {
                self.told = Some(now);
                Some(Complaint::Failing)
            }
            Some(told) if failed => (Duration::from_nanos(now.saturating_sub(told)) >= AGAIN).then(|| {
                self.told = Some(now);
                Complaint::Failing
            }),
            Some(_) if wrote => {
                self.told = None;
                Some(Complaint::Over)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_told_at_once_each_minute_and_when_it_is_over() {
        let mut complaints = Complaints::default();
        let mut told = Vec::new();
        let mut said = Said::default();
        for second in 0..300 {
            match second {
                // A disk that is full takes a little now and then.
                10..200 => {
                    said.failures += 100;
                    said.written += 1;
                }
                // Nothing happens.
                200..220 => {}
                _ => said.written += 1000,
            }
            if let Some(complaint) = complaints.note(second * 1_000_000_000, &said) {
                told.push((second, complaint));
            }
        }
        assert_eq!(
            told,
            [
                (10, Complaint::Failing),
                (70, Complaint::Failing),
                (130, Complaint::Failing),
                (190, Complaint::Failing),
                (220, Complaint::Over)
            ]
        );
    }
}
