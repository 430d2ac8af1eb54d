//! Resource limits that stand in the way of loading programs.

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Lifts RLIMIT_MEMLOCK, against which kernels before 5.11 count BPF maps; later ones do not look at it. Call it before
/// [`super::capabilities::raise`], which gives CAP_SYS_RESOURCE up. A refusal is no error: whether it matters shows when
/// the maps are made.
pub fn lift_memlock() {
    let mut result = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    // Under file capabilities that are permitted only, it has to be made effective first.
    if result == Err(Errno::EPERM) && caps::raise(None, CapSet::Effective, Capability::CAP_SYS_RESOURCE).is_ok() {
        result = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    }
    // Then at least as far as it may go without a capability.
    if result.is_err()
        && let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
        && soft < hard
    {
        result = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard).and(result);
    }
    if let Err(error) = result {
        tracing::debug!(%error, "RLIMIT_MEMLOCK stays as it is; only kernels before 5.11 need it lifted");
    }
}

/// The limit in bytes, when there is one.
#[must_use]
pub fn memlock() -> Option<u64> {
    getrlimit(Resource::RLIMIT_MEMLOCK)
        .ok()
        .map(|(soft, _)| soft)
        .filter(|soft| *soft != RLIM_INFINITY)
}
