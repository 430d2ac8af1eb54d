//! The ground of a capture: maps in the agent's memory, and the programs for the life of processes attached.
//!
//! Decides between the two objects by trying: the full one, and where the kernel refuses its programs the one that reads
//! no kernel memory by helpers. It does not look for the reason; that is the doctor's.

use std::fs;

use aya::maps::{Map, MapData, RingBuf};
use aya::{Btf, Ebpf};

use super::backend::attach_tracepoint;
use super::canary;
use super::cgroups;
use super::error::{Error, Failure};
use super::hook::HookSet;
use super::memory::Sizes;
use super::object::{self, Programs};
use super::prefilter::Table;
use super::reduced::Reduced;
use super::shared::{CounterLines, Produced, Switches};
use super::steps::{Constants, Flows};

/// The programs without which there is no process table, and the tracepoints that they are on.
const BASE: [(&str, &str); 3] = [
    ("process_fork", "sched_process_fork"),
    ("process_exec", "sched_process_exec"),
    ("process_exit", "sched_process_exit"),
];

/// What everything else stands on.
pub(super) struct Base {
    pub(super) object: Ebpf,
    pub(super) ring: RingBuf<MapData>,
    pub(super) switches: Switches,
    pub(super) lines: CounterLines,
    pub(super) produced: Produced,
    pub(super) prefilters: Table,
    /// Those of [`HookSet::OPTIONAL`] that are in place.
    pub(super) optional: HookSet,
    /// The reduced programs, where they run; those of the object are not loaded then.
    pub(super) reduced: Option<Reduced>,
    /// The kernel's answer to the full programs, where the reduced ones run.
    pub(super) refused: Option<Failure>,
}

impl Base {
    /// Loads and attaches the full programs, or else the reduced ones.
    ///
    /// # Errors
    /// Those of the full object, where the reduced one cannot be had either.
    pub(super) fn start(btf: &Btf, sizes: Sizes, hooks: HookSet, flows: Flows) -> Result<Self, Error> {
        let failure = match Self::of(Programs::Full, btf, sizes, hooks, flows) {
            Err(Error::Program(failure)) => failure,
            other => return other,
        };
        // Without the kernel's socket the flows cannot be told apart.
        match Self::of(Programs::Reduced, btf, sizes, hooks, Flows::All) {
            Ok(base) => Ok(Self {
                refused: Some(failure),
                ..base
            }),
            Err(error) => {
                tracing::warn!(%error, "the reduced programs cannot be used either");
                Err(Error::Program(failure))
            }
        }
    }

    fn of(programs: Programs, btf: &Btf, sizes: Sizes, hooks: HookSet, flows: Flows) -> Result<Self, Error> {
        let mut object = object::prepare(programs, btf, sizes, &Constants::of(hooks, flows))?;
        let mut reduced = match programs {
            Programs::Full => None,
            Programs::Reduced => Some(Reduced::new(&object, btf)?),
        };
        let ring = match object.take_map("events") {
            Some(map) => RingBuf::try_from(map).map_err(|error| Error::Map {
                map: "events",
                source: std::io::Error::other(error),
            })?,
            None => return Err(Error::Missing("events map")),
        };
        let produced = Produced::map(&ring).map_err(|source| Error::Map { map: "events", source })?;
        let switches =
            Switches::map(array(&object, "control")?.fd()).map_err(|source| Error::Map { map: "control", source })?;
        let lines = CounterLines::map(array(&object, "counters")?.fd(), sizes.cpus).map_err(|source| Error::Map {
            map: "counters",
            source,
        })?;
        let prefilters = Table::map(array(&object, "prefilter")?.fd()).map_err(|source| Error::Map {
            map: "prefilter",
            source,
        })?;
        switches.enable(hooks);
        let attached = match &mut reduced {
            None => attach(&mut object, btf),
            Some(reduced) => attach_reduced(reduced, btf),
        };
        attached?.map_err(Error::Program)?;
        let cgroups = match &reduced {
            None => cgroups::attach(&mut object, btf, hooks)?,
            Some(_) => cgroups::none(hooks),
        };
        let canary = canary::attach(hooks, |program, tracepoint| match &mut reduced {
            None => attach_tracepoint(&mut object, btf, program, tracepoint),
            Some(reduced) => reduced.attach(btf, program, tracepoint),
        })?;
        Ok(Self {
            object,
            ring,
            switches,
            lines,
            produced,
            prefilters,
            optional: cgroups.or(canary),
            reduced,
            refused: None,
        })
    }
}

/// Loads and attaches the base programs of the full object. The inner error is the kernel's refusal.
pub(super) fn attach(object: &mut Ebpf, btf: &Btf) -> Result<Result<(), Failure>, Error> {
    each_base(|program, tracepoint| attach_tracepoint(object, btf, program, tracepoint))
}

/// The same of the reduced programs.
pub(super) fn attach_reduced(reduced: &mut Reduced, btf: &Btf) -> Result<Result<(), Failure>, Error> {
    each_base(|program, tracepoint| reduced.attach(btf, program, tracepoint))
}

fn each_base(
    mut attach: impl FnMut(&'static str, &str) -> Result<Result<(), Failure>, Error>,
) -> Result<Result<(), Failure>, Error> {
    for (program, tracepoint) in BASE {
        if let Err(failure) = attach(program, tracepoint)? {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(()))
}

/// The mode of lockdown, for people. The file is where securityfs is mounted, which it usually is not in a pod.
pub(super) fn lockdown() -> Option<String> {
    let modes = fs::read_to_string(LOCKDOWN).ok()?;
    let (_, mode) = modes.split_once('[')?;
    Some(mode.split_once(']')?.0.to_owned())
}

/// Lists the modes, the chosen one in brackets.
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// The array stays with the object, whose programs refer to it by descriptor until they are loaded.
fn array<'a>(object: &'a Ebpf, name: &'static str) -> Result<&'a MapData, Error> {
    match object.map(name) {
        Some(Map::Array(map)) => Ok(map),
        _ => Err(Error::Missing(name)),
    }
}
