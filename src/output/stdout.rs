//! Standard output, written so that a reader who stalls cannot make the agent deaf: a request to stop is heard while it
//! waits, and descriptors that others made non-blocking are no error. How long it waits is accounted for.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::account::Account;

/// What a pipe takes without blocking once poll(2) says that it is writable (POSIX's PIPE_BUF on Linux).
const CHUNK: usize = 4096;
/// How long a reader that does not read is waited for after the request to stop, in milliseconds.
const GRACE: u16 = 1000;
/// A file takes what is written, or its disk is behind: from here on that counts as waiting.
const SLOW: Duration = Duration::from_millis(1);

/// Standard output of the agent.
#[derive(Debug)]
pub struct Stdout {
    out: io::Stdout,
    stop: OwnedFd,
    /// Writing may wait for somebody: a pipe, a socket or a terminal, not a file.
    may_wait: bool,
    account: Arc<Account>,
}

impl Stdout {
    /// Takes standard output; `stop` is readable once the agent was asked to stop. `account` is told of all waiting.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn new(stop: OwnedFd, account: Arc<Account>) -> io::Result<Self> {
        let out = io::stdout();
        let kind = std::fs::File::from(out.as_fd().try_clone_to_owned()?)
            .metadata()?
            .file_type();
        let null = kind.is_char_device() && !io::IsTerminal::is_terminal(&out);
        let may_wait = !kind.is_file() && !null;
        Ok(Self {
            out,
            stop,
            may_wait,
            account,
        })
    }

    /// Waits until something can be written.
    fn wait(&self) -> io::Result<()> {
        let out = || PollFd::new(self.out.as_fd(), PollFlags::POLLOUT);
        // Whoever keeps up is seen to by one call, and no clock is read.
        if poll(&mut [out()], PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
            return Ok(());
        }
        let _blocked = self.account.blocked();
        let mut fds = [out(), PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        if let Err(errno) = poll(&mut fds, PollTimeout::NONE)
            && errno != Errno::EINTR
        {
            return Err(errno.into());
        }
        let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        if !ready(&fds[0]) && ready(&fds[1]) {
            let mut alone = [out()];
            if poll(&mut alone, PollTimeout::from(GRACE))? == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
            }
        }
        Ok(())
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.may_wait {
            let began = Instant::now();
            let written = nix::unistd::write(&self.out, bytes).map_err(io::Error::from);
            let took = began.elapsed();
            if took >= SLOW {
                self.account.was_blocked(took);
            }
            return written;
        }
        loop {
            self.wait()?;
            match nix::unistd::write(&self.out, &bytes[..bytes.len().min(CHUNK)]) {
                // Somebody else who holds this pipe or terminal made it non-blocking, and filled it meanwhile.
                Err(Errno::EAGAIN) => {}
                other => return other.map_err(io::Error::from),
            }
        }
    }

    /// Nothing is kept back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
