//! Which cgroup hierarchy names containers: the unified one, or on cgroup v1 and hybrid hosts that of a controller.

use std::fs;
use std::io::Read;

/// `enum hierarchy` of `ebpf/include/maps.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Hierarchy {
    /// cgroup v2.
    Unified = 0,
    /// The v1 hierarchy of the pids controller.
    Pids = 1,
    /// The v1 hierarchy of the memory controller.
    Memory = 2,
    /// The v1 hierarchy of the cpu controller.
    Cpu = 3,
}

impl Hierarchy {
    /// Judges by `/proc/cgroups`, whose second column is 0 for controllers of the unified hierarchy. The file is the
    /// kernel's, not the namespace's, so it tells the truth inside a container too.
    #[must_use]
    pub fn detect() -> Self {
        let mut text = String::new();
        // A kernel without cgroup v1 may not have the file.
        let read = fs::File::open("/proc/cgroups").and_then(|file| file.take(1 << 16).read_to_string(&mut text));
        if read.is_ok() {
            Self::judge(&text)
        } else {
            Self::Unified
        }
    }

    /// The same from the text of that file.
    #[must_use]
    pub fn judge(cgroups: &str) -> Self {
        let on_v1 = |controller: &str| {
            cgroups.lines().any(|line| {
                let mut columns = line.split_ascii_whitespace();
                columns.next() == Some(controller) && columns.next().is_some_and(|hierarchy| hierarchy != "0")
            })
        };
        // Runtimes put a container into every mounted controller; pids is the one that nothing else subdivides.
        [("pids", Self::Pids), ("memory", Self::Memory), ("cpu", Self::Cpu)]
            .into_iter()
            .find_map(|(controller, hierarchy)| on_v1(controller).then_some(hierarchy))
            .unwrap_or(Self::Unified)
    }

    /// The controller by whose hierarchy it goes; empty on version 2.
    #[must_use]
    pub const fn controller(self) -> &'static str {
        match self {
            Self::Unified => "",
            Self::Pids => "pids",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }

    /// The word for logs and the doctor.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unified => "cgroup v2",
            Self::Pids => "cgroup v1, pids controller",
            Self::Memory => "cgroup v1, memory controller",
            Self::Cpu => "cgroup v1, cpu controller",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hierarchy;

    #[test]
    fn a_controller_with_a_hierarchy_of_its_own_wins() {
        let hybrid = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\nmemory\t4\t7\t1\npids\t8\t1\t1\n";
        assert_eq!(Hierarchy::judge(hybrid), Hierarchy::Pids);
        assert_eq!(Hierarchy::judge("memory\t4\t7\t1\npids\t0\t1\t1\n"), Hierarchy::Memory);
        assert_eq!(Hierarchy::judge("cpu\t3\t7\t1\n"), Hierarchy::Cpu);
        assert_eq!(Hierarchy::judge("cpu\t0\t7\t1\npids\t0\t1\t1\n"), Hierarchy::Unified);
        assert_eq!(Hierarchy::judge(""), Hierarchy::Unified);
    }
}
