//! One unix socket, one gRPC channel, one way to call: with a deadline that covers connecting, a bounded answer and a
//! circuit breaker.
//!
//! A channel outlives its peer: after a runtime's restart the first call on it fails, so a call that failed on a reused
//! channel is made once more on a new one. All calls of the agent are reads, so repeating one is harmless. Answers are
//! taken off the wire as bytes and decoded here, which keeps "the runtime said no" apart from "this is no answer".
//!
//! Calls run beside each other on one channel, all on one thread: what they share is in cells, and none is borrowed
//! while a call waits.

use std::cell::{Cell, RefCell};
use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::discovery::Protocol;
use super::http::HttpClient;
use super::outcome::Reason;
use super::pacing::Breaker;
use super::trace;

/// The largest answer that is accepted: what the kubelet accepts, and what containerd sends at most. Recorded verbose
/// answers have 7 to 18 kB, but the environment in a pod's spec stands in them twice, and JSON makes six bytes of a `<`.
pub(crate) const ANSWER_LIMIT: usize = 16 << 20;
/// The largest answer of which many are taken at a time; of larger ones one, so that pods with large environments do not
/// fill the agent's memory when many are looked up at once.
const ANSWER_AT_ONCE: usize = 1 << 20;

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The socket could not be connected to.
    #[error("cannot connect to {socket}: {source}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing came within the deadline.
    #[error("{method} on {socket} was not answered within its deadline")]
    Timeout {
        /// The socket.
        socket: PathBuf,
        /// The full method name.
        method: String,
    },
    /// The peer does not speak the expected protocol, or the stream broke.
    #[error("{socket} speaks something else or broke off: {detail}")]
    Protocol {
        /// The socket.
        socket: PathBuf,
        /// The innermost error.
        detail: String,
    },
    /// The answer is larger than the agent accepts.
    #[error("the answer to {method} on {socket} exceeds {ANSWER_LIMIT} bytes")]
    TooLarge {
        /// The socket.
        socket: PathBuf,
        /// The full method name.
        method: String,
    },
    /// The answer is no message of the expected kind, or is about something that was not asked for.
    #[error("the answer to {method} on {socket} cannot be used: {detail}")]
    Unusable {
        /// The socket.
        socket: PathBuf,
        /// The full method name.
        method: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The runtime refused.
    #[error("{method} on {socket} failed: {code:?}: {message}")]
    Refused {
        /// The socket.
        socket: PathBuf,
        /// The full method name.
        method: String,
        /// The gRPC status.
        code: Code,
        /// The runtime's own words.
        message: String,
    },
    /// The runtime failed repeatedly and is left alone for a while.
    #[error("{socket} failed repeatedly and is left alone for a while")]
    CircuitOpen {
        /// The socket.
        socket: PathBuf,
    },
}

impl CallError {
    /// The word for it in events.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Connect { source, .. } => match errno(source) {
                Errno::ENOENT | Errno::ENOTDIR => Reason::NoRuntimeSocket,
                Errno::EACCES | Errno::EPERM => Reason::SocketPermission,
                // The queue of connections is full: somebody listens and nobody accepts.
                Errno::EAGAIN => Reason::RuntimeTimeout,
                _ => Reason::SocketRefused,
            },
            Self::Timeout { .. } => Reason::RuntimeTimeout,
            Self::Protocol { .. } => Reason::SocketProtocol,
            Self::TooLarge { .. } | Self::Unusable { .. } => Reason::AnswerUnusable,
            Self::Refused { code, .. } => match code {
                Code::NotFound => Reason::ContainerUnknown,
                Code::Unimplemented => Reason::CriUnimplemented,
                _ => Reason::RuntimeError,
            },
            Self::CircuitOpen { .. } => Reason::CircuitOpen,
        }
    }

    /// Whether the runtime answered properly that it does not know what was asked for.
    pub(crate) fn not_found(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: Code::NotFound,
                ..
            }
        )
    }

    /// Whether there is an answer and it is too large, for this side or for the runtime, which then refuses to send it.
    pub(crate) fn too_large(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::Refused {
                    code: Code::ResourceExhausted,
                    ..
                }
        )
    }

    pub(crate) fn unimplemented(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: Code::Unimplemented,
                ..
            }
        )
    }
}

/// The errno behind an error of a connect; `UnknownErrno` when there is none.
pub(crate) fn errno(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number),
        None if error.kind() == io::ErrorKind::WouldBlock => Errno::EAGAIN,
        None => Errno::UnknownErrno,
    }
}

/// What a call is given after its deadline. The loop stands still while the pipeline works or its output blocks: an
/// answer that has come meanwhile is in the socket, and is read before the runtime is blamed.
const UNREAD: Duration = Duration::from_millis(5);

/// A socket, its channel while there is one, and the record of its failures.
#[derive(Debug)]
pub struct Connection {
    socket: PathBuf,
    call_timeout: Duration,
    channel: RefCell<Option<Numbered>>,
    /// How many channels there were.
    made: Cell<u64>,
    /// Held while connecting, so that calls beside each other share one channel.
    connecting: tokio::sync::Mutex<()>,
    /// Held while a large answer is taken.
    large: tokio::sync::Semaphore,
    breaker: RefCell<Breaker>,
    clock: fn() -> Instant,
    has_answered: Cell<bool>,
    /// Where HTTP is spoken; nothing else here is used then.
    http: Option<HttpClient>,
}

/// A channel and which one it is: a call that failed drops its own, never one that was made since.
#[derive(Debug, Clone)]
struct Numbered {
    number: u64,
    channel: Channel,
}

impl Connection {
    /// Connects at the first call. The clock is the breaker's; deadlines are real time.
    #[must_use]
    pub fn new(socket: PathBuf, call_timeout: Duration, clock: fn() -> Instant) -> Self {
        let http = Protocol::of(&socket) == Protocol::Http;
        Self {
            http: http.then(|| HttpClient::new(socket.clone(), call_timeout, clock)),
            socket,
            call_timeout,
            channel: RefCell::default(),
            made: Cell::new(0),
            connecting: tokio::sync::Mutex::default(),
            large: tokio::sync::Semaphore::new(1),
            breaker: RefCell::new(Breaker::new()),
            clock,
            has_answered: Cell::new(false),
        }
    }

    /// Whether anything proper ever came back.
    pub(crate) fn has_answered(&self) -> bool {
        self.http
            .as_ref()
            .map_or(self.has_answered.get(), HttpClient::has_answered)
    }

    /// The way to call a peer that speaks HTTP. `None`: it speaks gRPC, see [`Self::call`].
    pub(crate) fn http(&self) -> Option<&HttpClient> {
        self.http.as_ref()
    }

    /// A number while the breaker is open, another one each time it opens anew.
    pub(crate) fn circuit_opened(&self) -> Option<u32> {
        match &self.http {
            Some(client) => client.circuit_opened(),
            None => self.breaker.borrow().opened(),
        }
    }

    /// Leaves the peer behind: another one listens at the path by now, and owes nothing for the failures of this one.
    pub(crate) fn forget(&self) {
        *self.channel.borrow_mut() = None;
        self.breaker.borrow_mut().succeeded((self.clock)());
        if let Some(client) = &self.http {
            client.forget();
        }
    }

    /// The socket's path.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes one call, to be over at `deadline` or after the call timeout, whichever is earlier.
    ///
    /// # Errors
    /// [`CallError`]; `CircuitOpen` at once and without touching the socket while the breaker is open.
    pub async fn call<Q: Message, A: Message + Default>(
        &self,
        method: &str,
        namespace: Option<&str>,
        request: &Q,
        deadline: Instant,
    ) -> Result<A, CallError> {
        let asked = Instant::now();
        let mut size = 0;
        let request = Bytes::from(request.encode_to_vec());
        let result = match self.answer(method, namespace, request, deadline).await {
            Ok(answer) => {
                size = answer.len();
                A::decode(answer).map_err(|error| self.unusable(method, error.to_string()))
            }
            Err(error) => Err(error),
        };
        trace::call(&self.socket, || method.to_owned(), namespace, asked, size, &result);
        result
    }

    /// The answer as it came, with everything that its coming or not coming says about the peer taken note of.
    async fn answer(
        &self,
        method: &str,
        namespace: Option<&str>,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let began = (self.clock)();
        if !self.breaker.borrow_mut().allows(began, self.call_timeout) {
            return Err(CallError::CircuitOpen {
                socket: self.socket.clone(),
            });
        }
        let allowed = deadline
            .saturating_duration_since(Instant::now())
            .min(self.call_timeout);
        let deadline = Instant::now() + allowed;
        let used = Cell::new(None);
        let mut attempts = pin!(self.attempts(method, namespace, request, deadline, &used));
        let result = match tokio::time::timeout_at(deadline.into(), attempts.as_mut()).await {
            Ok(result) => result,
            Err(_) => match tokio::time::timeout(UNREAD, attempts).await {
                Ok(result) => result,
                Err(_) => Err(self.timeout(method)),
            },
        };
        match &result {
            // A call that got only the rest of its caller's budget says nothing about the runtime.
            Err(CallError::Timeout { .. }) if allowed < self.call_timeout / 2 => self.abandon(used.get()),
            Err(CallError::Timeout { .. } | CallError::Protocol { .. }) => {
                self.abandon(used.get());
                self.breaker.borrow_mut().failed(began, (self.clock)());
            }
            Err(CallError::Connect { .. }) => self.abandon(used.get()),
            _ => {
                self.breaker.borrow_mut().succeeded((self.clock)());
                self.has_answered.set(true);
            }
        }
        result
    }

    /// Forgets the channel that failed. Calls that are on it end there.
    fn abandon(&self, used: Option<u64>) {
        let mut channel = self.channel.borrow_mut();
        if channel.as_ref().map(|channel| channel.number) == used {
            *channel = None;
        }
    }

    /// The error for an answer that says something impossible.
    pub(crate) fn unusable(&self, method: &str, detail: String) -> CallError {
        CallError::Unusable {
            socket: self.socket.clone(),
            method: method.to_owned(),
            detail,
        }
    }

    fn timeout(&self, method: &str) -> CallError {
        CallError::Timeout {
            socket: self.socket.clone(),
            method: method.to_owned(),
        }
    }

    /// `used` tells which channel the call is on.
    async fn attempts(
        &self,
        method: &str,
        namespace: Option<&str>,
        request: Bytes,
        deadline: Instant,
        used: &Cell<Option<u64>>,
    ) -> Result<Bytes, CallError> {
        let reused = self.channel.borrow().clone();
        if let Some(Numbered { number, channel }) = reused {
            used.set(Some(number));
            match self.once(channel, method, namespace, request.clone(), deadline).await {
                Err(CallError::Connect { .. } | CallError::Protocol { .. }) => self.abandon(Some(number)),
                result => return result,
            }
        }
        let Numbered { number, channel } = self.connected().await?;
        used.set(Some(number));
        self.once(channel, method, namespace, request, deadline).await
    }

    /// The channel that another call has made meanwhile, or a new one.
    async fn connected(&self) -> Result<Numbered, CallError> {
        let _alone = self.connecting.lock().await;
        if let Some(channel) = self.channel.borrow().as_ref() {
            return Ok(channel.clone());
        }
        let made = self.made.get() + 1;
        let channel = Numbered {
            number: made,
            channel: self.connect().await?,
        };
        self.made.set(made);
        *self.channel.borrow_mut() = Some(channel.clone());
        Ok(channel)
    }

    async fn connect(&self) -> Result<Channel, CallError> {
        let refuse = |source| CallError::Connect {
            socket: self.socket.clone(),
            source,
        };
        let Some(path) = self.socket.to_str() else {
            return Err(refuse(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path is not UTF-8",
            )));
        };
        let endpoint = Endpoint::from_shared(format!("unix:{path}"))
            .map_err(|error| refuse(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        endpoint.connect().await.map_err(|error| self.broken(&error))
    }

    /// Takes an answer that is not large, or else the right to take a large one, if it is to be had in time, and asks again.
    async fn once(
        &self,
        channel: Channel,
        method: &str,
        namespace: Option<&str>,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let first = self.within(
            ANSWER_AT_ONCE,
            channel.clone(),
            method,
            namespace,
            request.clone(),
            deadline,
        );
        let too_large = match first.await {
            Err(error @ CallError::TooLarge { .. }) => error,
            result => return result,
        };
        // That another call takes its time is no failure of the runtime: who waits in vain is content with less.
        let patience = deadline.saturating_duration_since(Instant::now()) / 2;
        match tokio::time::timeout(patience, self.large.acquire()).await {
            Ok(_alone) => {
                self.within(ANSWER_LIMIT, channel, method, namespace, request, deadline)
                    .await
            }
            Err(_) => Err(too_large),
        }
    }

    async fn within(
        &self,
        limit: usize,
        channel: Channel,
        method: &str,
        namespace: Option<&str>,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let path = PathAndQuery::try_from(method).map_err(|error| self.unusable(method, error.to_string()))?;
        let mut request = tonic::Request::new(request);
        // Lets the runtime stop working for an answer that nobody waits for any more. Twice the time that is left: this
        // side's transport keeps to it as well, and would do so before an answer that lies in the socket is read.
        request.set_timeout(2 * deadline.saturating_duration_since(Instant::now()));
        if let Some(namespace) = namespace {
            let value = namespace
                .parse()
                .map_err(|_| self.unusable(method, format!("namespace {namespace:?}")))?;
            request.metadata_mut().insert("containerd-namespace", value);
        }
        let mut client = Grpc::new(channel).max_decoding_message_size(limit);
        let result = match client.ready().await {
            Ok(()) => client.unary(request, path, Raw).await,
            Err(error) => Err(Status::from_error(Box::new(error))),
        };
        result
            .map(tonic::Response::into_inner)
            .map_err(|status| self.classify(method, &status))
    }

    /// A failure below gRPC: nobody there to connect to, or somebody who does not speak it or went away.
    fn broken(&self, error: &(dyn StdError + 'static)) -> CallError {
        let socket = self.socket.clone();
        let refused = chain(error).find_map(|error| error.downcast_ref::<tonic::ConnectError>());
        match refused.and_then(|refused| io_error(refused)) {
            // The peer that accepted hung up before the first frame was written.
            Some(source) if !matches!(errno(&source), Errno::EPIPE | Errno::ECONNRESET) => {
                CallError::Connect { socket, source }
            }
            _ => CallError::Protocol {
                socket,
                detail: innermost(error),
            },
        }
    }

    fn classify(&self, method: &str, status: &Status) -> CallError {
        // A status that the peer sent has no source; one that was made up on this side carries its cause.
        if let Some(cause) = status.source() {
            if chain(cause).any(<dyn StdError>::is::<tonic::TimeoutExpired>) {
                return self.timeout(method);
            }
            return self.broken(cause);
        }
        let (socket, method) = (self.socket.clone(), method.to_owned());
        match status.code() {
            // This side never cancels a call that it goes on waiting for: the peer's own clock was faster.
            Code::DeadlineExceeded | Code::Cancelled => CallError::Timeout { socket, method },
            // tonic's own word for the limit; no runtime answers a read with it.
            Code::OutOfRange => CallError::TooLarge { socket, method },
            code => CallError::Refused {
                socket,
                method,
                code,
                message: status.message().to_owned(),
            },
        }
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// A copy of the first I/O error in the chain.
fn io_error(error: &(dyn StdError + 'static)) -> Option<io::Error> {
    let found = chain(error).find_map(|error| error.downcast_ref::<io::Error>())?;
    Some(match found.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(found.kind(), found.to_string()),
    })
}

/// Messages as bytes: what is inside is decoded by whoever asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
