//! A container runtime for unit tests: it listens on a real unix socket and replays recorded answers, byte for byte, or
//! fails in one of the ways in which runtimes fail. It counts what it is asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use containerd_client::services::v1::GetContainerRequest;
use k8s_cri::v1;
use prost::Message;
use prost::bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::codegen::{Service, http};
use tonic::{Code, Request, Response, Status, body::Body};

use super::connection::Raw;
use crate::config::{Share, settings};

/// How the socket behaves.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Speaks gRPC.
    Serve,
    /// Accepts and says nothing.
    Silent,
    /// Writes these bytes and closes.
    Garbage(&'static [u8]),
}

/// What a call is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Message(Vec<u8>),
    Status(Code, &'static str),
    /// The message, late.
    Late(Duration, Vec<u8>),
    /// Nothing, ever.
    Never,
}

#[derive(Debug, Default)]
struct Shared {
    answers: HashMap<(String, String), Answer>,
    /// Per method, when no answer for the very id is there.
    defaults: HashMap<String, Answer>,
    calls: Vec<(String, String)>,
    connections: usize,
}

/// A runtime that runs until it is dropped; its socket file stays behind, as that of a killed runtime does.
#[derive(Debug)]
pub(crate) struct Fake {
    socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(socket: &Path, behaviour: Behaviour) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (stop, stopped) = oneshot::channel();
        let (listening, ready) = std::sync::mpsc::channel();
        let (path, served) = (socket.to_owned(), Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            let event_loop = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            event_loop.block_on(async move {
                let listener = UnixListener::bind(&path).unwrap();
                listening.send(()).unwrap();
                tokio::select! {
                    () = run(listener, behaviour, served) => {}
                    _ = stopped => {}
                }
            });
        });
        ready.recv().unwrap();
        Self {
            socket: socket.to_owned(),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A runtime with the recordings of one folder of the fixtures: Version, and the given recorded answers by id.
    pub(crate) fn recorded(socket: &Path, folder: &str) -> Self {
        let fake = Self::start(socket, Behaviour::Serve);
        fake.default(
            "/runtime.v1.RuntimeService/Version",
            Answer::Message(fixture(folder, "Version.bin")),
        );
        for method in ["ContainerStatus", "PodSandboxStatus"] {
            let method = format!("/runtime.v1.RuntimeService/{method}");
            fake.default(
                &method,
                Answer::Status(Code::NotFound, "an error occurred when try to find: not found"),
            );
        }
        let list = "/containerd.services.namespaces.v1.Namespaces/List";
        fake.default(list, Answer::Message(Vec::new()));
        fake
    }

    /// Adds a recorded ContainerStatus and returns the container's id.
    pub(crate) fn container(&self, folder: &str, name: &str) -> String {
        let bytes = fixture(folder, &format!("ContainerStatus.{name}.bin"));
        let id = v1::ContainerStatusResponse::decode(bytes.as_slice())
            .unwrap()
            .status
            .unwrap()
            .id;
        self.on(
            "/runtime.v1.RuntimeService/ContainerStatus",
            &id,
            Answer::Message(bytes),
        );
        id
    }

    /// Adds a recorded PodSandboxStatus and returns the sandbox's id.
    pub(crate) fn sandbox(&self, folder: &str, name: &str) -> String {
        let bytes = fixture(folder, &format!("PodSandboxStatus.{name}.bin"));
        let id = v1::PodSandboxStatusResponse::decode(bytes.as_slice())
            .unwrap()
            .status
            .unwrap()
            .id;
        self.on(
            "/runtime.v1.RuntimeService/PodSandboxStatus",
            &id,
            Answer::Message(bytes),
        );
        id
    }

    pub(crate) fn on(&self, method: &str, key: &str, answer: Answer) {
        self.shared
            .lock()
            .unwrap()
            .answers
            .insert((method.to_owned(), key.to_owned()), answer);
    }

    pub(crate) fn default(&self, method: &str, answer: Answer) {
        self.shared.lock().unwrap().defaults.insert(method.to_owned(), answer);
    }

    /// How often a method was called; the name's last part is enough.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.shared
            .lock()
            .unwrap()
            .calls
            .iter()
            .filter(|(called, _)| called.ends_with(method))
            .count()
    }

    pub(crate) fn all_calls(&self) -> Vec<(String, String)> {
        self.shared.lock().unwrap().calls.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Settings that use these sockets only, with deadlines short enough for a test and long enough for a busy machine.
pub(crate) fn settings(sockets: &[&Path]) -> settings::Runtime {
    settings::Runtime {
        socket: sockets.iter().map(|path| path.to_path_buf()).collect(),
        host_prefix: PathBuf::new(),
        call_timeout: Duration::from_millis(500),
        lookup_budget: Duration::from_secs(1),
        wait_share: Share::of_millionths(250_000),
        cache_size: 64,
    }
}

/// A recorded file.
pub(crate) fn fixture(folder: &str, file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/cri")
        .join(folder)
        .join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn run(listener: UnixListener, behaviour: Behaviour, shared: Arc<Mutex<Shared>>) {
    match behaviour {
        Behaviour::Serve => {
            let incoming = UnixListenerStream::new(listener);
            tonic::transport::Server::builder()
                .serve_with_incoming(Replay(shared), incoming)
                .await
                .unwrap();
        }
        Behaviour::Silent => {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await.unwrap());
                shared.lock().unwrap().connections += 1;
            }
        }
        Behaviour::Garbage(bytes) => loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            shared.lock().unwrap().connections += 1;
            // The client may be gone already.
            let _ = stream.write_all(bytes).await;
        },
    }
}

type Reply<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Every method of every service, from the table.
#[derive(Debug, Clone)]
struct Replay(Arc<Mutex<Shared>>);

impl Service<http::Request<Body>> for Replay {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Reply<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method {
            path: request.uri().path().to_owned(),
            shared: Arc::clone(&self.0),
        };
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(method, request).await) })
    }
}

struct Method {
    path: String,
    shared: Arc<Mutex<Shared>>,
}

impl Service<Request<Bytes>> for Method {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Reply<Response<Bytes>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let namespace = request
            .metadata()
            .get("containerd-namespace")
            .map(|value| value.to_str().unwrap().to_owned());
        let key = key(&self.path, namespace.as_deref(), request.get_ref());
        let answer = {
            let mut shared = self.shared.lock().unwrap();
            shared.calls.push((self.path.clone(), key.clone()));
            let terse = terse(&self.path, request.get_ref()).then(|| (self.path.clone(), format!("{key}{TERSE}")));
            let answer = terse.and_then(|terse| shared.answers.get(&terse));
            let answer = answer.or_else(|| shared.answers.get(&(self.path.clone(), key)));
            answer.or_else(|| shared.defaults.get(&self.path)).cloned()
        };
        Box::pin(async move {
            match answer {
                Some(Answer::Message(bytes)) => Ok(Response::new(Bytes::from(bytes))),
                Some(Answer::Status(code, message)) => Err(Status::new(code, message)),
                Some(Answer::Late(delay, bytes)) => {
                    tokio::time::sleep(delay).await;
                    Ok(Response::new(Bytes::from(bytes)))
                }
                Some(Answer::Never) => std::future::pending().await,
                None => Err(Status::unimplemented("unknown service")),
            }
        })
    }
}

/// Behind an id: an answer for requests that are not verbose only.
pub(crate) const TERSE: &str = " terse";

fn terse(path: &str, request: &Bytes) -> bool {
    let request = request.clone();
    match path.rsplit('/').next().unwrap() {
        "ContainerStatus" => !v1::ContainerStatusRequest::decode(request).unwrap().verbose,
        "PodSandboxStatus" => !v1::PodSandboxStatusRequest::decode(request).unwrap().verbose,
        _ => false,
    }
}

/// What the request asks for: an id, an image, or nothing.
fn key(path: &str, namespace: Option<&str>, request: &Bytes) -> String {
    let request = request.clone();
    match path.rsplit('/').next().unwrap() {
        "ContainerStatus" => v1::ContainerStatusRequest::decode(request).unwrap().container_id,
        "ListContainers" => {
            v1::ListContainersRequest::decode(request)
                .unwrap()
                .filter
                .unwrap_or_default()
                .id
        }
        "PodSandboxStatus" => v1::PodSandboxStatusRequest::decode(request).unwrap().pod_sandbox_id,
        "ImageStatus" => v1::ImageStatusRequest::decode(request).unwrap().image.unwrap().image,
        "Get" => format!(
            "{}/{}",
            namespace.unwrap(),
            GetContainerRequest::decode(request).unwrap().id
        ),
        _ => String::new(),
    }
}
