//! Broken hosts: settings.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "bad configuration", start: cold, root: ("PIN-CFG-001", Status::Fail), blocks: &[],
        harm: |f| f.config.problem = Some("unknown key capture.rign_size in /etc/pinhole/agent.toml".to_owned()) },
    Case { name: "other platform than the profile's", start: cold, root: ("PIN-PRF-001", Status::Warn), blocks: &["PIN-PRF-002"],
        harm: |f| f.profile.detected = Ok(Some("openshift".to_owned())) },
    Case { name: "platform not detected", start: cold, root: ("PIN-PRF-001", Status::Unknown), blocks: &[],
        harm: |f| f.profile.detected = Err(Gap::Crashed) },
    Case { name: "a kernel that the platform no longer has", start: cold, root: ("PIN-PRF-002", Status::Warn), blocks: &[],
        harm: |f| f.kernel.value.as_mut().unwrap().release = "5.10.0-1023-azure".to_owned() },
    Case { name: "a runtime that the platform does not have", start: cold, root: ("PIN-PRF-002", Status::Warn), blocks: &[],
        harm: |f| for runtime in f.runtimes.value.as_mut().unwrap() { runtime.name = Some("cri-o".to_owned()); } },
];
