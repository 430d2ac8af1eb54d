//! What the agent costs: ratios taken in one run, because absolute times mean nothing on a shared machine.
//!
//! Each load runs pinned to one CPU, in turns without the agent and with it (A B A B …), and the median of the ratios is
//! printed with the smallest and the largest. The agent runs as it does in a container: a non-root user, events as JSON
//! to /dev/null. Run it by `./justw bench`, as root, on a machine with nothing else to do and no other BPF program loaded.

#[expect(dead_code, reason = "the lab serves the tests and the demo too")]
#[path = "../tests/lab/mod.rs"]
mod lab;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::agent::Installed;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinhole::control::api::GetStatusReply;
use pinhole::control::client::Client;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Turns of each comparison. Odd, so that the median is one of them.
const TURNS: usize = 5;

fn main() -> Result<()> {
    let binary = release_binary()?;
    let installed = Installed::new(&binary)?;
    pin(1)?;
    println!("pinhole bench: {TURNS} turns each, load pinned to CPU 1, ratio = with agent / without");
    println!("loaded BPF programs before the start: {}\n", loaded_programs());

    let null = || repeat(2_000_000, null_call);
    let open = || repeat(200_000, open_close);
    let exec = || repeat(400, fork_exec);

    println!(
        "{:<44} {:>7} {:>15} {:>9} {:>9}",
        "load", "ratio", "(min .. max)", "ns bare", "ns with"
    );
    let mut rows = Vec::new();
    for backend in ["auto", "dispatcher"] {
        let agent = |events| Agent::start(&installed, events, backend);
        let Ok(probe) = agent("file,network") else {
            println!("backend {backend}: refused here");
            continue;
        };
        let name = probe.status()?.backend.map_or_else(String::new, |backend| backend.name);
        drop(probe);
        if rows.contains(&name) {
            continue;
        }
        compare(
            &format!("{name}: null system call, not watched"),
            2_000_000,
            null,
            || agent("file,network"),
        )?;
        compare(&format!("{name}: openat+close, not watched"), 200_000, open, || {
            agent("network")
        })?;
        compare(&format!("{name}: openat+close, watched"), 200_000, open, || {
            agent("file")
        })?;
        compare(&format!("{name}: fork+exec+wait, watched"), 400, exec, || {
            agent("process,file,network")
        })?;
        rows.push(name);
    }
    println!();
    pipeline(&installed)?;
    footprint(&installed, &binary)
}

/// The whole pipeline at full speed and at a steady rate.
fn pipeline(installed: &Installed) -> Result<()> {
    let agent = Agent::start(installed, "file", "auto")?;
    let before = agent.status()?;
    let started = Instant::now();
    for _ in 0..1_000_000 {
        open_close();
    }
    let offered = started.elapsed().as_secs_f64();
    agent.catch_up()?;
    let written = started.elapsed().as_secs_f64();
    let (seen, delivered, dropped) = agent.opens_since(&before)?;
    println!(
        "pipeline, unpaced flood: {:.0} events/s offered, {:.0} events/s written as JSON, {:.1} % dropped and counted",
        seen as f64 / offered,
        delivered as f64 / written,
        100.0 * dropped as f64 / seen.max(1) as f64
    );
    for rate in [50_000_u64, 100_000, 200_000] {
        let before = agent.status()?;
        let cpu = agent.cpu_seconds()?;
        let seconds = 3;
        paced(rate, Duration::from_secs(seconds));
        let used = agent.cpu_seconds()? - cpu;
        let (seen, _, dropped) = agent.opens_since(&before)?;
        println!(
            "pipeline, paced {rate:>6} opens/s: {dropped} of {seen} dropped, agent at {:.0} % of one CPU",
            100.0 * used / seconds as f64
        );
    }
    Ok(())
}

fn footprint(installed: &Installed, binary: &Path) -> Result<()> {
    let mut starts = Vec::new();
    for _ in 0..TURNS {
        let started = Instant::now();
        let agent = Agent::start(installed, "process,file,network", "auto")?;
        starts.push(started.elapsed().as_secs_f64() * 1000.0);
        drop(agent);
    }
    let agent = Agent::start(installed, "process,file,network", "auto")?;
    for _ in 0..50_000 {
        open_close();
    }
    println!(
        "\nstart to attached and filtered: {:.0} ms (median of {TURNS})",
        median(&mut starts)
    );
    for key in ["VmHWM", "VmRSS", "RssAnon"] {
        println!("{key}: {:.1} MB", agent.memory(key)? as f64 / 1000.0);
    }
    println!(
        "binary: {:.2} MB, {}",
        fs::metadata(binary)?.len() as f64 / 1e6,
        linkage(binary)?
    );
    Ok(())
}

/// Runs the load bare and under the agent, in turns, and prints the ratio.
fn compare(name: &str, calls: u32, load: impl Fn() -> Duration, agent: impl Fn() -> Result<Agent>) -> Result<()> {
    let (mut ratios, mut bare, mut with) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        load();
        let a = load().as_secs_f64();
        let running = agent()?;
        // The start of the agent leaves caches and clocks in another state than the bare turn found.
        load();
        let b = load().as_secs_f64();
        drop(running);
        ratios.push(b / a);
        bare.push(a * 1e9 / f64::from(calls));
        with.push(b * 1e9 / f64::from(calls));
    }
    let middle = median(&mut ratios);
    println!(
        "{name:<44} {middle:>7.2} {:>15} {:>9.0} {:>9.0}",
        format!("({:.2} .. {:.2})", ratios[0], ratios[ratios.len() - 1]),
        median(&mut bare),
        median(&mut with)
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn repeat(times: u32, call: impl Fn()) -> Duration {
    let started = Instant::now();
    for _ in 0..times {
        call();
    }
    started.elapsed()
}

fn null_call() {
    std::hint::black_box(nix::unistd::getppid());
}

fn open_close() {
    let fd = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
    drop(std::hint::black_box(fd));
}

fn fork_exec() {
    let _ = Command::new("/bin/true").status();
}

/// Opens at a steady rate, in slices of a millisecond.
fn paced(rate: u64, during: Duration) {
    let started = Instant::now();
    let mut done = 0;
    while started.elapsed() < during {
        let due = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) * rate / 1000;
        while done < due {
            open_close();
            done += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// The agent, with its events going nowhere.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(installed: &Installed, events: &str, backend: &str) -> Result<Self> {
        let _ = fs::remove_file(installed.control_socket());
        let mut command = installed.command([
            "run",
            "--output",
            "json",
            "--events",
            events,
            "--capture-backend",
            backend,
        ])?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // The load stays on its CPU; the agent may use any.
        let mut all = CpuSet::new();
        for cpu in 0..CpuSet::count() {
            all.set(cpu)?;
        }
        sched_setaffinity(Pid::from_raw(child.id().cast_signed()), &all)?;
        let mut agent = Self {
            child,
            socket: installed.control_socket(),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if agent.status().is_ok() {
                return Ok(agent);
            }
            if let Some(status) = agent.child.try_wait()? {
                return Err(format!("the agent ended with {status}").into());
            }
            if Instant::now() > deadline {
                return Err("the agent does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn status(&self) -> Result<GetStatusReply> {
        let deadline = Duration::from_secs(5);
        Ok(Client::connect(&self.socket, deadline)?.status(deadline)?)
    }

    /// Seen, delivered and dropped opens since then.
    fn opens_since(&self, before: &GetStatusReply) -> Result<(u64, u64, u64)> {
        let now = self.status()?;
        let count = |status: &GetStatusReply| status.hooks.get("openat").copied().unwrap_or_default();
        let (now, then) = (count(&now), count(before));
        Ok((
            now.seen - then.seen,
            now.delivered - then.delivered,
            now.dropped - then.dropped,
        ))
    }

    /// Waits until everything that happened so far is written: events keep their order, so when that of a program that
    /// is started now has arrived, all before it have.
    fn catch_up(&self) -> Result<()> {
        let deadline = Duration::from_secs(20);
        let mut client = Client::connect(&self.socket, deadline)?;
        let token = format!("pinhole-canary-bench-{}", std::process::id());
        let mut child = None;
        client.watch_exec(&token, deadline, || {
            child = Some(Command::new("/bin/true").arg(&token).spawn());
        })?;
        if let Some(child) = child {
            child?.wait()?;
        }
        Ok(())
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100);
        Ok(ticks as f64 / per_second as f64)
    }

    /// A line of `/proc/<pid>/status`, in kB.
    fn memory(&self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(key))
            .ok_or("no such line")?;
        Ok(line.split_whitespace().nth(1).ok_or("no value")?.parse()?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

fn release_binary() -> Result<PathBuf> {
    // examples/bench stands in target/<host>/release/examples.
    let binary = std::env::current_exe()?
        .parent()
        .and_then(Path::parent)
        .map(|dir| dir.join("agent"))
        .ok_or("no directory")?;
    if binary.exists() {
        Ok(binary)
    } else {
        Err(format!("{} is missing: ./justw bench builds it", binary.display()).into())
    }
}

fn loaded_programs() -> String {
    let output = Command::new("bpftool").args(["--json", "prog", "list"]).output();
    let count = output
        .ok()
        .and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok());
    match count.as_ref().and_then(serde_json::Value::as_array).map(Vec::len) {
        Some(count) => count.to_string(),
        None => "unknown (bpftool is missing)".to_owned(),
    }
}

fn linkage(binary: &Path) -> Result<String> {
    let output = Command::new("ldd").arg(binary).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok(format!("ldd: {}", String::from_utf8_lossy(&text).trim()))
}
