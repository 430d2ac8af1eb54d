//! The one place where the doctor is joined to the rooms that load programs and talk to runtimes: their answers become
//! facts here. The doctor has no second way of finding anything out.

use std::path::Path;
use std::time::Duration;

use super::super::facts::host::SeccompFacts;
use super::super::facts::{CaptureFacts, Gap, MemoryFacts, ProbeFailure, RuntimeClass, RuntimeFact};
use super::runtime::{closed_directory, mounted, own_mounts, socket_file};
use super::{CanarySeen, ColdCanary};
use super::{process, seccomp};

use crate::capture::memory::Estimate;
use crate::capture::{Failure, probe};
use crate::config::Settings;
use crate::container::mounts::Mount;
use crate::container::trace::{Note, Recording, Taken};
use crate::container::{Candidate, State, discovery};
use crate::pipeline::canary;
use crate::privilege::{capabilities, limits};

/// Tries what the kernel allows to load, with the capabilities that this process holds.
///
/// # Errors
/// Never; a refusal by the kernel is a fact.
pub fn capture(settings: &Settings) -> Result<CaptureFacts, Gap> {
    raise();
    let probe = probe::probe(settings.capture.ring_size.as_u64(), settings.capture.processes);
    let fact = |result: Result<(), Failure>| {
        result.map_err(|failure| ProbeFailure {
            step: failure.step,
            errno: failure.errno,
            message: failure.message,
            verifier: failure.verifier,
        })
    };
    Ok(CaptureFacts {
        object: fact(probe.object),
        base: fact(probe.base),
        trampoline: fact(probe.trampoline),
        dispatcher: fact(probe.dispatcher),
        reduced: probe.reduced.map(fact),
        memlock: limits::memlock(),
    })
}

/// Tries what stands before bpf(2), with the capabilities that this process holds.
///
/// # Errors
/// It could not be tried.
pub fn seccomp(root: &Path) -> Result<SeccompFacts, Gap> {
    raise();
    seccomp::read(root)
}

/// Computes what the kernel side takes on this machine, with the ring of the running agent where there is one.
///
/// # Errors
/// The CPUs are unknown.
pub fn memory(settings: &Settings, running: Option<u64>, root: &Path) -> Result<MemoryFacts, Gap> {
    let capture = &settings.capture;
    let ring = running.unwrap_or_else(|| capture.ring_size.as_u64());
    let estimate = Estimate::here(ring, capture.processes).map_err(|error| Gap::Refused(error.to_string()))?;
    Ok(MemoryFacts {
        cpus: estimate.cpus as u64,
        per_cpu: estimate.per_cpu,
        maps: estimate.maps,
        limit: process::memory_limit(root),
    })
}

/// Makes the granted capabilities effective in this thread: file capabilities give them as permitted only. What is not
/// granted shows in the kernel's answers.
fn raise() {
    if let Ok(grant) = capabilities::check() {
        limits::lift_memlock();
        // Without them the kernel refuses, and that is told.
        let _ = capabilities::raise(&grant);
    }
}

/// Looks at every candidate for a runtime's socket.
///
/// # Errors
/// The discovery could not work.
pub fn runtimes(settings: &Settings) -> Result<Vec<RuntimeFact>, Gap> {
    let mounts = own_mounts(Path::new("/"));
    let recording = Recording::start();
    let candidates = discovery::probe(&settings.runtime).map_err(|error| Gap::Refused(error.to_string()))?;
    let calls = recording.take();
    Ok(candidates
        .into_iter()
        .map(|candidate| runtime(candidate, &mounts, &calls))
        .collect())
}

/// How many calls of each socket are kept.
const MOST_CALLS: usize = 16;

fn runtime(candidate: Candidate, mounts: &[Mount], calls: &Taken) -> RuntimeFact {
    let owned = |text: &str| Some(text.to_owned());
    let (name, version, api) = match candidate.state.runtime() {
        Some((name, version, api)) => (owned(name), owned(version), owned(api)),
        None => (None, None, None),
    };
    let answered = calls.entries.iter().filter_map(|entry| match &entry.note {
        Note::Call(call) if call.socket == candidate.socket && call.outcome.is_ok() => Some(call.took),
        _ => None,
    });
    RuntimeFact {
        class: RuntimeClass::from_word(candidate.state.as_str()).unwrap_or(RuntimeClass::Failing),
        errno: errno(&candidate.state),
        detail: candidate.state.detail(),
        protocol: candidate.protocol.as_str().to_owned(),
        origin: candidate.origin.as_str().to_owned(),
        rank: Some(candidate.rank()),
        evidence: candidate.evidence.describe(),
        mounted: mounted(mounts, &candidate.socket),
        closed: closed_directory(&candidate.socket),
        file: socket_file(&candidate.socket),
        calls: answered.take(MOST_CALLS).collect(),
        own: candidate.evidence.own,
        pods: candidate.evidence.pods,
        socket: candidate.socket,
        name,
        version,
        api,
    }
}

/// The errno behind a class, where the class is the kernel's answer to connect(2).
fn errno(state: &State) -> Option<i32> {
    match state {
        State::Absent { .. } => Some(libc::ENOENT),
        State::Permission { .. } => Some(libc::EACCES),
        State::Refused { .. } => Some(libc::ECONNREFUSED),
        _ => None,
    }
}

/// The canary for when no agent runs: a capture of its own, for the time of one event.
pub fn cold_canary(settings: &Settings) -> Box<dyn ColdCanary> {
    Box::new(OwnCapture(settings.clone()))
}

struct OwnCapture(Settings);

impl ColdCanary for OwnCapture {
    fn run(&self, token: &str, deadline: Duration, start: &mut dyn FnMut()) -> Result<Option<CanarySeen>, String> {
        raise();
        let seen = canary::watch(&self.0, token, deadline, start).map_err(|error| error.to_string())?;
        Ok(seen.map(|(event, latency)| CanarySeen {
            event,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
        }))
    }
}
