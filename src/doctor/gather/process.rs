//! The doctor's own process, as [`crate::privilege::status`] reads it, with its label and its binary's capabilities.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::super::facts::{Gap, Gathered, ProcessFacts, View};
use super::step::now;
use crate::privilege::file::{self, FileCapabilities};
use crate::privilege::status::{self, SeccompMode, ThreadStatus};

/// What this process was given. To be read before the doctor confines itself, which would show in it.
#[must_use]
pub fn own() -> Gathered<ProcessFacts> {
    let (at, began) = (now(), Instant::now());
    Gathered {
        value: read(Path::new("/")),
        at: Some(at),
        duration_us: u64::try_from(began.elapsed().as_micros()).ok(),
        view: View::Cold,
    }
}

/// Reads the privileges of this process; files are looked up under `root`.
///
/// # Errors
/// When the file cannot be read or lacks a field.
pub fn read(root: &Path) -> Result<ProcessFacts, Gap> {
    let path = root.join("proc/self/status");
    let text = fs::read_to_string(&path)
        .map_err(|error| Gap::Refused(format!("{} cannot be read: {error}", path.display())))?;
    let status = status::parse(std::process::id(), &text).map_err(|error| Gap::Refused(error.to_string()))?;
    Ok(facts(&status, label(root), file::of_own_binary()))
}

fn facts(status: &ThreadStatus, label: Option<String>, file: FileCapabilities) -> ProcessFacts {
    let mut gids = vec![status.gid[1]];
    gids.extend(&status.groups);
    gids.sort_unstable();
    gids.dedup();
    ProcessFacts {
        uid: status.uid[1],
        gids,
        effective: status.effective.bits(),
        permitted: status.permitted.bits(),
        bounding: status.bounding.bits(),
        no_new_privs: status.no_new_privs,
        seccomp: match status.seccomp {
            SeccompMode::Disabled => 0,
            SeccompMode::Strict => 1,
            SeccompMode::Filter => 2,
        },
        label,
        file,
    }
}

/// The memory limit of this process's own cgroup, where its files are in sight, as they are in a container.
pub(super) fn memory_limit(root: &Path) -> Option<u64> {
    /// cgroup v1 writes the largest number of whole pages for none.
    const NONE: u64 = 1 << 60;
    ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .filter_map(|path| fs::read_to_string(root.join(path)).ok())
        // cgroup v2 writes `max` for none.
        .find_map(|text| text.trim().parse().ok())
        .filter(|limit| *limit < NONE)
}

/// The label that SELinux or AppArmor gave this process. Where neither is active the file cannot be read.
fn label(root: &Path) -> Option<String> {
    let label = fs::read_to_string(root.join("proc/self/attr/current")).ok()?;
    let label = label.trim_end_matches(['\0', '\n']);
    (!label.is_empty() && label != "kernel" && label != "unconfined").then(|| label.to_owned())
}
