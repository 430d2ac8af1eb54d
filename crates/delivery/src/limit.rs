//! Keeps one rule from flooding everything behind it, and says afterwards what it held back. The time is handed in.
//!
//! A token bucket for each rule, kept as the time at which it would be full again (the generic cell rate algorithm, ATM Forum
//! traffic management 4.0, which needs no clock of its own and no fractions). What is held back is counted and told in one
//! alert for the rule: when the flood has ended or, of one that goes on, after each interval.

use std::collections::HashMap;
use std::time::Instant;

use jiff::Timestamp;
use pinhole_priority::Priority;
use serde_json::json;

use crate::alert::{Alert, one_line};
use crate::config::Limit;

/// The name of the rule in alerts that tell what was held back.
pub const RULE: &str = "Pinhole internal: alerts held back";

/// How many rules have a bucket of their own; any further ones share one. The stable rules of Falco are 25, all of them some 100.
const RULES: usize = 8192;
/// The name of what shares a bucket.
const OTHERS: &str = "(other rules)";

/// The buckets.
#[derive(Debug)]
pub struct Limiter {
    settings: Limit,
    buckets: HashMap<String, Bucket>,
    /// Names of rules that hold something back: what [`Limiter::due`] looks through.
    holding: Vec<String>,
}

#[derive(Debug)]
struct Bucket {
    /// When it will be full.
    full: Instant,
    /// When it was last told what was held back.
    told: Option<Instant>,
    held: Option<(Instant, Held)>,
}

/// What a rule's alerts came to that did not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The rule.
    pub rule: String,
    /// The worst priority among them.
    pub priority: Priority,
    /// How many.
    pub alerts: u64,
    /// The time of the first, in nanoseconds since 1970.
    pub first: u64,
    /// The time of the last, in nanoseconds since 1970.
    pub last: u64,
}

impl Limiter {
    /// No rule has used anything yet.
    #[must_use]
    pub fn new(settings: Limit) -> Self {
        Self {
            settings,
            buckets: HashMap::new(),
            holding: Vec::new(),
        }
    }

    /// Whether an alert of this rule goes out now. One that does not is counted. `time` is the alert's own, in nanoseconds since
    /// 1970.
    #[must_use]
    pub fn admits(&mut self, rule: &str, priority: Priority, time: u64, now: Instant) -> bool {
        let Some(pause) = self.settings.pause() else {
            return true;
        };
        let rule = match self.buckets.len() < RULES || self.buckets.contains_key(rule) {
            true => rule,
            false => OTHERS,
        };
        if !self.buckets.contains_key(rule) {
            let empty = Bucket {
                full: now,
                told: None,
                held: None,
            };
            self.buckets.insert(rule.to_owned(), empty);
        }
        let Some(bucket) = self.buckets.get_mut(rule) else {
            return true;
        };
        let full = bucket.full.max(now) + pause;
        if full.duration_since(now) <= pause.saturating_mul(self.settings.burst) {
            bucket.full = full;
            return true;
        }
        match &mut bucket.held {
            Some((_, held)) => {
                held.alerts += 1;
                held.priority = held.priority.min(priority);
                held.last = held.last.max(time);
            }
            None => {
                let held = Held {
                    rule: rule.to_owned(),
                    priority,
                    alerts: 1,
                    first: time,
                    last: time,
                };
                bucket.held = Some((now, held));
                self.holding.push(rule.to_owned());
            }
        }
        false
    }

    /// What is to be told now. To be asked about once a second; costs nothing where nothing is held back.
    pub fn due(&mut self, now: Instant) -> Vec<Held> {
        let interval = self.settings.report;
        let passed = |since: Instant| now.saturating_duration_since(since) >= interval;
        let told = self.take(|bucket, since| {
            let ended = bucket.full <= now;
            bucket.told.is_none_or(passed) && (ended || passed(since))
        });
        for held in &told {
            if let Some(bucket) = self.buckets.get_mut(&held.rule) {
                bucket.told = Some(now);
            }
        }
        told
    }

    /// What is held back and not told yet, at the end of a run.
    pub fn rest(&mut self) -> Vec<Held> {
        self.take(|_, _| true)
    }

    fn take(&mut self, is_due: impl Fn(&Bucket, Instant) -> bool) -> Vec<Held> {
        let buckets = &mut self.buckets;
        let mut told = Vec::new();
        self.holding.retain(|rule| {
            let Some(bucket) = buckets.get_mut(rule) else {
                return false;
            };
            match bucket.held.take() {
                Some((since, held)) if is_due(bucket, since) => {
                    told.push(held);
                    false
                }
                held => {
                    bucket.held = held;
                    true
                }
            }
        });
        told
    }
}

impl Held {
    /// The alert that tells it, in the shape of any other; `source` is `internal`, as Falco's own messages have it.
    #[must_use]
    pub fn alert(&self, hostname: &str) -> Alert {
        let stamp = |time: u64| Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
        let (first, last) = (stamp(self.first), stamp(self.last));
        let output = format!(
            "{} alerts of rule \"{}\" were held back by its rate limit between {first:.3} and {last:.3}",
            self.alerts, self.rule
        );
        let object = json!({
            "hostname": hostname,
            "output": output,
            "output_fields": {
                "held.alerts": self.alerts,
                "held.first": self.first,
                "held.last": self.last,
                "held.rule": self.rule,
            },
            "priority": self.priority.as_str(),
            "rule": RULE,
            "source": "internal",
            "tags": [],
            "time": format!("{last:.9}"),
        });
        Alert {
            priority: self.priority,
            rule: RULE.to_owned(),
            time: self.last,
            container: None,
            json: object.to_string(),
            text: one_line(format!("{last:.9}: {} {output}", self.priority)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limiter(rate: u32, burst: u32, report: u64) -> Limiter {
        Limiter::new(Limit {
            rate,
            per: Duration::from_secs(1),
            burst,
            report: Duration::from_secs(report),
        })
    }

    fn offer(limiter: &mut Limiter, rule: &str, count: u32, now: Instant) -> u32 {
        (0..count)
            .map(|number| u32::from(limiter.admits(rule, Priority::Notice, number.into(), now)))
            .sum()
    }

    #[test]
    fn a_burst_passes_then_the_rate_and_rules_do_not_mind_each_other() {
        let mut limiter = limiter(2, 5, 10);
        let start = Instant::now();
        assert_eq!(offer(&mut limiter, "a", 100, start), 5);
        assert_eq!(offer(&mut limiter, "b", 5, start), 5);
        assert_eq!(offer(&mut limiter, "a", 100, start + Duration::from_secs(1)), 2);
        assert_eq!(offer(&mut limiter, "a", 100, start + Duration::from_millis(1499)), 0);
        assert_eq!(offer(&mut limiter, "a", 100, start + Duration::from_secs(100)), 5);
    }

    #[test]
    fn without_a_rate_all_pass() {
        let mut limiter = limiter(0, 1, 10);
        assert_eq!(offer(&mut limiter, "a", 1000, Instant::now()), 1000);
        assert!(limiter.rest().is_empty());
    }

    #[test]
    fn a_flood_that_ends_is_told_once() {
        let mut limiter = limiter(1, 3, 60);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        offer(&mut limiter, "a", 10, start);
        assert!(!limiter.admits("a", Priority::Critical, 99, start));
        assert!(limiter.due(at(1)).is_empty(), "the bucket is not full again");
        let held = limiter.due(at(3));
        assert_eq!(held.len(), 1);
        assert_eq!(
            (held[0].alerts, held[0].first, held[0].last, held[0].priority),
            (8, 3, 99, Priority::Critical)
        );
        assert!(limiter.due(at(4)).is_empty());
        // Another flood, told no sooner than the interval allows.
        offer(&mut limiter, "a", 10, at(10));
        assert!(limiter.due(at(20)).is_empty());
        assert_eq!(limiter.due(at(63)).len(), 1);
    }

    #[test]
    fn a_flood_that_goes_on_is_told_each_interval() {
        let mut limiter = limiter(1, 1, 60);
        let start = Instant::now();
        let mut told = Vec::new();
        for second in 0..=200 {
            let now = start + Duration::from_secs(second);
            offer(&mut limiter, "a", 3, now);
            told.extend(limiter.due(now).into_iter().map(|held| (second, held.alerts)));
        }
        told.extend(limiter.rest().into_iter().map(|held| (201, held.alerts)));
        assert_eq!(
            told.iter().map(|(second, _)| *second).collect::<Vec<_>>(),
            [60, 121, 182, 201]
        );
        assert_eq!(
            told.iter().map(|(_, alerts)| alerts).sum::<u64>(),
            2 * 201,
            "none is forgotten"
        );
    }

    #[test]
    fn names_beyond_the_bound_share_a_bucket() {
        let mut limiter = limiter(1, 1, 60);
        let now = Instant::now();
        let passed: u32 = (0..RULES + 100)
            .map(|rule| offer(&mut limiter, &rule.to_string(), 1, now))
            .sum();
        assert_eq!(passed as usize, RULES + 1);
        assert_eq!(limiter.rest()[0].rule, OTHERS);
    }

    #[test]
    fn what_was_held_back_is_an_alert_like_any_other() {
        let held = Held {
            rule: "Say \"hi\"\n".to_owned(),
            priority: Priority::Warning,
            alerts: 5,
            first: 1_700_000_000_000_000_000,
            last: 1_700_000_001_500_000_000,
        };
        let alert = held.alert("node");
        let object: serde_json::Value = serde_json::from_str(&alert.json).unwrap();
        assert_eq!(object["output_fields"]["held.alerts"], 5);
        assert_eq!(object["priority"], "Warning");
        assert_eq!(object["time"], "2023-11-14T22:13:21.500000000Z");
        assert_eq!(alert.text.lines().count(), 1);
        assert!(!alert.json.contains('\n'));
    }
}
