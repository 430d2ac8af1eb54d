//! The pipeline's sleep, and the turns between its batches: when lookups go on.

use std::future::poll_fn;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Resolver;
use crate::container::flight::until;

/// A turn of the event loop lets a lookup take this many steps: read the answer, act on it, send the next request.
const STEPS: usize = 3;
/// The longest sleep where the event loop cannot watch a descriptor.
const UNWATCHED: Duration = Duration::from_millis(5);

impl Resolver {
    /// Gives lookups that are under way one turn, and forgets what has gone long enough. Never blocks.
    pub fn turn(&mut self) {
        if self.flights.is_busy() {
            self.block_on(async {
                for _ in 0..STEPS {
                    tokio::task::yield_now().await;
                }
            });
        }
        self.land();
        self.look_around();
        self.forget_removed();
    }

    /// Sleeps until one of the descriptors is readable, at most so long, while lookups go on. Says whether one is. With
    /// no lookup under way this is poll(2).
    ///
    /// # Errors
    /// The kernel refused to wait.
    pub fn wait(&mut self, on: &[BorrowedFd<'_>], at_most: Duration) -> nix::Result<bool> {
        if at_most.is_zero() {
            return Ok(false);
        }
        let until = Instant::now() + at_most;
        self.sockets_changed();
        self.land();
        self.look_around();
        self.look_after();
        while self.flights.is_busy() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.block_on(async { watch(on, left, self.flights.turned()).await }) {
                Ok(Woken::Readable) => return Ok(true),
                Ok(Woken::Late) => return Ok(false),
                Ok(Woken::Turned) => {
                    self.land();
                    // A socket that was looked at again may answer now.
                    self.look_around();
                    self.look_after();
                }
                Err(error) => {
                    tracing::debug!(%error, "the event loop cannot watch the ring and the signals");
                    if sleep(on, left.min(UNWATCHED))? {
                        return Ok(true);
                    }
                    self.turn();
                }
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Ok(false) } else { sleep(on, left) }
    }
}

enum Woken {
    Readable,
    Late,
    /// Something has come of the background that may have to be followed up at once.
    Turned,
}

/// The descriptors are registered for this wait alone: epoll reports an edge to the event loop once, but at its
/// registration it reports what is there, so nothing that came before is missed.
async fn watch(on: &[BorrowedFd<'_>], at_most: Duration, turned: impl Future<Output = ()>) -> io::Result<Woken> {
    let watched = on.iter().map(register).collect::<io::Result<Vec<_>>>()?;
    let readable = poll_fn(|context| {
        for fd in &watched {
            if let Poll::Ready(ready) = fd.poll_read_ready(context) {
                return Poll::Ready(ready.map(|_| Woken::Readable));
            }
        }
        Poll::Pending
    });
    let awake = tokio::time::timeout(at_most, until(readable, turned)).await;
    match awake {
        Ok(Some(woken)) => woken,
        Ok(None) => Ok(Woken::Turned),
        Err(_) => Ok(Woken::Late),
    }
}

#[expect(unsafe_code, reason = "the event loop's seam to descriptors that are not its own")]
fn register<'fd>(fd: &BorrowedFd<'fd>) -> io::Result<AsyncFd<BorrowedFd<'fd>>> {
    // SAFETY: a borrowed descriptor is open, and the same, as long as it is borrowed, and what is returned borrows it as
    // long.
    let registered = unsafe { AsyncFd::register_with_interest(*fd, Interest::READABLE) };
    Ok(registered?)
}

/// poll(2) for reading. A signal ends it early.
fn sleep(on: &[BorrowedFd<'_>], at_most: Duration) -> nix::Result<bool> {
    let mut fds: Vec<PollFd<'_>> = on.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let timeout = PollTimeout::try_from(at_most.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}
