//! The canary: a known, harmless program with a token among its arguments, whose event must come back.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::super::facts::CanaryFact;
use crate::control::client::{Client, Error};

/// A program that does nothing, present nearly everywhere.
const TRUE: &str = "/bin/true";
/// How long the doctor waits for the end of a program that does nothing.
const REAPED: Duration = Duration::from_millis(200);

/// A canary that was seen by a pipeline that no agent runs.
#[derive(Debug, Clone, PartialEq)]
pub struct CanarySeen {
    /// The event.
    pub event: Value,
    /// From just before the start of the program to the event, in microseconds.
    pub latency_us: u64,
}

/// Runs the canary without an agent: a capture and a lookup of its own, for the time of one event.
pub trait ColdCanary: Send + Sync {
    /// Arms a watch for `token`, calls `start`, and waits for the event.
    ///
    /// # Errors
    /// In words, why no event came: `Ok(None)` means that everything ran and the event did not come in time.
    fn run(&self, token: &str, deadline: Duration, start: &mut dyn FnMut()) -> Result<Option<CanarySeen>, String>;
}

/// Runs the canary under the eyes of the running agent.
pub(super) fn run_live(client: &mut Client, deadline: Duration) -> CanaryFact {
    let mut canary = Canary::new(deadline);
    let token = canary.token.clone();
    let result = client.watch_exec(&token, deadline, || canary.start());
    let latency_us = canary.elapsed_us();
    match result {
        Ok(json) => match serde_json::from_str(&json) {
            Ok(event) => CanaryFact::Seen {
                program: canary.name(),
                latency_us,
                event,
            },
            Err(error) => CanaryFact::NotWatched {
                message: format!("its event is not JSON: {error}"),
            },
        },
        Err(Error::Timeout { .. }) => canary.not_seen(),
        Err(error) => CanaryFact::NotWatched {
            message: error.to_string(),
        },
    }
}

/// Runs the canary without an agent.
pub(super) fn run_cold(cold: &dyn ColdCanary, deadline: Duration) -> CanaryFact {
    let mut canary = Canary::new(deadline);
    let token = canary.token.clone();
    match cold.run(&token, deadline, &mut || canary.start()) {
        Ok(Some(seen)) => CanaryFact::Seen {
            program: canary.name(),
            latency_us: seen.latency_us,
            event: seen.event,
        },
        Ok(None) => canary.not_seen(),
        Err(message) => CanaryFact::NotWatched { message },
    }
}

struct Canary {
    program: PathBuf,
    args: Vec<OsString>,
    token: String,
    deadline: Duration,
    started: Option<Instant>,
    running: Option<Result<Child, String>>,
}

impl Canary {
    fn new(deadline: Duration) -> Self {
        let token = token();
        let mut args = vec![OsString::from(&token)];
        let program = if PathBuf::from(TRUE).exists() {
            PathBuf::from(TRUE)
        } else {
            // An image that holds nothing but the agent: its version is as harmless.
            args.insert(0, OsString::from("--version"));
            std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"))
        };
        Self {
            program,
            args,
            token,
            deadline,
            started: None,
            running: None,
        }
    }

    fn name(&self) -> String {
        self.program.display().to_string()
    }

    fn start(&mut self) {
        self.started = Some(Instant::now());
        self.running = Some(self.spawn().map_err(|error| error.to_string()));
    }

    fn spawn(&self) -> io::Result<Child> {
        // Its output goes nowhere, by a descriptor that is open for reading: a confined doctor opens no other.
        let nowhere = || File::open("/dev/null").map(Stdio::from);
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .stdin(nowhere()?)
            .stdout(nowhere()?)
            .stderr(nowhere()?)
            .spawn()
    }

    fn elapsed_us(&self) -> u64 {
        self.started.map_or(0, |started| {
            u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
        })
    }

    /// No event: because the program did not run, or because nobody saw it.
    fn not_seen(&self) -> CanaryFact {
        let program = self.name();
        match &self.running {
            Some(Ok(_)) => CanaryFact::NotSeen {
                program,
                waited: self.deadline,
            },
            Some(Err(message)) => CanaryFact::NotRun {
                program,
                message: message.clone(),
            },
            None => CanaryFact::NotWatched {
                message: format!("no watch was armed within {:?}", self.deadline),
            },
        }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        if let Some(Ok(child)) = &mut self.running {
            // It has ended long ago. One that has not is left to end by itself: the doctor sends no signals.
            let until = Instant::now() + REAPED;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Unique enough for one machine: the process and the nanosecond.
fn token() -> String {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!("pinhole-canary-{}-{nanos:x}", std::process::id())
}
