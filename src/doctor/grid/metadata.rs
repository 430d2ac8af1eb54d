//! Broken hosts: metadata.

use super::prelude::*;

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "some metadata missing", start: live, root: ("PIN-META-001", Status::Warn), blocks: &[],
        harm: |f| { agent(f).second.metadata_status.insert("missing".to_owned(), 5);
                    agent(f).second.metadata_reason.insert("runtime_timeout".to_owned(), 5); } },
    Case { name: "much metadata missing", start: live, root: ("PIN-META-001", Status::Fail), blocks: &[],
        harm: |f| { agent(f).second.metadata_status.insert("partial".to_owned(), 500);
                    agent(f).second.metadata_reason.insert("container_unknown".to_owned(), 500); } },
    Case { name: "slow lookups", start: live, root: ("PIN-META-002", Status::Warn), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().p99_us = 400_000 },
    Case { name: "lookups past the budget", start: live, root: ("PIN-META-002", Status::Fail), blocks: &[],
        harm: |f| agent(f).second.lookups.as_mut().unwrap().p99_us = 1_000_000 },
];
