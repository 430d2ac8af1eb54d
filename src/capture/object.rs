//! The embedded objects: maps sized, constants set, types relocated to the running kernel. Nothing is attached here.

use std::os::linux::fs::MetadataExt;

use aya::{Btf, Ebpf, EbpfLoader};

use super::error::{Error, Failure};
use super::hierarchy::Hierarchy;
use super::memory::Sizes;
use super::steps::Constants;

pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/agent.bpf.o"));
static REDUCED: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/reduced.bpf.o"));

/// What the reduced programs still tell.
pub const KEPT: &str = "the life of processes with arguments, credentials, ancestors and cgroup ids; system calls with \
                        what the process passed and what it got";
/// What only the full programs tell.
pub const LOST: &str = "paths of executables, of working directories and of open files; what is behind descriptors and \
                        sockets; the names of cgroups, and with them containers and pods";

/// Which of the two objects, of the same sources and with the same maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// Reads whatever an event needs.
    Full,
    /// Reads kernel structures by typed loads only: no helper that lockdown for confidentiality withdraws.
    Reduced,
}

impl Programs {
    /// The word in summaries and the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
        }
    }

    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Full => OBJECT,
            Self::Reduced => REDUCED,
        }
    }
}

/// The kernel's types.
pub(crate) fn kernel_types() -> Result<Btf, Error> {
    Btf::from_sys_fs().map_err(Error::Btf)
}

/// The same as bytes, for the names in them.
pub(crate) fn kernel_type_bytes() -> Result<Vec<u8>, Error> {
    let path = "/sys/kernel/btf/vmlinux";
    std::fs::read(path).map_err(|source| Error::Types { path, source })
}

/// Creates the maps and prepares the programs.
pub(super) fn prepare(programs: Programs, btf: &Btf, sizes: Sizes, constants: &Constants) -> Result<Ebpf, Error> {
    let own = OwnNamespace::read();
    let share_of_calls = sizes.share_of_calls();
    let hierarchy = Hierarchy::detect();
    tracing::debug!(
        hierarchy = hierarchy.as_str(),
        "containers are named by their cgroup there"
    );
    let hierarchy = hierarchy as u32;
    let mut loader = EbpfLoader::new();
    for (map, entries) in sizes.entries() {
        loader.map_max_entries(map, entries);
    }
    loader
        .btf(Some(btf))
        .override_global("cgroup_hierarchy", &hierarchy, true)
        .override_global("ring_share_of_calls", &share_of_calls, true)
        .override_global("calls", &constants.specs[..], true)
        .override_global("native_calls", &constants.native[..], true)
        .override_global("i386_calls", &constants.i386[..], true)
        .override_global("i386_socketcalls", &constants.socketcalls[..], true)
        .override_global("watched_syscalls", &constants.watched[..], true)
        .override_global("agent_pidns_dev", &own.device, true)
        .override_global("agent_pidns_ino", &own.inode, true)
        .override_global("agent_pidns_pid", &own.pid, true)
        .load(programs.bytes())
        .map_err(|error| Error::Object(Failure::of_error("create the maps".to_owned(), &error)))
}

/// Gives the memory that parsing the kernel's types took back to the system: some 20 MB that would otherwise stay with
/// the process for its whole life. Call it once the types are dropped.
pub(crate) fn return_memory() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim only releases free memory of the allocator, under its own locks.
        #[expect(unsafe_code, reason = "glibc's allocator has no safe interface")]
        unsafe {
            libc::malloc_trim(0);
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aya_obj::generated::bpf_func_id;

    use super::*;

    /// The helpers that an object calls, by number.
    fn helpers(programs: Programs) -> BTreeSet<i32> {
        const CALL: u8 = 0x85;
        let object = aya_obj::Object::parse(programs.bytes()).unwrap();
        let functions = object.functions.values();
        functions
            .flat_map(|function| &function.instructions)
            .filter(|instruction| instruction.code == CALL && instruction.src_reg() == 0)
            .map(|instruction| instruction.imm)
            .collect()
    }

    #[test]
    fn the_reduced_programs_read_no_kernel_memory_by_helpers() {
        // Those behind LOCKDOWN_BPF_READ_KERNEL in kernel/trace/bpf_trace.c.
        let withdrawn = [
            bpf_func_id::BPF_FUNC_probe_read,
            bpf_func_id::BPF_FUNC_probe_read_str,
            bpf_func_id::BPF_FUNC_probe_read_kernel,
            bpf_func_id::BPF_FUNC_probe_read_kernel_str,
        ]
        .map(|helper| helper as i32);
        let reduced = helpers(Programs::Reduced);
        assert!(withdrawn.iter().all(|helper| !reduced.contains(helper)), "{reduced:?}");
        assert!(
            reduced.contains(&(bpf_func_id::BPF_FUNC_probe_read_user as i32)),
            "{reduced:?}"
        );
        assert!(withdrawn.iter().any(|helper| helpers(Programs::Full).contains(helper)));
    }
}
