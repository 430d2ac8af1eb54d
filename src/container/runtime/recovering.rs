//! A runtime that lookups have to go without: when somebody looks whether it is back, and what follows when it is.

use std::time::{Duration, Instant};

use super::Runtime;
use crate::container::connection::Connection;
use crate::container::discovery::{self, State};
use crate::container::outcome::Reason;
use crate::container::pacing::Backoff;

/// The first pause between two calls that find out whether a runtime which hangs has come back. They are made beside the
/// lookups, and no event waits for them.
const PROBE_FIRST: Duration = Duration::from_millis(250);
/// The longest such pause.
const PROBE_MOST: Duration = Duration::from_secs(2);

impl Runtime {
    /// Changes when it becomes usable: what was said of a container before, for want of this runtime, holds no more.
    pub(crate) fn recoveries(&self) -> u64 {
        self.recoveries.get()
    }

    pub(super) fn has_recovered(&self) {
        if self.failing.replace(false) {
            self.recoveries.set(self.recoveries.get() + 1);
            // What started meanwhile is known to it alone.
            self.listed.set(false);
        }
    }

    /// Whether lookups leave it alone and nobody has found out yet whether it hangs as a whole.
    pub(crate) fn wants_a_probe(&self) -> bool {
        let opened = self.connection.circuit_opened();
        opened.is_some() && opened != self.probed.get()
    }

    /// To be run beside the lookups when it wants one: where a runtime hangs as a whole, its circuit is closed as soon as
    /// it answers. Where it answers already, it is some of its calls that hang; these are tried when the circuit's pause is
    /// over and not before.
    pub(crate) async fn probe(&self, timeout: Duration) {
        let mut pause = Backoff::new(PROBE_FIRST, PROBE_MOST);
        let mut hung = false;
        while let Some(opened) = self.connection.circuit_opened() {
            self.probed.set(Some(opened));
            // On a connection of its own: the circuit is that of the lookups, and their connection may be what hangs.
            let connection = Connection::new(self.connection.socket().to_owned(), timeout, self.clock);
            let state = discovery::classify(&connection, Instant::now() + timeout).await;
            if state.reason().is_none() {
                if hung && self.connection.circuit_opened().is_some() {
                    self.connection.forget();
                    self.has_recovered();
                    if self.reason().is_some() && !self.looking.get() {
                        self.look(Instant::now() + timeout).await;
                    }
                }
                return;
            }
            hung = true;
            tokio::time::sleep(pause.pause()).await;
        }
    }

    /// Whether lookups have gone without it and it is time to look again. One whose file is not there, or must not be
    /// used, is told by its file when that changes. With `heartbeats` one that hangs or has answered before is missed even
    /// where no lookup wanted it: by whoever asks for the agent's health.
    pub(crate) fn is_due(&self, heartbeats: bool) -> bool {
        let may_change_unseen = matches!(
            self.candidate.borrow().state,
            State::Timeout | State::Refused { .. } | State::Failing { .. } | State::NotGrpc { .. }
        );
        let is_missed =
            self.missed.get() || heartbeats && (self.has_answered() || self.reason() == Some(Reason::RuntimeTimeout));
        may_change_unseen
            && is_missed
            && self.settled.get()
            && !self.looking.get()
            && (self.clock)() >= self.reprobe_at.get()
    }
}
