//! A container runtime that gives recorded answers, byte for byte, on a real unix socket: for runtimes that no package
//! brings, and for those of hosts that this one is not (cgroup v2 with systemd).
//!
//! Owns the socket and the cgroups that the answers are about. The paths in them are below the lab's own cgroup, as those
//! of a node that itself runs in a cgroup are.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::future::{Future, Ready, ready};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use k8s_cri::v1;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Service, http};
use tonic::{Request, Response, Status};

use super::error::{LabError, Result};
use super::place::Place;
use super::tool;

/// Where the recordings are.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cri");

/// The recorded answers of one runtime, by what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    folder: String,
    version: v1::VersionResponse,
    containers: HashMap<String, (String, Vec<u8>)>,
    sandboxes: HashMap<String, (String, Vec<u8>)>,
    images: Vec<(v1::Image, Vec<u8>)>,
    listed: Option<v1::ListContainersResponse>,
    listed_sandboxes: Option<Vec<u8>>,
    everything: Option<Everything>,
}

/// The recorded answers about one container and its sandbox, given about every other one too, with the ids exchanged:
/// they are as long as each other, so nothing else of a message changes. A container's sandbox has its id backwards.
#[derive(Debug)]
struct Everything {
    container: (String, Vec<u8>),
    sandbox: (String, Vec<u8>),
}

impl Everything {
    fn container(&self, id: &str) -> Option<Vec<u8>> {
        let sandbox: String = id.chars().rev().collect();
        let answer = exchanged(&self.container.1, &self.container.0, id)?;
        exchanged(&answer, &self.sandbox.0, &sandbox)
    }

    fn sandbox(&self, id: &str) -> Option<Vec<u8>> {
        exchanged(&self.sandbox.1, &self.sandbox.0, id)
    }
}

/// A message with another id. Only one of the same length fits.
fn exchanged(message: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    if from.len() != to.len() {
        return None;
    }
    let mut message = message.to_vec();
    let mut at = 0;
    while let Some(part) = message.get_mut(at..at + from.len()) {
        if part == from.as_bytes() {
            part.copy_from_slice(to.as_bytes());
            at += from.len();
        } else {
            at += 1;
        }
    }
    Some(message)
}

impl Recording {
    /// Reads a folder: what the runtime said while everything was as it had been asked for (`-after-…` is left out).
    pub(crate) fn read(folder: &str) -> Result<Self> {
        let mut recording = Self {
            folder: folder.to_owned(),
            version: recorded_version(folder)?,
            ..Self::default()
        };
        let dir = Path::new(FIXTURES).join(folder);
        for entry in fs::read_dir(&dir).map_err(LabError::file("list", &dir))? {
            let path = entry.map_err(LabError::file("list", &dir))?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(stem) = file.strip_suffix(".bin").filter(|stem| !stem.contains("-after-")) else {
                continue;
            };
            let (call, name) = stem.split_once('.').unwrap_or((stem, ""));
            let bytes = fs::read(&path).map_err(LabError::file("read", &path))?;
            match call {
                "ContainerStatus" => {
                    let answer: v1::ContainerStatusResponse = decode(&path, &bytes)?;
                    let id = answer.status.unwrap_or_default().id;
                    recording.containers.insert(id, (name.to_owned(), bytes));
                }
                "PodSandboxStatus" => {
                    let answer: v1::PodSandboxStatusResponse = decode(&path, &bytes)?;
                    let id = answer.status.unwrap_or_default().id;
                    recording.sandboxes.insert(id, (name.to_owned(), bytes));
                }
                "ImageStatus" => {
                    let answer: v1::ImageStatusResponse = decode(&path, &bytes)?;
                    recording.images.extend(answer.image.map(|image| (image, bytes)));
                }
                "ListContainers" if name.is_empty() => recording.listed = Some(decode(&path, &bytes)?),
                "ListPodSandbox" if name.is_empty() => recording.listed_sandboxes = Some(bytes),
                _ => {}
            }
        }
        Ok(recording)
    }

    /// Gives what was recorded of this container, `<pod>.<container>`, and of its pod's sandbox as answers about every id
    /// that was not recorded.
    pub(crate) fn telling_the_same_of_everything(mut self, name: &str) -> Result<Self> {
        let unknown = || LabError::Place {
            why: format!("{} has no container {name} with its sandbox", self.folder),
        };
        let pod = name.split('.').next().unwrap_or(name);
        let (id, (_, container)) = self
            .containers
            .iter()
            .find(|(_, (known, _))| known == name)
            .ok_or_else(unknown)?;
        let (sandbox_id, (_, sandbox)) = self
            .sandboxes
            .iter()
            .find(|(_, (known, _))| known == pod)
            .ok_or_else(unknown)?;
        self.everything = Some(Everything {
            container: (id.clone(), container.clone()),
            sandbox: (sandbox_id.clone(), sandbox.clone()),
        });
        Ok(self)
    }

    /// What is answered about a container, verbosely.
    fn container(&self, id: &str) -> Option<Vec<u8>> {
        let recorded = self.containers.get(id).map(|(_, bytes)| bytes.clone());
        recorded.or_else(|| self.everything.as_ref()?.container(id))
    }

    /// What is answered about a sandbox, verbosely.
    fn sandbox(&self, id: &str) -> Option<Vec<u8>> {
        let recorded = self.sandboxes.get(id).map(|(_, bytes)| bytes.clone());
        recorded.or_else(|| self.everything.as_ref()?.sandbox(id))
    }

    /// The runtime's own name and version.
    pub(crate) fn version(&self) -> &v1::VersionResponse {
        &self.version
    }

    /// The ids of the containers with a recorded status, by `<pod>.<container>`.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.containers.iter().map(|(id, (name, _))| (&**name, &**id))
    }

    /// The ids of the sandboxes with a recorded status, by pod.
    pub(crate) fn sandboxes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sandboxes.iter().map(|(id, (name, _))| (&**name, &**id))
    }

    /// Where the kernel had a process, `/proc/<pid>/cgroup`: the path in the hierarchy of the pids controller, or in the
    /// only one. Absent where it was not recorded.
    pub(crate) fn cgroup(&self, process: &str) -> Option<String> {
        // The same server over the older interface: its processes are in the folder of the newer one.
        let folder = self.folder.strip_suffix("-v1alpha2").unwrap_or(&self.folder);
        let path = Path::new(FIXTURES)
            .join(folder)
            .join(format!("proc-cgroup.{process}.txt"));
        let text = fs::read_to_string(path).ok()?;
        let of = |wanted: &str| {
            text.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                (controllers == wanted).then(|| path.to_owned())
            })
        };
        of("pids").or_else(|| of(""))
    }

    /// The answer to one call. Whatever was not recorded is refused as a runtime that does not have the call refuses it.
    fn answer(&self, path: &str, request: Bytes) -> std::result::Result<Vec<u8>, Status> {
        let unimplemented = || Status::unimplemented(format!("unknown method {path}"));
        let not_found = |id: &str| Status::not_found(format!("an error occurred when try to find {id:?}: not found"));
        let broken = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
        let call = path
            .strip_prefix(&format!("/runtime.{}.", self.version.runtime_api_version))
            .ok_or_else(unimplemented)?;
        match call {
            "RuntimeService/Version" => Ok(self.version.encode_to_vec()),
            "RuntimeService/ContainerStatus" => {
                let request = v1::ContainerStatusRequest::decode(request).map_err(broken)?;
                let bytes = self
                    .container(&request.container_id)
                    .ok_or_else(|| not_found(&request.container_id))?;
                if request.verbose {
                    return Ok(bytes);
                }
                let mut answer = v1::ContainerStatusResponse::decode(&*bytes).map_err(broken)?;
                answer.info.clear();
                Ok(answer.encode_to_vec())
            }
            "RuntimeService/PodSandboxStatus" => {
                let request = v1::PodSandboxStatusRequest::decode(request).map_err(broken)?;
                let bytes = self
                    .sandbox(&request.pod_sandbox_id)
                    .ok_or_else(|| not_found(&request.pod_sandbox_id))?;
                if request.verbose {
                    return Ok(bytes);
                }
                let mut answer = v1::PodSandboxStatusResponse::decode(&*bytes).map_err(broken)?;
                answer.info.clear();
                Ok(answer.encode_to_vec())
            }
            "RuntimeService/ListContainers" => {
                let mut listed = self.listed.clone().ok_or_else(unimplemented)?;
                let filter = v1::ListContainersRequest::decode(request).map_err(broken)?.filter;
                let filter = filter.unwrap_or_default();
                listed
                    .containers
                    .retain(|container| filter.id.is_empty() || container.id == filter.id);
                Ok(listed.encode_to_vec())
            }
            "RuntimeService/ListPodSandbox" => self.listed_sandboxes.clone().ok_or_else(unimplemented),
            "ImageService/ImageStatus" => {
                let asked = v1::ImageStatusRequest::decode(request).map_err(broken)?.image;
                let asked = asked.unwrap_or_default().image;
                let is_meant = |image: &v1::Image| {
                    let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
                    let names = image.repo_tags.iter().chain(&image.repo_digests);
                    asked.strip_prefix("sha256:").unwrap_or(&asked) == id
                        || names.into_iter().any(|name| *name == asked)
                };
                // No image is an empty message, not an error.
                let found = self.images.iter().find(|(image, _)| is_meant(image));
                Ok(found.map_or_else(Vec::new, |(_, bytes)| bytes.clone()))
            }
            _ => Err(unimplemented()),
        }
    }
}

/// The server of a recording, and its cgroups, until it is dropped.
pub(crate) struct Replay {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    place: Place,
}

impl Replay {
    /// Listens, with owner, group and mode as runtimes set them.
    pub(crate) fn start(recording: Arc<Recording>) -> Result<Self> {
        let place = Place::new()?;
        let socket = place.subdir("run")?.join("replay.sock");
        let (stop, stopped) = oneshot::channel();
        let (report, listening) = mpsc::channel();
        let path = socket.clone();
        let thread = std::thread::spawn(move || {
            let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let event_loop = match event_loop.map_err(LabError::file("make an event loop for", &path)) {
                Ok(event_loop) => event_loop,
                Err(error) => return drop(report.send(Err(error))),
            };
            event_loop.block_on(async move {
                let listener = match UnixListener::bind(&path).map_err(LabError::file("listen on", &path)) {
                    Ok(listener) => listener,
                    Err(error) => return drop(report.send(Err(error))),
                };
                let ready = fs::set_permissions(&path, fs::Permissions::from_mode(0o660));
                if report
                    .send(ready.map_err(LabError::file("change the mode of", &path)))
                    .is_err()
                {
                    return;
                }
                let server = tonic::transport::Server::builder()
                    .serve_with_incoming(Answers(recording), UnixListenerStream::new(listener));
                tokio::select! {
                    // It ends by itself when the socket breaks only; the test then misses its answers.
                    result = server => if let Err(error) = result { eprintln!("lab: replay: {error}") },
                    _ = stopped => {}
                }
            });
        });
        listening.recv().map_err(|mpsc::RecvError| LabError::System {
            call: "thread",
            source: nix::Error::EAGAIN,
        })??;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            place,
        })
    }

    /// The path of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().join("run/replay.sock")
    }

    /// The cgroup below which everything of it runs; it goes with the server.
    pub(crate) fn cgroup_root(&self) -> String {
        self.place.cgroup_root()
    }

    /// Runs a program of the machine to its end in a cgroup with this path, and gives its process id.
    pub(crate) fn run_in(&self, cgroup: &str, command: &[&str]) -> Result<u32> {
        let lists = self.place.make_cgroup(cgroup)?;
        let enter = "until [ \"$1\" = -- ]; do echo $$ >\"$1\"; shift; done; shift; echo $$; exec \"$@\"";
        let output = tool::run(
            Command::new("/bin/sh")
                .args(["-ec", enter, "sh"])
                .args(lists)
                .arg("--")
                .args(command),
        )?;
        let said = String::from_utf8_lossy(&output.stdout);
        said.trim().parse().map_err(|_| LabError::Failed {
            command: command.join(" "),
            status: "no process id".to_owned(),
            output: said.into_owned(),
        })
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        // Nobody listens where the server has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        // A panic of the thread has been printed already.
        let _ = self.thread.take().map(JoinHandle::join);
        if let Err(error) = self.place.remove_cgroups() {
            eprintln!("lab: {error}");
        }
    }
}

/// The version that a folder tells, or the folder of the same runtime with other settings.
fn recorded_version(folder: &str) -> Result<v1::VersionResponse> {
    let ends = folder.match_indices('-').map(|(at, _)| at).rev();
    let names = std::iter::once(folder).chain(ends.map(|end| &folder[..end]));
    let file = |name: &str| Path::new(FIXTURES).join(name).join("Version.bin");
    let path = names
        .map(file)
        .find(|path| path.exists())
        .unwrap_or_else(|| file(folder));
    let bytes = fs::read(&path).map_err(LabError::file("read", &path))?;
    decode(&path, &bytes)
}

fn decode<M: Message + Default>(path: &Path, bytes: &[u8]) -> Result<M> {
    let broken = |error: prost::DecodeError| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    M::decode(bytes).map_err(|error| LabError::file("decode", path)(broken(error)))
}

/// Every method of every service, from the recording.
#[derive(Debug, Clone)]
struct Answers(Arc<Recording>);

impl Service<http::Request<Body>> for Answers {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method {
            path: request.uri().path().to_owned(),
            recording: Arc::clone(&self.0),
        };
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(method, request).await) })
    }
}

struct Method {
    path: String,
    recording: Arc<Recording>,
}

impl Service<Request<Bytes>> for Method {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Ready<std::result::Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let answer = self.recording.answer(&self.path, request.into_inner());
        ready(answer.map(|bytes| Response::new(bytes.into())))
    }
}

/// Messages as they are.
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

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> std::result::Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> std::result::Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
