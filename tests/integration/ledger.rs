//! Every loss is counted and attributed: seen = delivered + filtered + dropped, per hook, exactly.

use std::fs::File;

use crate::event::{agent, balanced_hooks, is_call};
use crate::lab::agent::Installed;
use crate::lab::turn::Turn;

const FLOOD: u64 = 200_000;

#[test]
fn a_flood_through_a_tiny_ring_is_accounted_for() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--capture-ring-size", "64KiB", "--events", "process,file,network"])
        .unwrap();
    for _ in 0..FLOOD {
        drop(File::open("/dev/null").unwrap());
    }
    // In the middle of a run a hook may have been seen and not accounted for yet, never the other way round.
    let middle = agent.summary().unwrap();
    for (hook, line) in middle["hooks"].as_object().unwrap() {
        let count = |key: &str| line[key].as_u64().unwrap();
        assert!(
            count("seen") >= count("filtered") + count("delivered") + count("dropped"),
            "{hook}: {middle}"
        );
    }
    let stopped = agent.stop().unwrap();
    let summary = stopped.summary().expect("the last line is the summary");
    let hooks = balanced_hooks(summary);
    let (_, [seen, _, delivered, dropped]) = *hooks
        .iter()
        .find(|(name, _)| name == "openat")
        .unwrap_or_else(|| panic!("no openat in {summary}"));
    assert!(seen >= FLOOD, "{summary}");
    assert!(
        dropped > 0,
        "so tiny a ring must overflow, or this test shows nothing: {summary}"
    );
    let printed = stopped.events.iter().filter(|event| is_call(event, "openat")).count();
    assert_eq!(printed as u64, delivered, "delivered is what was printed: {summary}");

    // Events say how many were lost before them; only losses after the last event cannot be told by one.
    let told: u64 = stopped
        .events
        .iter()
        .filter_map(|event| event["lost_before"].as_u64())
        .sum();
    let lost: u64 = hooks.iter().map(|(_, [.., dropped])| dropped).sum();
    assert!(told > 0 && told <= lost, "told {told} of {lost}: {summary}");
}

#[test]
fn without_pressure_nothing_is_lost() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file,network"]).unwrap();
    let path = installed.dir().join("watched");
    std::fs::write(&path, "").unwrap();
    for _ in 0..100 {
        drop(File::open(&path).unwrap());
    }
    let stopped = agent.stop().unwrap();
    let summary = stopped.summary().expect("the last line is the summary");
    for (hook, [.., dropped]) in balanced_hooks(summary) {
        assert_eq!(dropped, 0, "{hook}: {summary}");
    }
    let ours = |event: &&serde_json::Value| event["file"]["path"].as_str() == path.to_str() && is_call(event, "openat");
    // One to write it, and those of the loop.
    assert_eq!(stopped.events.iter().filter(ours).count(), 101, "{summary}");
}
