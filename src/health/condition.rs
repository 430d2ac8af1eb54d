//! A condition, the report that is made of them, and its text.

use std::fmt::Write as _;
use std::time::Duration;

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// It is.
    Yes,
    /// It is not, or not yet.
    No,
    /// This agent cannot find out at all. That speaks neither for nor against it.
    Unknown,
}

/// One thing that has to be so, and whether it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// A stable word: it is a label of metrics.
    pub name: &'static str,
    /// The doctor's check that it belongs to, which says more: likewise.
    pub check: &'static str,
    /// Whether it is met.
    pub met: Met,
    /// Since when, on CLOCK_BOOTTIME.
    pub since: Duration,
    /// What was found, for people.
    pub reason: String,
}

/// All conditions at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The moment, on CLOCK_BOOTTIME.
    pub at: Duration,
    /// What has to be so for the agent to be ready.
    pub readiness: Vec<Condition>,
    /// What has to be so for it to be alive.
    pub liveness: Vec<Condition>,
}

impl Met {
    /// The word on the admin socket.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl Report {
    /// Whether the agent does its work in full: nothing is known to be missing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        are_met(&self.readiness)
    }

    /// Whether the agent moves at all, so that restarting it would mend nothing.
    #[must_use]
    pub fn is_live(&self) -> bool {
        are_met(&self.liveness)
    }

    /// The conditions of readiness as text: a line for each, and the verdict.
    #[must_use]
    pub fn readiness_text(&self) -> String {
        text(&self.readiness, self.at, "ready")
    }

    /// The conditions of liveness likewise.
    #[must_use]
    pub fn liveness_text(&self) -> String {
        text(&self.liveness, self.at, "live")
    }
}

fn are_met(conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| condition.met != Met::No)
}

fn text(conditions: &[Condition], now: Duration, word: &str) -> String {
    let mut text = String::new();
    for Condition {
        name,
        check,
        met,
        since,
        reason,
    } in conditions
    {
        let sign = match met {
            Met::Yes => '+',
            Met::No => '-',
            Met::Unknown => '?',
        };
        let seconds = now.saturating_sub(*since).as_secs();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{sign}] {name}: {reason} ({check}, for {seconds} s)");
    }
    let verdict = if are_met(conditions) { "" } else { "not " };
    let _ = writeln!(text, "{verdict}{word}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(name: &'static str, met: Met) -> Condition {
        Condition {
            name,
            check: "PIN-ONE-001",
            met,
            since: Duration::from_secs(3),
            reason: "because".to_owned(),
        }
    }

    #[test]
    fn a_line_for_each_condition_and_the_verdict() {
        let mut report = Report {
            at: Duration::from_millis(10_900),
            readiness: vec![condition("one", Met::Yes), condition("two", Met::Unknown)],
            liveness: vec![condition("three", Met::No)],
        };
        assert!(report.is_ready() && !report.is_live());
        assert_eq!(
            report.readiness_text(),
            "[+] one: because (PIN-ONE-001, for 7 s)\n[?] two: because (PIN-ONE-001, for 7 s)\nready\n"
        );
        assert_eq!(
            report.liveness_text(),
            "[-] three: because (PIN-ONE-001, for 7 s)\nnot live\n"
        );
        report.readiness[0].met = Met::No;
        assert!(!report.is_ready());
        assert!(report.readiness_text().ends_with("\nnot ready\n"));
    }
}
