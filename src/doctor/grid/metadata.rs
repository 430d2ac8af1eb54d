//! Broken hosts: metadata.

use super::super::facts::Facts;
use super::super::facts::JoinFact;
use super::super::facts::join::{Join, Missing};
use serde_json::json;

use super::prelude::*;
use crate::control::api::FieldCount;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "some metadata missing", start: live, root: ("PIN-META-001", Status::Warn), blocks: &[],
        harm: |f| lacking(f, "missing", "runtime_timeout", 5) },
    Case { name: "lookups that come too late for a runtime that is slow for everybody", start: live, root: ("PIN-RUN-008", Status::Warn),
        blocks: &["PIN-META-001", "PIN-META-003", "PIN-META-004", "PIN-LIVE-002"],
        harm: |f| { runtime_of(f).calls = [700, 3, 650].map(Duration::from_millis).into();
                    lacking(f, "missing", "lookup_pending", 500);
                    let event = json!({ "metadata": { "status": "missing", "reason": "runtime_timeout" } });
                    f.canary = Gathered::known(CanaryFact::Seen { program: "/bin/true".to_owned(), latency_us: 1_000_900, event }); } },
    Case { name: "much metadata missing", start: live, root: ("PIN-META-001", Status::Fail), blocks: &["PIN-META-003", "PIN-META-004"],
        harm: |f| lacking(f, "partial", "container_unknown", 500) },
    Case { name: "images without names", start: live, root: ("PIN-META-001", Status::Fail), blocks: &[],
        harm: |f| lacking(f, "partial", "image_name_unknown", 400) },
    Case { name: "imitated cgroups", start: live, root: ("PIN-META-001", Status::Warn), blocks: &[],
        harm: |f| lacking(f, "missing", "cgroup_mismatch", 3) },
    Case { name: "an agent that tells no window lacks metadata", start: live, root: ("PIN-META-001", Status::Warn), blocks: &[],
        harm: |f| { lacking(f, "missing", "cgroup_unknown", 7); agent(f).second.window = None; } },
    Case { name: "slow lookups", start: live, root: ("PIN-META-002", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().p99_us = 400_000 },
    Case { name: "lookups past the budget", start: live, root: ("PIN-META-002", Status::Fail), blocks: &["PIN-META-005"],
        harm: |f| { let lookups = agent(f).second.lookups.as_mut().unwrap(); (lookups.p99_us, lookups.waited_us) = (1_000_000, 9_000_000); } },
    Case { name: "few containers unknown to the agent", start: live, root: ("PIN-META-003", Status::Warn), blocks: &[],
        harm: |f| unknown(f, 1, 100, "nothing") },
    Case { name: "many containers unknown to the agent", start: live, root: ("PIN-META-003", Status::Fail), blocks: &[],
        harm: |f| unknown(f, 3, 7, "nothing") },
    Case { name: "containers whose lookup failed", start: live, root: ("PIN-META-003", Status::Fail), blocks: &[],
        harm: |f| unknown(f, 1, 7, "runtime_timeout") },
    Case { name: "the lists came too late", start: live, root: ("PIN-META-003", Status::Unknown), blocks: &[],
        harm: |f| f.join = Gathered::gap(Gap::Late(Duration::from_secs(15))) },
    Case { name: "one field lacks in the few events that have it", start: live, root: ("PIN-META-004", Status::Warn), blocks: &[],
        harm: |f| { let window = agent(f).second.window.as_mut().unwrap();
                    let count = FieldCount { present: 40, inapplicable: 450, missing: [("sandbox_unknown".to_owned(), 10)].into() };
                    window.metadata_fields.insert("kubernetes.pod.name".to_owned(), count); } },
    Case { name: "lookups hold events up", start: live, root: ("PIN-META-005", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().waited_us = 4_000_000 },
    Case { name: "lookups hold events up all the time", start: live, root: ("PIN-META-005", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().waited_us = 14_000_000 },
    Case { name: "lookups that were not started", start: live, root: ("PIN-META-005", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().overflowed = 2 },
];

/// Events of containers that are not complete, since the start and in the agent's window.
fn lacking(facts: &mut Facts, status: &str, reason: &str, count: u64) {
    let second = &mut agent(facts).second;
    let window = second.window.as_mut().unwrap();
    for counts in [&mut second.metadata_status, &mut window.metadata_status] {
        counts.insert(status.to_owned(), count);
    }
    for counts in [&mut second.metadata_reason, &mut window.metadata_reason] {
        counts.insert(reason.to_owned(), count);
    }
    for fields in [&mut second.metadata_fields, &mut window.metadata_fields] {
        let missing = &mut fields.get_mut("container.image").unwrap().missing;
        missing.insert(reason.to_owned(), count);
    }
}

/// So many of those that run are not known.
fn unknown(facts: &mut Facts, count: u64, listed: u64, held: &str) {
    let Ok(JoinFact::Joined(join)) = &mut facts.join.value else {
        panic!("these facts have no running agent")
    };
    *join = Join {
        listed,
        known: listed - count,
        complete: listed - count,
        missing: vec![Missing {
            id: "5f".repeat(32),
            name: "shop/web/app".to_owned(),
            sandbox: false,
            held: held.to_owned(),
        }],
        ..join.clone()
    };
}
