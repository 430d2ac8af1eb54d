//! Memory, the start, and the binary.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::agent::Agent;
use crate::lab::turn::Turn;
use crate::load::{fork_exec, open_close, pin, repeat};
use crate::table::{Form, Table};
use crate::{Bench, Result};

const ARGS: [&str; 4] = ["--output", "json", "--events", "process,file,network"];

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    pin(1)?;
    let _turn = Turn::take()?;
    let (mut cpu, mut wall, mut memory) = (Vec::new(), Vec::new(), [const { Vec::new() }; 3]);
    let keys = ["VmRSS", "RssAnon", "VmHWM"];
    for _ in 0..bench.size.rounds {
        let started = Instant::now();
        let agent = Agent::start(&bench.installed, &ARGS)?;
        wall.push(started.elapsed().as_secs_f64());
        cpu.push(agent.cpu()?.as_secs_f64());
        let mark = agent.mark()?;
        repeat(bench.size.pairs / 8, open_close);
        repeat(500, fork_exec);
        agent.since(&mark)?;
        for (values, key) in memory.iter_mut().zip(keys) {
            values.push(agent.memory(key)?);
        }
        agent.stop()?;
    }
    table.figure("start until ready, CPU time", Form::of("s", 2).at_most(0.3), &cpu);
    table.figure("start until ready", Form::of("s", 2), &wall);
    for (values, (key, goal)) in memory.iter().zip(keys.into_iter().zip([Some(30.0), None, None])) {
        let form = Form::of("MB", 1);
        let form = goal.map_or(form, |goal| form.at_most(goal));
        table.figure(&format!("{key} after some work"), form, values);
    }
    let size = fs::metadata(&bench.binary)?.len() as f64 / 1e6;
    table.figure("the binary", Form::of("MB", 2), &[size]);
    table.remark("the binary, linked", &linkage(&bench.binary)?);
    Ok(())
}

fn linkage(binary: &Path) -> Result<String> {
    let output = Command::new("ldd").arg(binary).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}
