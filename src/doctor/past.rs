//! What the running agent tells of its past, as the report keeps it for the pictures of its page: losses over time, and
//! what became of each field of metadata. Numbers only; what is wrong with them is for the checks to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::Word;
use crate::control::api::{FieldCount, GetStatusReply, Moment};

/// An agent keeps about 140 readings, and some 20 fields with some 20 reasons each. It is not to fill the report with more.
const MOST_INTERVALS: usize = 200;
const MOST_FIELDS: usize = 64;
const MOST_REASONS: usize = 32;
/// Shorter intervals say nothing about a rate.
const SHORTEST: f64 = 0.5;

/// The past of the running agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// What `fields` was counted over: about the last ten minutes, or since the agent's start.
    pub window_seconds: f64,
    /// Events over time, oldest first: intervals of a minute, and of a second in the last minute.
    pub loss: Vec<Interval>,
    /// What became of each field in the events of containers, by name.
    pub fields: Vec<Field>,
    /// From this share of lost events on the profile calls it a fault, in percent.
    pub loss_percent: f64,
    /// Below this share of complete metadata the profile calls it a fault, in percent.
    pub complete_percent: f64,
}

/// Events per second of all hooks together, over one interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// How long ago it ended.
    pub seconds_ago: f64,
    /// How long it was.
    pub seconds: f64,
    /// Seen by a hook, what was filtered included.
    pub seen: f64,
    /// Handed over.
    pub delivered: f64,
    /// Lost.
    pub dropped: f64,
}

/// One field of metadata in the events of containers; their number is the sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its key.
    pub field: String,
    /// It is there.
    pub present: u64,
    /// There is none to tell.
    pub inapplicable: u64,
    /// It is not known, by reason.
    pub missing: BTreeMap<Word, u64>,
}

impl Field {
    /// Events in which it is not known.
    #[must_use]
    pub fn absent(&self) -> u64 {
        self.missing.values().fold(0, |all, count| all.saturating_add(*count))
    }
}

/// The past that this status tells; `budget` is what the profile allows: percent lost, percent complete.
pub(super) fn of(status: &GetStatusReply, budget: (f64, f64)) -> Live {
    let (seconds, fields) = match &status.window {
        Some(window) => (window.seconds, &window.metadata_fields),
        // An agent without a window: everything since its start.
        None => (status.uptime_seconds, &status.metadata_fields),
    };
    let mut fields: Vec<Field> = fields.iter().map(|(name, count)| field(name, count)).collect();
    fields.sort_by(|a, b| a.field.cmp(&b.field));
    fields.truncate(MOST_FIELDS);
    Live {
        window_seconds: if seconds.is_finite() { seconds.max(0.0) } else { 0.0 },
        loss: intervals(&status.history),
        fields,
        loss_percent: budget.0,
        complete_percent: budget.1,
    }
}

fn field(name: &str, count: &FieldCount) -> Field {
    let reasons: BTreeMap<&String, &u64> = count.missing.iter().filter(|(_, count)| **count > 0).collect();
    Field {
        field: name.to_owned(),
        present: count.present,
        inapplicable: count.inapplicable,
        missing: reasons
            .into_iter()
            .take(MOST_REASONS)
            .map(|(reason, count)| (reason.clone().into(), *count))
            .collect(),
    }
}

/// From readings since the start to rates between them. Readings of minutes and of seconds overlap in the last minute.
fn intervals(history: &[Moment]) -> Vec<Interval> {
    let mut readings: Vec<&Moment> = history.iter().collect();
    readings.sort_by_key(|reading| std::cmp::Reverse(reading.age_ms));
    let mut intervals = Vec::new();
    let mut rest = readings.into_iter();
    let Some(mut from) = rest.next() else {
        return intervals;
    };
    for to in rest {
        let seconds = seconds(from.age_ms) - seconds(to.age_ms);
        if seconds < SHORTEST {
            continue;
        }
        let rate = |count: fn(&Moment) -> u64| per_second(count(to).saturating_sub(count(from)), seconds);
        intervals.push(Interval {
            seconds_ago: self::seconds(to.age_ms),
            seconds,
            seen: rate(|reading| reading.seen),
            delivered: rate(|reading| reading.delivered),
            dropped: rate(|reading| reading.dropped),
        });
        from = to;
    }
    intervals.split_off(intervals.len().saturating_sub(MOST_INTERVALS))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of at most some hours")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a rate with three decimals")]
fn per_second(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::WindowAccount;

    fn reading(age_ms: u64, seen: u64, dropped: u64) -> Moment {
        Moment {
            age_ms,
            seen,
            delivered: seen - dropped,
            dropped,
            ..Moment::default()
        }
    }

    fn told(intervals: &[Interval]) -> Vec<(f64, f64, f64, f64)> {
        intervals
            .iter()
            .map(|it| (it.seconds_ago, it.seconds, it.seen, it.dropped))
            .collect()
    }

    #[test]
    fn readings_of_minutes_and_of_seconds_become_one_row_of_rates() {
        let minutes = [reading(120_000, 0, 0), reading(60_000, 600, 60)];
        let seconds = [reading(60_100, 600, 60), reading(1000, 1200, 60), reading(0, 1300, 110)];
        let history: Vec<Moment> = minutes.into_iter().chain(seconds).collect();
        // The reading of the minute comes a tenth of a second after that of the second, and is left out.
        let wanted = [
            (60.1, 59.9, 10.017, 1.002),
            (1.0, 59.1, 10.152, 0.0),
            (0.0, 1.0, 100.0, 50.0),
        ];
        assert_eq!(told(&intervals(&history)), wanted);
    }

    #[test]
    fn counters_that_went_back_are_no_events() {
        let history = [reading(2000, 500, 5), reading(1000, 100, 1), reading(0, 110, 1)];
        assert_eq!(
            told(&intervals(&history)),
            [(1.0, 1.0, 0.0, 0.0), (0.0, 1.0, 10.0, 0.0)]
        );
    }

    #[test]
    fn one_reading_or_none_is_no_past() {
        assert_eq!(intervals(&[]), []);
        assert_eq!(intervals(&[reading(0, 1, 0)]), []);
    }

    #[test]
    fn an_agent_that_tells_too_much_is_cut_to_its_newest() {
        let history: Vec<Moment> = (0..1000)
            .map(|second| reading(second * 1000, 1000 - second, 0))
            .collect();
        let kept = intervals(&history);
        assert_eq!(kept.len(), MOST_INTERVALS);
        assert!(kept.last().is_some_and(|newest| newest.seconds_ago == 0.0));
    }

    #[test]
    fn fields_are_of_the_window_where_there_is_one() {
        let count = |present| FieldCount {
            present,
            missing: [("runtime_timeout".to_owned(), 2), ("circuit_open".to_owned(), 0)].into(),
            ..FieldCount::default()
        };
        let mut status = GetStatusReply {
            uptime_seconds: 7000.0,
            metadata_fields: [("container.name".to_owned(), count(70))].into(),
            ..GetStatusReply::default()
        };
        let old = of(&status, (1.0, 95.0));
        assert_eq!((old.window_seconds, old.fields[0].present), (7000.0, 70));
        assert_eq!(old.fields[0].missing.len(), 1);
        assert_eq!(old.fields[0].absent(), 2);
        status.window = Some(WindowAccount {
            seconds: 600.0,
            metadata_fields: [("container.name".to_owned(), count(7))].into(),
            ..WindowAccount::default()
        });
        let new = of(&status, (1.0, 95.0));
        assert_eq!((new.window_seconds, new.fields[0].present), (600.0, 7));
        status.window = Some(WindowAccount {
            seconds: f64::NAN,
            ..WindowAccount::default()
        });
        assert_eq!(of(&status, (1.0, 95.0)).window_seconds, 0.0);
    }
}
