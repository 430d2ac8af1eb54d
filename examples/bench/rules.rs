//! What Falco's stable rules cost: opens that none of them alerts for, as fast as they go and at a steady rate.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::agent::Agent;
use crate::lab::falco::stable_rules;
use crate::lab::turn::Turn;
use crate::load::{open_close, paced, pin, repeat};
use crate::table::{Form, Table};
use crate::{Bench, Result};

/// The rate of the steady load, as others are measured by it.
const RATE: u64 = 50_000;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let Some(copy) = stable(bench, table)? else {
        return Ok(());
    };
    pin(1)?;
    let _turn = Turn::take()?;
    let copy = copy.to_str().ok_or("no text")?;
    for prefilter in [true, false] {
        let word = if prefilter { "true" } else { "false" };
        let args = ["--output", "count", "--rules", copy, "--rules-prefilter", word];
        table.remark("prefilters", if prefilter { "on" } else { "off" });
        flood(bench, table, &args, prefilter)?;
        steady(bench, table, &args, prefilter)?;
    }
    Ok(())
}

/// A copy of the file that the agent's user may read; says so where there is none.
pub(crate) fn stable(bench: &Bench, table: &mut Table) -> Result<Option<PathBuf>> {
    let Some(rules) = stable_rules() else {
        table.remark(
            "Falco's stable rules",
            "not here: PINHOLE_FALCO_RULES names falco_rules.yaml",
        );
        return Ok(None);
    };
    let copy = bench.installed.dir().join("falco_rules.yaml");
    fs::copy(rules, &copy)?;
    Ok(Some(copy))
}

const PERCENT: Form = Form::of("%", 1);

/// As fast as it goes.
fn flood(bench: &Bench, table: &mut Table, args: &[&str], prefilter: bool) -> Result<()> {
    let flood = || repeat(bench.size.pairs, open_close);
    let (mut ratios, mut shares, mut costs, mut dropped) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..bench.size.rounds {
        let bare = flood();
        let agent = Agent::start(&bench.installed, args)?;
        let mark = agent.mark()?;
        let with = flood();
        let since = agent.since(&mark)?;
        agent.stop()?;
        ratios.push(with.as_secs_f64() / bare.as_secs_f64());
        shares.push(100.0 * since.cpu / since.elapsed);
        costs.push(since.cpu / since.delivered / 1e3);
        dropped += since.dropped;
    }
    let (ratio, share) = if prefilter {
        (Form::RATIO.at_most(1.3), PERCENT.at_most(5.0))
    } else {
        (Form::RATIO, PERCENT)
    };
    table.figure("openat+close as fast as it goes", ratio, &ratios);
    table.figure("share of a CPU meanwhile", share, &shares);
    if !prefilter {
        let micros = Form::of("µs", 2);
        table.figure("CPU per event that crosses, as fast as it goes", micros, &costs);
    }
    table.remark("dropped in all rounds together", &dropped.to_string());
    Ok(())
}

fn steady(bench: &Bench, table: &mut Table, args: &[&str], prefilter: bool) -> Result<()> {
    let (mut shares, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..bench.size.rounds {
        let agent = Agent::start(&bench.installed, args)?;
        let mark = agent.mark()?;
        paced(RATE, Duration::from_secs(bench.size.seconds));
        let since = agent.since(&mark)?;
        agent.stop()?;
        shares.push(100.0 * since.cpu / since.elapsed);
        costs.push(since.cpu / since.delivered / 1e3);
    }
    let goal = PERCENT.at_most(if prefilter { 2.0 } else { 6.0 });
    table.figure("share of a CPU, 50,000 opens/s", goal, &shares);
    if !prefilter {
        let micros = Form::of("µs", 2);
        table.figure("CPU per event that crosses, 50,000 opens/s", micros, &costs);
    }
    Ok(())
}
