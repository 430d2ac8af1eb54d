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
    Case { name: "journald wanted and gone", start: cold, root: ("PIN-CFG-002", Status::Fail), blocks: &[],
        harm: |f| f.log.value.as_mut().unwrap().target = "journald" },
    Case { name: "where the log could go is unknown", start: cold, root: ("PIN-CFG-002", Status::Unknown), blocks: &[],
        harm: |f| f.log = Gathered::gap(Gap::Crashed) },
    Case { name: "journald went while the agent ran", start: live, root: ("PIN-CFG-002", Status::Fail), blocks: &[],
        harm: |f| { f.log.value.as_mut().unwrap().journald = Err(refused());
                    let log = agent(f).second.log.as_mut().unwrap();
                    (log.used, log.why, log.failures) = ("journald".to_owned(), String::new(), 7); } },
    Case { name: "journald was down when the agent started on a host", start: live, root: ("PIN-CFG-002", Status::Warn), blocks: &[],
        harm: |f| { f.place = Place::Host; f.log.value.as_mut().unwrap().journald = Err(refused()); } },
    Case { name: "standard error does not take the log", start: live, root: ("PIN-CFG-002", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.log.as_mut().unwrap().failures = 4 },
    Case { name: "the file was changed since the agent's start", start: live, root: ("PIN-CFG-003", Status::Warn), blocks: &[],
        harm: |f| { let it = f.config.settings.iter_mut().find(|it| it.key == "capture.ring_size").unwrap();
                    (it.value, it.origin) = (r#""16.0 MiB""#.to_owned(), "file /etc/pinhole/agent.toml".to_owned()); } },
    Case { name: "the node has no name", start: cold, root: ("PIN-CFG-004", Status::Warn), blocks: &[], harm: nameless },
    Case { name: "the running agent has no name for its node", start: live, root: ("PIN-CFG-004", Status::Warn), blocks: &[],
        harm: |f| { nameless(f);
                    let it = agent(f).second.settings.iter_mut().find(|it| it.key == "node.name").unwrap();
                    (it.value, it.origin) = (String::new(), "built-in default".to_owned()); } },
    Case { name: "the agent has another profile", start: live, root: ("PIN-PRF-003", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.profile = "generic".to_owned() },
    Case { name: "the agent does not say its profile", start: live, root: ("PIN-PRF-003", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.profile = String::new() },
    Case { name: "a doctor of another version", start: live, root: ("PIN-VER-001", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.version = "0.0.9".to_owned() },
    Case { name: "an upgraded package and an agent that was not restarted", start: live, root: ("PIN-VER-002", Status::Warn), blocks: &["PIN-VER-001"],
        harm: |f| { agent(f).second.version = "0.0.9".to_owned();
                    agent(f).binary.as_mut().unwrap().as_mut().unwrap().replaced = true; } },
];
