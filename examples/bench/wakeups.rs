//! The wake-up policy: how long records may collect, against how old they are when they are written.

use std::time::Duration;

use crate::agent::Agent;
use crate::lab::turn::Turn;
use crate::load::{paced, pin};
use crate::table::{Form, Table};
use crate::{Bench, Result};

const RATE: u64 = 50_000;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    pin(1)?;
    for batch in ["0ms", "1ms", "2ms", "5ms", "10ms"] {
        let _turn = Turn::take()?;
        let (mut shares, mut median, mut worst) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.size.rounds.min(3) {
            let args = ["--output", "json", "--events", "file", "--capture-batch", batch];
            let agent = Agent::start(&bench.installed, &args)?;
            let mark = agent.mark()?;
            paced(RATE, Duration::from_secs(bench.size.seconds));
            let since = agent.since(&mark)?;
            shares.push(100.0 * since.cpu / since.elapsed);
            let summary = agent.stop()?;
            median.extend(summary["latency_us"]["p50"].as_f64());
            worst.extend(summary["latency_us"]["p99"].as_f64());
        }
        let name = |what: &str| format!("batch {batch}, {RATE} opens/s as JSON: {what}");
        table.figure(&name("share of a CPU"), Form::of("%", 1), &shares);
        table.figure(&name("hook to output, p50"), Form::of("µs", 0), &median);
        table.figure(&name("hook to output, p99"), Form::of("µs", 0), &worst);
    }
    Ok(())
}
