//! What one event costs the agent itself, user and kernel time together.

use std::time::Duration;

use crate::agent::Agent;
use crate::lab::turn::Turn;
use crate::load::{open_close, paced, pin, repeat};
use crate::table::{Form, Table};
use crate::{Bench, Result};

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    pin(1)?;
    let during = Duration::from_secs(bench.size.seconds);
    let microseconds = Form::of("µs", 2);
    let steady = |rate| {
        move || {
            paced(rate, during);
        }
    };
    let flood = || {
        repeat(bench.size.pairs, open_close);
    };
    let count = ["--output", "count", "--events", "file"];
    let json = ["--output", "json", "--events", "file"];

    let (cost, share) = rounds(bench, &count, steady(50_000))?;
    table.figure("share of a CPU, counted, 50,000 opens/s", Form::of("%", 1), &share);
    table.figure("CPU per event, counted, 50,000 opens/s", microseconds, &cost);
    let (cost, _) = rounds(bench, &count, steady(200_000))?;
    table.figure(
        "CPU per event, counted, 200,000 opens/s",
        microseconds.at_most(0.6),
        &cost,
    );
    let (cost, _) = rounds(bench, &count, flood)?;
    table.figure(
        "CPU per event, counted, as fast as it goes",
        microseconds.at_most(0.6),
        &cost,
    );
    let (cost, share) = rounds(bench, &json, steady(50_000))?;
    table.figure(
        "share of a CPU, JSON into a file, 50,000 opens/s",
        Form::of("%", 1),
        &share,
    );
    table.figure("CPU per event, JSON into a file, 50,000 opens/s", microseconds, &cost);
    let (cost, _) = rounds(bench, &json, steady(200_000))?;
    table.figure(
        "CPU per event, JSON into a file, 200,000 opens/s",
        microseconds.at_most(2.0),
        &cost,
    );
    Ok(())
}

/// CPU time per event in microseconds, and the share of one CPU in percent.
fn rounds(bench: &Bench, args: &[&str], load: impl Fn()) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut costs, mut shares) = (Vec::new(), Vec::new());
    let _turn = Turn::take()?;
    for _ in 0..bench.size.rounds {
        let agent = Agent::start(&bench.installed, args)?;
        let mark = agent.mark()?;
        load();
        let since = agent.since(&mark)?;
        agent.stop()?;
        costs.push(since.cpu / since.delivered / 1e3);
        shares.push(100.0 * since.cpu / since.elapsed);
    }
    Ok((costs, shares))
}
