//! The agent that is measured.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinhole::control::api::{GetStatusReply, HookCounters};
use pinhole::control::client::Client;
use serde_json::Value;

use crate::Result;
use crate::lab::agent::Installed;

/// How long anything that the agent is asked may take.
const ANSWERS: Duration = Duration::from_secs(60);
/// The last line of a run is far shorter.
const LAST_LINE: u64 = 64 * 1024;

/// A running agent.
pub(crate) struct Agent {
    child: Child,
    socket: PathBuf,
    /// The file that it writes to, if any.
    output: Option<PathBuf>,
}

/// Where an agent stood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    counters: HookCounters,
    cpu: Duration,
    at: Instant,
}

/// What happened since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    /// Events of all hooks: what others did meanwhile has its price too.
    pub(crate) delivered: f64,
    pub(crate) dropped: u64,
    /// CPU time of the agent, in nanoseconds.
    pub(crate) cpu: f64,
    /// Time that went by, in nanoseconds.
    pub(crate) elapsed: f64,
}

impl Agent {
    /// Starts an agent and waits until it is ready: hooks attached, privileges dropped.
    pub(crate) fn start(installed: &Installed, args: &[&str]) -> Result<Self> {
        let output = installed.dir().join("output");
        let mut command = installed.command(["run"])?;
        command.args(args);
        Self::spawn(command, installed.control_socket(), Some(output))
    }

    /// As [`Self::start`], by a command of the caller's; without a file the output goes nowhere.
    pub(crate) fn spawn(mut command: Command, socket: PathBuf, output: Option<PathBuf>) -> Result<Self> {
        // One of an agent before would answer nobody.
        let _ = fs::remove_file(&socket);
        let child = command
            .stdout(match &output {
                Some(path) => File::create(path)?.into(),
                None => Stdio::null(),
            })
            .stderr(Stdio::null())
            .spawn()?;
        // The load stays on its CPU; the agent may use any.
        let mut all = CpuSet::new();
        for cpu in 0..CpuSet::count() {
            all.set(cpu)?;
        }
        sched_setaffinity(Pid::from_raw(child.id().cast_signed()), &all)?;
        let mut agent = Self { child, socket, output };
        let deadline = Instant::now() + ANSWERS;
        while agent.status().is_err() {
            if let Some(status) = agent.child.try_wait()? {
                return Err(format!("the agent ended with {status}").into());
            }
            if Instant::now() > deadline {
                return Err("the agent does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(agent)
    }

    pub(crate) fn status(&self) -> Result<GetStatusReply> {
        let deadline = Duration::from_secs(5);
        Ok(Client::connect(&self.socket, deadline)?.status(deadline)?)
    }

    /// The backend in use.
    pub(crate) fn backend(&self) -> Result<String> {
        Ok(self.status()?.backend.map_or_else(String::new, |backend| backend.name))
    }

    /// Remembers where the agent stands, once it has taken all that happened so far.
    pub(crate) fn mark(&self) -> Result<Mark> {
        self.catch_up()?;
        let mut sum = HookCounters::default();
        for counters in self.status()?.hooks.values() {
            sum.delivered += counters.delivered;
            sum.dropped += counters.dropped;
        }
        Ok(Mark {
            counters: sum,
            cpu: self.cpu()?,
            at: Instant::now(),
        })
    }

    /// What happened since, once the agent has taken it all.
    pub(crate) fn since(&self, mark: &Mark) -> Result<Since> {
        let now = self.mark()?;
        Ok(Since {
            delivered: (now.counters.delivered - mark.counters.delivered) as f64,
            dropped: now.counters.dropped - mark.counters.dropped,
            cpu: (now.cpu - mark.cpu).as_secs_f64() * 1e9,
            elapsed: (now.at - mark.at).as_secs_f64() * 1e9,
        })
    }

    /// Events keep their order, so when that of a program that is started now has been taken, all before it have. Where
    /// it is lost because the ring is full, another is tried.
    fn catch_up(&self) -> Result<()> {
        let token = format!("pinhole-canary-bench-{}", std::process::id());
        let deadline = Instant::now() + ANSWERS;
        loop {
            let wait = Duration::from_secs(2);
            let mut child = None;
            let seen = Client::connect(&self.socket, wait)?.watch_exec(&token, wait, || {
                child = Some(Command::new("/bin/true").arg(&token).spawn());
            });
            if let Some(child) = child {
                child?.wait()?;
            }
            match seen {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    /// CPU time of all its threads, user and kernel, exact where `/proc/<pid>/stat` counts by ticks.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// A line of `/proc/<pid>/status`, in MB.
    pub(crate) fn memory(&self, key: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(key))
            .ok_or("no such line")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no value")?.parse()?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    /// Ends it. Returns its summary, null where the output went nowhere.
    pub(crate) fn stop(mut self) -> Result<Value> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        self.child.wait()?;
        match &self.output {
            Some(path) => Ok(serde_json::from_str(&last_line(path)?)?),
            None => Ok(Value::Null),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended already is the only way in which these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(path) = &self.output {
            let _ = fs::remove_file(path);
        }
    }
}

fn last_line(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LAST_LINE)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail).into_owned();
    Ok(tail.lines().next_back().unwrap_or_default().to_owned())
}
