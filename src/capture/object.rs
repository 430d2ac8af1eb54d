//! The embedded object: maps sized, constants set, types relocated to the running kernel. Nothing is attached here.

use std::os::linux::fs::MetadataExt;

use aya::{Btf, Ebpf, EbpfLoader};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::error::{Error, Failure};
use super::hierarchy::Hierarchy;
use super::hook::Hook;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/agent.bpf.o"));

/// The kernel's types.
pub(crate) fn kernel_types() -> Result<Btf, Error> {
    Btf::from_sys_fs().map_err(Error::Btf)
}

/// Creates the maps and prepares the programs.
pub(crate) fn prepare(btf: &Btf, cpus: usize, ring_size: u32, processes: u32) -> Result<Ebpf, Error> {
    raise_memlock();
    let own = OwnNamespace::read();
    let lines = u32::try_from(cpus * Hook::COUNT).unwrap_or(u32::MAX);
    let hierarchy = Hierarchy::detect() as u32;
    EbpfLoader::new()
        .btf(Some(btf))
        .map_max_entries("events", ring_size)
        .map_max_entries("counters", lines)
        .map_max_entries("processes", processes)
        .override_global("cgroup_hierarchy", &hierarchy, true)
        .override_global("agent_pidns_dev", &own.device, true)
        .override_global("agent_pidns_ino", &own.inode, true)
        .override_global("agent_pidns_pid", &own.pid, true)
        .load(OBJECT)
        .map_err(|error| Error::Object(Failure::of_error("create the maps".to_owned(), &error)))
}

/// Kernels before 5.11 charge maps to RLIMIT_MEMLOCK; later ones do not care, so a refusal is only worth a word.
fn raise_memlock() {
    if let Err(error) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        tracing::debug!(%error, "RLIMIT_MEMLOCK stays as it is; only kernels before 5.11 need it raised");
    }
}

/// How the agent knows itself: by its id in its own PID namespace.
struct OwnNamespace {
    device: u64,
    inode: u64,
    pid: u32,
}

impl OwnNamespace {
    fn read() -> Self {
        match std::fs::metadata("/proc/self/ns/pid") {
            Ok(namespace) => Self {
                device: namespace.st_dev(),
                inode: namespace.st_ino(),
                pid: std::process::id(),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot identify the own PID namespace: the agent will report its own activity");
                Self {
                    device: 0,
                    inode: 0,
                    pid: 0,
                }
            }
        }
    }
}
