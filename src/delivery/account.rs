//! What became of alerts that were handed over to channels, as far as the sensor knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinhole_delivery::HEARTBEAT;
use pinhole_delivery::account::{Account, Report};
use pinhole_delivery::config::Delivery;
use serde::Serialize;

/// The account at one moment. What the delivery process says of itself is up to a second old.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Whether the delivery process is there.
    pub running: bool,
    /// For how long it has said nothing.
    #[serde(skip)]
    pub silence: Duration,
    /// Alerts that were handed over to it.
    pub handed_over: u64,
    /// Alerts that could not be handed over: there was no room, or nobody to take them.
    pub lost: u64,
    /// By channel, what became of those that were handed over.
    pub channels: BTreeMap<String, Account>,
}

/// A delivery process that says nothing for so long hangs.
const SILENT: Duration = HEARTBEAT.saturating_mul(4);

impl Delivered {
    /// Whether the process is there and does not work.
    #[must_use]
    pub fn hangs(&self) -> bool {
        self.running && self.silence > SILENT
    }

    /// The channels whose last attempt failed, each with its account, in the order of their names.
    pub fn failing(&self) -> impl Iterator<Item = (&str, &Account)> {
        let channels = self.channels.iter().filter(|(_, account)| account.failing);
        channels.map(|(name, account)| (name.as_str(), account))
    }
}

/// Makes accounts of what the process reports and the sensor counts.
#[derive(Debug)]
pub(super) struct Accountant {
    /// The channels of which what waits survives the process.
    on_disk: BTreeSet<&'static str>,
}

impl Accountant {
    pub(super) fn new(settings: &Delivery) -> Self {
        let queues = [("http", &settings.http.queue), ("otlp", &settings.otlp.queue)];
        let on_disk = queues
            .into_iter()
            .filter(|(_, queue)| !queue.directory.as_os_str().is_empty());
        Self {
            on_disk: on_disk.map(|(name, _)| name).collect(),
        }
    }

    pub(super) fn account(&self, report: &Report, handed_over: u64, lost: u64, running: bool) -> Delivered {
        let mut channels = report.channels.clone();
        if !running {
            for (name, account) in &mut channels {
                self.bury(name, account, handed_over);
            }
        }
        Delivered {
            running,
            silence: Duration::ZERO,
            handed_over,
            lost,
            channels,
        }
    }

    /// What the process had not settled went down with it, but for what waits on a disk: the next one delivers that.
    fn bury(&self, name: &str, account: &mut Account, handed_over: u64) {
        if !self.on_disk.contains(name) {
            account.waiting = 0;
        }
        let settled = account.delivered + account.failed + account.dropped + account.below + account.waiting;
        account.dropped += handed_over.saturating_sub(settled);
        account.failing = true;
        account.last_error = Some("the delivery process has ended".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_silent_for_too_long_hangs_and_one_that_has_gone_does_not() {
        let of = |running, silence| Delivered {
            running,
            silence,
            ..Delivered::default()
        };
        assert!(!of(true, HEARTBEAT).hangs(), "between two words");
        assert!(of(true, SILENT + HEARTBEAT).hangs());
        assert!(!of(false, SILENT + HEARTBEAT).hangs());
    }

    #[test]
    fn what_went_down_with_the_process_is_counted() {
        let reported = Account {
            delivered: 5,
            below: 1,
            waiting: 2,
            ..Account::default()
        };
        let report = Report {
            channels: ["http", "otlp"].map(|name| (name.to_owned(), reported.clone())).into(),
            ..Report::default()
        };
        let mut settings = Delivery::default();
        settings.otlp.queue.directory = "/var/lib/pinhole/otlp".into();
        let accountant = Accountant::new(&settings);
        assert_eq!(accountant.account(&report, 10, 0, true).channels, report.channels);
        let after = accountant.account(&report, 10, 3, false);
        let of = |name: &str| (after.channels[name].waiting, after.channels[name].dropped);
        assert_eq!((of("http"), of("otlp")), ((0, 4), (2, 2)));
        assert_eq!((after.lost, after.failing().count()), (3, 2));
    }
}
