//! `agent run`: the start, whose order is a promise (see `docs/architecture.md`), and the end.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::Exit;

use pinhole_delivery::Sender;

use crate::capture::plan::{CANARY, PREFETCH};
use crate::capture::{Capture, Flows, HookSet, Options, Plan};
use crate::config::settings::{EventClass, FlowChoice};
use crate::config::{self, Loaded, Settings};
use crate::container::Resolver;
use crate::control::watch::ExecWatches;
use crate::control::{Answers, Doors, Duty, bind, server};
use crate::delivery::{Outlet, process};
use crate::event::BootClock;
use crate::health::{Monitor, port};
use crate::output::{Account, Format, Sink, Stdout, log};
use crate::pipeline::driver::Parts;
use crate::pipeline::signals::Signals;
use crate::pipeline::vitals::Given;
use crate::pipeline::{Alerting, Losses, Pipeline, Vitals, pulse};
use crate::privilege::guard::{self, Guard};
use crate::privilege::{capabilities, drop, landlock, limits, posture, seccomp};
use crate::recording::{self, Recorder};
use crate::rules::subject::Host;
use crate::rules::{self, Detector, Reloader};

/// This one, which is the pipeline's, and the control thread.
const THREADS: usize = 2;

/// Why the agent could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The capabilities are not there.
    #[error(transparent)]
    Capabilities(#[from] capabilities::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] nix::Error),
    /// Standard output cannot be written to.
    #[error("cannot use standard output: {0}")]
    Output(#[source] io::Error),
    /// The resolver cannot work.
    #[error(transparent)]
    Resolver(#[from] crate::container::resolver::Error),
    /// The kernel side cannot work.
    #[error(transparent)]
    Capture(#[from] crate::capture::Error),
    /// Privileges could not be given up.
    #[error(transparent)]
    Drop(#[from] drop::Error),
    /// The port for health cannot be had.
    #[error(transparent)]
    Port(#[from] port::Error),
    /// The process is not as giving up privileges should have left it.
    #[error(transparent)]
    Posture(#[from] posture::Error),
    /// A thread can do more than it should.
    #[error(transparent)]
    Violation(#[from] guard::Violation),
    /// The control thread could not be started.
    #[error(transparent)]
    Control(#[from] server::Error),
    /// The filter could not be installed.
    #[error(transparent)]
    Seccomp(#[from] seccomp::Error),
    /// Rules cannot be used.
    #[error(transparent)]
    Rules(#[from] rules::loaded::Error),
    /// Alerts cannot be delivered as it is set.
    #[error(transparent)]
    Delivery(#[from] process::Error),
    /// What is captured cannot be recorded.
    #[error(transparent)]
    Recording(#[from] recording::Error),
    /// The clocks cannot be read.
    #[error("cannot read the clocks: {0}")]
    Clock(#[source] nix::Error),
    /// The pipeline ended.
    #[error(transparent)]
    Pipeline(#[from] crate::pipeline::Error),
}

impl Error {
    /// What the agent ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Capabilities(error) => Exit::from(error),
            // The kernel does not fit, or the settings ask too much of it: for whoever deploys the agent to mend.
            Self::Capture(_)
            | Self::Port(_)
            | Self::Rules(_)
            | Self::Recording(_)
            | Self::Delivery(process::Error::Channel(_)) => Exit::Configuration,
            _ => Exit::Internal,
        }
    }
}

/// Runs until a signal ends it. `log` is where its log goes, for whoever asks.
///
/// # Errors
/// What kept the agent from starting or going on; nothing is left running.
pub fn run(loaded: &Loaded, log: log::Destination) -> Result<(), Error> {
    let (settings, profile) = (&loaded.settings, loaded.profile.name);
    if let Some(mismatch) = loaded.profile.mismatch() {
        tracing::warn!("{mismatch}");
    }

    // 0. The process that delivers alerts, which is to have nothing of what follows.
    let node = node_name(settings);
    let sender = channels(settings, &node)?;

    // What is wrong with rules is told before anything else can go wrong. The files may change from here on.
    let seen = rules::reload::look(&settings.rules.files);
    let rules = rules::loaded::load(&settings.rules)?;
    if let Some(rules) = &rules {
        rules.warn();
    }

    // 1. What is granted, and nothing beyond it, before anything else happens.
    let grant = capabilities::check()?;
    if let Some(warning) = grant.warning() {
        tracing::warn!("{warning}");
    }
    limits::lift_memlock();
    capabilities::raise(&grant)?;

    // 2. Everything that has to be opened by name or asked of the terminal.
    let signals = Signals::listen().map_err(Error::Signals)?;
    let output = Arc::new(Account::default());
    let stdout = signals
        .stop_fd()
        .and_then(|stop| Stdout::new(stop, Arc::clone(&output)))
        .map_err(Error::Output)?;
    let sink = Sink::new(stdout, Format::of(settings.output.format), Arc::clone(&output));
    let mut resolver = Resolver::new(&settings.runtime, &settings.metadata)?;
    resolver.inventory();
    resolver.start_heartbeats();
    let clock = BootClock::now().map_err(Error::Clock)?;
    let recorder = recorder(settings, &node, clock)?;
    let host = Host::look(loaded, node.clone());
    let port = settings.health.address().map(port::bind).transpose()?;

    // 3. The kernel side.
    let mut capture = Capture::start(&Options {
        backend: settings.capture.backend,
        ring_size: settings.capture.ring_size.as_u64(),
        processes: settings.capture.processes,
        hooks: plan(settings, rules.as_ref()).hooks(),
        flows: match settings.capture.flows {
            FlowChoice::First => Flows::First,
            FlowChoice::All => Flows::All,
        },
    })?;

    // The admin socket comes after the hooks: who finds it there knows that the agent watches.
    let admin = admin_socket(settings);

    // 4. Every capability goes, for good, while there is but one thread.
    drop::drop_all()?;
    let posture = posture::Posture::of_this_process()?;
    posture.judge()?;
    if let Some(surplus) = posture.surplus(grant.capabilities) {
        tracing::warn!("{surplus}");
    }

    // 5. Files, ports and sockets that are not needed from here on are closed off, before there is a second thread.
    let landlocked = landlock::restrict(&landlock::Needs {
        read: [&settings.runtime.bundles[..], &rule_directories(settings)].concat(),
        sockets: resolver.runtimes().into_iter().map(|runtime| runtime.socket).collect(),
    });
    if landlocked.refused {
        tracing::warn!(why = landlocked.why, "Landlock closes nothing off: it was refused");
    }

    // 6. The control thread, born without capabilities.
    let given = Given {
        landlocked: Some(landlocked.clone()),
        settings: config::effective(loaded),
        log,
        health_listen: port.as_ref().and_then(|port| port.local_addr().ok()),
        output,
    };
    let outlet = Outlet::new(&settings.delivery, &node, sender);
    let vitals = Vitals::new(node, profile.to_owned(), given, &capture);
    let vitals = Arc::new(vitals);
    let watches = Arc::new(ExecWatches::new());
    let monitor = Arc::new(Monitor::new(Arc::clone(&vitals) as _, settings.health.clone()));
    let answers = Answers {
        source: Arc::clone(&vitals) as _,
        watches: Arc::clone(&watches),
        switch: Arc::clone(vitals.reporting()) as _,
        monitor: Arc::clone(&monitor),
    };
    let alerting = rules.map(|mut rules| {
        let attached = vitals.attached();
        let filtered = filtered(settings, attached);
        capture.prefilter(&rules::prefilter::of(&rules, filtered));
        let reloader = Reloader::new(settings.rules.clone(), seen, &mut rules, attached, filtered);
        let reloader = Arc::new(reloader);
        vitals.ruled(Arc::clone(&reloader));
        Alerting::new(Detector::new(rules), reloader, host, outlet)
    });
    let mut duties = vec![
        canary(),
        health(monitor),
        privileges(Arc::clone(&vitals)),
        accounts(Arc::clone(&vitals)),
    ];
    duties.extend(alerting.iter().map(|alerting| reload(Arc::clone(alerting.reloader()))));
    let control = server::spawn(Doors { admin, health: port }, answers, duties)?;

    // 7. The filter over both threads, then the kernel's own word on all of it, now and again and again.
    let filters = seccomp::install()?;
    vitals.guarded(Guard::begin(filters, THREADS)?);

    let choice = capture.choice();
    tracing::info!(
        capture = choice.programs().as_str(),
        backend = choice.backend.as_str(),
        why = choice.why,
        ring_bytes = capture.ring_size(),
        profile,
        landlock = landlocked.restricted.as_str(),
        landlock_why = landlocked.why,
        "watching, without any capability"
    );

    // 8. Work.
    // The kernel side remembers as many processes; this side a few more, so that it forgets later.
    let processes = usize::try_from(settings.capture.processes)
        .unwrap_or(usize::MAX)
        .saturating_mul(2);
    let processes = NonZeroUsize::new(processes).unwrap_or(NonZeroUsize::MIN);
    let mut pipeline = Pipeline::new(Parts {
        processes,
        resolver,
        watches,
        vitals,
        sink,
        printed: printed(&settings.events),
        signals,
        batch: settings.capture.batch,
        losses: Losses::new(settings.loss.clone(), capture.started()),
        clock,
        alerting,
        recorder,
    });
    let result = pipeline.run(&mut capture);
    control.stop();
    // The kernel detaches the programs once the process has ended, with its exit code known. From within it would hold that
    // back, and whoever asked for the end would kill it meanwhile: each program waits until every task has been switched,
    // 14 s for all of them on Linux 6.12 (`ftrace_shutdown`, kernel/trace/ftrace.c).
    std::mem::forget(capture);
    Ok(result?)
}

/// The way to the channels, where any is on and there are rules to raise alerts.
fn channels(settings: &Settings, node: &str) -> Result<Option<Sender>, Error> {
    if !settings.delivery.has_channels() {
        return Ok(None);
    }
    if settings.rules.files.is_empty() {
        tracing::warn!(
            "channels of delivery are on, but there are no rules (rules.files), so there is nothing to deliver"
        );
        return Ok(None);
    }
    Ok(Some(process::start(&settings.delivery, node)?))
}

/// The admin socket is a convenience: without it the agent works, and the doctor says what it cannot see.
fn admin_socket(settings: &Settings) -> Option<UnixListener> {
    let path = &settings.control.socket;
    if path.as_os_str().is_empty() {
        return None;
    }
    bind::bind(path)
        .inspect_err(|error| tracing::warn!(%error, "no admin socket: `agent doctor` cannot ask this agent"))
        .ok()
}

/// Sends the canary, by which the agent sees whether it sees.
fn canary() -> Duty {
    Duty::new(|| {
        if let Err(error) = pulse::send() {
            tracing::warn!(%error, "the kernel refused a canary");
        }
    })
}

/// Judges the agent's health, so that a change is logged when it happens and not when somebody asks.
fn health(monitor: Arc<Monitor>) -> Duty {
    Duty::new(move || drop(monitor.examine()))
}

/// Keeps what was counted each minute, so that what happened within the last ones can be told.
fn accounts(vitals: Arc<Vitals>) -> Duty {
    Duty::new(move || vitals.keep_account())
}

/// Looks after the rule files.
fn reload(reloader: Arc<Reloader>) -> Duty {
    Duty::new(move || reloader.turn())
}

/// The directories in which rule files are and in which new versions of them appear, those that symbolic links lead to
/// among them.
fn rule_directories(settings: &Settings) -> Vec<PathBuf> {
    let directory = |path: PathBuf| {
        if path.is_dir() {
            return Some(path);
        }
        path.parent().map(Path::to_owned)
    };
    let named = &settings.rules.files;
    // Links among the files of a directory lead elsewhere, too.
    let found = rules::files::list(named).files;
    let directories: BTreeSet<PathBuf> = named
        .iter()
        .chain(&found)
        .flat_map(|path| [std::path::absolute(path), path.canonicalize()])
        .filter_map(|path| directory(path.ok()?))
        .collect();
    directories.into_iter().collect()
}

/// Verifies the threads' privileges when it is time to.
fn privileges(vitals: Arc<Vitals>) -> Duty {
    Duty::new(move || {
        if let Some(guard) = vitals.guard().filter(|guard| guard.is_due()) {
            verify(guard);
        }
    })
}

/// Ends the agent at once where a thread can do more than it may: whatever made that possible cannot be trusted with an orderly end.
pub(crate) fn verify(guard: &Guard) {
    match guard.check() {
        Ok(()) => tracing::debug!(checks = guard.checks(), "no thread has a privilege"),
        Err(violation) if violation.is_fatal() => {
            tracing::error!(%violation, "the agent can do more than it may, and ends");
            std::process::exit(Exit::Internal.code().into());
        }
        Err(violation) => tracing::warn!(%violation, "tried again in a second"),
    }
}

/// The hooks whose events are printed.
fn printed(classes: &[EventClass]) -> HookSet {
    classes
        .iter()
        .flat_map(|class| class.classes())
        .fold(HookSet::NONE, |set, class| set.or(HookSet::of_class(*class)))
}

/// The hooks of which nothing is told but what rules want. Who reads a recording may have other rules.
fn filtered(settings: &Settings, attached: HookSet) -> HookSet {
    if settings.rules.prefilter && settings.record.file.as_os_str().is_empty() {
        attached.without(printed(&settings.events))
    } else {
        HookSet::NONE
    }
}

/// The recording, where one is wanted.
fn recorder(settings: &Settings, node: &str, clock: BootClock) -> Result<Option<Recorder>, Error> {
    let record = &settings.record;
    if record.file.as_os_str().is_empty() {
        return Ok(None);
    }
    let recorder = Recorder::create(&record.file, record.limit.as_u64(), node, clock.boot())?;
    Ok(Some(recorder))
}

/// What is loaded, and why.
#[must_use]
pub fn plan(settings: &Settings, rules: Option<&rules::loaded::Loaded>) -> Plan {
    let mut plan = Plan::default();
    plan.ask(HookSet::CANARY, CANARY);
    if settings.runtime.prefetch {
        plan.ask(HookSet::CGROUPS, PREFETCH);
    }
    for class in settings.events.iter().flat_map(|class| class.classes()) {
        plan.ask(HookSet::of_class(*class), &format!("events: {}", class.as_str()));
    }
    if let Some(rules) = rules {
        rules.ask(&mut plan);
    }
    plan
}

/// The configured name, which may come from Kubernetes' downward API, else the host's.
fn node_name(settings: &Settings) -> String {
    let from_host = || {
        nix::unistd::gethostname()
            .ok()
            .map(|name| name.to_string_lossy().into_owned())
    };
    settings
        .node
        .name
        .clone()
        .or_else(from_host)
        .unwrap_or_else(|| "unknown".to_owned())
}
