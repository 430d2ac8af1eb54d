//! The delivery process: forked while the agent is one thread and has not raised any capability, confined before it sees an alert,
//! and ended by the end of what the sensor sends.
//!
//! It is forked and not started from a file, so that it needs no execve, no path and no settings of its own. It keeps what was open when
//! the agent began (standard error, the journal's socket), the files of its channels and its end of the pair.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{self, ForkResult, Pid};
use pinhole_delivery::config::Delivery;
use pinhole_delivery::{Courier, Ended, Sender, StartError};

use super::confine::{self, NotConfined};
use crate::privilege::{drop, landlock};

/// The name of the process.
pub const NAME: &str = "agent-delivery";

/// How long it may take to confine itself and begin to work.
const BEGINS: Duration = Duration::from_secs(10);

/// What it ends with where it could not begin; its log says why.
const NOT_BEGUN: i32 = 70;

/// Why there is no delivery process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A channel cannot be used as it is set.
    #[error(transparent)]
    Channel(#[from] StartError),
    /// More than one thread runs, of which a fork takes along one.
    #[error(transparent)]
    Threads(#[from] drop::Error),
    /// There are no sockets for it.
    #[error("cannot make the sockets to the delivery process: {0}")]
    Sockets(#[source] io::Error),
    /// The kernel refused a part of it.
    #[error("cannot start the delivery process: {0}")]
    Fork(#[source] Errno),
    /// It ended at once, or says nothing.
    #[error("the delivery process did not begin to work ({0}); what it logged before this may say why")]
    NotBegun(String),
}

/// Opens what the channels need, starts the process and waits until it works. To be called by the only thread, before anything is open
/// that the process must not have.
///
/// # Errors
/// See [`Error`]; no process is left.
pub fn start(settings: &Delivery, node: &str) -> Result<Sender, Error> {
    drop::require_single_thread()?;
    // By the process that was started, so that a mistake in the settings is its error.
    let courier = Courier::new(settings, node, env!("CARGO_PKG_VERSION"))?;
    let (mut sender, end) = Sender::pair(settings).map_err(Error::Sockets)?;
    let child = match os::fork().map_err(Error::Fork)? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            std::mem::drop(sender);
            std::process::exit(live(courier, end, settings));
        }
    };
    std::mem::drop((courier, end));
    if !sender.is_answered(BEGINS) {
        return Err(Error::NotBegun(outcome(child)));
    }
    // Nobody waits for its end, which the socket tells: the filter of the sensor has no call for that.
    os::disregard_children().map_err(Error::Fork)?;
    Ok(sender)
}

/// How a process ended that did not begin; one that still runs is stopped.
fn outcome(child: Pid) -> String {
    // One that has ended cannot be sent it and tells how it ended by itself.
    let stopped = match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => kill(child, Signal::SIGKILL).and_then(|()| waitpid(child, None)),
        other => other,
    };
    match stopped {
        Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => "it said nothing in time".to_owned(),
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("it was ended by {signal}"),
        Ok(WaitStatus::Exited(_, code)) => format!("it ended with {code}"),
        Ok(other) => format!("{other:?}"),
        Err(errno) => errno.to_string(),
    }
}

/// The life of the process, and what it ends with.
fn live(courier: Courier, sensor: UnixStream, settings: &Delivery) -> i32 {
    let channels = courier.channels();
    let landlocked = match begin(settings) {
        Ok(landlocked) => landlocked,
        Err(error) => {
            tracing::error!("the delivery process cannot confine itself, and ends: {error}");
            return NOT_BEGUN;
        }
    };
    tracing::info!(
        channels,
        landlock = landlocked.restricted.as_str(),
        landlock_why = landlocked.why,
        "delivering, without any capability"
    );
    let Ended { report, error } = courier.run(sensor);
    let unsettled: u64 = report.channels.values().map(|account| account.waiting).sum();
    match error {
        Some(error) => tracing::warn!(unsettled, "the delivery process ends: {error}"),
        None => tracing::debug!(unsettled, "the delivery process ends with the sensor"),
    }
    0
}

fn begin(settings: &Delivery) -> Result<landlock::Landlocked, NotConfined> {
    let refused = |what| move |errno| NotConfined::Kernel { what, errno };
    prctl::set_name(c"agent-delivery").map_err(refused("a name"))?;
    // What ends the agent ends the sensor, and this process then has its time to deliver what waits.
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        os::catch(signal).map_err(refused("a signal's handler"))?;
    }
    // Whoever reads the agent's output sees its end when the sensor has ended.
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(NotConfined::Null)?;
    unistd::dup2_stdin(&null).map_err(refused("/dev/null for standard input"))?;
    unistd::dup2_stdout(&null).map_err(refused("/dev/null for standard output"))?;
    std::mem::drop(null);
    confine::confine(settings)
}

/// What has no safe form.
mod os {
    use super::{Errno, ForkResult, SaFlags, SigAction, SigHandler, SigSet, Signal, unistd};

    #[expect(unsafe_code, reason = "fork")]
    pub(super) fn fork() -> Result<ForkResult, Errno> {
        // SAFETY: this is the only thread, as the caller has just made sure of, so no lock is held by one that the child lacks.
        unsafe { unistd::fork() }
    }

    /// The kernel buries children without being asked.
    pub(super) fn disregard_children() -> Result<(), Errno> {
        set(Signal::SIGCHLD, SigHandler::SigIgn)
    }

    /// Catches a signal and does nothing. Were it ignored, so would it be by programs that are started.
    pub(super) fn catch(signal: Signal) -> Result<(), Errno> {
        set(signal, SigHandler::Handler(nothing))
    }

    extern "C" fn nothing(_: libc::c_int) {}

    #[expect(unsafe_code, reason = "sigaction")]
    fn set(signal: Signal, handler: SigHandler) -> Result<(), Errno> {
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the only handler that is set does nothing, which is safe at any moment.
        unsafe { nix::sys::signal::sigaction(signal, &action) }.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_is_one_that_the_kernel_keeps_whole() {
        assert!(NAME.len() < 16);
    }

    #[test]
    fn beside_another_thread_nothing_is_forked() {
        // The test harness itself runs more than one thread.
        let error = start(&Delivery::default(), "node").unwrap_err();
        assert!(matches!(error, Error::Threads(_)), "{error}");
    }
}
