//! What runs inside the virtual machine, where a nanosecond is an instruction: the same loads, bare and under the agent,
//! by their own CPU time, since the machine has but one CPU.

use std::path::Path;
use std::process::Command;

use nix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::agent::Agent;
use crate::load::{null_call, open_close};

/// The word by which the bench is told that it is the guest.
pub(crate) const COMMAND: &str = "guest";

const CALLS: u32 = 4000;
const ROUNDS: usize = 5;

/// Instructions per call, in every round.
struct Costs {
    null: Vec<f64>,
    open: Vec<f64>,
}

pub(crate) fn run() -> Result<()> {
    // The first calls pay for what the others find in place.
    costs()?;
    let bare = costs()?;
    line("getppid, bare", "", None, &bare.null);
    line("openat+close, bare", "", None, &bare.open);
    for (backend, goal) in [("trampoline", 1.005), ("dispatcher", 1.10)] {
        let agent = start("count", "file", backend, None)?;
        // The first event of a process takes a snapshot of it.
        open_close();
        let mark = agent.mark()?;
        let with = costs()?;
        let since = agent.since(&mark)?;
        agent.stop()?;
        let name = |what: &str| format!("{backend}, openat watched: {what}");
        // What passes a tracepoint's program by pays the kernel's own price of it all the same.
        let null_goal = (backend == "trampoline").then_some(goal);
        line(&name("getppid"), "x", null_goal, &ratios(&with.null, &bare.null));
        line(&name("openat+close"), "x", None, &ratios(&with.open, &bare.open));
        line(
            &name("agent per event, counted"),
            "",
            None,
            &[since.cpu / since.delivered],
        );
        if since.dropped > 0 {
            println!("{} events were dropped", since.dropped);
        }
        let agent = start("count", "network", backend, None)?;
        agent.mark()?;
        let with = costs()?;
        agent.stop()?;
        let name = format!("{backend}, connect watched: openat+close");
        line(&name, "x", Some(goal), &ratios(&with.open, &bare.open));
    }
    for (name, output) in [("a file", Some(Path::new("/tmp/events"))), ("/dev/null", None)] {
        let agent = start("json", "file", "auto", output)?;
        open_close();
        let mark = agent.mark()?;
        costs()?;
        let since = agent.since(&mark)?;
        agent.stop()?;
        let name = format!("agent per event, JSON into {name}");
        line(&name, "", None, &[since.cpu / since.delivered]);
    }
    Ok(())
}

fn start(format: &str, events: &str, backend: &str, output: Option<&Path>) -> Result<Agent> {
    let mut command = Command::new("agent");
    command.args([
        "run",
        "--output",
        format,
        "--events",
        events,
        "--capture-backend",
        backend,
    ]);
    command.args(["--control-socket", "/run/agent.sock", "--log-target", "stderr"]);
    Agent::spawn(command, "/run/agent.sock".into(), output.map(Path::to_owned))
}

fn costs() -> Result<Costs> {
    let (mut null, mut open) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        null.push(per_call(null_call)?);
        open.push(per_call(open_close)?);
    }
    Ok(Costs { null, open })
}

/// This thread's own CPU time per call, in nanoseconds.
fn per_call(call: fn()) -> Result<f64> {
    let clock = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(std::time::Duration::from);
    let before = clock()?;
    for _ in 0..CALLS {
        call();
    }
    Ok((clock()? - before).as_nanos() as f64 / f64::from(CALLS))
}

/// Against the median of the bare rounds.
fn ratios(with: &[f64], bare: &[f64]) -> Vec<f64> {
    let mut bare = bare.to_vec();
    bare.sort_by(f64::total_cmp);
    let middle = bare[bare.len() / 2];
    with.iter().map(|cost| cost / middle).collect()
}

fn line(what: &str, unit: &str, goal: Option<f64>, values: &[f64]) {
    let goal = goal.map_or("-".to_owned(), |goal| goal.to_string());
    let values: Vec<String> = values.iter().map(|value| format!("{value:.5}")).collect();
    println!("{what}\t{unit}\t{goal}\t{}", values.join(" "));
}
