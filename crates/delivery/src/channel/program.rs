//! A program that reads alerts on its standard input: one that goes on (`keep_alive`), a line each, or one for each alert.
//!
//! No shell is involved. The program inherits the environment but for the agent's own variables, and its output goes to standard
//! error, so that it does not mix with alerts. What a program that goes on has not read when it dies is lost: that a line was
//! taken means that the pipe took it. One that keeps dying is started again with longer and longer pauses.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout};

use super::{Channel, Failure, Kind, line};
use crate::alert::Alert;
use crate::backoff::Backoff;
use crate::config;

/// One that lived so long did not die of its start.
const LIVED: Duration = Duration::from_secs(60);
/// Pauses between starts.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// How long one that was killed is waited for.
const KILLED: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Program {
    settings: config::Program,
    running: Option<Running>,
    starts: Backoff,
}

enum Ended {
    Yes(ExitStatus),
    No,
    /// It cannot be waited for, so its number may be another's.
    Unknown,
}

struct Running {
    child: Child,
    /// Dropped before the child is waited for, so that it sees the end.
    input: Option<pipe::Sender>,
    since: Instant,
}

impl Program {
    pub(crate) fn new(settings: &config::Program) -> Self {
        Self {
            settings: settings.clone(),
            running: None,
            starts: Backoff::new(FIRST, LONGEST),
        }
    }

    fn start(&self) -> io::Result<Running> {
        let Some((program, arguments)) = self.settings.command.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?))
            // An interrupt at the terminal is the agent's to answer: the program ends when its input does. What it starts can be
            // stopped with it.
            .process_group(0);
        let own = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PINHOLE_"));
        own.for_each(|(name, _)| {
            command.env_remove(name);
        });
        let mut child = command.spawn()?;
        let input = child.stdin.take().map(OwnedFd::from).map(pipe::Sender::from_owned_fd);
        Ok(Running {
            child,
            input: input.transpose()?,
            since: Instant::now(),
        })
    }

    /// Why it is not running, in words; `None` where it is.
    fn died(&mut self) -> Option<String> {
        let running = self.running.as_mut()?;
        let how = match running.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => format!("{status}"),
            Err(error) => error.to_string(),
        };
        if running.since.elapsed() >= LIVED {
            self.starts.reset();
        }
        self.running = None;
        Some(format!("{} ended: {how}", self.settings.command[0]))
    }

    fn later(&mut self, taken: usize, error: String) -> Failure {
        Failure {
            taken,
            kind: Kind::Later(Some(self.starts.pause(None))),
            error,
        }
    }

    async fn feed(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        if let Some(error) = self.died() {
            return Err(self.later(0, error));
        }
        if self.running.is_none() {
            let started = self.start();
            self.running = Some(started.map_err(|error| self.not_started(&error))?);
        }
        for (taken, alert) in alerts.iter().enumerate() {
            let text = format!("{}\n", line(alert, self.settings.format));
            let input = self.running.as_mut().and_then(|running| running.input.as_mut());
            let Some(input) = input else {
                return Err(self.later(taken, "it has no input".to_owned()));
            };
            let error = match timeout(self.settings.timeout, input.write_all(text.as_bytes())).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it reads nothing".to_owned(),
            };
            // Part of a line may be in the pipe, so it cannot go on with this one.
            let died = match self.running.take() {
                Some(running) => running.end(Duration::from_millis(100)).await,
                None => None,
            };
            let how = died.map_or(error, |status| format!("ended: {status}"));
            return Err(self.later(taken, format!("{} {how}", self.settings.command[0])));
        }
        Ok(())
    }

    async fn once(&mut self, alert: &Alert) -> Result<(), Failure> {
        let refused = |error: String| Failure {
            taken: 0,
            kind: Kind::Refused,
            error,
        };
        let name = self.settings.command[0].clone();
        let started = self.start();
        let mut running = started.map_err(|error| self.not_started(&error))?;
        let text = format!("{}\n", line(alert, self.settings.format));
        let deadline = Instant::now() + self.settings.timeout;
        if let Some(mut input) = running.input.take() {
            // One that does not want to read it may still end well.
            let _ = tokio::time::timeout_at(deadline, input.write_all(text.as_bytes())).await;
        }
        match running.end(deadline.saturating_duration_since(Instant::now())).await {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(refused(format!("{name} ended: {status}"))),
            None => {
                let time = humantime::format_duration(self.settings.timeout);
                Err(refused(format!("{name} was stopped after {time}")))
            }
        }
    }

    fn not_started(&mut self, error: &io::Error) -> Failure {
        let error = format!("cannot start {}: {error}", self.settings.command[0]);
        self.later(0, error)
    }
}

impl Running {
    /// Closes its input and waits for its end; stops it, and what it started, if that takes too long. Tells how it ended by itself.
    async fn end(mut self, time: Duration) -> Option<ExitStatus> {
        self.input = None;
        match self.ended_by(Instant::now() + time).await {
            Ended::Yes(status) => return Some(status),
            Ended::Unknown => return None,
            Ended::No => {}
        }
        self.kill();
        // The signal cannot be refused, but a system call that hangs is ended first.
        self.ended_by(Instant::now() + KILLED).await;
        None
    }

    /// Kills it with its process group, which has its number. That is nobody else's until it is waited for, so it must not have been.
    fn kill(&self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }

    async fn ended_by(&mut self, deadline: Instant) -> Ended {
        let mut pause = Duration::from_millis(1);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ended::Yes(status),
                Ok(None) if Instant::now() < deadline => {}
                Ok(None) => return Ended::No,
                Err(_) => return Ended::Unknown,
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// The end of the run does not wait for the program longer than `grace`: whoever waits for it then is dropped, and it must not live on.
impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.try_wait();
        }
    }
}

impl Channel for Program {
    fn batch(&self) -> usize {
        if self.settings.keep_alive { 32 } else { 1 }
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        if self.settings.keep_alive {
            return self.feed(alerts).await;
        }
        for (taken, alert) in alerts.iter().enumerate() {
            let done = self.once(alert).await;
            done.map_err(|failure| Failure { taken, ..failure })?;
        }
        Ok(())
    }

    /// It sees the end of its input, and has time to deal with what it read: in a container, nothing outlives the agent.
    async fn finish(&mut self) {
        if let Some(running) = self.running.take() {
            running.end(self.settings.timeout).await;
        }
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
