//! `--output count`: every event is taken and accounted for, none is written.

use std::fs::File;

use crate::event::{agent, balanced_hooks};
use crate::lab::agent::Installed;
use crate::lab::turn::Turn;

const OPENS: u64 = 1000;

#[test]
fn events_are_counted_and_not_written() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run_as("count", ["--events", "process,file"]).unwrap();
    for _ in 0..OPENS {
        drop(File::open("/dev/null").unwrap());
    }
    let middle = agent.summary().unwrap();
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    let summary = stopped.summary().expect("the last line is the summary");
    assert_eq!(
        stopped.events,
        [middle, summary.clone()],
        "the summary that was asked for, the last one, and no event"
    );
    let hooks = balanced_hooks(summary);
    let (_, [_, _, delivered, dropped]) = *hooks
        .iter()
        .find(|(name, _)| name == "openat")
        .unwrap_or_else(|| panic!("no openat in {summary}"));
    assert!(delivered >= OPENS && dropped == 0, "{summary}");
    let judged: u64 = summary["metadata"]["status"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert!(judged >= OPENS, "events are taken as far as their container: {summary}");
}
