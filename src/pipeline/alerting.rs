//! Rules at work: each event is asked about, alerts go to the output and to their channels, and new rules take over between
//! two events.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use super::latency::Unwritten;
use super::lost_before::LostCount;
use super::vitals::Vitals;
use crate::capture::Capture;
use crate::delivery::Outlet;
use crate::output::Sink;
use crate::rules::reload::Ready;
use crate::rules::subject::{Host, Known, Subject};
use crate::rules::{Detector, Reloader};

/// What raises alerts.
#[derive(Debug)]
pub struct Alerting {
    detector: Detector,
    reloader: Arc<Reloader>,
    /// What rules ask about beyond the event.
    host: Host,
    outlet: Outlet,
    /// What was lost since the last alert.
    lost: LostCount,
}

impl Alerting {
    /// Rules, who reads them again, names of the host, and where alerts go.
    #[must_use]
    pub fn new(detector: Detector, reloader: Arc<Reloader>, host: Host, outlet: Outlet) -> Self {
        Self {
            detector,
            reloader,
            host,
            outlet,
            lost: LostCount::default(),
        }
    }

    /// Who reads the rules again.
    #[must_use]
    pub const fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// Somebody wants the rules read again, which the control thread does, and files of channels opened anew, which their
    /// process does.
    pub(super) fn reload(&mut self) {
        self.outlet.reopen();
        self.reloader.ask();
    }

    /// Goes on with the rules that were read again, where there are such.
    pub(super) fn renew(&mut self, capture: &Capture) {
        if let Some(Ready {
            rules,
            same,
            prefilters,
        }) = self.reloader.take()
        {
            self.detector.replace(rules, &same);
            // The old prefilters may keep back what the new rules want, but before this nobody had promised those.
            capture.prefilter(&prefilters);
            tracing::debug!("the new rules are in force");
        }
    }

    /// Asks the rules about an event, and writes the alerts.
    pub(super) fn judge(
        &mut self,
        known: Known<'_>,
        sink: &mut Sink<impl Write>,
        unwritten: &mut Unwritten,
    ) -> io::Result<()> {
        let Self {
            detector,
            host,
            outlet,
            lost,
            ..
        } = self;
        let header = known.header;
        lost.note(header.cpu, header.lost);
        if !detector.watches(header.hook) {
            return Ok(());
        }
        let container = known.outcome.container.as_ref().map(|container| &*container.id);
        // What an alert that is held back would have told of losses.
        let mut untold = 0;
        let judged = detector.judge(
            &Subject::new(known, host),
            || lost.take(),
            |alert| {
                if !outlet.admits(alert, Instant::now()) {
                    untold += alert.pinhole.lost_before.unwrap_or_default();
                    return Ok(());
                }
                outlet.hand_over(alert, container);
                if !outlet.writes() {
                    return Ok(());
                }
                unwritten.add(header.time);
                sink.alert(alert)
            },
        );
        lost.give_back(untold);
        judged
    }

    /// Hands over what has collected for the channels.
    pub(super) fn flush(&mut self) {
        self.outlet.flush();
    }

    /// Alerts of what the limit held back; at the end of all that is not told yet.
    pub(super) fn tell_held_back(&mut self, sink: &mut Sink<impl Write>, last: bool) -> io::Result<()> {
        let told = if last {
            self.outlet.rest()
        } else {
            self.outlet.due(Instant::now())
        };
        if !self.outlet.writes() {
            return Ok(());
        }
        told.iter().try_for_each(|alert| sink.worded(alert))
    }

    /// Nothing raises an alert any more: what was held back is told, and channels have their time.
    pub(super) fn end(&mut self, sink: &mut Sink<impl Write>) -> io::Result<()> {
        self.tell_held_back(sink, true)?;
        sink.flush()?;
        self.finish();
        Ok(())
    }

    /// Channels have their time, once.
    pub(super) fn finish(&mut self) {
        self.outlet.finish();
    }

    /// What came of each rule, and of each channel.
    pub(super) fn publish(&mut self, vitals: &Vitals) {
        let mut tallies = self.detector.tallies();
        for (rule, limited) in self.outlet.limited() {
            tallies.entry(rule.clone()).or_default().limited = *limited;
        }
        vitals.publish_rules(tallies, self.outlet.account());
    }
}
