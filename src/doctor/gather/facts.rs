//! All steps, side by side.

use std::path::Path;
use std::time::Duration;

use super::super::facts::{
    ConfigFacts, Facts, Gap, Gathered, KernelFacts, LiveFacts, ProcessFacts, ProfileFacts, View,
};
use super::super::suppress::Suppressions;
use super::step::{now, start};
use super::{canary, join, kernel, live, runtime, wiring};
use crate::config::Settings;

/// A file of `/proc` or `/sys`.
const FILES: Duration = Duration::from_secs(2);
/// Loading programs: the verifier takes its time on a busy or emulated machine.
const CAPTURE: Duration = Duration::from_secs(20);
/// Every candidate has a deadline of its own within this one.
const RUNTIMES: Duration = Duration::from_secs(15);
/// A connection, two snapshots, and the readings in the window between them; the canary's own time comes on top.
const LIVE: Duration = Duration::from_secs(18);

/// What is handed in: the settings and what the front door knows of where they came from.
#[derive(Debug, Clone)]
pub struct Input {
    /// The settings that the agent would run with.
    pub settings: Settings,
    /// Sources of the configuration, and what is wrong with it.
    pub config: ConfigFacts,
    /// The profile, and what detection said.
    pub profile: ProfileFacts,
    /// What somebody accepts.
    pub suppressions: Option<Suppressions>,
    /// What this process was given, see [`super::process::own`].
    pub process: Gathered<ProcessFacts>,
    /// How long the canary's event may take.
    pub live_timeout: Duration,
}

/// Gathers everything. Ends within the longest deadline, whatever hangs. `progress` is told what is waited for.
///
/// Returns the time at which it began, RFC 3339, and the facts.
#[must_use]
pub fn gather(input: &Input, progress: &dyn Fn(&str)) -> (String, Facts) {
    let began = now();
    let settings = &input.settings;
    let socket = settings.control.socket.clone();
    let (for_runtimes, for_join, for_canary) = (settings.clone(), settings.clone(), settings.clone());
    let (for_capture, for_memory) = (settings.clone(), settings.clone());
    let (root, live_timeout) = (Path::new("/"), input.live_timeout);

    progress("looking at the kernel, the runtimes and the running agent");
    let kernel = start("kernel", FILES, move || Ok::<KernelFacts, Gap>(kernel::read(root)));
    let capture = start("capture", CAPTURE, move || wiring::capture(&for_capture));
    let runtimes = start("runtimes", RUNTIMES, move || wiring::runtimes(&for_runtimes));
    let own = start("own", FILES, move || runtime::own_cgroup(root));
    let join = start("join", RUNTIMES, move || join::ask(&for_join));
    let live = start("live", LIVE + live_timeout, move || {
        Ok(live::ask(&socket, live_timeout))
    });

    let kernel = kernel.finish();
    let own = own.finish();
    if !settings.control.socket.as_os_str().is_empty() && settings.control.socket.exists() {
        progress("watching the running agent for a second");
    }
    let (live, mut canary) = split(live.finish().seen(View::Live));
    // What the running agent made counts, not what this process would make.
    let running = match &live.value {
        Ok(LiveFacts::Answers(agent)) => Some(agent.second.ring_size).filter(|size| *size > 0),
        _ => None,
    };
    let memory = start("memory", FILES, move || wiring::memory(&for_memory, running, root));
    // Before the doctor's own canary: where maps count against a limit, the two must not stand in each other's way.
    let capture = capture.finish();
    if canary.value.is_err() {
        let cold = wiring::cold_canary(&for_canary);
        progress("running a canary without an agent");
        canary = start("canary", LIVE + live_timeout, move || {
            Ok(canary::run_cold(cold.as_ref(), live_timeout))
        })
        .finish();
    }
    let facts = Facts {
        place: runtime::place(root, own.value.as_ref().ok()),
        kernel,
        process: input.process.clone(),
        capture,
        memory: memory.finish(),
        runtimes: runtimes.finish(),
        own,
        join: join.finish().seen(View::Live),
        live,
        canary,
        config: input.config.clone(),
        profile: input.profile.clone(),
        suppressions: input.suppressions.as_ref().map(|given| given.facts(&began)),
    };
    (began, facts)
}

fn split(
    asked: Gathered<live::Asked>,
) -> (
    Gathered<super::super::facts::LiveFacts>,
    Gathered<super::super::facts::CanaryFact>,
) {
    let Gathered {
        value,
        at,
        duration_us,
        view,
    } = asked;
    let (live, canary) = match value {
        Ok(asked) => (Ok(asked.live), asked.canary),
        Err(gap) => (Err(gap.clone()), Err(gap)),
    };
    (
        Gathered {
            value: live,
            at: at.clone(),
            duration_us,
            view,
        },
        Gathered {
            value: canary,
            at,
            duration_us,
            view,
        },
    )
}
