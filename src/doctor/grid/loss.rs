//! Broken hosts: loss.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "few drops", start: live, root: ("PIN-LOSS-001", Status::Warn), blocks: &[], harm: |f| dropped(f, 2) },
    Case { name: "many drops", start: live, root: ("PIN-LOSS-001", Status::Fail), blocks: &[], harm: |f| dropped(f, 100) },
    Case { name: "the agent's own limit for losses is reached", start: live, root: ("PIN-LOSS-001", Status::Fail), blocks: &["PIN-LIVE-004"],
        harm: |f| unmet(f, "losses") },
    Case { name: "many drops, of one hook above all", start: live, root: ("PIN-LOSS-001", Status::Fail), blocks: &["PIN-LOSS-003", "PIN-LOSS-007"],
        harm: |f| { dropped(f, 100); lost_lately(f, "openat", 100); } },
    Case { name: "a rare hook loses its share", start: live, root: ("PIN-LOSS-003", Status::Fail), blocks: &["PIN-LOSS-001", "PIN-LOSS-007"],
        harm: |f| { dropped(f, 3); lost_lately(f, "connect", 3); } },
    Case { name: "a ring whose size the memory limit would not hold", start: live, root: ("PIN-LOSS-003", Status::Fail), blocks: &[],
        harm: |f| { dropped(f, 3); lost_lately(f, "connect", 3);
                    agent(f).second.ring.as_mut().unwrap().needed_bytes = 128 << 20; } },
    Case { name: "records that cannot be read", start: live, root: ("PIN-LOSS-004", Status::Warn), blocks: &[],
        harm: |f| lately(f, "openat").unreadable = 60 },
    Case { name: "records beyond the limits", start: live, root: ("PIN-LOSS-004", Status::Warn), blocks: &[],
        harm: |f| lately(f, "openat").truncated = 60 },
    Case { name: "skipped runs", start: live, root: ("PIN-LOSS-005", Status::Warn), blocks: &[],
        harm: |f| { each_reading(f, |hook, _| hook.missed = Some(30)); lately(f, "openat").missed = Some(30); } },
    Case { name: "a full disk behind the output", start: live, root: ("PIN-LOSS-006", Status::Fail), blocks: &[],
        harm: |f| full_disk(f, 2_000) },
    Case { name: "a disk that was full half an hour ago", start: live, root: ("PIN-LOSS-006", Status::Warn), blocks: &[],
        harm: |f| full_disk(f, 1_800_000) },
    Case { name: "nobody reads the output, and so events are lost", start: live, root: ("PIN-LOSS-006", Status::Fail),
        blocks: &["PIN-LOSS-001", "PIN-LOSS-007", "PIN-LIVE-002", "PIN-LIVE-003", "PIN-LIVE-004", "PIN-LIVE-005"],
        harm: |f| { agent(f).second.output.as_mut().unwrap().blocked_now_us = Some(12_000_000);
                    agent(f).second.turn_age_ms = Some(12_000);
                    late(f, 3_000_000);
                    unmet(f, "pipeline"); unseen(f); dropped(f, 100); } },
    Case { name: "whoever reads the output pauses", start: live, root: ("PIN-LOSS-006", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.output.as_mut().unwrap().blocked_now_us = Some(1_500_000) },
    Case { name: "whoever reads the output is too slow", start: live, root: ("PIN-LOSS-006", Status::Warn), blocks: &["PIN-LOSS-001"],
        harm: |f| { agent(f).second.output.as_mut().unwrap().blocked_us = 700_000; dropped(f, 2); } },
    Case { name: "the delivery process has ended", start: live, root: ("PIN-DLV-001", Status::Fail), blocks: &["PIN-LIVE-004"],
        harm: |f| { delivery(f).running = false; delivery(f).lost = 3; unmet(f, "delivery"); } },
    Case { name: "the delivery process hangs", start: live, root: ("PIN-DLV-001", Status::Fail), blocks: &["PIN-LIVE-004"],
        harm: |f| { (delivery(f).hangs, delivery(f).silence_ms) = (true, 61_000); unmet(f, "delivery"); } },
    Case { name: "alerts come faster than they are taken", start: live, root: ("PIN-DLV-001", Status::Fail), blocks: &[],
        harm: |f| delivery(f).lost = 3 },
    Case { name: "a channel's queue is full", start: live, root: ("PIN-DLV-001", Status::Fail), blocks: &[],
        harm: |f| delivery(f).channels.get_mut("http").unwrap().dropped = 7 },
    Case { name: "a receiver of alerts is down", start: live, root: ("PIN-DLV-001", Status::Warn), blocks: &[],
        harm: |f| { let http = delivery(f).channels.get_mut("http").unwrap();
                    (http.failing, http.waiting, http.last_error) = (true, 5, Some("cannot connect".to_owned())); } },
    Case { name: "rule files that are refused", start: live, root: ("PIN-RUL-001", Status::Fail), blocks: &[],
        harm: |f| { let rules = agent(f).second.rules.as_mut().unwrap();
                    (rules.refused, rules.refused_ms) = (Some("rules.yaml:3:14: unknown field".to_owned()), Some(61_000)); } },
    Case { name: "rules that need another hook", start: live, root: ("PIN-RUL-001", Status::Warn), blocks: &[],
        harm: |f| { let rules = agent(f).second.rules.as_mut().unwrap();
                    rules.unattached.insert("openat".to_owned(), "rules: Opens".to_owned()); } },
    Case { name: "a ring that was nearly full", start: live, root: ("PIN-LOSS-007", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.ring.as_mut().unwrap().window_fill_max_bytes = Some(6 << 20) },
    Case { name: "ledger off", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, _| { *hook = quiet(); hook.seen += 3; }) },
    Case { name: "counted twice", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, _| { *hook = quiet(); hook.delivered += 3; }) },
    Case { name: "more unaccounted than can be under way", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, reading| hook.seen += 17 + reading) },
    Case { name: "the same small difference while counters move", start: live, root: ("PIN-LOSS-002", Status::Unknown), blocks: &[],
        harm: |f| each_reading(f, |hook, _| hook.seen += 3) },
];
