//! What this kernel allows, found out by doing it: the doctor's window into capture. Everything is undone on return.

use super::backend::attach;
use super::base;
use super::error::{Error, Failure};
use super::functions::here;
use super::hook::HookSet;
use super::memory::Sizes;
use super::object::{self, Programs};
use super::reduced::{Reduced, no_trampolines};
use super::source::ring_bytes;
use super::steps::{Constants, Flows};
use crate::config::settings::BackendChoice;

/// What was tried and how it went.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Types and maps: the ground of everything else.
    pub object: Result<(), Failure>,
    /// The process life cycle.
    pub base: Result<(), Failure>,
    /// Trampolines on system calls.
    pub trampoline: Result<(), Failure>,
    /// The dispatcher.
    pub dispatcher: Result<(), Failure>,
    /// The process life cycle by the reduced programs, tried where the full ones are refused. The backends are then
    /// those of the reduced programs too.
    pub reduced: Option<Result<(), Failure>>,
}

/// Loads and attaches each group of programs by itself, once, and makes the maps as large as the agent would with this
/// ring, in bytes, and this many processes.
#[must_use]
pub fn probe(ring_size: u64, processes: u32) -> Probe {
    // Reading them takes longer than all of the rest.
    let types = object::kernel_types().map_err(failure);
    let types = types.as_ref();
    let base = try_object(types, Programs::Full, SMALL, base::attach);
    let reduced = base.is_err().then(|| {
        try_object(types, Programs::Reduced, SMALL, |object, btf| {
            base::attach_reduced(&mut Reduced::new(object, btf)?, btf)
        })
    });
    let (programs, trampoline, dispatcher) = if matches!(reduced, Some(Ok(()))) {
        let dispatcher = try_object(types, Programs::Reduced, SMALL, |object, btf| {
            Reduced::new(object, btf)?.attach(btf, "dispatcher", "sys_exit")
        });
        (Programs::Reduced, Err(no_trampolines()), dispatcher)
    } else {
        let backend = |wanted| {
            try_object(types, Programs::Full, SMALL, move |object, btf| {
                attach(object, btf, &here(tried())?, wanted).map(|_| Ok(()))
            })
        };
        (
            Programs::Full,
            backend(BackendChoice::Trampoline),
            backend(BackendChoice::Dispatcher),
        )
    };
    // Last, because kernels before 5.11 take what was charged to RLIMIT_MEMLOCK back only some time after the maps are
    // gone: the largest must not make the small ones fail.
    let full = Sizes {
        cpus: aya::util::nr_cpus().unwrap_or(1),
        ring: ring_bytes(ring_size),
        processes,
    };
    object::return_memory();
    let object = try_object(types, programs, full, |_, _| Ok(Ok(())));
    Probe {
        object,
        base,
        trampoline,
        dispatcher,
        reduced,
    }
}

/// Two calls stand for all.
fn tried() -> HookSet {
    HookSet::BASE.with_calls(|call| matches!(call.name, "openat" | "connect"))
}

/// As small as maps can be, where only the programs are of interest.
const SMALL: Sizes = Sizes {
    cpus: 1,
    ring: 64 << 10,
    processes: 1,
};

fn try_object(
    types: Result<&aya::Btf, &Failure>,
    programs: Programs,
    sizes: Sizes,
    with: impl FnOnce(&mut aya::Ebpf, &aya::Btf) -> Result<Result<(), Failure>, Error>,
) -> Result<(), Failure> {
    let btf = types.map_err(Failure::clone)?;
    let attempt = || -> Result<Result<(), Failure>, Error> {
        let constants = Constants::of(tried(), Flows::First);
        let mut object = object::prepare(programs, btf, sizes, &constants)?;
        with(&mut object, btf)
    };
    attempt().unwrap_or_else(|error| Err(failure(error)))
}

/// What the kernel said, else what the agent says.
fn failure(error: Error) -> Failure {
    match error {
        Error::Object(failure) | Error::Program(failure) | Error::Backend { failure, .. } => failure,
        error => Failure::of_error("prepare the eBPF object".to_owned(), &error),
    }
}
