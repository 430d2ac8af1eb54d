//! Waiting until all is well: how long before the next examination, and what is told meanwhile.

use std::io::Write;
use std::time::Duration;

use crate::doctor::baseline::Direction;
use crate::doctor::report::Check;
use crate::doctor::{FailOn, Report, report::Status};

/// The longest pause between two examinations.
const LONGEST: Duration = Duration::from_secs(10);
/// What a terminal shows on one line.
const COLUMNS: usize = 79;

/// The pause after this examination, counted from 0; none when the time is over. The last examination is made at the very end.
pub(super) fn pause(round: u32, left: Duration) -> Option<Duration> {
    let pause = Duration::from_secs(1 << round.min(4)).min(LONGEST).min(left);
    (!pause.is_zero()).then_some(pause)
}

/// What keeps this report from being well: the first thing to mend, else the first that is not known, and how many more.
pub(super) fn waited_for(report: &Report, fail_on: FailOn) -> Option<String> {
    if report.exit_code(fail_on) == 0 {
        return None;
    }
    let keeps = |check: &&Check| counts(report, check, fail_on);
    let by_weight = report
        .fix_first
        .iter()
        .filter_map(|fix| report.checks.iter().find(|check| check.id == fix.id));
    let first = by_weight
        .filter(keeps)
        .chain(report.checks.iter().filter(keeps))
        .next()?;
    let more = match report.checks.iter().filter(keeps).count() {
        0 | 1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    Some(format!("still waiting for {} ({}){more}", first.id, first.title))
}

/// Whether the exit code goes by this check.
fn counts(report: &Report, check: &Check, fail_on: FailOn) -> bool {
    let stands = match check.status {
        Status::Fail | Status::Unknown => true,
        Status::Warn => fail_on == FailOn::Warn,
        Status::Ok | Status::Skipped => false,
    };
    let is_new = report.changes.as_ref().is_none_or(|changes| {
        let new = |direction| matches!(direction, Direction::New | Direction::Worse);
        changes
            .checks
            .iter()
            .any(|changed| changed.id == check.id && new(changed.change))
    });
    stands && is_new && check.suppressed.is_none()
}

/// Tells what is waited for: on a terminal in one line that is written again and again, elsewhere one line per change.
pub(super) struct Teller<W> {
    out: W,
    terminal: bool,
    last: Option<String>,
}

impl<W: Write> Teller<W> {
    pub(super) fn new(out: W, terminal: bool) -> Self {
        Self {
            out,
            terminal,
            last: None,
        }
    }

    /// A line that cannot be written is not worth a word.
    pub(super) fn tell(&mut self, what: &str) {
        if self.last.as_deref() == Some(what) {
            return;
        }
        if self.terminal {
            let line: String = what.chars().take(COLUMNS).collect();
            // Back to the first column, and away with what stands there.
            let _ = write!(self.out, "\r\x1b[K{line}");
        } else {
            let _ = writeln!(self.out, "{what}");
        }
        let _ = self.out.flush();
        self.last = Some(what.to_owned());
    }

    /// Leaves the line to the report.
    pub(super) fn end(&mut self) {
        if self.terminal && self.last.is_some() {
            let _ = write!(self.out, "\r\x1b[K");
            let _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{Fix, Suppressed};

    fn report(statuses: &[(&'static str, Status)]) -> Report {
        let checks: Vec<_> = statuses
            .iter()
            .map(|(id, status)| {
                serde_json::json!({ "id": id, "area": "a", "title": format!("title of {id}"), "status": status,
                                         "summary": "s", "evidence": [] })
            })
            .collect();
        let of = |wanted: Status| statuses.iter().filter(|(_, status)| *status == wanted).count();
        serde_json::from_value(serde_json::json!({
            "schema_version": 1, "time": "t", "agent": { "version": "v" }, "mode": "cold", "verdict": "ok",
            "host": { "arch": "x", "in_container": false }, "profile": { "name": "p", "source": "s", "evidence": [] },
            "counts": { "ok": of(Status::Ok), "warn": of(Status::Warn), "fail": of(Status::Fail),
                        "unknown": of(Status::Unknown), "skipped": of(Status::Skipped) },
            "checks": checks,
        }))
        .unwrap()
    }

    #[test]
    fn pauses_grow_to_ten_seconds_and_end_with_the_time() {
        let minute = Duration::from_secs(60);
        let pauses: Vec<u64> = (0..7).map(|round| pause(round, minute).unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(pause(u32::MAX, minute), Some(LONGEST));
        let rest = Duration::from_millis(300);
        assert_eq!(pause(5, rest), Some(rest), "one more examination at the very end");
        assert_eq!(pause(0, Duration::ZERO), None);
    }

    #[test]
    fn what_weighs_most_is_waited_for() {
        let mut two = report(&[
            ("PIN-AA-001", Status::Unknown),
            ("PIN-AA-002", Status::Warn),
            ("PIN-AA-003", Status::Fail),
        ]);
        two.fix_first = vec![
            Fix {
                id: "PIN-AA-003".into(),
                unblocks: Vec::new(),
                points: 2,
            },
            Fix {
                id: "PIN-AA-002".into(),
                unblocks: Vec::new(),
                points: 1,
            },
        ];
        let said = waited_for(&two, FailOn::Fail).unwrap();
        assert_eq!(said, "still waiting for PIN-AA-003 (title of PIN-AA-003) and 1 more");
        let said = waited_for(&two, FailOn::Warn).unwrap();
        assert_eq!(said, "still waiting for PIN-AA-003 (title of PIN-AA-003) and 2 more");
        let unknown = report(&[("PIN-AA-001", Status::Ok), ("PIN-AA-002", Status::Unknown)]);
        let said = waited_for(&unknown, FailOn::Fail).unwrap();
        assert_eq!(said, "still waiting for PIN-AA-002 (title of PIN-AA-002)");
    }

    #[test]
    fn what_the_exit_code_does_not_go_by_is_not_waited_for() {
        let warns = report(&[("PIN-AA-001", Status::Warn), ("PIN-AA-002", Status::Skipped)]);
        assert_eq!(waited_for(&warns, FailOn::Fail), None);
        let mut accepted = report(&[("PIN-AA-001", Status::Fail), ("PIN-AA-002", Status::Fail)]);
        accepted.checks[0].suppressed = Some(Suppressed {
            reason: "r".to_owned(),
            until: "2027-01-01".to_owned(),
        });
        let said = waited_for(&accepted, FailOn::Fail).unwrap();
        assert_eq!(said, "still waiting for PIN-AA-002 (title of PIN-AA-002)");
    }

    #[test]
    fn a_terminal_has_one_line_and_a_log_one_per_change() {
        for (terminal, wanted) in [(false, "a\nb\na\n"), (true, "\r\x1b[Ka\r\x1b[Kb\r\x1b[Ka\r\x1b[K")] {
            let mut out = Vec::new();
            let mut teller = Teller::new(&mut out, terminal);
            for what in ["a", "a", "b", "b", "a"] {
                teller.tell(what);
            }
            teller.end();
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
