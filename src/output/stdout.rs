//! Standard output, written so that a reader who stalls cannot make the agent deaf: a request to stop is heard while it
//! waits, and descriptors that others made non-blocking are no error.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a pipe takes without blocking once poll(2) says that it is writable (POSIX's PIPE_BUF on Linux).
const CHUNK: usize = 4096;
/// How long a reader that does not read is waited for after the request to stop, in milliseconds.
const GRACE: u16 = 1000;

/// Standard output of the agent.
#[derive(Debug)]
pub struct Stdout {
    out: io::Stdout,
    stop: OwnedFd,
    /// Writing may wait for somebody: a pipe, a socket or a terminal, not a file.
    may_wait: bool,
}

impl Stdout {
    /// Takes standard output; `stop` is readable once the agent was asked to stop.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn new(stop: OwnedFd) -> io::Result<Self> {
        let out = io::stdout();
        let kind = std::fs::File::from(out.as_fd().try_clone_to_owned()?)
            .metadata()?
            .file_type();
        let null = kind.is_char_device() && !io::IsTerminal::is_terminal(&out);
        let may_wait = !kind.is_file() && !null;
        Ok(Self { out, stop, may_wait })
    }

    /// Waits until something can be written.
    fn wait(&self) -> io::Result<()> {
        let out = || PollFd::new(self.out.as_fd(), PollFlags::POLLOUT);
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
            return nix::unistd::write(&self.out, bytes).map_err(io::Error::from);
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
