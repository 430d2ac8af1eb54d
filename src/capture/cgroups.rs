//! The programs on cgroups that come and go. They only make metadata come sooner, so a kernel that refuses them is no
//! error: it is said once, and the capture goes on without.

use aya::{Btf, Ebpf};

use super::backend::attach_tracepoint;
use super::error::Error;
use super::hook::{Hook, HookSet};

/// The programs by the names of their hooks and tracepoints, which are one.
const PROGRAMS: [(Hook, &str); 2] = [
    (Hook::CGROUP_MKDIR, "cgroup_mkdir"),
    (Hook::CGROUP_RMDIR, "cgroup_rmdir"),
];

/// Loads and attaches those of the full object that are wanted. Gives the hooks that are in place.
pub(super) fn attach(object: &mut Ebpf, btf: &Btf, wanted: HookSet) -> Result<HookSet, Error> {
    let mut attached = HookSet::NONE;
    for (hook, name) in PROGRAMS.into_iter().filter(|(hook, _)| wanted.contains(*hook)) {
        match attach_tracepoint(object, btf, name, name)? {
            Ok(()) => attached = attached.with(hook),
            Err(failure) => {
                went_without(&failure.to_string());
                break;
            }
        }
    }
    Ok(attached)
}

/// The reduced object has none of them. Gives the hooks that are in place, which is none.
pub(super) fn none(wanted: HookSet) -> HookSet {
    if wanted.and(HookSet::CGROUPS) != HookSet::NONE {
        went_without("the reduced programs cannot read the path of a cgroup");
    }
    HookSet::NONE
}

fn went_without(why: &str) {
    tracing::info!(
        why,
        "cgroups are not watched: a container is looked up with its first event, not before"
    );
}
