//! Broken hosts: locked memory, CPU time, memory.

use super::super::facts::Facts;
use super::super::facts::host::{CpuFact, MemoryUse};
use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "a low limit on locked memory", start: cold, root: ("PIN-RES-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().release = "5.10.0-28-amd64".to_owned();
                    f.profile.name = "generic".to_owned();
                    let c = f.capture.value.as_mut().unwrap(); c.memlock = Some(64 << 10);
                    c.object = Err(refusal("create the maps", libc::EPERM)); } },
    Case { name: "not even the smallest map can be locked", start: cold, root: ("PIN-RES-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().release = "5.10.0-28-amd64".to_owned();
                    f.profile.name = "generic".to_owned(); f.seccomp.value.as_mut().unwrap().map_create = Some(libc::EPERM);
                    let c = f.capture.value.as_mut().unwrap(); c.memlock = Some(0);
                    c.object = Err(refusal("create the maps", libc::EPERM)); } },
    Case { name: "stopped for its use of CPU", start: cold, root: ("PIN-RES-002", Status::Warn), blocks: &[],
        harm: |f| { let cpu = cpu(f); (cpu.quota_us, cpu.periods, cpu.throttled, cpu.throttled_us) = (Some(5000), 1000, 200, 9_000_000); } },
    Case { name: "memory near the limit", start: cold, root: ("PIN-RES-003", Status::Warn), blocks: &[],
        harm: |f| memory(f).working_set = 120 << 20 },
    Case { name: "a running agent near its limit", start: live, root: ("PIN-RES-003", Status::Warn), blocks: &[],
        harm: |f| memory(f).working_set = 127 << 20 },
    Case { name: "ended for lack of memory", start: live, root: ("PIN-RES-003", Status::Warn), blocks: &[],
        harm: |f| memory(f).oom_kills = 2 },
];

fn cpu(facts: &mut Facts) -> &mut CpuFact {
    facts.resources.value.as_mut().unwrap().cpu.as_mut().unwrap()
}

fn memory(facts: &mut Facts) -> &mut MemoryUse {
    facts.resources.value.as_mut().unwrap().memory.as_mut().unwrap()
}
