//! What the rules of a file cost per event: `bench FILE`. Prints nanoseconds for each of a few usual events, for which none
//! holds, and for one of each rule that it holds for.

// A bench prints, and stops where something is wrong.
#![allow(clippy::panic)]

mod event;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::Event;
use pinhole_rules::catalogue::Catalogue;
use pinhole_rules::engine::{Options, Outcome, RuleSet, Scratch};
use pinhole_rules::library::{self, Rule};
use pinhole_rules::source::Source;

fn main() {
    let rules = load();
    let catalogue = Catalogue::new(event::FIELDS, event::EVENTS);
    let begun = Instant::now();
    let (set, problems) = RuleSet::compile(&rules, &catalogue, &Options::default());
    let took = begun.elapsed();
    for problem in &problems {
        println!("{problem}");
    }
    let set = set.unwrap_or_else(|| panic!("the rules cannot be compiled"));
    println!("{} rules compiled in {took:?}", set.rules().len());
    let mut all = Duration::ZERO;
    let events = event::usual();
    println!("\nno rule holds");
    for event in &events {
        let (best, met) = measure(&set, &catalogue, event);
        assert_eq!(met, 0, "{}", event.what);
        all += best;
        println!("{:6} ns  {}", best.as_nanos(), event.what);
    }
    println!("{:6} ns  mean", all.as_nanos() / events.len() as u128);
    println!("\na rule holds, and its message is put together");
    all = Duration::ZERO;
    let events = event::remarkable();
    for (rule, event) in &events {
        let (best, met) = measure(&set, &catalogue, event);
        assert!(met > 0, "{rule}");
        all += best;
        println!("{:6} ns  {rule}", best.as_nanos());
    }
    println!("{:6} ns  mean", all.as_nanos() / events.len() as u128);
}

/// The time that an event takes, and how many rules hold for it.
fn measure(set: &RuleSet, catalogue: &Catalogue, event: &Event) -> (Duration, usize) {
    const TIMES: u32 = 200_000;
    let kind = catalogue
        .event(event.kind)
        .unwrap_or_else(|| panic!("{} is not known", event.kind));
    let mut scratch = Scratch::default();
    let mut met = 0;
    // The best of several runs: what disturbs a run only ever adds to it.
    let best = (0..7)
        .map(|_| {
            met = 0;
            let begun = Instant::now();
            for _ in 0..TIMES {
                set.evaluate(black_box(kind), black_box(event), &mut scratch, |outcome| {
                    let Outcome::Match { rule, .. } = outcome else {
                        panic!("{}: {outcome:?}", event.what)
                    };
                    black_box(rule.output.render(event));
                    met += 1;
                });
            }
            begun.elapsed() / TIMES
        })
        .min()
        .unwrap_or_default();
    (best, met)
}

fn load() -> Vec<Rule> {
    let path = std::env::args().nth(1).unwrap_or_else(|| panic!("usage: bench FILE"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let source = Arc::new(Source { name: path, text });
    let library = library::load(&[source], &["syscall"]);
    for problem in &library.problems {
        println!("{problem}");
    }
    library.rules
}
