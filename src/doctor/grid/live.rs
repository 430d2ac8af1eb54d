//! Broken hosts: live.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "the doctor's own capture fails", start: cold, root: ("PIN-LIVE-002", Status::Fail), blocks: &[],
        harm: |f| f.canary = Gathered::known(CanaryFact::NotWatched { message: "cannot load the eBPF object: create the maps".to_owned() }) },
    Case { name: "agent without admin socket", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = unasked(None) },
    Case { name: "agent in another container", start: cold, root: ("PIN-LIVE-001", Status::Unknown), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = unasked(Some("ab12".to_owned())) },
    Case { name: "stale admin socket", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Stale) },
    Case { name: "silent agent", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Timeout) },
    Case { name: "foreign admin socket", start: cold, root: ("PIN-LIVE-001", Status::Fail), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Protocol) },
    Case { name: "admin socket forbidden", start: cold, root: ("PIN-LIVE-001", Status::Unknown), blocks: LIVE_FOLLOWERS,
        harm: |f| f.live = broken(LiveFailure::Permission) },
    Case { name: "asking the agent was late", start: cold, root: ("PIN-LIVE-001", Status::Unknown), blocks: LIVE_FOLLOWERS,
        harm: |f| { f.live = Gathered::gap(Gap::Late(Duration::from_secs(9))); f.canary = Gathered::gap(Gap::Crashed); } },
    Case { name: "canary not seen", start: live, root: ("PIN-LIVE-002", Status::Fail), blocks: &[],
        harm: |f| f.canary = Gathered::known(CanaryFact::NotSeen { program: "/bin/true".to_owned(), waited: Duration::from_secs(3) }) },
    Case { name: "canary not enriched", start: live, root: ("PIN-LIVE-002", Status::Fail), blocks: &[], harm: unenriched },
    Case { name: "canary cannot run", start: live, root: ("PIN-LIVE-002", Status::Unknown), blocks: &[],
        harm: |f| f.canary = Gathered::known(CanaryFact::NotRun { program: "/bin/true".to_owned(), message: "exec format error".to_owned() }) },
    Case { name: "the agent's loop stands still", start: live, root: ("PIN-LIVE-003", Status::Fail), blocks: &[],
        harm: |f| { agent(f).second.turn_age_ms = Some(12_000); agent(f).second.canary_age_ms = Some(12_400); } },
    Case { name: "the agent's own canary stays away", start: live, root: ("PIN-LIVE-003", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.canary_age_ms = Some(6_000) },
    Case { name: "the agent's own canary never came", start: live, root: ("PIN-LIVE-003", Status::Fail), blocks: &[],
        harm: |f| { agent(f).second.canary_age_ms = None; agent(f).second.hooks.insert("canary".to_owned(), quiet()); } },
    Case { name: "the agent's first canary is on its way", start: live, root: ("PIN-LIVE-003", Status::Unknown), blocks: &[],
        harm: |f| { agent(f).second.canary_age_ms = None; agent(f).second.uptime_seconds = 0.5;
                    agent(f).second.hooks.insert("canary".to_owned(), quiet()); } },
    Case { name: "no hook for the canary", start: live, root: ("PIN-LIVE-003", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.canary_age_ms = None },
    Case { name: "an agent of before the canary", start: live, root: ("PIN-LIVE-003", Status::Unknown), blocks: &[],
        harm: |f| agent(f).second.turn_age_ms = None },
];
