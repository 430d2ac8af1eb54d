//! What the rules of a file cost per event that matches none: `bench FILE`. Prints nanoseconds per event for each of a few
//! usual events, and their mean.

// A bench prints, and stops where something is wrong.
#![allow(clippy::panic)]

mod event;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pinhole_rules::catalogue::Catalogue;
use pinhole_rules::engine::{Options, RuleSet, Scratch};
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
    let mut scratch = Scratch::default();
    let mut all = Duration::ZERO;
    let events = event::usual();
    for event in &events {
        let kind = catalogue
            .event(event.kind)
            .unwrap_or_else(|| panic!("{} is not known", event.kind));
        // The best of several runs: what disturbs a run only ever adds to it.
        const TIMES: u32 = 200_000;
        let best = (0..7)
            .map(|_| {
                let begun = Instant::now();
                for _ in 0..TIMES {
                    set.evaluate(black_box(kind), black_box(event), &mut scratch, |outcome| {
                        panic!("{}: {outcome:?}", event.what);
                    });
                }
                begun.elapsed() / TIMES
            })
            .min()
            .unwrap_or_default();
        all += best;
        println!(
            "{:6} ns  {:2} rules  {}",
            best.as_nanos(),
            set.rules_of(kind).count(),
            event.what
        );
    }
    println!("{:6} ns  mean", all.as_nanos() / events.len() as u128);
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
