//! All steps, side by side.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::super::facts::host::{BpfAnswer, LsmFacts, MountFacts, ResourceFacts, SeccompFacts};
use super::super::facts::{
    ConfigFacts, Facts, Gap, Gathered, KernelFacts, LiveFacts, ProcessFacts, ProfileFacts, View,
};
use super::super::suppress::Suppressions;
use super::step::{Steps, now};
use super::{canary, join, kernel, live, log, lsm, mount, resource, runtime, wiring};
use crate::config::Settings;
use crate::platform::profile;

/// A file of `/proc` or `/sys`.
const FILES: Duration = Duration::from_secs(2);
/// The kernel's types among them: some MiB to read and to look through, for which a busy machine takes its time.
const KERNEL: Duration = Duration::from_secs(10);
/// Loading programs: the verifier takes its time on a busy or emulated machine.
const CAPTURE: Duration = Duration::from_secs(20);
/// Every candidate has a deadline of its own within this one.
const RUNTIMES: Duration = Duration::from_secs(15);
/// A connection, two snapshots, and the readings in the window between them; the canary's own time comes on top.
const LIVE: Duration = Duration::from_secs(18);

/// Why programs are not tried.
const DEADLY: &str = "bpf(2) kills whoever calls it here";

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
    /// How long everything together may take: what is not there by then is left out.
    pub timeout: Duration,
}

/// Gathers everything. Ends within the input's timeout, whatever hangs. `progress` is told what is waited for.
///
/// Returns the time at which it began, RFC 3339, and the facts.
#[must_use]
pub fn gather(input: &Input, progress: &dyn Fn(&str)) -> (String, Facts) {
    let began = now();
    let settings = &input.settings;
    let socket = settings.control.socket.clone();
    let (for_runtimes, for_join, for_canary) = (settings.clone(), settings.clone(), settings.clone());
    let (for_capture, for_memory, for_mounts) = (settings.clone(), settings.clone(), settings.clone());
    let (root, live_timeout, log_target) = (Path::new("/"), input.live_timeout, settings.log.target);

    let steps = Steps::new(input.timeout, progress);
    steps.say("looking at the kernel, the runtimes and the running agent");
    let (heard, answers) = sync_channel(1);
    let live = steps.start("the running agent", LIVE + live_timeout, move || {
        Ok(live::ask(&socket, live_timeout, &heard))
    });
    let kernel = steps.start("the kernel", KERNEL, move || Ok::<KernelFacts, Gap>(kernel::read(root)));
    let lsm = steps.start("security modules", FILES, move || Ok::<LsmFacts, Gap>(lsm::read(root)));
    let mounts = steps.start("mounts", FILES, move || {
        Ok::<MountFacts, Gap>(mount::read(&for_mounts, root))
    });
    let resources = steps.start("the own cgroup", FILES, move || {
        Ok::<ResourceFacts, Gap>(resource::read(root))
    });
    let log = steps.start("the log", FILES, move || Ok(log::look(root, log_target)));
    let runtimes = steps.start("the runtimes", RUNTIMES, move || wiring::runtimes(&for_runtimes));
    let own = steps.start("the own container", FILES, move || runtime::own_cgroup(root));
    let join = steps.start("lists of containers", RUNTIMES, move || join::ask(&for_join));

    // Beside a running agent nothing is loaded: its own programs are the proof, and maps of the doctor's would count towards
    // the agent's memory limit. It says within milliseconds that it is there, or the socket is not.
    let running = answers.recv_timeout(steps.left()).unwrap_or(false);
    // What is read of the kernel takes memory, and so do programs and maps: one after the other, or a limit that holds each
    // of them may be too small.
    let kernel = kernel.finish();
    let load = || {
        let for_capture = for_capture.clone();
        // Before anything else calls bpf(2): where that kills, the doctor must not.
        let seccomp = steps.start("bpf(2)", KERNEL, move || wiring::seccomp(root)).finish();
        let deadly = kills(&seccomp);
        let capture = steps.start("loading programs", CAPTURE, move || {
            if deadly {
                return Err(Gap::NotGathered(DEADLY.to_owned()));
            }
            wiring::capture(&for_capture)
        });
        (seccomp, capture)
    };
    let loading = (!running).then(load);
    let own = own.finish();
    let (live, mut canary) = split(live.finish().seen(View::Live));
    // What the running agent made counts, not what this process would make.
    let ring = match &live.value {
        Ok(LiveFacts::Answers(agent)) => Some(agent.second.ring_size).filter(|size| *size > 0),
        _ => None,
    };
    let memory = steps.start("memory", FILES, move || wiring::memory(&for_memory, ring, root));
    // Before the doctor's own canary: where maps count against a limit, the two must not stand in each other's way.
    let (seccomp, capture) = match (loading, &live.value) {
        (Some((seccomp, step)), _) => (seccomp, step.finish()),
        (None, Ok(LiveFacts::Answers(_))) => {
            let proof = Gap::NotGathered("the running agent's own programs are the proof".to_owned());
            (Gathered::gap(proof.clone()), Gathered::gap(proof))
        }
        // It answered and then it did not.
        (None, _) => {
            let (seccomp, step) = load();
            (seccomp, step.finish())
        }
    };
    if canary.value.is_err() && kills(&seccomp) {
        canary = Gathered::gap(Gap::NotGathered(DEADLY.to_owned()));
    } else if canary.value.is_err() {
        let cold = wiring::cold_canary(&for_canary);
        steps.say("running a canary without an agent");
        canary = steps
            .start("the canary", LIVE + live_timeout, move || {
                Ok(canary::run_cold(cold.as_ref(), live_timeout))
            })
            .finish();
    }
    let profile = profile_in_use(&input.profile, &live);
    let facts = Facts {
        place: runtime::place(root, own.value.as_ref().ok()),
        kernel,
        process: input.process.clone(),
        capture,
        memory: memory.finish(),
        seccomp,
        lsm: lsm.finish(),
        mounts: mounts.finish(),
        resources: resources.finish(),
        runtimes: runtimes.finish(),
        own,
        join: join.finish().seen(View::Live),
        live,
        canary,
        log: log.finish(),
        config: input.config.clone(),
        profile,
        suppressions: input.suppressions.as_ref().map(|given| given.facts(&began)),
    };
    (began, facts)
}

/// Whether who calls bpf(2) is killed for it.
fn kills(seccomp: &Gathered<SeccompFacts>) -> bool {
    matches!(&seccomp.value, Ok(facts) if facts.unknown_command == BpfAnswer::Killed)
}

/// The profile to judge by. Where nobody named one here and the running agent was given one, by a flag or in a container that
/// the doctor does not see, that is it.
pub(super) fn profile_in_use(own: &ProfileFacts, live: &Gathered<LiveFacts>) -> ProfileFacts {
    let Ok(LiveFacts::Answers(agent)) = &live.value else {
        return own.clone();
    };
    let theirs = agent.second.profile.as_str();
    let setting = agent.second.settings.iter().find(|it| it.key == "profile");
    let named = setting.filter(|it| it.value.trim_matches('"') == theirs);
    match named {
        Some(setting) if !own.declared && own.name != theirs && profile::get(theirs).is_ok() => ProfileFacts {
            name: theirs.to_owned(),
            declared: true,
            source: format!("the running agent, by {}", setting.origin),
            // What the platform looks like from elsewhere says nothing about what was named there.
            detected: if agent.is_here() {
                own.detected.clone()
            } else {
                Ok(None)
            },
            ..own.clone()
        },
        _ => own.clone(),
    }
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
