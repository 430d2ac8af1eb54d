//! Broken hosts: runtime.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "no socket", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| *runtime_of(f) = absent(CONTAINERD) },
    Case { name: "socket is a file", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::NotASocket, None) },
    Case { name: "socket refused", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Refused, Some(libc::ECONNREFUSED)) },
    Case { name: "socket forbidden", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Permission, Some(libc::EACCES)) },
    Case { name: "socket hangs", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Timeout, None) },
    Case { name: "not gRPC", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::NotGrpc, None) },
    Case { name: "CRI disabled", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| { class(f, RuntimeClass::CriUnimplemented, None); runtime_of(f).api = None; } },
    Case { name: "runtime answers with an error", start: cold, root: ("PIN-RUN-001", Status::Fail), blocks: RUNTIME_FOLLOWERS,
        harm: |f| class(f, RuntimeClass::Failing, None) },
    Case { name: "containerd without CRI", start: cold, root: ("PIN-RUN-002", Status::Warn), blocks: &[],
        harm: |f| { class(f, RuntimeClass::CriUnimplemented, None); runtime_of(f).api = Some("containerd".to_owned()); } },
    Case { name: "old CRI", start: cold, root: ("PIN-RUN-002", Status::Warn), blocks: &[],
        harm: |f| { class(f, RuntimeClass::OldApi, None); runtime_of(f).api = Some("v1alpha2".to_owned()); } },
    Case { name: "socket mounted alone", start: cold, root: ("PIN-RUN-001", Status::Warn), blocks: &[],
        harm: |f| runtime_of(f).mounted_alone = true },
    Case { name: "own container unknown", start: cold, root: ("PIN-RUN-003", Status::Fail), blocks: &[],
        harm: |f| f.own.value.as_mut().unwrap().known_by = Ok(Vec::new()) },
    Case { name: "own container hidden", start: cold, root: ("PIN-RUN-003", Status::Unknown), blocks: &[],
        harm: |f| f.own.value.as_mut().unwrap().id = None },
    Case { name: "the runtime hangs now, whatever the agent remembers", start: live, root: ("PIN-RUN-001", Status::Fail), blocks: &["PIN-RUN-002"],
        harm: |f| class(f, RuntimeClass::Timeout, None) },
    Case { name: "agent finds no runtime", start: live, root: ("PIN-RUN-001", Status::Fail),
        blocks: &["PIN-RUN-002", "PIN-RUN-003", "PIN-LIVE-002", "PIN-META-001", "PIN-META-002"],
        harm: |f| { agent(f).second.runtimes[0].state = "absent".to_owned(); unenriched(f); } },
];
