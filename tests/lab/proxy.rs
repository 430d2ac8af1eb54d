//! What stands between the agent and a real container runtime and fails on demand, in the ways in which runtimes fail.
//!
//! It hands every unary call on as bytes, metadata and refusals included, and knows of messages only what a mode changes in
//! them. Breaking the stream is done below gRPC, by the bytes that are written.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k8s_cri::v1;
use prost::Message;
use prost::bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::error::{LabError, Result};
use super::place::Place;
use super::replay::Raw;

/// What becomes of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are handed on.
    Pass,
    /// They are accepted and not answered before the mode changes.
    Hang,
    /// Each takes this long.
    Slow(Duration),
    /// Whatever is written is other bytes.
    Garbage,
    /// The connection ends in the middle of every answer.
    Reset,
    /// A container or sandbox is unknown for so long after it was first asked for.
    Late(Duration),
    /// What is told of a container or sandbox in detail is so many bytes longer.
    Padded(usize),
    /// The runtime has a version and nothing else.
    Empty,
}

/// The socket that the agent is given. Dropping it ends it.
pub(crate) struct Proxy {
    runtime: PathBuf,
    mode: watch::Sender<Mode>,
    listening: Option<Listening>,
    place: Place,
}

/// The thread that serves, and with it every connection.
struct Listening {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens in front of the runtime at this socket, with owner, group and mode as runtimes set them.
    pub(crate) fn start(runtime: &Path) -> Result<Self> {
        let place = Place::new()?;
        let (mode, _) = watch::channel(Mode::Pass);
        let mut proxy = Self {
            runtime: runtime.to_owned(),
            mode,
            listening: None,
            place,
        };
        proxy.listen()?;
        Ok(proxy)
    }

    /// The path of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().join("run/proxy.sock")
    }

    /// From now on calls, those under way included, go like this.
    pub(crate) fn switch(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Ends every connection, if it listens, and removes the socket, as a runtime that stops does.
    pub(crate) fn remove(&mut self) -> Result<()> {
        drop(self.listening.take());
        let socket = self.socket();
        fs::remove_file(&socket).map_err(LabError::file("remove", &socket))
    }

    /// Ends every connection and leaves the socket, as a runtime that is killed does.
    pub(crate) fn abandon(&mut self) {
        drop(self.listening.take());
    }

    /// The same as [`Self::remove`] with the directory that the socket was in, which is how a volume goes.
    pub(crate) fn remove_with_directory(&mut self) -> Result<()> {
        self.remove()?;
        let directory = self.place.path().join("run");
        fs::remove_dir(&directory).map_err(LabError::file("remove", &directory))
    }

    /// Changes who may use the socket.
    pub(crate) fn permit(&self, mode: u32) -> Result<()> {
        let socket = self.socket();
        fs::set_permissions(&socket, fs::Permissions::from_mode(mode))
            .map_err(LabError::file("change the mode of", &socket))
    }

    /// Makes the socket, where it is not there, and serves.
    pub(crate) fn listen(&mut self) -> Result<()> {
        self.place.subdir("run")?;
        let (stop, stopped) = oneshot::channel();
        let (report, listening) = mpsc::channel();
        let (path, runtime, mode) = (self.socket(), self.runtime.clone(), self.mode.subscribe());
        let thread = std::thread::spawn(move || {
            let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let event_loop = match event_loop.map_err(LabError::file("make an event loop for", &path)) {
                Ok(event_loop) => event_loop,
                Err(error) => return drop(report.send(Err(error))),
            };
            event_loop.block_on(async move {
                match serve(&path, &runtime, mode) {
                    Ok(server) => {
                        if report.send(Ok(())).is_ok() {
                            tokio::select! { () = server => {}, _ = stopped => {} }
                        }
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            });
        });
        listening.recv().map_err(|mpsc::RecvError| LabError::System {
            call: "thread",
            source: nix::Error::EAGAIN,
        })??;
        self.listening = Some(Listening {
            stop: Some(stop),
            thread: Some(thread),
        });
        self.permit(0o660)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Nobody listens where the server has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        // A panic of the thread has been printed already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(path: &Path, runtime: &Path, mode: watch::Receiver<Mode>) -> Result<impl Future<Output = ()>> {
    let listener = UnixListener::bind(path).map_err(LabError::file("listen on", path))?;
    let upstream = Endpoint::from_shared(format!("unix://{}", runtime.display()))
        .map_err(|source| LabError::Connect {
            socket: runtime.to_owned(),
            source,
        })?
        .connect_lazy();
    let calls = Calls {
        upstream,
        mode: mode.clone(),
        first_asked: Arc::default(),
    };
    let incoming = UnixListenerStream::new(listener).map(move |stream| {
        stream.map(|stream| Wire {
            stream,
            mode: mode.clone(),
            rest: 0,
            broken: false,
        })
    });
    Ok(async move {
        let server = tonic::transport::Server::builder().serve_with_incoming(calls, incoming);
        if let Err(error) = server.await {
            eprintln!("lab: proxy: {error}");
        }
    })
}

/// Every method of every service.
#[derive(Debug, Clone)]
struct Calls {
    upstream: Channel,
    mode: watch::Receiver<Mode>,
    first_asked: Arc<Mutex<HashMap<String, Instant>>>,
}

type Answer<T, E> = Pin<Box<dyn Future<Output = std::result::Result<T, E>> + Send>>;

impl Service<http::Request<Body>> for Calls {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method {
            path: request.uri().path().to_owned(),
            calls: self.clone(),
        };
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(method, request).await) })
    }
}

struct Method {
    path: String,
    calls: Calls,
}

impl Service<Request<Bytes>> for Method {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Answer<Response<Bytes>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (path, mut calls) = (self.path.clone(), self.calls.clone());
        Box::pin(async move {
            // Ends with an error only when nobody can change the mode any more, and then it is what it is.
            let _ = calls.mode.wait_for(|mode| *mode != Mode::Hang).await;
            let mode = *calls.mode.borrow();
            match mode {
                Mode::Slow(time) => tokio::time::sleep(time).await,
                Mode::Empty if !path.ends_with("/Version") => return nothing(&path),
                Mode::Late(time) => calls.not_yet(&path, request.get_ref(), time)?,
                _ => {}
            }
            let answer = calls.hand_on(&path, request).await?;
            match mode {
                Mode::Padded(bytes) => match padded(&path, answer.get_ref(), bytes) {
                    Ok(padded) => Ok(Response::new(padded.into())),
                    Err(error) => Err(Status::internal(error.to_string())),
                },
                _ => Ok(answer),
            }
        })
    }
}

/// What a runtime says that has nothing: lists are empty, everything else is unknown.
fn nothing(path: &str) -> std::result::Result<Response<Bytes>, Status> {
    if path.contains("/List") {
        Ok(Response::new(Bytes::new()))
    } else {
        Err(Status::not_found("an error occurred when try to find: not found"))
    }
}

impl Calls {
    async fn hand_on(&self, path: &str, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, Status> {
        let unavailable = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        let path = path
            .parse()
            .map_err(|_| Status::invalid_argument(format!("no path: {path}")))?;
        let mut client = tonic::client::Grpc::new(self.upstream.clone());
        client.ready().await.map_err(unavailable)?;
        let mut onward = Request::new(Bytes::new());
        if let Some(namespace) = request.metadata().get("containerd-namespace") {
            onward.metadata_mut().insert("containerd-namespace", namespace.clone());
        }
        let onward = onward.map(|_| request.into_inner());
        let answer = client.unary(onward, path, Raw).await?;
        Ok(Response::new(answer.into_inner()))
    }

    /// Refuses to know an id before its time.
    fn not_yet(&self, path: &str, request: &Bytes, time: Duration) -> std::result::Result<(), Status> {
        let id = match path.rsplit('/').next() {
            Some("ContainerStatus") => {
                v1::ContainerStatusRequest::decode(request.clone()).map(|asked| asked.container_id)
            }
            Some("PodSandboxStatus") => {
                v1::PodSandboxStatusRequest::decode(request.clone()).map(|asked| asked.pod_sandbox_id)
            }
            // containerd's own API, where the containers are that CRI does not know yet.
            Some("Get") => return Err(Status::not_found("not found")),
            _ => return Ok(()),
        };
        let id = id.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut first_asked = self.first_asked.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *first_asked.entry(id).or_insert_with(Instant::now);
        if first.elapsed() < time {
            return Err(Status::not_found("an error occurred when try to find: not found"));
        }
        Ok(())
    }
}

/// The answer with a longer account of the details in it.
fn padded(path: &str, answer: &Bytes, bytes: usize) -> std::result::Result<Vec<u8>, prost::DecodeError> {
    let pad = |info: &mut HashMap<String, String>| {
        if let Some(text) = info.get_mut("info")
            && text.starts_with('{')
        {
            text.insert_str(1, &format!("\"padding\":\"{}\",", "x".repeat(bytes)));
        }
    };
    match path.rsplit('/').next() {
        Some("ContainerStatus") => {
            let mut answer = v1::ContainerStatusResponse::decode(answer.clone())?;
            pad(&mut answer.info);
            Ok(answer.encode_to_vec())
        }
        Some("PodSandboxStatus") => {
            let mut answer = v1::PodSandboxStatusResponse::decode(answer.clone())?;
            pad(&mut answer.info);
            Ok(answer.encode_to_vec())
        }
        _ => Ok(answer.to_vec()),
    }
}

/// A connection whose answers can be broken.
struct Wire {
    stream: UnixStream,
    mode: watch::Receiver<Mode>,
    /// What is still to be written of a DATA frame.
    rest: usize,
    broken: bool,
}

/// RFC 9113, section 4.1.
const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;

impl Wire {
    /// How many of these bytes may be written before the connection ends, if it is to end: up to the middle of the first
    /// DATA frame with anything in it. Whole frames, or the rest of one, are written at a time.
    fn cut(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.rest > 0 {
            return Some(self.rest.min(bytes.len()) / 2);
        }
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + FRAME_HEADER) {
            let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
            let (kind, begin) = (header[3], at + FRAME_HEADER);
            if kind == DATA && length > 0 {
                if begin < bytes.len() {
                    return Some(begin + length.min(bytes.len() - begin) / 2);
                }
                self.rest = length;
            }
            at = begin + length;
        }
        None
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mode = *self.mode.borrow();
        match mode {
            Mode::Garbage => {
                let garbage = vec![0xa5; bytes.len()];
                Pin::new(&mut self.stream).poll_write(context, &garbage)
            }
            Mode::Reset => match self.cut(bytes) {
                Some(cut) => {
                    let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..cut]));
                    self.broken = true;
                    let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
                    Poll::Ready(written.and(Err(io::ErrorKind::BrokenPipe.into())))
                }
                None => Pin::new(&mut self.stream).poll_write(context, bytes),
            },
            _ => {
                self.rest = 0;
                Pin::new(&mut self.stream).poll_write(context, bytes)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
