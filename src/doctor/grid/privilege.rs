//! Broken hosts: privilege.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "CAP_PERFMON not granted", start: cold, root: ("PIN-CAP-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { let p = f.process.value.as_mut().unwrap(); (p.permitted, p.bounding) = (1 << 39, 1 << 39);
                    f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EPERM)); } },
    Case { name: "CAP_BPF not granted, lockdown out of sight", start: cold, root: ("PIN-CAP-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent;
                    let p = f.process.value.as_mut().unwrap(); (p.permitted, p.bounding) = (1 << 38, 1 << 38);
                    let c = f.capture.value.as_mut().unwrap();
                    (c.object, c.base) = (Err(refusal("create the maps", libc::EPERM)), Err(refusal("create the maps", libc::EPERM))); } },
    Case { name: "more capabilities than needed", start: cold, root: ("PIN-CAP-002", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().permitted |= 1 << 21 },
    Case { name: "privilege escalation allowed", start: cold, root: ("PIN-PRV-001", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().no_new_privs = false },
    Case { name: "root", start: cold, root: ("PIN-PRV-003", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().uid = 0 },
    Case { name: "a thread holds a capability", start: live, root: ("PIN-CAP-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].cap_permitted = 1 << 39 },
    Case { name: "a thread without no_new_privs", start: live, root: ("PIN-PRV-001", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].no_new_privs = false },
    Case { name: "a thread without filter", start: live, root: ("PIN-PRV-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].seccomp = 0 },
    Case { name: "a thread with the container runtime's filter alone", start: live, root: ("PIN-PRV-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.threads[1].seccomp_filters = Some(1) },
    Case { name: "Landlock refused", start: live, root: ("PIN-PRV-004", Status::Warn), blocks: &[],
        harm: |f| { let l = agent(f).second.landlock.as_mut().unwrap();
                    (l.abi, l.restricted, l.refused) = (0, "none".to_owned(), true); } },
    Case { name: "an agent of before Landlock", start: live, root: ("PIN-PRV-004", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.landlock = None },
    Case { name: "agent is root", start: live, root: ("PIN-PRV-003", Status::Warn), blocks: &[],
        harm: |f| agent(f).uid = Some(0) },
];
