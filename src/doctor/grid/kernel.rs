//! Broken hosts: kernel.

use super::super::facts::Facts;
use super::super::facts::host::{BpfAnswer, BuildFact};
use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "old kernel", start: cold, root: ("PIN-KRN-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().release = "4.19.0-27-amd64".to_owned();
                    f.capture.value.as_mut().unwrap().base = Err(refusal("create ring buffer", libc::EINVAL)); } },
    Case { name: "kernel older than tested", start: cold, root: ("PIN-KRN-001", Status::Warn), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().release = "5.8.0".to_owned() },
    Case { name: "old number with newer parts", start: cold, root: ("PIN-KRN-001", Status::Warn), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().release = "4.18.0-553.el8".to_owned() },
    Case { name: "lockdown confidentiality", start: cold, root: ("PIN-KRN-002", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode("confidentiality".to_owned());
                    f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EINVAL)); } },
    Case { name: "lockdown confidentiality, running reduced", start: cold, root: ("PIN-KRN-002", Status::Warn), blocks: &[],
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode("confidentiality".to_owned()); reduce(f); } },
    Case { name: "lockdown out of sight, running reduced", start: cold, root: ("PIN-KRN-002", Status::Warn), blocks: &[],
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent; reduce(f); } },
    Case { name: "a running agent is reduced", start: live, root: ("PIN-KRN-002", Status::Warn), blocks: &[],
        harm: |f| { f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode("confidentiality".to_owned());
                    agent(f).second.backend.as_mut().unwrap().reduced = Some("refused".to_owned()); } },
    Case { name: "no type information", start: cold, root: ("PIN-BTF-001", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().btf = Err(OsError { errno: Some(libc::ENOENT), message: "No such file or directory".to_owned() });
                    f.capture.value.as_mut().unwrap().base = Err(refusal("read type information", libc::ENOENT)); } },
    Case { name: "built without bpf(2)", start: cold, root: ("PIN-KRN-003", Status::Fail), blocks: &["PIN-BTF-001", "PIN-SEC-001", "PIN-BPF-001", "PIN-BPF-002"],
        harm: |f| { unset(f, "CONFIG_BPF_SYSCALL"); f.seccomp.value.as_mut().unwrap().unknown_command = BpfAnswer::Refused(libc::ENOSYS);
                    f.capture.value.as_mut().unwrap().object = Err(refusal("create the maps", libc::ENOSYS)); } },
    Case { name: "built without type information", start: cold, root: ("PIN-KRN-003", Status::Fail), blocks: &["PIN-BTF-001", "PIN-BPF-001"],
        harm: |f| { unset(f, "CONFIG_DEBUG_INFO_BTF");
                    f.kernel.value.as_mut().unwrap().btf = Err(OsError { errno: Some(libc::ENOENT), message: "No such file or directory".to_owned() });
                    f.capture.value.as_mut().unwrap().base = Err(refusal("read type information", libc::ENOENT)); } },
    Case { name: "built without filters of system calls", start: cold, root: ("PIN-KRN-003", Status::Fail), blocks: &["PIN-BPF-001"],
        harm: |f| unset(f, "CONFIG_SECCOMP_FILTER") },
    Case { name: "programs are interpreted", start: cold, root: ("PIN-KRN-004", Status::Warn), blocks: &[],
        harm: |f| { unset(f, "CONFIG_BPF_JIT_ALWAYS_ON"); f.kernel.value.as_mut().unwrap().jit = Some(0); } },
    Case { name: "programs are printed to the log", start: cold, root: ("PIN-KRN-004", Status::Warn), blocks: &[],
        harm: |f| { unset(f, "CONFIG_BPF_JIT_ALWAYS_ON"); f.kernel.value.as_mut().unwrap().jit = Some(2); } },
    Case { name: "two types of one name", start: cold, root: ("PIN-BTF-002", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| f.kernel.value.as_mut().unwrap().types.as_mut().unwrap().ambiguous.push("mount".to_owned()) },
    Case { name: "a type is missing", start: cold, root: ("PIN-BTF-002", Status::Fail), blocks: BPF_FOLLOWERS,
        harm: |f| { f.kernel.value.as_mut().unwrap().types.as_mut().unwrap().missing.push("css_set".to_owned());
                    let mut unfitted = refusal("create the maps", 0); unfitted.errno = None;
                    f.capture.value.as_mut().unwrap().base = Err(unfitted); } },
    Case { name: "types of an unknown form", start: cold, root: ("PIN-BTF-002", Status::Unknown), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().types = Err("the kernel's types are of a form that is not known".to_owned()) },
];

fn unset(facts: &mut Facts, option: &str) {
    match &mut facts.kernel.value.as_mut().unwrap().build {
        BuildFact::Read { options, .. } => options.remove(option).unwrap(),
        other => panic!("no configuration: {other:?}"),
    };
}
