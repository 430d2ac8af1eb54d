//! Signals, as something to wait for among other things.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What the outside world may ask of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGINT or SIGTERM: finish.
    Stop,
    /// SIGUSR1: print a summary.
    Summary,
    /// SIGHUP: read the rules again.
    Reload,
}

/// The signals the agent listens to.
#[derive(Debug)]
pub struct Signals {
    stop: SignalFd,
    /// The others.
    wishes: SignalFd,
}

impl Signals {
    /// Blocks the signals for this thread, and for those that it spawns afterwards, and opens descriptors for them.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn listen() -> nix::Result<Self> {
        Ok(Self {
            stop: listen_to(&[Signal::SIGINT, Signal::SIGTERM])?,
            wishes: listen_to(&[Signal::SIGUSR1, Signal::SIGHUP])?,
        })
    }

    /// The next request, if there is one.
    pub fn next(&self) -> Option<Request> {
        let pending = |fd: &SignalFd| fd.read_signal().ok().flatten();
        if pending(&self.stop).is_some() {
            return Some(Request::Stop);
        }
        let is_reload = |number: u32| Signal::try_from(number.cast_signed()) == Ok(Signal::SIGHUP);
        pending(&self.wishes).map(|signal| match signal.ssi_signo {
            number if is_reload(number) => Request::Reload,
            _ => Request::Summary,
        })
    }

    /// Readable while a request is pending.
    #[must_use]
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.stop.as_fd(), self.wishes.as_fd()]
    }

    /// A descriptor of its own that is readable while a request to stop is pending.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn stop_fd(&self) -> io::Result<OwnedFd> {
        self.stop.as_fd().try_clone_to_owned()
    }
}

fn listen_to(signals: &[Signal]) -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in signals {
        set.add(*signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}
