//! Broken hosts: loss.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "few drops", start: live, root: ("PIN-LOSS-001", Status::Warn), blocks: &[], harm: |f| dropped(f, 2) },
    Case { name: "many drops", start: live, root: ("PIN-LOSS-001", Status::Fail), blocks: &[], harm: |f| dropped(f, 100) },
    Case { name: "skipped runs", start: live, root: ("PIN-LOSS-001", Status::Warn), blocks: &[],
        harm: |f| each_reading(f, |hook, _| hook.missed = Some(3)) },
    Case { name: "ledger off", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, _| { *hook = quiet(); hook.seen += 3; }) },
    Case { name: "counted twice", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, _| { *hook = quiet(); hook.delivered += 3; }) },
    Case { name: "more unaccounted than can be under way", start: live, root: ("PIN-LOSS-002", Status::Fail), blocks: &[],
        harm: |f| each_reading(f, |hook, reading| hook.seen += 17 + reading) },
    Case { name: "the same small difference while counters move", start: live, root: ("PIN-LOSS-002", Status::Unknown), blocks: &[],
        harm: |f| each_reading(f, |hook, _| hook.seen += 3) },
];
