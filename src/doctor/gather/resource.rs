//! What the own cgroup has used and may use, from the files of its controllers (`Documentation/admin-guide/cgroup-v2.rst`
//! and `cgroup-v1/`). They are in sight in every container.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::facts::host::{CpuFact, MemoryUse, ResourceFacts};
use super::mount::paths;
use crate::container::mounts::{self, Mount};
use crate::container::own;

/// cgroup v1 writes the largest number of whole pages where there is no limit.
const NONE: u64 = 1 << 60;

/// Reads the own counters; files are looked up under `root`.
#[must_use]
pub fn read(root: &Path) -> ResourceFacts {
    let list: Vec<Mount> = mounts::parse(&own::mountinfo(root).unwrap_or_default()).collect();
    let own = paths(&fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default());
    let files = |controller: &str| Files::of(root, &list, &own, controller);
    ResourceFacts {
        cpu: files("cpu").and_then(|files| files.cpu()),
        memory: files("memory").and_then(|files| files.memory(own_resident(root))),
    }
}

/// The directory of the own cgroup in one hierarchy.
struct Files {
    root: PathBuf,
    directory: PathBuf,
    unified: bool,
}

impl Files {
    /// That of the controller's own hierarchy, where it has one, else the unified one.
    fn of(root: &Path, mounts: &[Mount], own: &BTreeMap<String, String>, controller: &str) -> Option<Self> {
        let named = |mount: &&Mount| {
            let name = mount.point.rsplit('/').next().unwrap_or_default();
            mount.kind == "cgroup" && name.split(',').any(|name| name == controller)
        };
        let (mount, path, unified) = match (mounts.iter().rfind(named), own.get(controller)) {
            (Some(mount), Some(path)) => (mount, path, false),
            _ => (
                mounts.iter().rfind(|mount| mount.kind == "cgroup2")?,
                own.get("")?,
                true,
            ),
        };
        // What is mounted may be the own cgroup already, in a namespace of its own or by a runtime.
        let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
        Some(Self {
            root: root.to_owned(),
            directory: Path::new(&mount.point).join(below),
            unified,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        let path = self.path(name);
        fs::read_to_string(self.root.join(path.strip_prefix("/").unwrap_or(&path))).ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    fn cpu(&self) -> Option<CpuFact> {
        let counters = lines(&self.text("cpu.stat")?);
        let counter = |name: &str| counters.get(name).copied();
        let (quota_us, period_us) = if self.unified {
            // `max` where there is no limit. The root of the hierarchy has no such file.
            let text = self.text("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok(), period.parse().ok()?)
        } else {
            // -1 where there is no limit.
            (self.number("cpu.cfs_quota_us"), self.number("cpu.cfs_period_us")?)
        };
        Some(CpuFact {
            file: self.path("cpu.stat"),
            quota_us,
            period_us,
            periods: counter("nr_periods")?,
            throttled: counter("nr_throttled")?,
            throttled_us: counter("throttled_usec").or_else(|| Some(counter("throttled_time")? / 1000))?,
        })
    }

    /// `own` bytes are the doctor's, which is gone in a moment.
    fn memory(&self, own: u64) -> Option<MemoryUse> {
        let (current, limit, inactive, events) = if self.unified {
            ("memory.current", "memory.max", "inactive_file", "memory.events")
        } else {
            (
                "memory.usage_in_bytes",
                "memory.limit_in_bytes",
                "total_inactive_file",
                "memory.oom_control",
            )
        };
        let used = self.number(current)?;
        let inactive = lines(&self.text("memory.stat").unwrap_or_default())
            .get(inactive)
            .copied();
        Some(MemoryUse {
            file: self.path(current),
            limit: self.number(limit).filter(|limit| *limit < NONE),
            working_set: used.saturating_sub(inactive.unwrap_or(0)).saturating_sub(own),
            oom_kills: lines(&self.text(events).unwrap_or_default())
                .get("oom_kill")
                .copied()
                .unwrap_or(0),
        })
    }
}

/// Resident memory of this process in bytes.
fn own_resident(root: &Path) -> u64 {
    let text = fs::read_to_string(root.join("proc/self/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Lines of a name and a number.
fn lines(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (name, number) = line.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    const STAT: &[u8] = b"usage_usec 900\nnr_periods 200\nnr_throttled 50\nthrottled_usec 7000\n";

    #[test]
    fn the_files_of_version_2_in_a_namespace_of_its_own() {
        let root = tree(&[
            (
                "proc/self/mountinfo",
                b"40 31 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            ),
            ("proc/self/cgroup", b"0::/\n"),
            ("sys/fs/cgroup/cpu.stat", STAT),
            ("sys/fs/cgroup/cpu.max", b"20000 100000\n"),
            ("sys/fs/cgroup/memory.current", b"9192\n"),
            ("proc/self/status", b"Name:\tagent\nVmRSS:\t       8 kB\n"),
            ("sys/fs/cgroup/memory.max", b"max\n"),
            ("sys/fs/cgroup/memory.stat", b"anon 5\ninactive_file 300\n"),
            ("sys/fs/cgroup/memory.events", b"low 0\noom 3\noom_kill 2\n"),
        ]);
        let found = read(root.path());
        assert_eq!(
            found.cpu,
            Some(CpuFact {
                file: "/sys/fs/cgroup/cpu.stat".into(),
                quota_us: Some(20_000),
                period_us: 100_000,
                periods: 200,
                throttled: 50,
                throttled_us: 7000,
            })
        );
        assert_eq!(
            found.memory,
            Some(MemoryUse {
                file: "/sys/fs/cgroup/memory.current".into(),
                limit: None,
                working_set: 700,
                oom_kills: 2,
            })
        );
    }

    #[test]
    fn the_files_of_version_1_as_a_runtime_mounts_them() {
        let root = tree(&[
            (
                "proc/self/mountinfo",
                b"40 31 0:28 /docker/x /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu\n\
                  41 31 0:29 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            ),
            ("proc/self/cgroup", b"4:cpu,cpuacct:/docker/x\n5:memory:/docker/x\n"),
            (
                "sys/fs/cgroup/cpu,cpuacct/cpu.stat",
                b"nr_periods 2\nnr_throttled 1\nthrottled_time 7000000\n",
            ),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", b"-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", b"100000\n"),
            ("sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", b"1000\n"),
            ("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", b"4096\n"),
            (
                "sys/fs/cgroup/memory/docker/x/memory.oom_control",
                b"under_oom 0\noom_kill 1\n",
            ),
        ]);
        let found = read(root.path());
        let cpu = found.cpu.unwrap();
        assert_eq!((cpu.quota_us, cpu.throttled_us), (None, 7000));
        let memory = found.memory.unwrap();
        assert_eq!(
            (memory.limit, memory.working_set, memory.oom_kills),
            (Some(4096), 1000, 1)
        );
    }

    #[test]
    fn what_is_out_of_sight_is_not_there() {
        assert_eq!(read(tree(&[]).path()), ResourceFacts::default());
        // The root of the hierarchy, as a host's processes have it, knows no limit.
        let host = tree(&[
            (
                "proc/self/mountinfo",
                b"40 31 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            ),
            ("proc/self/cgroup", b"0::/\n"),
            ("sys/fs/cgroup/cpu.stat", STAT),
        ]);
        assert_eq!(read(host.path()), ResourceFacts::default());
    }
}
