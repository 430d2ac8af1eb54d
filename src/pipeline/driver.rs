//! The loop: drain the ring, make events, write them, sleep until there is more.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::alerting::Alerting;
use super::complaints::{Complaint, Complaints};
use super::held;
use super::latency::Unwritten;
use super::loss::{Losses, Told};
use super::lost_before::LostCount;
use super::signals::{Request, Signals};
use super::vitals::Vitals;
use crate::capture::prefilter::Hosts;
use crate::capture::record::{Body, Cgroup, Header, ProcessKey};
use crate::capture::{Capture, Content, Hook, HookSet, Record};
use crate::container::outcome::Status;
use crate::container::{CgroupName, Outcome, Resolver};
use crate::control::watch::ExecWatches;
use crate::event::build::{Context, cgroup_id};
use crate::event::{BootClock, build};
use crate::output::{Sink, json};
use crate::process::{Process, ProcessTable};
use crate::recording::Recorder;
use crate::rules::subject::Known;

/// Records taken in one go before signals and the output get their turn.
const DRAIN_LIMIT: usize = 4096;
/// The longest sleep. Records and signals end it; what the control thread hands over waits for it, and so would a record
/// whose wake-up were lost. A shorter one costs a node where nothing happens more than all else.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);
/// How often the calendar's clock is read again, and the ledger looked at.
const EACH_SECOND: Duration = Duration::from_secs(1);
/// How often, at most, every process is introduced anew after the table lost track.
const INTRODUCE_AGAIN: Duration = Duration::from_secs(1);
/// A pause where the ring is readable and yet yields nothing, because whoever writes the first record was preempted.
const UNFINISHED: Duration = Duration::from_millis(1);

/// Why the pipeline ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Standard output does not take any more.
    #[error("cannot write events to standard output: {0}")]
    Output(#[source] io::Error),
    /// Waiting for the ring failed.
    #[error("cannot wait for the ring buffer: {0}")]
    Wait(#[source] Errno),
    /// The clocks cannot be read.
    #[error("cannot read the clocks: {0}")]
    Clock(#[source] Errno),
}

/// Everything an event passes through after the ring.
#[derive(Debug)]
pub struct Pipeline<W> {
    stages: Stages<W>,
    signals: Signals,
    batch: Duration,
}

#[derive(Debug)]
struct Stages<W> {
    table: ProcessTable,
    resolver: Resolver,
    watches: Arc<ExecWatches>,
    vitals: Arc<Vitals>,
    sink: Sink<W>,
    printed: HookSet,
    clock: BootClock,
    clock_read: Instant,
    lost: LostCount,
    alerting: Option<Alerting>,
    recorder: Option<Recorder>,
    /// How many events there were.
    events: u64,
    /// Where the kernel side is told which cgroups are no container's.
    hosts: Option<Hosts>,
    losses: Losses,
    unwritten: Unwritten,
    complaints: Complaints,
    published: Option<u64>,
    /// An event came of a process that the table does not know, though the kernel side takes it for known.
    drifted: bool,
    introduced_anew: Instant,
}

/// What a pipeline is made of.
#[derive(Debug)]
pub struct Parts<W> {
    /// How many processes are remembered.
    pub processes: NonZeroUsize,
    /// Names containers.
    pub resolver: Resolver,
    /// Who waits for an exec on the admin socket.
    pub watches: Arc<ExecWatches>,
    /// Where the numbers go.
    pub vitals: Arc<Vitals>,
    /// Where the events go.
    pub sink: Sink<W>,
    /// The hooks whose events are written.
    pub printed: HookSet,
    /// Who may interrupt.
    pub signals: Signals,
    /// How long records may collect in the ring while there is traffic.
    pub batch: Duration,
    /// When a loss is told.
    pub losses: Losses,
    /// The calendar's clock, read just now.
    pub clock: BootClock,
    /// What raises alerts.
    pub alerting: Option<Alerting>,
    /// Where everything is recorded.
    pub recorder: Option<Recorder>,
}

impl<W: Write> Pipeline<W> {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts<W>) -> Self {
        let stages = Stages {
            table: ProcessTable::new(parts.processes),
            resolver: parts.resolver,
            watches: parts.watches,
            vitals: parts.vitals,
            sink: parts.sink,
            printed: parts.printed,
            clock: parts.clock,
            clock_read: Instant::now(),
            lost: LostCount::default(),
            alerting: parts.alerting,
            recorder: parts.recorder,
            events: 0,
            hosts: None,
            losses: parts.losses,
            unwritten: Unwritten::default(),
            complaints: Complaints::default(),
            published: None,
            drifted: false,
            introduced_anew: Instant::now(),
        };
        stages.vitals.follow(&stages.clock);
        Self {
            stages,
            signals: parts.signals,
            batch: parts.batch,
        }
    }

    /// Runs until a signal ends it, or until nobody reads the output any more. The last thing written is a summary.
    ///
    /// # Errors
    /// Output or waiting failed.
    pub fn run(&mut self, capture: &mut Capture) -> Result<(), Error> {
        let ended = self.turn_until_stopped(capture);
        // Where it was not asked to end, channels have their time all the same.
        if let Some(alerting) = &mut self.stages.alerting {
            alerting.finish();
        }
        match ended {
            Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    fn turn_until_stopped(&mut self, capture: &mut Capture) -> Result<(), Error> {
        let stages = &mut self.stages;
        stages.hosts = Some(capture.hosts());
        stages.publish();
        loop {
            stages.vitals.pulse().turn(BootClock::reading().map_err(Error::Clock)?);
            let taken = stages.drain(capture)?;
            stages.vitals.reporting().grant(|hooks| capture.report(hooks));
            stages.answer();
            if let Some(alerting) = &mut stages.alerting {
                alerting.renew(capture);
                alerting.flush();
            }
            while let Some(request) = self.signals.next() {
                if request == Request::Reload {
                    stages.reload();
                    continue;
                }
                if request == Request::Stop {
                    // From here on nothing is reported, and what was is told: the last summary is exact.
                    capture.quiesce();
                    stages.drain_dry(capture)?;
                    stages.look_for_losses(capture, true)?;
                    if let Some(alerting) = &mut stages.alerting {
                        alerting.end(&mut stages.sink).map_err(Error::Output)?;
                    }
                }
                stages.publish_now();
                stages.sink.summary(&stages.vitals.summary()).map_err(Error::Output)?;
                if request == Request::Stop {
                    stages.look_at_the_output()?;
                    return Ok(());
                }
            }
            match taken {
                DRAIN_LIMIT => {}
                0 => {
                    capture.announce_sleep();
                    if stages.drain(capture)? == 0 {
                        let [stop, summary] = self.signals.fds();
                        let readable = stages.wait(&[capture.as_fd(), stop, summary], LONGEST_SLEEP)?;
                        if readable && stages.drain(capture)? == 0 {
                            stages.wait(&self.signals.fds(), UNFINISHED)?;
                        }
                    }
                    capture.announce_awake();
                }
                // More is likely to follow at once: let it collect, and nobody has to wake anybody.
                _ => {
                    stages.wait(&self.signals.fds(), self.batch)?;
                }
            }
        }
    }
}

impl<W: Write> Stages<W> {
    fn drain(&mut self, capture: &mut Capture) -> Result<usize, Error> {
        if self.clock_read.elapsed() >= EACH_SECOND {
            self.clock.refresh().map_err(Error::Clock)?;
            self.clock_read = Instant::now();
            self.vitals.follow(&self.clock);
            if let Some(recorder) = &mut self.recorder {
                recorder.clock(self.clock.boot());
            }
            self.look_for_losses(capture, false)?;
            self.look_at_the_output()?;
            if let Some(alerting) = &mut self.alerting {
                alerting.tell_held_back(&mut self.sink, false).map_err(Error::Output)?;
            }
            self.publish_now();
        }
        if self.drifted && self.introduced_anew.elapsed() >= INTRODUCE_AGAIN {
            capture.introduce_anew();
            self.drifted = false;
            self.introduced_anew = Instant::now();
        }
        let mut failed = None;
        let taken = capture.drain(DRAIN_LIMIT, |record| {
            if failed.is_none() {
                failed = self.take(record).err();
            }
        });
        if taken > 0 {
            self.resolver.turn();
            self.publish();
        }
        match failed {
            Some(error) => Err(Error::Output(error)),
            None => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.flush();
                }
                self.sink.flush().map_err(Error::Output)?;
                self.written().map_err(Error::Output)?;
                Ok(taken)
            }
        }
    }

    /// Everything that was handed to the output is written, or some of it is lost for lack of room.
    fn written(&mut self) -> io::Result<()> {
        if self.sink.gave_up() {
            self.unwritten.forget();
        }
        self.unwritten.written(self.vitals.latency(), BootClock::reading)?;
        Ok(())
    }

    /// Says in the log that there is no room for the output, and that there is again.
    fn look_at_the_output(&mut self) -> Result<(), Error> {
        let now = BootClock::reading().map_err(Error::Clock)?;
        let said = self.sink.account().said();
        let why = said.last.as_ref().map_or("", |(_, why)| why);
        match self.complaints.note(now, &said) {
            Some(Complaint::Failing) => tracing::error!(
                why,
                lost_lines = said.lost_lines,
                "standard output has no room for events: lines are lost until it has"
            ),
            Some(Complaint::Over) => tracing::warn!(
                lost_lines = said.lost_lines,
                "standard output has room again: so many lines were lost since the start"
            ),
            None => {}
        }
        Ok(())
    }

    /// Takes a reading of the ledger. The last one, once nothing more can be lost, tells what was held back.
    fn look_for_losses(&mut self, capture: &Capture, last: bool) -> Result<(), Error> {
        let now = BootClock::reading().map_err(Error::Clock)?;
        let reading = self.vitals.read_ledger(now, capture.ring_fill());
        let told = if last {
            self.losses.finish(&reading)
        } else {
            self.losses.note(&reading)
        };
        told.map_or(Ok(()), |told| self.tell(&told))
    }

    fn tell(&mut self, told: &Told) -> Result<(), Error> {
        let loss = self.vitals.loss(told, &self.clock);
        let what = if told.first {
            "events were lost, for the first time"
        } else {
            "events were lost"
        };
        tracing::warn!(
            dropped = loss.all.dropped,
            share = loss.share,
            ring_bytes = loss.ring.size,
            since = %loss.window.from,
            "{what}: the ring buffer was full"
        );
        self.sink.loss(&loss).map_err(Error::Output)
    }

    /// Empties the ring, but follows no producer that outruns the reader for ever.
    fn drain_dry(&mut self, capture: &mut Capture) -> Result<(), Error> {
        let most = capture.ring_size() as usize / size_of::<u64>();
        let mut taken = 0;
        while taken < most {
            match self.drain(capture)? {
                0 => break,
                more => taken += more,
            }
        }
        Ok(())
    }

    fn take(&mut self, record: Record<'_>) -> io::Result<()> {
        let Record { header, content, raw } = record;
        self.lost.note(header.cpu, header.lost);
        let mut body = match content {
            Content::Process(body) => body,
            Content::Cgroup(cgroup) => {
                self.cgroup(header.hook, &cgroup);
                return Ok(());
            }
            Content::Canary => return self.canary(&header),
        };
        let (subject, process) = self.table.follow(&header, &mut body);
        if header.hook == Hook::SNAPSHOT {
            // Nothing happened; but its container is asked for before the event that follows.
            let outcome = self.outcome(&header, &body, process.as_deref());
            self.record(raw, header.cgroup_id, &outcome);
            return Ok(());
        }
        self.drifted |= process.is_none();
        let outcome = self.outcome(&header, &body, process.as_deref());
        self.vitals.count(&outcome);
        if outcome.metadata.status == Status::Host
            && let Some(hosts) = &self.hosts
        {
            hosts.add(cgroup_id(&header, &body));
        }
        self.record(raw, cgroup_id(&header, &body), &outcome);
        self.events += 1;
        self.judge(&header, subject, &body, process.as_deref(), &outcome)?;
        let watched = header.hook == Hook::EXEC && self.watches.armed();
        if self.printed.contains(header.hook) {
            self.emit(&header, subject, &body, process.as_ref(), &outcome)?;
        }
        if let (true, Some(process)) = (watched, &process) {
            self.watches.offer(&process.args, || {
                self.as_json(&header, subject, &body, process, &outcome)
            });
        }
        Ok(())
    }

    fn reload(&mut self) {
        match &mut self.alerting {
            Some(alerting) => alerting.reload(),
            None => tracing::warn!("SIGHUP reads rules again, and there are none"),
        }
    }

    fn record(&mut self, raw: &[u8], cgroup_id: u64, outcome: &Arc<Outcome>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.take(raw, cgroup_id, outcome);
        }
    }

    /// Asks the rules, and writes the alerts.
    fn judge(
        &mut self,
        header: &Header,
        key: ProcessKey,
        body: &Body<'_>,
        process: Option<&Process>,
        outcome: &Outcome,
    ) -> io::Result<()> {
        let Some(alerting) = &mut self.alerting else {
            return Ok(());
        };
        let known = Known {
            header,
            body,
            key,
            process,
            table: &self.table,
            outcome,
            clock: &self.clock,
            number: self.events,
        };
        alerting.judge(known, &mut self.sink, &mut self.unwritten)
    }

    /// The agent's own canary has come through the ring. It goes the rest of an event's way, but is not printed: an event as
    /// an exec of the agent would make it is put together in the form that is printed, and given up.
    fn canary(&mut self, header: &Header) -> io::Result<()> {
        let body = Body::Process(Box::default());
        let process = self.table.get(&header.process).cloned();
        self.drifted |= process.is_none();
        let outcome = self.outcome(header, &body, process.as_deref());
        let context = Context {
            node: self.vitals.node(),
            clock: &self.clock,
            process: process.as_ref(),
            outcome: &outcome,
            lost_before: 0,
        };
        self.sink.rehearse(&build(header, header.process, &body, context))?;
        if process.is_some() {
            let status = outcome.metadata.status.as_str();
            tracing::debug!(tid = header.tid, status, "a canary came through");
            self.vitals
                .pulse()
                .arrived(header.time, BootClock::reading()?, outcome.metadata);
        }
        Ok(())
    }

    /// A container is looked up as soon as its cgroup is there, and need not be known once it has gone.
    fn cgroup(&mut self, hook: Hook, cgroup: &Cgroup<'_>) {
        let (id, path) = (cgroup.id, cgroup.path.as_deref());
        if hook == Hook::CGROUP_RMDIR {
            tracing::debug!(id, path, "a cgroup was removed");
            // Without its path no container can be told to be gone with it.
            self.resolver.removed(id, path.unwrap_or_default());
        } else {
            tracing::debug!(id, path, "a cgroup was made");
            if let Some(path) = path {
                self.resolver.prefetch(path);
            }
        }
    }

    /// The metadata of the cgroup in which the event happened. The path of the process is that cgroup's, or none.
    fn outcome(&mut self, header: &Header, body: &Body<'_>, process: Option<&Process>) -> Arc<Outcome> {
        let cgroup_id = cgroup_id(header, body);
        let path = process
            .filter(|process| process.cgroup_id == cgroup_id)
            .map(|process| CgroupName {
                path: &process.cgroup.text,
                cut: process.cgroup.cut,
                unreadable: process.cgroup.unreadable,
            });
        self.resolver
            .resolve_aged(cgroup_id, path, || BootClock::since(header.time))
    }

    fn emit(
        &mut self,
        header: &Header,
        subject: ProcessKey,
        body: &Body<'_>,
        process: Option<&Arc<Process>>,
        outcome: &Arc<Outcome>,
    ) -> io::Result<()> {
        if !self.sink.writes_events() {
            return Ok(());
        }
        let context = Context {
            node: self.vitals.node(),
            clock: &self.clock,
            process,
            outcome,
            lost_before: self.lost.take(),
        };
        self.sink.event(&build(header, subject, body, context))?;
        self.unwritten.add(header.time);
        if self.sink.is_written() {
            self.written()?;
        }
        Ok(())
    }

    fn as_json(
        &self,
        header: &Header,
        subject: ProcessKey,
        body: &Body<'_>,
        process: &Arc<Process>,
        outcome: &Arc<Outcome>,
    ) -> String {
        let context = Context {
            node: self.vitals.node(),
            clock: &self.clock,
            process: Some(process),
            outcome,
            lost_before: 0,
        };
        let mut text = Vec::new();
        match json::append(&mut text, &build(header, subject, body, context)) {
            Ok(()) => String::from_utf8_lossy(&text).trim_end().to_owned(),
            Err(error) => format!("{{\"error\":\"{error}\"}}"),
        }
    }

    /// Answers what was asked on the admin socket about containers.
    fn answer(&self) {
        self.vitals
            .questions()
            .answer(|question| held::told(self.resolver.holding(&held::wanted(question))));
    }

    /// Lets the control thread know what is new about the runtimes, if anything is.
    fn publish(&mut self) {
        if self.published != Some(self.resolver.revision()) {
            self.publish_now();
        }
    }

    fn publish_now(&mut self) {
        self.published = Some(self.resolver.revision());
        self.vitals.publish_runtimes(&self.resolver);
        if let Some(alerting) = &mut self.alerting {
            alerting.publish(&self.vitals);
        }
    }

    /// Sleeps until one of the descriptors is readable; lookups go on meanwhile. Says whether one is.
    fn wait(&mut self, on: &[BorrowedFd<'_>], at_most: Duration) -> Result<bool, Error> {
        self.resolver.wait(on, at_most).map_err(Error::Wait)
    }
}
