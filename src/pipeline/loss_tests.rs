use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::Share;

const SECOND: u64 = 1_000_000_000;

fn settings(threshold: &str, burst: u32, interval: u64) -> settings::Loss {
    settings::Loss {
        threshold: threshold.parse().unwrap(),
        burst,
        interval: Duration::from_secs(interval),
    }
}

/// A ledger that a test fills as it goes.
#[derive(Default)]
struct Machine {
    second: u64,
    exec: HookCounters,
    exit: HookCounters,
}

impl Machine {
    /// A second passes in which `delivered` execs were delivered and `dropped` exits lost.
    fn second(&mut self, delivered: u64, dropped: u64) -> Reading {
        self.second += 1;
        self.exec.seen += delivered;
        self.exec.delivered += delivered;
        self.exit.seen += dropped;
        self.exit.dropped += dropped;
        Reading {
            at: self.second * SECOND,
            hooks: vec![(Hook::EXEC, self.exec), (Hook::EXIT, self.exit)],
            peak: Some(self.second * 100),
        }
    }
}

#[test]
fn a_loss_is_told_with_its_window_its_hooks_and_the_highest_fill() {
    let (mut machine, mut losses) = (Machine::default(), Losses::new(settings("0%", 10, 60), 0));
    assert_eq!(losses.note(&machine.second(5, 0)), None);
    let told = losses.note(&machine.second(7, 3)).unwrap();
    assert_eq!(
        told,
        Told {
            from: SECOND,
            to: 2 * SECOND,
            all: Counts {
                seen: 10,
                delivered: 7,
                dropped: 3
            },
            hooks: [(
                "exit",
                Counts {
                    seen: 3,
                    delivered: 0,
                    dropped: 3
                }
            )]
            .into(),
            peak: Some(200),
            first: true,
        }
    );
    assert_eq!(losses.note(&machine.second(5, 0)), None);
    let again = losses.note(&machine.second(5, 1)).unwrap();
    assert_eq!((again.from, again.all.dropped, again.first), (3 * SECOND, 1, false));
    assert_eq!(losses.finish(&machine.second(9, 0)), None);
}

#[test]
fn what_was_lost_before_the_first_reading_belongs_to_it() {
    let (mut machine, mut losses) = (Machine::default(), Losses::new(settings("0%", 10, 60), 7));
    let told = losses.note(&machine.second(0, 4)).unwrap();
    assert_eq!((told.from, told.all.dropped), (7, 4));
}

#[test]
fn the_first_loss_is_told_below_the_threshold_too() {
    let (mut machine, mut losses) = (Machine::default(), Losses::new(settings("100%", 1, 86_400), 0));
    let told = losses.note(&machine.second(1_000_000, 1)).unwrap();
    assert!(told.first);
    // Neither of these reaches the threshold, and so they wait for the end.
    for _ in 0..100 {
        assert_eq!(losses.note(&machine.second(1000, 1)), None);
    }
    let rest = losses.finish(&machine.second(0, 1)).unwrap();
    assert_eq!((rest.from, rest.all.dropped, rest.first), (SECOND, 101, false));
}

#[test]
fn what_stays_below_the_threshold_is_told_with_what_reaches_it() {
    let (mut machine, mut losses) = (Machine::default(), Losses::new(settings("1%", 10, 60), 0));
    losses.note(&machine.second(0, 1)).unwrap();
    assert_eq!(losses.note(&machine.second(999, 1)), None);
    assert_eq!(losses.note(&machine.second(999, 9)), None);
    assert_eq!(losses.note(&machine.second(99, 1)).unwrap().all.dropped, 11);
}

#[test]
fn after_the_burst_one_in_an_interval_sums_up() {
    let (mut machine, mut losses) = (Machine::default(), Losses::new(settings("0%", 3, 10), 0));
    let told: Vec<(u64, u64)> = (0..40)
        .filter_map(|_| losses.note(&machine.second(10, 2)))
        .map(|told| (told.to / SECOND, told.all.dropped))
        .collect();
    // The interval counts from the first.
    assert_eq!(told, [(1, 2), (2, 2), (3, 2), (11, 16), (21, 20), (31, 20)]);
    // It comes when the interval has passed, whether or not more is lost then.
    let after = losses.note(&machine.second(10, 0)).unwrap();
    assert_eq!((after.to / SECOND, after.all.dropped), (41, 18));
}

#[test]
fn a_quiet_time_gives_the_burst_back() {
    let (mut machine, mut losses) = (Machine::default(), Losses::new(settings("0%", 2, 10), 0));
    let lossy = |losses: &mut Losses, machine: &mut Machine| losses.note(&machine.second(1, 1)).is_some();
    assert_eq!([0; 3].map(|_| lossy(&mut losses, &mut machine)), [true, true, false]);
    for _ in 0..60 {
        losses.note(&machine.second(1, 0));
    }
    assert_eq!([0; 3].map(|_| lossy(&mut losses, &mut machine)), [true, true, false]);
}

proptest! {
    #[test]
    fn told_losses_add_up_and_windows_follow_each_other(
        seconds in vec((0_u64..2000, prop_oneof![Just(0), 0_u64..50]), 1..200),
        millionths in prop_oneof![Just(0), 0_u32..200_000],
        burst in 1_u32..5,
        interval in 1_u64..30,
    ) {
        let mut limits = settings("0%", burst, interval);
        limits.threshold = Share::of_millionths(millionths);
        let (mut machine, mut losses) = (Machine::default(), Losses::new(limits, 0));
        let mut told = Vec::new();
        let mut first_loss = None;
        for (delivered, dropped) in &seconds {
            let reading = machine.second(*delivered, *dropped);
            if *dropped > 0 && first_loss.is_none() {
                first_loss = Some(reading.at);
            }
            told.extend(losses.note(&reading));
        }
        let limited = told.len() as u64;
        prop_assert!(limited <= u64::from(burst) + machine.second / interval);
        prop_assert_eq!(told.first().map(|told| told.to), first_loss);
        told.extend(losses.finish(&machine.second(1, 0)));
        let sum: u64 = told.iter().map(|told| told.all.dropped).sum();
        prop_assert_eq!(sum, machine.exit.dropped);
        let by_hook: u64 = told.iter().flat_map(|told| told.hooks.values()).map(|counts| counts.dropped).sum();
        prop_assert_eq!(by_hook, machine.exit.dropped);
        for pair in told.windows(2) {
            prop_assert!(pair[0].to <= pair[1].from && pair[1].from < pair[1].to);
        }
    }
}
