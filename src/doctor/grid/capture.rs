//! Broken hosts: capture.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "reduced without lockdown", start: cold, root: ("PIN-BPF-001", Status::Warn), blocks: &[], harm: reduce },
    Case { name: "base programs refused", start: cold, root: ("PIN-BPF-001", Status::Fail), blocks: &["PIN-BPF-002"],
        harm: |f| f.capture.value.as_mut().unwrap().base = Err(refusal("load tp_btf/sched_process_exec", libc::EPERM)) },
    Case { name: "no backend", start: cold, root: ("PIN-BPF-002", Status::Fail), blocks: &[],
        harm: |f| { let c = f.capture.value.as_mut().unwrap(); c.trampoline = Err(refusal("load fexit", libc::EPERM));
                    c.dispatcher = Err(refusal("load tp_btf/sys_exit", libc::EINVAL)); } },
    Case { name: "maps beyond the memory limit", start: cold, root: ("PIN-BPF-003", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| f.memory.value.as_mut().unwrap().limit = Some(8 << 20) },
    Case { name: "maps refused for lack of memory", start: cold, root: ("PIN-BPF-003", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.memory.value.as_mut().unwrap().limit = Some(8 << 20);
                    f.capture.value.as_mut().unwrap().object = Err(refusal("create the maps", libc::ENOMEM)); } },
    Case { name: "a memory limit just above the maps", start: live, root: ("PIN-BPF-003", Status::Warn), blocks: &[],
        harm: |f| f.memory.value.as_mut().unwrap().limit = Some(32 << 20) },
    Case { name: "memory unknown", start: cold, root: ("PIN-BPF-003", Status::Unknown), blocks: &[],
        harm: |f| f.memory.value = Err(Gap::Crashed) },
    Case { name: "maps refused", start: cold, root: ("PIN-BPF-001", Status::Fail), blocks: &["PIN-BPF-002"],
        harm: |f| f.capture.value.as_mut().unwrap().object = Err(refusal("create the ring buffer", libc::EPERM)) },
    Case { name: "hooks were turned off", start: live, root: ("PIN-BPF-004", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.reporting.as_mut().unwrap().off.push("openat".to_owned()) },
    Case { name: "an agent of before hooks could be turned off", start: live, root: ("PIN-BPF-004", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.reporting = None },
    Case { name: "the canary's hook was turned off", start: live, root: ("PIN-BPF-004", Status::Warn), blocks: &["PIN-LIVE-003"],
        harm: |f| { agent(f).second.canary_age_ms = Some(60_000);
                    agent(f).second.reporting.as_mut().unwrap().off.push("canary".to_owned()); } },
];
