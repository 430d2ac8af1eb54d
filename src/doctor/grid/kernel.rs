//! Broken hosts: kernel.

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
];
