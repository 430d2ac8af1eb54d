//! The sensor's side: how many alerts of a rule go out, to whom, and what became of them. It writes nothing itself: standard output
//! is the caller's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pinhole_delivery::config::Delivery;
use pinhole_delivery::limit::{Held, Limiter};
use pinhole_delivery::{Alert as Worded, Handed, Sender};

use super::account::{Accountant, Delivered};
use crate::rules::Alert;

/// How much longer than the channels' grace the sensor waits for their last account.
const BEYOND_GRACE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub struct Outlet {
    limiter: Limiter,
    /// By rule, how many alerts the limit held back.
    limited: BTreeMap<String, u64>,
    /// Whether alerts are written to standard output as well.
    stdout: bool,
    channels: Option<Channels>,
    node: String,
}

#[derive(Debug)]
struct Channels {
    /// Taken at the end.
    sender: Option<Sender>,
    grace: Duration,
    accountant: Accountant,
    handed_over: u64,
    /// Somebody wants files and certificates opened anew, and there was no room to say so.
    wants_reopen: bool,
    told: Told,
    last: Delivered,
}

/// What the log was told already.
#[derive(Debug, Default)]
struct Told {
    lost: bool,
    gone: bool,
}

impl Outlet {
    /// `sender` leads to the channels, where any is on.
    #[must_use]
    pub fn new(settings: &Delivery, node: &str, sender: Option<Sender>) -> Self {
        Self {
            limiter: Limiter::new(settings.limit.clone()),
            limited: BTreeMap::new(),
            stdout: settings.stdout,
            channels: sender.map(|sender| Channels {
                sender: Some(sender),
                grace: settings.grace,
                accountant: Accountant::new(settings),
                handed_over: 0,
                wants_reopen: false,
                told: Told::default(),
                last: Delivered::default(),
            }),
            node: node.to_owned(),
        }
    }

    /// Whether an alert goes out; one that does not is counted.
    pub fn admits(&mut self, alert: &Alert<'_>, now: Instant) -> bool {
        let admits = self.limiter.admits(alert.rule, alert.priority, nanoseconds(alert), now);
        if !admits {
            match self.limited.get_mut(alert.rule) {
                Some(count) => *count += 1,
                None => drop(self.limited.insert(alert.rule.to_owned(), 1)),
            }
        }
        admits
    }

    /// Whether alerts are for standard output, too.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.stdout
    }

    /// Hands an alert over to the channels, without waiting longer than `delivery.patience`.
    pub fn hand_over(&mut self, alert: &Alert<'_>, container: Option<&str>) {
        if let Some(channels) = &mut self.channels {
            channels.send(worded(alert, container));
        }
    }

    /// Alerts that tell what was held back, where that is due; they are handed over already.
    pub fn due(&mut self, now: Instant) -> Vec<Worded> {
        let held = self.limiter.due(now);
        self.tell(&held)
    }

    /// The same at the end, for all that is not told yet.
    pub fn rest(&mut self) -> Vec<Worded> {
        let held = self.limiter.rest();
        self.tell(&held)
    }

    fn tell(&mut self, held: &[Held]) -> Vec<Worded> {
        let alerts: Vec<Worded> = held.iter().map(|held| held.alert(&self.node)).collect();
        if let Some(channels) = &mut self.channels {
            alerts.iter().for_each(|alert| channels.send(alert.clone()));
        }
        alerts
    }

    /// How many alerts the limit held back, by rule.
    #[must_use]
    pub fn limited(&self) -> &BTreeMap<String, u64> {
        &self.limited
    }

    /// Goes on with what waits for room. To be called each time the pipeline comes round.
    pub fn flush(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.flush();
        }
    }

    /// Asks the channels to open files and certificates anew.
    pub fn reopen(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.wants_reopen = true;
            channels.flush();
        }
    }

    /// What became of the alerts that were handed over; `None` where there is no channel. Says in the log, once, that the delivery
    /// process has gone.
    pub fn account(&mut self) -> Option<Delivered> {
        let stdout = self.stdout;
        self.channels.as_mut().map(|channels| channels.account(stdout))
    }

    /// Whether there is anybody to open files anew.
    #[must_use]
    pub fn has_channels(&self) -> bool {
        self.channels.is_some()
    }

    /// Gives the channels their time to deliver what waits, and takes their last account. Nothing can be handed over afterwards.
    pub fn finish(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.finish();
        }
    }
}

impl Channels {
    fn send(&mut self, alert: Worded) {
        let Some(sender) = &mut self.sender else {
            self.last.lost += 1;
            return;
        };
        match sender.send(alert) {
            Handed::Over => self.handed_over += 1,
            Handed::Lost if !self.told.lost && !sender.is_gone() => {
                self.told.lost = true;
                tracing::warn!("alerts reach no channel: the delivery process takes them more slowly than they come");
            }
            Handed::Lost => {}
        }
    }

    fn flush(&mut self) {
        let Some(sender) = &mut self.sender else { return };
        sender.flush();
        if self.wants_reopen && !sender.waits() {
            self.wants_reopen = sender.reopen() == Handed::Lost && !sender.is_gone();
        }
    }

    fn account(&mut self, stdout: bool) -> Delivered {
        let Some(sender) = &mut self.sender else {
            return self.last.clone();
        };
        let report = sender.report().clone();
        let gone = sender.is_gone();
        let handed_over = self.handed_over.saturating_sub(sender.withdrawn());
        self.last = self.accountant.account(&report, handed_over, sender.lost(), !gone);
        self.last.silence = sender.silence();
        if gone && !std::mem::replace(&mut self.told.gone, true) {
            tracing::error!(
                channels = self.last.channels.keys().cloned().collect::<Vec<_>>().join(", "),
                on_standard_output = stdout,
                "the delivery process has ended: no alert reaches a channel until the agent is started anew"
            );
        }
        self.last.clone()
    }

    fn finish(&mut self) {
        let Some(mut sender) = self.sender.take() else { return };
        // Whether it has gone by itself is known before it is told to go.
        let _ = sender.report();
        let gone = sender.is_gone();
        let end = sender.finish(self.grace.saturating_add(BEYOND_GRACE));
        if !gone && !end.is_complete {
            tracing::error!("the delivery process did not end in time: what it had not told of counts as dropped");
        }
        let handed_over = self.handed_over.saturating_sub(end.withdrawn);
        let is_there = !gone && end.is_complete;
        self.last = self.accountant.account(&end.report, handed_over, end.lost, is_there);
    }
}

/// How much is left of each field, in bytes, where an alert is too large to travel: the first that is enough. Whoever is
/// watched chooses how long his command line is, and should not choose whether anybody hears of it.
const SHORTER: [usize; 4] = [4096, 1024, 256, 64];

/// The alert as it travels.
fn worded(alert: &Alert<'_>, container: Option<&str>) -> Worded {
    let mut worded = put(alert, container);
    for limit in SHORTER {
        if worded.fits() {
            break;
        }
        worded = put(&alert.shortened(limit), container);
    }
    worded
}

fn put(alert: &Alert<'_>, container: Option<&str>) -> Worded {
    Worded {
        priority: alert.priority,
        rule: alert.rule.to_owned(),
        time: nanoseconds(alert),
        container: container.map(str::to_owned),
        // It has none but texts, numbers and tables by text, all of which JSON can say.
        json: serde_json::to_string(alert).unwrap_or_default(),
        text: alert.output.clone(),
    }
}

fn nanoseconds(alert: &Alert<'_>) -> u64 {
    u64::try_from(alert.time.as_nanosecond()).unwrap_or_default()
}
