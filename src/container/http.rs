//! HTTP/1.1 over a unix socket, for runtimes that speak no gRPC: one GET per connection, with a deadline that covers
//! connecting, a bounded answer and a circuit breaker.
//!
//! A connection is made for each call and closed after it, so a peer that was restarted or died is noticed by the next
//! call and there is nothing to keep in order; connecting to a unix socket costs some 20 µs, the calls themselves a
//! millisecond and more. Redirects are not followed, nothing is sent but the path, and paths are built from ids that were
//! checked. Failures are the same [`CallError`] as those of gRPC, so that lookups and reports need not tell them apart.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tonic::Code;

use super::connection::CallError;
use super::pacing::Breaker;
use super::trace;

/// The largest body that is taken. Docker describes a container in 5 to 20 kB, most of it written by whoever made it.
const BODY_LIMIT: usize = 1 << 20;
/// The largest head of an answer, in bytes: hyper's buffer, which also bounds what is read ahead.
const HEAD_LIMIT: usize = 32 << 10;
/// The most header fields; Docker sends eight, podman twelve.
const FIELDS_LIMIT: usize = 64;
/// How much of a runtime's own words is kept, in bytes.
const MESSAGE_LIMIT: usize = 256;
/// What a call is given after its deadline: the loop may have stood still, and the answer be there unread.
const UNREAD: Duration = Duration::from_millis(5);

/// A socket and the record of its failures.
#[derive(Debug)]
pub(crate) struct HttpClient {
    socket: PathBuf,
    call_timeout: Duration,
    breaker: RefCell<Breaker>,
    clock: fn() -> Instant,
    has_answered: Cell<bool>,
}

/// How Docker and podman word an error; podman adds a cause, which its message ends with.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

impl HttpClient {
    /// Connects at each call. The clock is the breaker's; deadlines are real time.
    pub(crate) fn new(socket: PathBuf, call_timeout: Duration, clock: fn() -> Instant) -> Self {
        Self {
            socket,
            call_timeout,
            breaker: RefCell::new(Breaker::new()),
            clock,
            has_answered: Cell::new(false),
        }
    }

    /// Whether anything proper ever came back.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.get()
    }

    /// See [`Breaker::opened`].
    pub(crate) fn circuit_opened(&self) -> Option<u32> {
        self.breaker.borrow().opened()
    }

    /// Leaves the peer behind: another one listens at the path by now, and owes nothing for the failures of this one.
    pub(crate) fn forget(&self) {
        self.breaker.borrow_mut().succeeded((self.clock)());
    }

    /// Gets a JSON document, to be over at `deadline` or after the call timeout, whichever is earlier.
    ///
    /// # Errors
    /// [`CallError`]; `Refused` with `NotFound` for status 404, and `CircuitOpen` at once and without touching the socket
    /// while the breaker is open.
    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str, deadline: Instant) -> Result<A, CallError> {
        self.get_within(path, BODY_LIMIT, deadline).await
    }

    /// As [`Self::get`], with another limit for the body, in bytes.
    pub(crate) async fn get_within<A: DeserializeOwned>(
        &self,
        path: &str,
        limit: usize,
        deadline: Instant,
    ) -> Result<A, CallError> {
        let asked = Instant::now();
        let mut size = 0;
        let result = match self.call(path, limit, deadline).await {
            Ok(body) => {
                size = body.len();
                // The position only: serde's own words quote what it stumbled over, which may be a container's secret.
                serde_json::from_slice(&body).map_err(|error| {
                    let (line, column) = (error.line(), error.column());
                    self.unusable(path, format!("{:?} error at {line}:{column}", error.classify()))
                })
            }
            Err(error) => Err(error),
        };
        trace::call(&self.socket, || method(path), None, asked, size, &result);
        result
    }

    /// The error for an answer that says something impossible.
    pub(crate) fn unusable(&self, path: &str, detail: String) -> CallError {
        CallError::Unusable {
            socket: self.socket.clone(),
            method: method(path),
            detail,
        }
    }

    async fn call(&self, path: &str, limit: usize, deadline: Instant) -> Result<Bytes, CallError> {
        let began = (self.clock)();
        if !self.breaker.borrow_mut().allows(began, self.call_timeout) {
            return Err(CallError::CircuitOpen {
                socket: self.socket.clone(),
            });
        }
        let allowed = deadline
            .saturating_duration_since(Instant::now())
            .min(self.call_timeout);
        let mut exchange = pin!(self.exchange(path, limit));
        let result = match tokio::time::timeout(allowed, exchange.as_mut()).await {
            Ok(result) => result,
            Err(_) => match tokio::time::timeout(UNREAD, exchange).await {
                Ok(result) => result,
                Err(_) => Err(CallError::Timeout {
                    socket: self.socket.clone(),
                    method: method(path),
                }),
            },
        };
        let mut breaker = self.breaker.borrow_mut();
        match &result {
            // A call that got only the rest of its caller's budget says nothing about the runtime.
            Err(CallError::Timeout { .. }) if allowed < self.call_timeout / 2 => {}
            Err(CallError::Timeout { .. } | CallError::Protocol { .. }) => breaker.failed(began, (self.clock)()),
            Err(CallError::Connect { .. }) => {}
            _ => {
                breaker.succeeded((self.clock)());
                self.has_answered.set(true);
            }
        }
        result
    }

    /// One connection, one request, one answer.
    async fn exchange(&self, path: &str, limit: usize) -> Result<Bytes, CallError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| CallError::Connect {
                socket: self.socket.clone(),
                source,
            })?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_LIMIT).max_headers(FIELDS_LIMIT);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(&error))?;
        let request = Request::get(path)
            // Required by HTTP/1.1; there is nobody else behind the socket.
            .header(HOST, "localhost")
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| self.unusable(path, error.to_string()))?;
        let answer = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|error| self.broken(&error))?;
            let (head, body) = answer.into_parts();
            let body = match Limited::new(body, limit).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Err(self.unusable(path, format!("it exceeds {limit} bytes")));
                }
                Err(error) => return Err(self.broken(error.as_ref())),
            };
            if head.status == StatusCode::OK {
                Ok(body)
            } else {
                Err(self.refused(path, head.status, &body))
            }
        };
        // Both halves run here, because there is no task to give the connection to. It may end before the answer has
        // been taken out of it.
        let (mut answer, mut connection) = (pin!(answer), pin!(connection));
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                _ = &mut connection, if open => open = false,
            }
        }
    }

    /// The peer speaks something else, or went away.
    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> CallError {
        let innermost = std::iter::successors(Some(error), |error| (**error).source()).last();
        CallError::Protocol {
            socket: self.socket.clone(),
            detail: innermost.unwrap_or(error).to_string(),
        }
    }

    fn refused(&self, path: &str, status: StatusCode, body: &[u8]) -> CallError {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::BAD_REQUEST => Code::InvalidArgument,
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            status if status.is_server_error() => Code::Internal,
            _ => Code::Unknown,
        };
        let words = serde_json::from_slice::<Refusal>(body).unwrap_or_default().message;
        let end = words.floor_char_boundary(MESSAGE_LIMIT);
        CallError::Refused {
            socket: self.socket.clone(),
            method: method(path),
            code,
            message: format!("{}: {}", status.as_u16(), words[..end].escape_debug()),
        }
    }
}

fn method(path: &str) -> String {
    format!("GET {path}")
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
