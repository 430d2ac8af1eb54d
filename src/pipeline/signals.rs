//! Signals, as something to wait for among other things.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What the outside world may ask of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGINT or SIGTERM: finish.
    Stop,
    /// SIGUSR1: print a summary.
    Summary,
}

/// The signals the agent listens to.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the signals for this thread, and for those that it spawns afterwards, and opens a descriptor for them.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn listen() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self {
            fd: SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?,
        })
    }

    /// The next request, if there is one.
    pub fn next(&self) -> Option<Request> {
        let info = self.fd.read_signal().ok().flatten()?;
        match i32::try_from(info.ssi_signo)
            .ok()
            .and_then(|number| Signal::try_from(number).ok())?
        {
            Signal::SIGUSR1 => Some(Request::Summary),
            _ => Some(Request::Stop),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
