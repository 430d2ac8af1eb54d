//! Broken hosts: mounts, namespaces, cgroups.

use super::super::facts::Facts;
use super::super::facts::host::{MountFacts, ProcFact};
use super::super::fixture::{ID, mounted};
use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "a writable root", start: cold, root: ("PIN-MNT-001", Status::Warn), blocks: &[],
        harm: |f| seen(f).read_only_root = Ok(false) },
    Case { name: "a list of mounts without a root", start: cold, root: ("PIN-MNT-001", Status::Unknown), blocks: &[],
        harm: |f| seen(f).read_only_root = Err("it has no root mount".to_owned()) },
    Case { name: "no directory for the admin socket", start: cold, root: ("PIN-MNT-002", Status::Fail), blocks: &[],
        harm: |f| seen(f).admin.as_mut().unwrap().seen = None },
    Case { name: "the admin socket's directory is read-only", start: cold, root: ("PIN-MNT-002", Status::Fail), blocks: &[],
        harm: |f| admin(f, Some(libc::EROFS), 0o777, false) },
    Case { name: "the admin socket's directory is root's", start: cold, root: ("PIN-MNT-002", Status::Fail), blocks: &[],
        harm: |f| { admin(f, Some(libc::EACCES), 0o755, false); f.process.value.as_mut().unwrap().gids = vec![65532]; } },
    Case { name: "the admin socket's directory is denied by a security module", start: cold, root: ("PIN-MNT-002", Status::Fail), blocks: &[],
        harm: |f| admin(f, Some(libc::EACCES), 0o777, false) },
    Case { name: "the admin socket's directory is full", start: cold, root: ("PIN-MNT-002", Status::Fail), blocks: &[],
        harm: |f| admin(f, None, 0o777, true) },
    Case { name: "the whole host is mounted", start: cold, root: ("PIN-MNT-003", Status::Warn), blocks: &[],
        harm: |f| { let mut root = mounted("/"); root.at = "/host".to_owned(); also(f, root); } },
    Case { name: "all of /run is mounted", start: cold, root: ("PIN-MNT-003", Status::Warn), blocks: &[],
        harm: |f| also(f, mounted("/run")) },
    Case { name: "bpffs is mounted", start: cold, root: ("PIN-MNT-003", Status::Warn), blocks: &[],
        harm: |f| also(f, mounted("/sys/fs/bpf")) },
    Case { name: "the kubelet's directory is mounted", start: cold, root: ("PIN-MNT-003", Status::Warn), blocks: &[],
        harm: |f| also(f, mounted("/var/lib/kubelet")) },
    Case { name: "/proc of others", start: cold, root: ("PIN-MNT-004", Status::Fail),
        blocks: &["PIN-CAP-001", "PIN-CAP-002", "PIN-PRV-001", "PIN-PRV-003", "PIN-SEC-002", "PIN-MNT-001", "PIN-MNT-003", "PIN-MNT-005", "PIN-MNT-006"],
        harm: |f| { let why = || "names no process".to_owned(); f.process = Gathered::gap(Gap::Refused(why()));
                    let seen = seen(f); seen.proc = ProcFact::Missing(why());
                    (seen.read_only_root, seen.host) = (Err(why()), Err(why()));
                    seen.shared.values_mut().for_each(|shared| *shared = Err(why())); } },
    Case { name: "/proc of the host", start: cold, root: ("PIN-MNT-004", Status::Warn), blocks: &[],
        harm: |f| seen(f).proc = ProcFact::Other(4711) },
    Case { name: "/proc with processes only", start: cold, root: ("PIN-MNT-004", Status::Warn), blocks: &[],
        harm: |f| seen(f).proc = ProcFact::Own { hides: vec!["subset=pid".to_owned()] } },
    Case { name: "the host's processes", start: cold, root: ("PIN-MNT-005", Status::Warn), blocks: &[], harm: |f| share(f, &["pid"]) },
    Case { name: "the host's network and name", start: cold, root: ("PIN-MNT-005", Status::Warn), blocks: &[],
        harm: |f| share(f, &["network", "uts"]) },
    Case { name: "the host's IPC", start: live, root: ("PIN-MNT-005", Status::Warn), blocks: &[], harm: |f| share(f, &["ipc"]) },
    Case { name: "containers in another hierarchy", start: cold, root: ("PIN-MNT-006", Status::Fail), blocks: &[],
        harm: |f| { let cgroup = &mut seen(f).cgroup;
                    (cgroup.hierarchy, cgroup.controller) = ("cgroup v1, pids controller".to_owned(), "pids".to_owned());
                    cgroup.paths = [("pids".to_owned(), "/".to_owned()), ("memory".to_owned(), format!("/docker/{ID}"))].into(); } },
    Case { name: "hierarchies out of sight", start: cold, root: ("PIN-MNT-006", Status::Fail), blocks: &[],
        harm: |f| { let cgroup = &mut seen(f).cgroup; cgroup.listed = false; cgroup.mounted = vec!["memory".to_owned(), "pids".to_owned()]; } },
];

fn seen(facts: &mut Facts) -> &mut MountFacts {
    facts.mounts.value.as_mut().unwrap()
}

fn admin(facts: &mut Facts, refused: Option<i32>, mode: u32, full: bool) {
    let directory = seen(facts).admin.as_mut().unwrap().seen.as_mut().unwrap();
    (directory.refused, directory.mode, directory.full) = (refused, mode, full);
}

fn also(facts: &mut Facts, mount: crate::kubernetes::HostMount) {
    seen(facts).host.as_mut().unwrap().push(mount);
}

fn share(facts: &mut Facts, names: &[&'static str]) {
    for name in names {
        seen(facts).shared.insert(name, Ok(true));
    }
}
