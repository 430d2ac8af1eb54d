//! Broken hosts: privilege.

use super::super::facts::host::{BpfAnswer, BuildFact};
use super::super::facts::{Facts, Place};
use super::prelude::*;
use crate::privilege::Capabilities;
use crate::privilege::file::FileCapabilities;

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
    Case { name: "the runtime's default capabilities were not dropped", start: cold, root: ("PIN-CAP-003", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().bounding |= 0xa80_425fb },
    Case { name: "privileged, as another user than root", start: cold, root: ("PIN-CAP-003", Status::Warn), blocks: &["PIN-SEC-002", "PIN-LSM-002"],
        harm: |f| { let p = f.process.value.as_mut().unwrap(); (p.bounding, p.seccomp) = ((1 << 41) - 1, 0); unconfine(f); } },
    Case { name: "privileged, as root", start: cold, root: ("PIN-CAP-002", Status::Warn), blocks: &["PIN-CAP-003", "PIN-SEC-002", "PIN-LSM-002"],
        harm: |f| { let p = f.process.value.as_mut().unwrap(); (p.permitted, p.bounding, p.seccomp) = ((1 << 41) - 1, (1 << 41) - 1, 0); unconfine(f); } },
    Case { name: "the running agent's bounding set is wide", start: live, root: ("PIN-CAP-003", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.threads[0].cap_bounding |= 1 << 21 },
    Case { name: "the binary carries more than it needs", start: cold, root: ("PIN-CAP-004", Status::Warn), blocks: &[],
        harm: |f| binary(f, NEEDED | 1 << 19, false) },
    Case { name: "the binary's capabilities are effective", start: cold, root: ("PIN-CAP-004", Status::Warn), blocks: &[],
        harm: |f| binary(f, NEEDED, true) },
    Case { name: "the binary carries none", start: cold, root: ("PIN-CAP-001", Status::Fail), blocks: &["PIN-CAP-004", "PIN-SEC-001"],
        harm: |f| { let p = f.process.value.as_mut().unwrap(); (p.permitted, p.file) = (0, FileCapabilities::Absent);
                    f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EPERM)); } },
    Case { name: "the filter refuses bpf(2)", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: &["PIN-LSM-001", "PIN-BPF-001", "PIN-BPF-002"],
        harm: |f| refuse(f, BpfAnswer::Refused(libc::EPERM), libc::EPERM) },
    Case { name: "the filter knows no bpf(2)", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| refuse(f, BpfAnswer::Refused(libc::ENOSYS), libc::ENOSYS) },
    Case { name: "the filter kills for bpf(2)", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: &["PIN-BPF-001", "PIN-BPF-002"],
        harm: |f| { f.seccomp.value.as_mut().unwrap().unknown_command = BpfAnswer::Killed;
                    f.capture.value = Err(Gap::NotGathered("bpf(2) kills".to_owned())); } },
    Case { name: "no bpf(2), and no configuration in sight", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { refuse(f, BpfAnswer::Refused(libc::ENOSYS), libc::ENOSYS); f.kernel.value.as_mut().unwrap().build = BuildFact::Absent;
                    f.seccomp.value.as_mut().unwrap().unprivileged_disabled = None; } },
    Case { name: "a user namespace", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.mounts.value.as_mut().unwrap().user_namespace = Ok(true); refuse_maps(f, libc::EPERM); } },
    Case { name: "a user namespace on an older kernel", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.mounts.value.as_mut().unwrap().user_namespace = Ok(true); refuse(f, BpfAnswer::Refused(libc::EPERM), libc::EPERM);
                    f.kernel.value.as_mut().unwrap().release = "5.15.0-1071-azure".to_owned(); } },
    Case { name: "bpf(2) refused without a filter", start: cold, root: ("PIN-SEC-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { refuse(f, BpfAnswer::Refused(libc::EACCES), libc::EACCES); f.place = Place::Host;
                    f.process.value.as_mut().unwrap().seccomp = 0; } },
    Case { name: "no seccomp profile", start: cold, root: ("PIN-SEC-002", Status::Warn), blocks: &[],
        harm: |f| f.process.value.as_mut().unwrap().seccomp = 0 },
    Case { name: "SELinux refuses maps", start: cold, root: ("PIN-LSM-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { selinux(f); refuse_maps(f, libc::EACCES); } },
    Case { name: "SELinux refuses programs", start: cold, root: ("PIN-LSM-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { selinux(f); f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EACCES)); } },
    Case { name: "SELinux refuses maps and the runtime's socket", start: cold, root: ("PIN-LSM-001", Status::Fail),
        blocks: &["PIN-BPF-001", "PIN-BPF-002", "PIN-RUN-001"],
        harm: |f| { selinux(f); refuse_maps(f, libc::EACCES); class(f, RuntimeClass::Permission, Some(libc::EACCES)); } },
    Case { name: "AppArmor withholds the capability", start: cold, root: ("PIN-LSM-002", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| refuse_maps(f, libc::EPERM) },
    Case { name: "AppArmor unconfined", start: cold, root: ("PIN-LSM-002", Status::Warn), blocks: &[], harm: unconfine },
];

const NEEDED: u64 = 0xc0_0000_0000;

fn binary(facts: &mut Facts, permitted: u64, effective: bool) {
    facts.process.value.as_mut().unwrap().file = FileCapabilities::Present {
        permitted: Capabilities::from_bits(permitted),
        effective,
    };
}

/// bpf(2) does not reach the kernel, and nothing loads.
fn refuse(facts: &mut Facts, answer: BpfAnswer, errno: i32) {
    facts.seccomp.value.as_mut().unwrap().unknown_command = answer;
    let capture = facts.capture.value.as_mut().unwrap();
    capture.object = Err(refusal("create the maps", errno));
    capture.base = Err(refusal("create the maps", errno));
}

/// bpf(2) reaches the kernel, and no map can be made.
fn refuse_maps(facts: &mut Facts, errno: i32) {
    refuse(facts, BpfAnswer::Reached, errno);
    facts.seccomp.value.as_mut().unwrap().map_create = Some(errno);
}

fn unconfine(facts: &mut Facts) {
    facts.lsm.value.as_mut().unwrap().label = Some("unconfined".to_owned());
}

fn selinux(facts: &mut Facts) {
    let lsm = facts.lsm.value.as_mut().unwrap();
    lsm.label = Some("system_u:system_r:container_t:s0:c12,c34".to_owned());
    (lsm.selinux_enforcing, lsm.apparmor) = (Some(true), None);
}
