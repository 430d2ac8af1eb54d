//! What a lane loses: counted in its account at once, and told in the log once a minute at most, so that a flood of alerts makes no
//! flood of lines.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::account::{Shared, shortened};

/// How often losses that go on are told. They are over when there was none for so long.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Losses {
    channel: &'static str,
    account: Shared,
    untold: Mutex<Untold>,
    begun: Notify,
}

#[derive(Debug, Default)]
struct Untold {
    alerts: u64,
    /// Of the last one.
    why: String,
}

impl Losses {
    pub(super) fn new(channel: &'static str, account: Shared) -> Self {
        Self {
            channel,
            account,
            untold: Mutex::default(),
            begun: Notify::new(),
        }
    }

    /// An alert that was counted as waiting found no room after all.
    pub(super) fn dropped(&self, why: &impl Display) {
        let why = shortened(&why.to_string()).to_owned();
        self.account.settle(1, |account| &mut account.dropped);
        self.account.lock().last_error = Some(why.clone());
        let mut untold = self.untold();
        untold.alerts += 1;
        untold.why = why;
        drop(untold);
        self.begun.notify_one();
    }

    /// So many that waited on disk are no alerts any more.
    pub(super) fn unreadable(&self, alerts: u64) {
        if alerts > 0 {
            self.account.settle(alerts, |account| &mut account.failed);
            tracing::warn!(
                channel = self.channel,
                "{alerts} alerts in the queue on disk are unreadable"
            );
        }
    }

    /// Tells of alerts that are dropped: when that begins, each minute while it goes on, and when it is over.
    pub(super) async fn tell(&self) {
        loop {
            self.begun.notified().await;
            // Those of a minute that is over may have been told already.
            let mut goes_on = self.tell_untold();
            if !goes_on {
                continue;
            }
            while goes_on {
                sleep(TOLD_EVERY).await;
                goes_on = self.tell_untold();
            }
            tracing::info!(channel = self.channel, "no more alerts are dropped");
        }
    }

    /// Tells what was dropped since this was last told. False if nothing was.
    pub(super) fn tell_untold(&self) -> bool {
        let Untold { alerts, why } = std::mem::take(&mut *self.untold());
        if alerts > 0 {
            tracing::warn!(
                channel = self.channel,
                "alerts are dropped, {alerts} since this was last said: {why}"
            );
        }
        alerts > 0
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
