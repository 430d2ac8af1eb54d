//! The thread that answers on the admin socket and the port for health.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc as sync_mpsc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep, timeout};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::api::admin_server::{Admin, AdminServer};
use super::api::watch_exec_reply::Reply;
use super::api::{
    GetContainersReply, GetContainersRequest, GetStatusReply, GetStatusRequest, SetReportingReply, SetReportingRequest,
    WatchExecReply, WatchExecRequest,
};
use super::conditions;
use super::connection;
use super::containers::{self, Busy};
use super::duties::{Duty, each_second};
use super::peer::Peer;
use super::switch::{Refused, ReportSwitch};
use super::watch::{ArmError, Armed, ExecWatches};
use crate::health::answer::answer;
use crate::health::{Monitor, port};

/// Longest deadline that a watch may ask for.
pub const MAX_WATCH: Duration = Duration::from_secs(30);
/// Calls of one connection that may run at the same time.
const MAX_STREAMS: u32 = 16;
/// A request is a token and a number, words, or ids: 64 of these take 4.2 kB.
const MAX_REQUEST: usize = 8 * 1024;
/// An exec event with all its arguments, or a status with some hundred threads, with room to spare.
const MAX_REPLY: usize = 1024 * 1024;
/// The status comes from a snapshot: it takes microseconds.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// What the pipeline may take to grant a change: its turn is a quarter of a second at most, unless its output is held up.
const GRANT_DEADLINE: Duration = Duration::from_secs(4);
/// Words in one change: more than there are classes and hooks.
const MOST_WORDS: usize = 128;

/// Where the status of the running agent comes from. Called on the control thread: it must not block.
pub trait StatusSource: Send + Sync + 'static {
    /// A snapshot of the running agent, without the conditions of its health, which the server has from [`Answers::monitor`].
    fn status(&self) -> GetStatusReply;

    /// Asks whoever owns the containers' metadata what it holds of some. The answer arrives in the end.
    ///
    /// # Errors
    /// Too many questions wait already.
    fn containers(&self, question: GetContainersRequest) -> Result<oneshot::Receiver<GetContainersReply>, Busy>;
}

/// Why the control thread could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thread could not be made.
    #[error("cannot start the control thread: {0}")]
    Thread(#[source] io::Error),
    /// The thread could not make its event loop or take over the socket.
    #[error("cannot serve the admin socket or the port for health: {0}")]
    Runtime(#[source] io::Error),
    /// The thread ended before it served.
    #[error("the control thread ended before it served")]
    Ended,
}

/// The running control thread. Dropping it leaves the thread running, as the agent does until its end.
#[derive(Debug)]
pub struct Handle {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Handle {
    /// Whether the thread still serves.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Stops serving: open calls are cut, the listener is closed. The socket file stays, the next start removes it.
    pub fn stop(self) {
        // The thread may have ended already; both results then say nothing new.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Where the thread can be asked. Without either it still does its duties.
#[derive(Debug, Default)]
pub struct Doors {
    /// The admin socket: everything, and health.
    pub admin: Option<UnixListener>,
    /// The port: health and nothing else.
    pub health: Option<TcpListener>,
}

/// Who answers what is asked.
pub struct Answers {
    /// The status, and questions about containers.
    pub source: Arc<dyn StatusSource>,
    /// Watches for one exec.
    pub watches: Arc<ExecWatches>,
    /// Wishes which hooks report.
    pub switch: Arc<dyn ReportSwitch>,
    /// Probes and metrics, and the conditions of the status.
    pub monitor: Arc<Monitor>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// Starts the thread `control`, which serves the admin socket and the port and does the duties, and returns once it serves.
///
/// After that the thread makes no thread and opens nothing but files of its own process below `/proc`: it accepts, reads, writes and waits. A seccomp filter may be
/// set on all threads.
///
/// # Errors
/// When the thread or its event loop cannot be made.
pub fn spawn(doors: Doors, answers: Answers, duties: Vec<Duty>) -> Result<Handle, Error> {
    let (ready, started) = sync_mpsc::sync_channel(1);
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            let _ends = EndsTheAgent;
            serve(doors, answers, duties, &ready, stopped);
        })
        .map_err(Error::Thread)?;
    match started.recv() {
        Ok(Ok(())) => Ok(Handle { thread, stop }),
        Ok(Err(error)) => Err(Error::Runtime(error)),
        Err(sync_mpsc::RecvError) => Err(Error::Ended),
    }
}

/// Without this thread nobody verifies the agent's privileges nor says how it is: a panic on it is the agent's end.
struct EndsTheAgent;

impl Drop for EndsTheAgent {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

fn serve(
    doors: Doors,
    answers: Answers,
    duties: Vec<Duty>,
    ready: &sync_mpsc::SyncSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async move {
        let (admin, health) = match doors.adopted() {
            Ok(adopted) => adopted,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let port = health.map(|listener| port::serve(listener, Arc::clone(&answers.monitor)));
        // Asked here, because an async function does nothing before it is polled, which may be under the filter: that does
        // not let anybody ask.
        let own_uid = nix::unistd::geteuid().as_raw();
        let admin = admin.map(|listener| serve_admin(listener, answers, own_uid));
        let _ = ready.send(Ok(()));
        // Nothing ends by itself but by `stop`: what goes wrong with a connection ends that connection. A dropped handle
        // means that nobody will ever ask to stop.
        tokio::select! {
            () = while_there(admin) => {}
            () = while_there(port) => {}
            () = each_second(duties) => {}
            () = asked_to_stop(stopped) => {}
        }
    });
}

impl Doors {
    /// The listeners as those of the event loop that this is called in.
    fn adopted(self) -> io::Result<(Option<tokio::net::UnixListener>, Option<tokio::net::TcpListener>)> {
        let admin = self.admin.map(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(listener)
        });
        let health = self.health.map(tokio::net::TcpListener::from_std);
        Ok((admin.transpose()?, health.transpose()?))
    }
}

/// What is not there does not end.
async fn while_there(served: Option<impl Future<Output = ()>>) {
    match served {
        Some(served) => served.await,
        None => std::future::pending().await,
    }
}

/// gRPC and, on the same socket, the probes and metrics by HTTP/1, for `curl --unix-socket`.
async fn serve_admin(listener: tokio::net::UnixListener, answers: Answers, own_uid: u32) {
    let Answers {
        source,
        watches,
        switch,
        monitor,
    } = answers;
    let service = Service {
        source,
        watches,
        switch,
        monitor: Arc::clone(&monitor),
        own_uid,
    };
    let (taker, connections) = mpsc::channel(1);
    tokio::spawn(connection::accept(listener, taker));
    let admin = AdminServer::new(service)
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_REPLY);
    let mut routes = Routes::new(admin);
    let router = std::mem::take(routes.axum_router_mut());
    *routes.axum_router_mut() = router.fallback(move |request: http::Request<axum::body::Body>| {
        let answer = elsewhere(&monitor, &request);
        async move { answer }
    });
    let server = Server::builder()
        .accept_http1(true)
        .timeout(CALL_DEADLINE)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(8 * 1024)
        .add_routes(routes)
        .serve_with_incoming(ReceiverStream::new(connections));
    let _ = server.await;
}

/// What is no call of the admin service: one of a service that is not there, or HTTP.
fn elsewhere(monitor: &Monitor, request: &http::Request<axum::body::Body>) -> http::Response<axum::body::Body> {
    let is_grpc = request
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        return Status::unimplemented("no such service").into_http();
    }
    answer(monitor, request.method(), request.uri().path(), request.headers()).map(axum::body::Body::from)
}

async fn asked_to_stop(stopped: oneshot::Receiver<()>) {
    if stopped.await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Service {
    source: Arc<dyn StatusSource>,
    watches: Arc<ExecWatches>,
    switch: Arc<dyn ReportSwitch>,
    monitor: Arc<Monitor>,
    own_uid: u32,
}

#[tonic::async_trait]
impl Admin for Service {
    type WatchExecStream = WatchStream;

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusReply>, Status> {
        // The one evaluator: what probes, metrics and the doctor say of the same moment is the same.
        let conditions = conditions::told(&self.monitor.examine());
        Ok(Response::new(GetStatusReply {
            conditions,
            ..self.source.status()
        }))
    }

    async fn set_reporting(
        &self,
        request: Request<SetReportingRequest>,
    ) -> Result<Response<SetReportingReply>, Status> {
        let peer = request.extensions().get::<Option<Peer>>().copied().flatten();
        let Some(by) = peer.filter(|peer| peer.may_change(self.own_uid)) else {
            return Err(Status::permission_denied(format!(
                "only uid {} and root may change which hooks report",
                self.own_uid
            )));
        };
        let wish = request.into_inner();
        if wish.on.len().max(wish.off.len()) > MOST_WORDS {
            return Err(Status::invalid_argument(format!("at most {MOST_WORDS} words")));
        }
        let granted = self.switch.ask(&wish, by).map_err(|refused| match refused {
            Refused::NotAttached(_) => Status::failed_precondition(refused.to_string()),
            Refused::Full => Status::resource_exhausted(refused.to_string()),
            Refused::Empty | Refused::Unknown(_) | Refused::Always(_) | Refused::Both(_) => {
                Status::invalid_argument(refused.to_string())
            }
        })?;
        match timeout(GRANT_DEADLINE, granted).await {
            Ok(Ok(reporting)) => Ok(Response::new(SetReportingReply {
                reporting: Some(reporting),
            })),
            Ok(Err(_)) => Err(Status::aborted("the agent is ending")),
            Err(_) => Err(Status::deadline_exceeded(
                "the pipeline is held up, and the change was given up",
            )),
        }
    }

    async fn get_containers(
        &self,
        request: Request<GetContainersRequest>,
    ) -> Result<Response<GetContainersReply>, Status> {
        let peer = request.extensions().get::<Option<Peer>>().copied().flatten();
        if !peer.is_some_and(|peer| peer.may_change(self.own_uid)) {
            return Err(Status::permission_denied(format!(
                "only uid {} and root may ask what is known of containers",
                self.own_uid
            )));
        }
        let question = request.into_inner();
        containers::check(&question).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let answer = self
            .source
            .containers(question)
            .map_err(|busy| Status::resource_exhausted(busy.to_string()))?;
        match timeout(GRANT_DEADLINE, answer).await {
            Ok(Ok(reply)) => Ok(Response::new(reply)),
            Ok(Err(_)) => Err(Status::aborted("the agent is ending")),
            Err(_) => Err(Status::deadline_exceeded("the pipeline is held up")),
        }
    }

    async fn watch_exec(&self, request: Request<WatchExecRequest>) -> Result<Response<WatchStream>, Status> {
        let request = request.into_inner();
        let deadline = Duration::from_millis(u64::from(request.deadline_ms));
        if deadline.is_zero() || deadline > MAX_WATCH {
            return Err(Status::invalid_argument(format!(
                "deadline_ms must be 1 to {}",
                MAX_WATCH.as_millis()
            )));
        }
        let armed = self.watches.arm(&request.token).map_err(|error| match error {
            ArmError::Token => Status::invalid_argument(error.to_string()),
            ArmError::Full => Status::resource_exhausted(error.to_string()),
        })?;
        Ok(Response::new(WatchStream::new(armed, deadline)))
    }
}

/// The answers to one `WatchExec`: armed, then the event or DEADLINE_EXCEEDED. Dropping it disarms the watch.
pub struct WatchStream {
    deadline: Pin<Box<Sleep>>,
    state: State,
}

enum State {
    Armed(Armed),
    Waiting(Armed),
    Done,
}

impl WatchStream {
    fn new(armed: Armed, deadline: Duration) -> Self {
        Self {
            deadline: Box::pin(sleep(deadline)),
            state: State::Armed(armed),
        }
    }
}

impl Stream for WatchStream {
    type Item = Result<WatchExecReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Armed(armed) => {
                self.state = State::Waiting(armed);
                Poll::Ready(Some(Ok(WatchExecReply {
                    reply: Some(Reply::Armed(true)),
                })))
            }
            State::Waiting(mut armed) => {
                if let Poll::Ready(event) = Pin::new(armed.event()).poll(context) {
                    return Poll::Ready(Some(match event {
                        Ok(json) => Ok(WatchExecReply {
                            reply: Some(Reply::EventJson(json)),
                        }),
                        Err(_) => Err(Status::aborted("the watch was given up")),
                    }));
                }
                if self.deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Some(Err(Status::deadline_exceeded("no such exec was seen in time"))));
                }
                self.state = State::Waiting(armed);
                Poll::Pending
            }
            State::Done => Poll::Ready(None),
        }
    }
}
