//! How much slower a program gets while the agent watches, or does not watch, what it does.

use std::time::Duration;

use crate::agent::Agent;
use crate::lab::turn::Turn;
use crate::load::{fork_exec, null_call, open_close, pin, repeat};
use crate::table::{Form, Table};
use crate::{Bench, Result};

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    pin(1)?;
    let pairs = bench.size.pairs;
    let null = || repeat(4 * pairs, null_call);
    let open = || repeat(pairs, open_close);
    let exec = || repeat(pairs / 1000, fork_exec);
    let mut measured: Vec<String> = Vec::new();
    for backend in ["auto", "dispatcher"] {
        let args = |events| ["--output", "count", "--events", events, "--capture-backend", backend];
        let name = match Agent::start(&bench.installed, &args("network")) {
            Ok(agent) => agent.backend()?,
            Err(error) => {
                table.remark(&format!("backend {backend}"), &format!("not here: {error}"));
                continue;
            }
        };
        if measured.contains(&name) {
            continue;
        }
        let unwatched = Form::RATIO.at_most(1.10);
        compare(
            bench,
            table,
            &format!("{name}: getppid, not watched"),
            unwatched,
            &args("network"),
            null,
        )?;
        compare(
            bench,
            table,
            &format!("{name}: openat+close, not watched"),
            unwatched,
            &args("network"),
            open,
        )?;
        let watched = Form::RATIO.at_most(1.50);
        compare(
            bench,
            table,
            &format!("{name}: openat+close, watched"),
            watched,
            &args("file"),
            open,
        )?;
        let all = args("process,file,network");
        compare(
            bench,
            table,
            &format!("{name}: fork+exec+wait, watched"),
            Form::RATIO,
            &all,
            exec,
        )?;
        measured.push(name);
    }
    Ok(())
}

/// Runs the load bare and under the agent, in turns, and tells the ratios and what was dropped.
fn compare(
    bench: &Bench,
    table: &mut Table,
    name: &str,
    form: Form,
    args: &[&str],
    load: impl Fn() -> Duration,
) -> Result<()> {
    let (mut ratios, mut dropped) = (Vec::new(), Vec::new());
    let _turn = Turn::take()?;
    for _ in 0..bench.size.rounds {
        let bare = load();
        let agent = Agent::start(&bench.installed, args)?;
        let mark = agent.mark()?;
        let with = load();
        dropped.push(agent.since(&mark)?.dropped as f64);
        agent.stop()?;
        ratios.push(with.as_secs_f64() / bare.as_secs_f64());
    }
    table.figure(name, form, &ratios);
    let dropped = dropped.iter().sum::<f64>();
    if dropped > 0.0 {
        table.remark("", &format!("{dropped} events dropped in all rounds together"));
    }
    Ok(())
}
