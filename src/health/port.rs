//! The port for probes and scrapers: HTTP/1, one request for each connection, and nothing but what is in
//! [`answer`](super::answer).
//!
//! Whoever can reach the port may connect, so nobody can hold it: a connection has [`DEADLINE`] for its request and its
//! answer, and where there are [`MOST`] of them, the oldest goes for a new one. A request that arrives whole is answered
//! at once, so those who go are those who dawdle. The socket is bound before the privileges go; later only accepting is
//! left, which makes no socket of a family that the filter forbids.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::answer::answer;
use super::monitor::Monitor;

/// Connections at a time.
pub const MOST: usize = 32;
/// How long one connection may take, from its acceptance to its end.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// The request line and all headers together; scrapers send some 500 bytes. The least that hyper takes.
const MOST_BYTES: usize = 8192;
const MOST_HEADERS: usize = 32;
/// Pause after a failed accept (out of file descriptors, for example), so that the thread does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at health.listen, {address}: {source}")]
pub struct Error {
    address: SocketAddr,
    source: io::Error,
}

/// Binds the port. To be done before the seccomp filter: it makes a socket.
///
/// # Errors
/// The address is in use, not this host's, or not for this user.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Serves until it is dropped. Within a Tokio runtime of one thread.
pub async fn serve(listener: tokio::net::TcpListener, monitor: Arc<Monitor>) {
    // Oldest first. Those that have ended are found when a new one comes.
    let mut open: VecDeque<AbortHandle> = VecDeque::with_capacity(MOST);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MOST
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let monitor = Arc::clone(&monitor);
        let connection = tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&monitor, request.method(), request.uri().path(), request.headers());
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .keep_alive(false)
                .max_buf_size(MOST_BYTES)
                .max_headers(MOST_HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            // What goes wrong with a connection ends it, and is nobody else's matter.
            let _ = timeout(DEADLINE, served).await;
        });
        open.push_back(connection.abort_handle());
        // Those that are open have their turn before the next one comes: while connections wait, accepting never does, and
        // whose request is here would be pushed out before it was looked at.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
