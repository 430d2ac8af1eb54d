//! What is lost, beyond the grid: when it counts, and which ring is advised.

use super::super::fixture::{agent, live, rate};
use super::super::grid::harm::{dropped, each_reading};
use super::super::report::Status;
use super::{check, roots};

#[test]
fn hooks_under_way_in_every_reading_are_no_fault() {
    let mut facts = live();
    // Never zero, always something under way on one of four CPUs.
    each_reading(&mut facts, |hook, reading| hook.seen += 1 + reading % 3);
    assert_eq!(roots(&facts), []);
    let mut facts = live();
    // A negative difference: the counters moved between the reading of `seen` and that of `delivered`.
    each_reading(&mut facts, |hook, reading| hook.delivered += 1 + reading % 2);
    assert_eq!(roots(&facts), []);
}

#[test]
fn losses_of_more_than_an_hour_ago_are_told_and_no_longer_warned_of() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts)
        .second
        .rates
        .insert("1h".to_owned(), rate(3640.0, 0.0));
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.contains("100 of"), "{}", found.summary);
    // Not even that is known of an agent that is younger.
    agent(&mut facts)
        .second
        .rates
        .insert("1h".to_owned(), rate(3000.0, 0.0));
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Warn);
}

#[test]
fn a_loss_within_a_minute_is_judged_by_that_minute() {
    let mut facts = live();
    dropped(&mut facts, 2);
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Warn);
    agent(&mut facts).second.rates.insert("1m".to_owned(), rate(60.0, 1.0));
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Fail);
    assert!(
        found.summary.contains("1.0 a second in the last minute"),
        "{}",
        found.summary
    );
}

#[test]
fn an_agent_that_tells_no_rates_is_judged_by_its_life() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts).second.rates.clear();
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Fail);
}

#[test]
fn the_advised_ring_fits_the_loss_and_has_a_limit() {
    let commands = |dropped_of_550: u64, ring: u64| {
        let mut facts = live();
        agent(&mut facts).second.ring_size = ring;
        dropped(&mut facts, dropped_of_550);
        check(&facts, "PIN-LOSS-001").remedy.unwrap().commands
    };
    assert_eq!(commands(10, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=16MiB"]);
    assert_eq!(commands(2000, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=64MiB"]);
    // 7 MiB and some of other maps, and 48 MiB for the agent.
    let largest = [
        "PINHOLE_CAPTURE_RING_SIZE=256MiB",
        "resources:\n  limits:\n    memory: 312Mi",
    ];
    assert_eq!(commands(u64::MAX / 4, 8 << 20), largest);
    assert_eq!(commands(10, 256 << 20)[0], "agent run --events process");
}

#[test]
fn drops_that_are_over_do_not_hide_drops_that_go_on() {
    let mut facts = live();
    // One in a million since the start, but half of what came in the last second.
    for (status, dropped) in [(0, 0), (1, 50)] {
        let agent = agent(&mut facts);
        let status = if status == 0 {
            &mut agent.first
        } else {
            &mut agent.second
        };
        let hook = status.hooks.get_mut("openat").unwrap();
        (hook.delivered, hook.seen) = (hook.delivered + 100_000_000, hook.seen + 100_000_000 + dropped);
        hook.dropped = dropped;
    }
    assert_eq!(roots(&facts), [("PIN-LOSS-001", Status::Fail)]);
}
