//! How many events a second the agent keeps up with: the highest rate of a load at which nothing is dropped.

use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::lab::turn::Turn;
use crate::load::{open_close, paced, pin, repeat};
use crate::table::{Form, Table};
use crate::{Bench, Result};

/// The first rate that is tried; each one after it is half as high again, until one drops or the CPU gives no more.
const FIRST: u64 = 100_000;
/// How often the interval between the last good rate and the first bad one is halved.
const REFINED: usize = 3;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    pin(1)?;
    for (name, output) in [("counted", "count"), ("JSON into a file", "json")] {
        let _turn = Turn::take()?;
        let (mut rates, mut unlimited) = (Vec::new(), false);
        for _ in 0..bench.size.rounds.min(3) {
            let (rate, reached) = search(bench, output)?;
            rates.push(rate);
            unlimited |= reached;
        }
        let name = format!("events/s before the first drop, {name}");
        table.figure(&name, Form::of("1/s", 0), &rates);
        if unlimited {
            table.remark(
                "",
                "the load gave no more than that: not one was dropped as fast as it goes",
            );
        }
    }
    Ok(())
}

/// The highest rate without a drop, and whether that is all that the load can do.
fn search(bench: &Bench, output: &str) -> Result<(f64, bool)> {
    let agent = Agent::start(&bench.installed, &["--output", output, "--events", "file"])?;
    let during = Duration::from_secs(bench.size.seconds.min(2));
    let (mut good, mut rate) = (0.0, FIRST);
    let bad = loop {
        let (reached, dropped) = offer(&agent, || paced(rate, during))?;
        if dropped {
            break rate as f64;
        }
        good = f64::max(good, reached);
        // Where a steady load cannot follow, only one without any pause is left to be tried.
        if reached < 0.9 * rate as f64 {
            let (reached, dropped) = offer(&agent, || flood(during))?;
            if dropped {
                break reached;
            }
            return Ok((f64::max(good, reached), true));
        }
        rate = rate * 3 / 2;
    };
    let (mut low, mut high) = (good, f64::max(good, bad));
    for _ in 0..REFINED {
        let middle = f64::midpoint(low, high);
        match offer(&agent, || paced(middle as u64, during))? {
            (_, true) => high = middle,
            (reached, false) => {
                low = middle;
                good = f64::max(good, reached);
            }
        }
    }
    agent.stop()?;
    Ok((good, false))
}

/// The rate that a load reached, and whether anything was dropped.
fn offer(agent: &Agent, load: impl FnOnce() -> u64) -> Result<(f64, bool)> {
    let mark = agent.mark()?;
    let started = Instant::now();
    let done = load();
    let reached = done as f64 / started.elapsed().as_secs_f64();
    Ok((reached, agent.since(&mark)?.dropped > 0))
}

/// `openat` and `close` as fast as it goes. Returns how many there were.
fn flood(during: Duration) -> u64 {
    let (started, mut done) = (Instant::now(), 0);
    while started.elapsed() < during {
        repeat(1000, open_close);
        done += 1000;
    }
    done
}
